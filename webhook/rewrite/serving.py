"""Which mapping serves a resource name in a namespace (contract 1: priority, conflicts)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from webhook.core.cluster import NAME_LABEL, ClusterView
from webhook.core.mappings import LegacyMapping, MappedResource, MappingMode, is_extended

DEFAULT_NAMESPACE = "default"

MOST_NAMES = 512
"""How many names of extended resources are looked at in one pod; no pod that a node could take has as many."""


@dataclass(frozen=True, slots=True)
class Served:
    """A resource name as a mapping serves it; `captured` is what the mapping's pattern caught of the name."""

    name: str
    mapping: LegacyMapping
    resource: MappedResource
    captured: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Mappings of equal priority that serve the same name: neither applies."""

    name: str
    mappings: tuple[str, ...]


def serve(name: str, mappings: Iterable[LegacyMapping], *, any_mode: bool = False) -> Served | Conflict | None:
    """Return how a name is served; the highest priority wins, and a mapping that is Off then serves nothing.

    With `any_mode` modes do not count, but one that is Off yields to its equals.
    """
    found = [Served(name, mapping, *hit) for mapping in mappings if not mapping.misfits and (hit := mapping.find(name))]
    if not found:
        return None
    highest = max(served.mapping.priority for served in found)
    top = [served for served in found if served.mapping.priority == highest]
    active = [served for served in top if served.mapping.mode is not MappingMode.OFF]
    if not active and any_mode:
        active = top
    if len(active) > 1:
        return Conflict(name, tuple(sorted(served.mapping.name for served in active)))
    return active[0] if active else None


def labels_of(view: ClusterView, namespace: str) -> Mapping[str, str] | None:
    """Return the labels of a namespace; None where they cannot be known.

    The namespace `default` is everywhere, and where no cluster was given, or one that names no namespace at all,
    nothing speaks against this one: then its name is all that is known.
    """
    labels = view.namespace_labels(namespace)
    if labels is None and (not view.given or not view.namespaces or namespace == DEFAULT_NAMESPACE):
        return {NAME_LABEL: namespace}
    return labels


def selecting(mappings: Iterable[LegacyMapping], labels: Mapping[str, str]) -> tuple[LegacyMapping, ...]:
    return tuple(mapping for mapping in mappings if mapping.namespace_selector.matches(labels))


def unserved(names: Iterable[str], namespace: str, view: ClusterView) -> tuple[str, ...]:
    """Return the extended resources among names that no mapping serves in a namespace, whatever its mode; sorted."""
    mappings = selecting(view.mappings.values(), labels_of(view, namespace) or {})
    found = {name for name in names if is_extended(name) and serve(name, mappings, any_mode=True) is None}
    return tuple(sorted(found))
