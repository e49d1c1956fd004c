"""What the whole cluster says about resource names, found once for each state of it and not for each pod."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from webhook.core.cluster import ClusterView, LimitRange, Node, ResourceQuota
from webhook.core.devices import DeviceClass

Fact = TypeVar("Fact")
_KEPT = 4


class _Known(Generic[Fact]):
    """Remembers what was found in the maps seen last; views share a map as long as nothing in it has changed."""

    def __init__(self, find: Callable[[Mapping[Any, Any]], Fact]) -> None:
        self._find = find
        self._kept: list[tuple[Mapping[Any, Any], Fact]] = []

    def of(self, source: Mapping[Any, Any]) -> Fact:
        for kept, fact in self._kept:
            if kept is source:
                return fact
        fact = self._find(source)
        self._kept = [(source, fact), *self._kept[: _KEPT - 1]]
        return fact


def _offered(nodes: Mapping[str, Node]) -> Mapping[str, str]:
    """Return each resource name that a node has above zero, with the name of such a node."""
    return {
        name: node.name for node in nodes.values() for name, amount in node.allocatable.items() if amount.amount > 0
    }


def _served(classes: Mapping[str, DeviceClass]) -> Mapping[str, str]:
    return {found.extended_resource_name: found.name for found in classes.values() if found.extended_resource_name}


def _quotas(quotas: Mapping[Any, ResourceQuota]) -> Mapping[str, tuple[ResourceQuota, ...]]:
    return _by_namespace(quotas, lambda quota: quota.namespace)


def _ranges(ranges: Mapping[Any, LimitRange]) -> Mapping[str, tuple[LimitRange, ...]]:
    return _by_namespace(ranges, lambda limit_range: limit_range.namespace)


def _by_namespace(objects: Mapping[Any, Fact], namespace: Callable[[Fact], str]) -> Mapping[str, tuple[Fact, ...]]:
    found: dict[str, list[Fact]] = {}
    for value in objects.values():
        found.setdefault(namespace(value), []).append(value)
    return {name: tuple(values) for name, values in found.items()}


_OFFERED, _SERVED, _QUOTAS, _RANGES = _Known(_offered), _Known(_served), _Known(_quotas), _Known(_ranges)


def offering_node(view: ClusterView, name: str) -> str:
    """Return a node that offers a resource by a device plugin; empty where none does."""
    return _OFFERED.of(view.nodes).get(name, "")


def serving_class(view: ClusterView, name: str) -> str:
    """Return a DeviceClass that has the extended resource name; empty where none has."""
    return _SERVED.of(view.device_classes).get(name, "")


def resource_quotas(view: ClusterView, namespace: str) -> tuple[ResourceQuota, ...]:
    return _QUOTAS.of(view.resource_quotas).get(namespace, ())


def limit_ranges(view: ClusterView, namespace: str) -> tuple[LimitRange, ...]:
    return _RANGES.of(view.limit_ranges).get(namespace, ())
