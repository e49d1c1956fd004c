"""What a request would have to ask less of, beside its selectors: an amount, a taint, a count; each change is tried."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from webhook.core.capacities import qualified
from webhook.core.claims import Alternative, CapacityRequest, Toleration
from webhook.core.device import Device, Make, Taint
from webhook.core.finding import Edit, Fix, Json
from webhook.core.quantity import Quantity
from webhook.inventory.case import Case
from webhook.inventory.consumed import Arithmetic, arithmetic_of, asked_of, can_serve, largest
from webhook.inventory.funnel import CAPACITY, TAINTS, Funnel, Step, funnel_of, together
from webhook.inventory.inventory import inventory_of
from webhook.inventory.outcomes import numbers
from webhook.inventory.taints import hindering, written

_MOST_TRIED: Final = 200  # makes of device


@dataclass(frozen=True, slots=True)
class _Change:
    """Another alternative, with what is said of each thing that was changed, and the edits that write it."""

    alternative: Alternative
    said: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()

    def then(self, other: "_Change") -> "_Change":
        return _Change(other.alternative, (*self.said, *other.said), (*self.edits, *other.edits))


def relaxations(case: Case, funnel: Funnel) -> Iterator[Fix]:
    """Yield the smallest change of amounts, tolerations and count with which some node has enough devices.

    It is for requests whose selectors leave some device; where these leave none, see `changes`.
    """
    if funnel.problem or any(funnel.fits(count) for _, count in funnel.nodes):
        return
    change = _Change(funnel.alternative)
    if not funnel.matched or funnel.takes_all:
        narrow = [step for step in funnel.steps if step.label in (CAPACITY, TAINTS)]
        makes = _makes(case, [step for step in funnel.steps if step not in narrow])
        found = _of_all if funnel.takes_all else _of_devices
        made = found(case, funnel.alternative, makes, {step.label for step in narrow})
        if made is None:
            return
        change = made
    relaxed = funnel if change.alternative is funnel.alternative else funnel_of(case, change.alternative)
    if relaxed is None or not relaxed.matched:
        return
    if not any(relaxed.fits(count) for _, count in relaxed.nodes):
        fewer = _fewer(relaxed)
        if fewer is None:
            return
        change = change.then(fewer)
        relaxed = funnel_of(case, change.alternative)
    if relaxed is not None and any(relaxed.fits(count) for _, count in relaxed.nodes):
        devices = "1 device matches" if relaxed.matched == 1 else f"{relaxed.matched} devices match"
        yield Fix(f"{'; '.join(change.said)}: {devices}", edits=change.edits)


def _makes(case: Case, steps: Sequence[Step]) -> Mapping[Make, Device]:
    """Return a device of each make of those that meet the steps."""
    devices = inventory_of(case.view).devices
    found: dict[Make, Device] = {}
    for number in numbers(together(steps)):
        found.setdefault(devices[number].make, devices[number])
        if len(found) == _MOST_TRIED:
            break
    return found


def _of_devices(
    case: Case, alternative: Alternative, makes: Mapping[Make, Device], narrow: Collection[str]
) -> _Change | None:
    """Return the change that gives up least for some device."""
    arithmetic = arithmetic_of(case.view.server)
    best: tuple[tuple[int, Fraction], _Change] | None = None
    for device in makes.values():
        change, lost = _Change(alternative), Fraction(0)
        if CAPACITY in narrow and not can_serve(device, alternative, arithmetic):
            made = _less(device, alternative, arithmetic)
            if made is None:
                continue
            change, lost = made
        if TAINTS in narrow and (taints := hindering(device, change.alternative)):
            change = change.then(_tolerating(change.alternative, taints))
        rank = (len(change.said), lost)
        if change.said and (best is None or rank < best[0]):
            best = rank, change
    return None if best is None else best[1]


def _of_all(
    case: Case,  # noqa: ARG001 - one shape for both
    alternative: Alternative,
    makes: Mapping[Make, Device],
    narrow: Collection[str],
) -> _Change | None:
    """Return the tolerations without which one tainted device keeps the others away from who asks for all."""
    taints = dict.fromkeys(taint for device in makes.values() for taint in hindering(device, alternative))
    return _tolerating(alternative, tuple(taints)) if taints and TAINTS in narrow else None


def _less(device: Device, alternative: Alternative, arithmetic: Arithmetic) -> tuple[_Change, Fraction] | None:
    """Return the largest amounts that the device gives, with the share that is given up; None where it gives none."""
    asked = asked_of(alternative, device.driver)
    lost = Fraction(0)
    kept, said, edits = [], [], []
    for entry in alternative.capacity:
        name = qualified(entry.name, device.driver)
        capacity = device.capacity.get(name)
        if capacity is None:
            said.append(f"leave `{entry.name}` out of the capacity")
            edits.append(Edit(entry.path, None))
            lost += 1
            continue
        most = largest(capacity, arithmetic)
        if asked[name] <= most or most <= 0:
            kept.append(entry)
            continue
        amount = Quantity(most, capacity.value.format)
        said.append(f"ask for '{amount}' of `{entry.name}` instead of '{entry.quantity}'")
        edits.append(Edit(entry.path, str(amount)))
        kept.append(CapacityRequest(entry.name, amount, entry.path))
        lost += 1 - most / asked[name]
    changed = replace(alternative, capacity=tuple(kept))
    if not said or not can_serve(device, changed, arithmetic):
        return None
    return _Change(changed, tuple(said), tuple(edits)), lost


def _tolerating(alternative: Alternative, taints: Sequence[Taint]) -> _Change:
    """Return the change by tolerations that fit the taints, beside those that are there."""
    path = alternative.path.child("tolerations")
    added = tuple(
        Toleration(taint.key, "Equal" if taint.value else "Exists", taint.value, taint.effect, path.index(position))
        for position, taint in enumerate(taints, start=len(alternative.tolerations))
    )
    tolerations = (*alternative.tolerations, *added)
    told = " and ".join(f"'{written(taint)}'" for taint in taints)
    return _Change(
        replace(alternative, tolerations=tolerations),
        (f"tolerate {told}",),
        (Edit(path, [_as_written(toleration) for toleration in tolerations]),),
    )


def _as_written(toleration: Toleration) -> Json:
    fields: dict[str, Json] = {
        "key": toleration.key,
        "operator": toleration.operator,
        "value": toleration.value,
        "effect": toleration.effect,
        "tolerationSeconds": toleration.seconds,
    }
    return {name: value for name, value in fields.items() if value not in ("", None)}


def _fewer(funnel: Funnel) -> _Change | None:
    """Return the change to the most that one node has; None where it asks for all."""
    most = max((count for _, count in funnel.nodes), default=0)
    if funnel.takes_all or not most:
        return None
    path = funnel.alternative.path.child("count")
    return _Change(
        replace(funnel.alternative, count=most),
        (f"ask for {most} instead of {funnel.enough}, the most on one node",),
        (Edit(path, most),),
    )
