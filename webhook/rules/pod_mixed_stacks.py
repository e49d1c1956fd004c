"""pod-mixed-stacks: one pod asks for the same kind of device in limits, of a device plugin, and by a claim."""

from collections.abc import Iterator, Mapping

from webhook.core.claims import Alternative
from webhook.core.cluster import ClusterView, Node
from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Fix, Severity
from webhook.core.mappings import MainResource, is_extended
from webhook.core.quantity import parse_quantity
from webhook.core.versions import EXTENDED_RESOURCE
from webhook.inventory.names import drivers_of
from webhook.inventory.pod_case import PodCase

NAME = "pod-mixed-stacks"
_NOTHING = parse_quantity("0")


def check(case: PodCase) -> Iterator[Finding]:
    asked = _asked_of_plugins(case) if case.pod.claims else {}
    for name, path in asked.items():
        if case.expired():
            return
        claimed = _claimed_as_well(case, name)
        if claimed:
            yield Finding(
                rule=NAME,
                severity=Severity.WARN,
                path=path,
                message=f"claim '{claimed}' asks for such devices as well",
                why="limits ask a device plugin; a node with both may give a device twice, others cannot serve the pod",
                fixes=(Fix("use claims alone: try `drawbridge migrate`"),),
            )


def _asked_of_plugins(case: PodCase) -> Mapping[str, FieldPath]:
    """Return the extended resources that are asked of device plugins, with the first place of each."""
    found: dict[str, FieldPath] = {}
    for container in case.pod.containers:
        for name, amount in container.limits.items():
            is_asked = is_extended(name) and name not in case.moving and name not in found and _is_something(amount)
            if is_asked and not _is_served_by_scheduler(case.view, name):
                found[name] = container.path.child("resources", "limits").key(name)
    return found


def _is_something(amount: object) -> bool:
    try:
        return isinstance(amount, str | int) and parse_quantity(amount) > _NOTHING
    except ValueError:
        return False


def _is_served_by_scheduler(view: ClusterView, name: str) -> bool:
    """Return whether DRA serves the name where no device plugin does (KEP-5004)."""
    if view.server.gate(EXTENDED_RESOURCE) is False:
        return False
    is_served = any(found.extended_resource_name == name for found in view.device_classes.values())
    return is_served and not any(_offers(node, name) for node in view.nodes.values())


def _offers(node: Node, name: str) -> bool:
    return name in node.allocatable and node.allocatable[name] > _NOTHING


def _claimed_as_well(case: PodCase, name: str) -> str:
    """Return a claim of the pod that asks for what the name stands for; empty where none does."""
    classes = {
        hit[0].device_class_name
        for mapping in case.view.mappings.values()
        if not mapping.misfits and (hit := mapping.find(name)) and isinstance(hit[0], MainResource)
    }
    for entry in case.pod.claims:
        claim = case.claim_of(entry)
        for alternative in claim.alternatives() if claim else ():
            if alternative.device_class_name in classes or _is_of_kind(name, _drivers(case.view, alternative)):
                return entry.name
    return ""


def _drivers(view: ClusterView, alternative: Alternative) -> frozenset[str]:
    """Return the drivers of a request; where none is known, its class is taken to have its driver's name."""
    return drivers_of(view, alternative) or frozenset({alternative.device_class_name})


def _is_of_kind(name: str, drivers: frozenset[str]) -> bool:
    """Return whether a driver is called after what a device plugin's resource is called after.

    `nvidia.com/gpu` is `gpu.nvidia.com`, and so is a partition of it; it is no `compute-domain.nvidia.com`, whose
    channels go together with the devices of a plugin.
    """
    domain, _, kind = name.partition("/")
    word = kind.partition(".")[0].partition("-")[0]
    called = {domain, f"{word}.{domain}"} | ({f"gpu.{domain}"} if word == "mig" else set())
    return not called.isdisjoint(drivers)
