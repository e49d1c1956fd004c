"""request-toleration-unknown: a toleration that fits no taint, while matching devices have taints that hinder."""

from collections.abc import Iterator

from webhook.core.claims import Alternative, Toleration
from webhook.core.device import Taint
from webhook.core.finding import Edit, Finding, Fix, Severity
from webhook.inventory.case import Case
from webhook.inventory.offers import matched
from webhook.inventory.taints import are_judged, hindering, meant, tolerates, written

NAME = "request-toleration-unknown"
_MOST_SHOWN = 3


def check(case: Case) -> Iterator[Finding]:
    if not are_judged(case):
        return
    for alternative in case.alternatives():
        if alternative.tolerations:
            yield from _idle(case, alternative)


def _idle(case: Case, alternative: Alternative) -> Iterator[Finding]:
    """Yield the tolerations that fit no taint of the devices that match: near misses, and those that leave none free.

    Taints come and go, so a toleration of one that is not there now is no mistake by itself.
    """
    present: dict[Taint, None] = {}
    hinders: dict[Taint, None] = {}
    some_are_free = False
    for device, _ in matched(case, alternative).devices(case.expired):
        taints = hindering(device, alternative)
        present.update(dict.fromkeys(device.taints))
        hinders.update(dict.fromkeys(taints))
        some_are_free |= not taints
    if not hinders or case.expired():
        return
    for toleration in alternative.tolerations:
        near = meant(toleration, hinders)
        if (near or not some_are_free) and not any(tolerates(toleration, taint) for taint in present):
            yield _finding(toleration, near, hinders)


def _finding(toleration: Toleration, near: Taint | None, hinders: dict[Taint, None]) -> Finding:
    told = sorted(map(written, hinders))
    more = f" and {len(told) - _MOST_SHOWN} more" if len(told) > _MOST_SHOWN else ""
    there = ", ".join(f"'{text}'" for text in told[:_MOST_SHOWN]) + more
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=toleration.path,
        message=f"no match has a taint '{_asked(toleration)}'",
        why=f"not tolerated is {there}",
        fixes=(_fix(toleration, near) if near else Fix("name the key, value and effect of a taint that is there"),),
    )


def _asked(toleration: Toleration) -> str:
    value = "" if toleration.operator == "Exists" else f"={toleration.value}"
    return f"{toleration.key}{value}" + (f":{toleration.effect}" if toleration.effect else "")


def _fix(toleration: Toleration, near: Taint) -> Fix:
    """Return the edits that make the toleration fit the taint which it misses."""
    path = toleration.path
    edits = [Edit(path.child("key"), near.key)] if toleration.key != near.key else []
    if toleration.operator == "Equal" and toleration.value != near.value:
        edits.append(Edit(path.child("value"), near.value))
    if toleration.effect and toleration.effect != near.effect:
        edits.append(Edit(path.child("effect"), near.effect))
    return Fix(f"did you mean '{written(near)}'?", edits=tuple(edits))
