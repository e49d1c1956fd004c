"""request-unknown-class: a request names a DeviceClass that the cluster does not have."""

from collections.abc import Iterable, Iterator

from webhook.core.claims import Alternative
from webhook.core.cluster import ClusterView
from webhook.core.finding import Edit, Finding, Fix, Reason, Severity
from webhook.core.suggest import MOST_SUGGESTIONS, explains, nearest
from webhook.inventory.case import Case
from webhook.inventory.inventory import inventory_of
from webhook.inventory.matching import accepting
from webhook.inventory.unknown import listing

NAME = "request-unknown-class"
_IMPLICIT = "deviceclass.resource.kubernetes.io/"


def check(case: Case) -> Iterator[Finding]:
    if not case.view.given:
        return
    for alternative in case.alternatives():
        name = alternative.device_class_name
        if case.expired():
            return
        if name and name not in case.view.device_classes:
            yield Finding(
                rule=NAME,
                severity=Severity.WARN,
                path=alternative.path.child("deviceClassName"),
                message=f"device class '{name}' does not exist",
                fixes=tuple(_fixes(case.view, alternative)),
                reason=Reason.NOT_FOUND,
            )


def _fixes(view: ClusterView, alternative: Alternative) -> Iterator[Fix]:
    """Yield the classes that may be meant, those from which the request would get a device first."""
    name = alternative.device_class_name
    meant = tuple(dict.fromkeys((*_of_extended_resource(view, name), *nearest(name, view.device_classes))))
    helpful = [candidate for candidate in meant if _helps(view, candidate, alternative)]
    path = alternative.path.child("deviceClassName")
    for candidate in helpful[:MOST_SUGGESTIONS]:
        yield Fix(f"did you mean '{candidate}'?", edits=(Edit(path, candidate),))
    slips = [] if helpful else [candidate for candidate in meant if _is_meant(view, candidate, name)]
    for candidate in slips[:MOST_SUGGESTIONS]:
        yield Fix(f"did you mean '{candidate}'? No device of it is accepted by the selectors of the request")
    if not helpful and not slips:
        there = f"the cluster has {listing(view.device_classes)}" if view.device_classes else "it has none"
        yield Fix(f"create the class, or name one that exists: {there}")


def _is_meant(view: ClusterView, candidate: str, name: str) -> bool:
    """Return whether the class is meant although it does not help: by a slip of the pen, or the resource's name."""
    return explains(candidate, name) or candidate in _of_extended_resource(view, name)


def _of_extended_resource(view: ClusterView, name: str) -> Iterable[str]:
    """Return the classes that serve a resource name of containers' limits (KEP-5004), or are called like it."""
    if name.startswith(_IMPLICIT):
        return [name.removeprefix(_IMPLICIT)] if name.removeprefix(_IMPLICIT) in view.device_classes else ()
    domain, slash, resource = name.partition("/")
    turned = [f"{resource}.{domain}"] if slash and f"{resource}.{domain}" in view.device_classes else []
    return sorted(known.name for known in view.device_classes.values() if known.extended_resource_name == name) + turned


def _helps(view: ClusterView, candidate: str, alternative: Alternative) -> bool:
    """Return whether the request would get a device of the class; true where the class has none to judge by."""
    inventory, of_class = inventory_of(view), view.device_classes[candidate].selectors
    if not accepting(view, inventory, of_class):
        return True
    return bool(accepting(view, inventory, (*of_class, *alternative.selectors)))
