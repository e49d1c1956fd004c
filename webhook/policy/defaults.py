"""The typed defaults of policies: what a claim or template is given where it says nothing itself.

They are made on the JSON as received, so that every version keeps its shape and unknown fields survive; a claim that
has been given its defaults is given nothing more.
"""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from webhook.core.claims import Alternative, Claim, Toleration
from webhook.core.patch import Operation, difference
from webhook.core.policies import (
    DefaultCapacity,
    DefaultLabel,
    DefaultToleration,
    PolicyDefault,
    PolicyMode,
)
from webhook.core.raw import RawObject
from webhook.inventory.case import Case
from webhook.inventory.offers import able, takes_capacity
from webhook.policy.case import PolicyCase
from webhook.policy.compile import CompiledPolicy
from webhook.policy.judge import concerns

_SEPARATOR = "/"


@dataclass(frozen=True, slots=True)
class Defaulted:
    """The patch that gives an object its defaults, and the policies that asked for them."""

    patch: tuple[Operation, ...] = ()
    policies: tuple[str, ...] = ()


def defaulted(policies: Iterable[CompiledPolicy], case: PolicyCase) -> Defaulted:
    """Return the defaults of the policies that concern the object, in the order of their names: the first one wins.

    A policy in mode Audit gives none, nor one from which the object is excepted, nor one whose conditions end in an
    error: validation tells of that.
    """
    wanted = [one for one in policies if one.works and one.policy.defaults]
    if case.claim is None or not wanted:
        return Defaulted()
    made: RawObject = deepcopy(dict(case.raw))
    names = []
    for compiled in wanted:
        if compiled.policy.mode is not PolicyMode.AUDIT and concerns(compiled, case):
            before = deepcopy(made)
            for default in compiled.policy.defaults:
                _give(default, case, case.claim, made)
            if made != before:
                names.append(compiled.policy.name)
    return Defaulted(difference(case.raw, made), tuple(names))


def _give(default: PolicyDefault, case: PolicyCase, claim: Claim, made: Any) -> None:
    match default:
        case DefaultLabel(key, value):
            metadata = _inside(made, "metadata")
            labels = None if metadata is None else _inside(metadata, "labels")
            if labels is not None:
                labels.setdefault(key, value)
        case DefaultToleration(toleration):
            for _, raw in _alternatives(claim, made):
                _tolerate(toleration, raw)
        case DefaultCapacity():
            about = Case(claim, case.namespace, case.view, case.expired, case.raw)
            if takes_capacity(about):
                for alternative, raw in _alternatives(claim, made):
                    if _is_shared(about, alternative, default.name):
                        _ask(default, raw)


def _alternatives(claim: Claim, made: Any) -> Iterator[tuple[Alternative, dict[str, Any]]]:
    """Yield each alternative with its object in what is made."""
    for alternative in claim.alternatives():
        found: Any = made
        for step in alternative.path.steps:
            found = found[step]
        yield alternative, found


def _inside(raw: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return the object at a field, made where there is none; None where something else is there."""
    if raw.get(name) is None:
        raw[name] = {}
    found = raw[name]
    return found if isinstance(found, dict) else None


def _tolerate(toleration: Toleration, raw: dict[str, Any]) -> None:
    """Add the toleration, unless the request says something of that taint, or tolerates every one."""
    listed = raw.get("tolerations") or []
    if not isinstance(listed, list):
        return
    for entry in listed:
        if not isinstance(entry, dict) or entry.get("key") in (None, "", toleration.key):
            return
    written = {
        "key": toleration.key,
        "operator": toleration.operator,
        "value": toleration.value,
        "effect": toleration.effect,
    }
    raw["tolerations"] = [*listed, {name: value for name, value in written.items() if value}]


def _is_shared(case: Case, alternative: Alternative, name: str) -> bool:
    """Return whether a device that the request may get is shared and publishes the capacity."""
    return any(
        device.allow_multiple_allocations and any(_bare(held) == _bare(name) for held in device.capacity)
        for device, _ in able(case, alternative).devices(case.expired)
    )


def _ask(default: DefaultCapacity, raw: dict[str, Any]) -> None:
    """Ask for the capacity, unless the request does under either of its names."""
    capacity = _inside(raw, "capacity")
    requests = None if capacity is None else _inside(capacity, "requests")
    if requests is not None and not any(_bare(asked) == _bare(default.name) for asked in requests):
        requests[default.name] = default.written


def _bare(name: str) -> str:
    return name.rpartition(_SEPARATOR)[2]
