"""request-capacity-exclusive: capacity asked of devices that are not shared, which a claim takes whole."""

from collections.abc import Iterator

from webhook.core.claims import Alternative
from webhook.core.finding import Finding, Fix, Severity
from webhook.inventory.case import Case
from webhook.inventory.inventory import inventory_of
from webhook.inventory.matching import accepting
from webhook.inventory.offers import accepted, devices, serving, takes_capacity

NAME = "request-capacity-exclusive"


def check(case: Case) -> Iterator[Finding]:
    if not takes_capacity(case):
        return
    for alternative in case.alternatives():
        if alternative.capacity and _takes_whole(case, alternative):
            yield Finding(
                rule=NAME,
                severity=Severity.WARN,
                path=alternative.path.child("capacity"),
                message="no match is a shared device: the claim takes it whole",
                why="of a device without `allowMultipleAllocations` an amount only says what it must have at least",
                fixes=tuple(_fixes(case, alternative)),
            )


def _takes_whole(case: Case, alternative: Alternative) -> bool:
    """Return whether devices could serve the request, and none of them is shared."""
    able = serving(case, alternative, accepted(case, alternative) or ())
    alone = bool(able) and not any(device.allow_multiple_allocations for device in devices(case, able or ()))
    return alone and not case.expired()


def _fixes(case: Case, alternative: Alternative) -> Iterator[Fix]:
    shared = _class_with_shares(case, alternative)
    if shared:
        yield Fix(f"devices of the class '{shared}' are shared: name that one for a share")
    yield Fix("leave `capacity` out, or compare device.capacity in a selector, if whole devices are meant")


def _class_with_shares(case: Case, alternative: Alternative) -> str:
    """Return the first class whose shared devices could serve the request; empty where there is none."""
    view, inventory = case.view, inventory_of(case.view)
    for name in sorted(view.device_classes):
        selectors = (*view.device_classes[name].selectors, *alternative.selectors)
        numbers = accepting(view, inventory, selectors) if not case.expired() else None
        shared = (n for n in numbers or () if inventory.devices[n].allow_multiple_allocations)
        if serving(case, alternative, shared):
            return name
    return ""
