"""request-capacity-exclusive: capacity asked of devices that are not shared, which a claim takes whole."""

from collections.abc import Iterator
from dataclasses import replace

from webhook.core.claims import Alternative
from webhook.core.finding import Finding, Fix, Severity
from webhook.inventory.case import Case
from webhook.inventory.offers import able, takes_capacity

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
    found = able(case, alternative)
    shared = any(device.allow_multiple_allocations for device, _ in found.devices(case.expired))
    return bool(found) and not shared and not case.expired()


def _fixes(case: Case, alternative: Alternative) -> Iterator[Fix]:
    shared = _class_with_shares(case, alternative)
    if shared:
        yield Fix(f"devices of the class '{shared}' are shared: name that one for a share")
    yield Fix("leave `capacity` out, or compare device.capacity in a selector, if whole devices are meant")


def _class_with_shares(case: Case, alternative: Alternative) -> str:
    """Return the first class whose devices that could serve the request are all shared and of the drivers meant."""
    meant = {device.driver for device, _ in able(case, alternative).devices(case.expired)}
    for name in sorted(case.view.device_classes):
        found = able(case, replace(alternative, device_class_name=name))
        devices = [device for device, _ in found.devices(case.expired)]
        if case.expired():
            return ""
        if devices and all(device.allow_multiple_allocations and device.driver in meant for device in devices):
            return name
    return ""
