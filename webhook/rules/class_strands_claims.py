"""class-strands-claims: a change of a DeviceClass's selectors after which claims that wait match no device any more."""

from collections.abc import Iterable, Iterator

from webhook.core.claims import Alternative, Claim, DeviceRequest, Selector
from webhook.core.devices import DeviceClass
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Fix, Severity
from webhook.inventory.case import Case
from webhook.inventory.inventory import inventory_of
from webhook.inventory.matching import accepting

NAME = "class-strands-claims"


def check(case: Case) -> Iterator[Finding]:
    subject, before = case.subject, case.before
    if not isinstance(subject, DeviceClass) or before is None or _texts(subject) == _texts(before):
        return
    stranded = sorted(_stranded(case, before, subject))
    if stranded:
        first = f"'{stranded[0]}'"
        others = f" and {len(stranded) - 1} more claims that wait match" if len(stranded) > 1 else " waits, and matches"
        yield Finding(
            rule=NAME,
            severity=Severity.WARN,
            path=ROOT.child("spec", "selectors"),
            message=f"{first}{others} no device any more",
            why="a claim is matched by its class as it is when the claim is allocated",
            fixes=(Fix("let the new selectors accept what these claims ask for, or delete the claims first"),),
        )


def _texts(device_class: DeviceClass) -> tuple[str, ...]:
    return tuple(selector.expression for selector in device_class.selectors)


def _stranded(case: Case, before: DeviceClass, after: DeviceClass) -> Iterator[str]:
    for claim in case.view.claims.values():
        if case.expired():
            return
        if claim.allocated is None and any(_loses(case, one, before, after) for one in _concerned(claim, after.name)):
            yield f"{claim.metadata.namespace}/{claim.metadata.name}"


def _concerned(claim: Claim, name: str) -> Iterator[DeviceRequest]:
    for device_request in claim.requests:
        if any(alternative.device_class_name == name for alternative in device_request.alternatives):
            yield device_request


def _loses(case: Case, device_request: DeviceRequest, before: DeviceClass, after: DeviceClass) -> bool:
    """Return whether some alternative had a device, and none of them has one any more."""
    had = [_has_device(case, alternative, before) for alternative in device_request.alternatives]
    has = (_has_device(case, alternative, after) for alternative in device_request.alternatives)
    return True in had and all(answer is False for answer in has)


def _has_device(case: Case, alternative: Alternative, changed: DeviceClass) -> bool | None:
    """Return whether a device matches, with the one class in the given state; None where that cannot be told."""
    name = alternative.device_class_name
    device_class = changed if name == changed.name else case.view.device_classes.get(name)
    if device_class is None:
        return None
    selectors: Iterable[Selector] = (*device_class.selectors, *alternative.selectors)
    found = accepting(case.view, inventory_of(case.view), selectors)
    return None if found is None else bool(found)
