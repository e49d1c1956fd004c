"""mapping-conflict: two LegacyMappings serve one resource name in one namespace, and no priority decides."""

from collections.abc import Iterator

from webhook.core.cluster import ClusterView
from webhook.core.finding import Finding, Fix, Severity
from webhook.core.mappings import LegacyMapping, MappedResource, MappingMode

NAME = "mapping-conflict"


def findings(mapping: LegacyMapping, view: ClusterView) -> Iterator[Finding]:
    """Yield each resource that another mapping of the same priority serves too: neither would apply (contract 1)."""
    if mapping.mode is MappingMode.OFF:
        return
    for other in view.mappings.values():
        if other.name == mapping.name or other.priority != mapping.priority:
            continue
        if other.mode is MappingMode.OFF or other.misfits:
            continue  # it serves nothing
        if not _meet(mapping, other, view):
            continue
        for resource in mapping.resources:
            name = _common(resource, other)
            if name:
                message = f"mapping '{other.name}' serves '{name}' with the same priority {other.priority}"
                fix = Fix("give one of them a higher `priority`, or namespace selectors that do not meet")
                why = "neither of them applies then, and pods that ask for it are left alone"
                yield Finding(NAME, Severity.DENY, resource.path, message, (fix,), why=why, permitted=False)


def _meet(one: LegacyMapping, other: LegacyMapping, view: ClusterView) -> bool:
    """Return whether some namespace is selected by both; equal selectors always meet."""
    if one.namespace_selector == other.namespace_selector:
        return True
    known = view.namespaces.values()
    return any(
        one.namespace_selector.matches(namespace.labels) and other.namespace_selector.matches(namespace.labels)
        for namespace in known
    )


def _common(resource: MappedResource, other: LegacyMapping) -> str:
    """Return the name, or the pattern, that both serve; empty where none is certain."""
    if resource.name:
        return resource.name if other.find(resource.name) is not None else ""
    pattern = resource.pattern
    if pattern is None:
        return ""  # neither a name nor a pattern is a misfit, which is told elsewhere
    for theirs in other.resources:
        if theirs.name and pattern.match(theirs.name) is not None:
            return theirs.name
        if theirs.pattern is not None and theirs.pattern.source == pattern.source:
            return pattern.source
    return ""
