"""Which templates follow from what a pod says it asked for: what the controller makes, and nothing else.

A forged annotation gains nothing: a template is only derived where a mapping of the pod's namespace yields it for a
legacy limit, and its name is the hash of what was derived.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from webhook.core.cluster import ClusterView
from webhook.core.mappings import LegacyMapping
from webhook.core.pods import Container, Pod, parse_pod
from webhook.core.raw import EMPTY, RawObject
from webhook.rewrite.asks import Selectors, UnusableQuantityError, needs_of
from webhook.rewrite.labels import Condition, conditions, translate
from webhook.rewrite.original import ANNOTATION, Original, parse_original
from webhook.rewrite.serving import MOST_NAMES, Served, labels_of, selecting, serve
from webhook.rewrite.templates import MOST_DEVICES, PREFIX, Shape, Template, make_template

_MOST_CANDIDATES = 4096
"""What one pod may make the controller try; a real pod has a few dozen."""


@dataclass(frozen=True, slots=True)
class Derived:
    """The generated templates that a pod refers to, by name, and the names that do not follow from its annotation."""

    templates: Mapping[str, Template]
    underivable: tuple[str, ...] = ()


def derive(pod: RawObject, namespace: str, view: ClusterView) -> Derived:
    """Return the templates of a pod's `drawbridge-*` references, each verified singly (contract 6.4).

    Reason codes and modes do not count: they were admission's. A mapping's previous generation counts as well, for
    pods that were admitted just before it changed.
    """
    wanted = referenced(parse_pod(pod))
    if not wanted:
        return Derived({})
    original = original_of(pod)
    found = {} if original is None else _found(pod, original, namespace, view, set(wanted))
    return Derived(found, tuple(name for name in wanted if name not in found))


def referenced(pod: Pod) -> tuple[str, ...]:
    """Return the names of generated templates that a pod refers to, each once, in order."""
    names = (claim.template_name for claim in pod.claims if claim.template_name.startswith(PREFIX))
    return tuple(dict.fromkeys(names))


def original_of(pod: RawObject) -> Original | None:
    metadata = pod.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    written = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    return parse_original(written) if isinstance(written, str) else None


def pod_conditions(pod: RawObject, original: Original | None = None) -> tuple[Condition, ...]:
    """Return what the pod demands of node labels, what was dropped from it included."""
    spec = pod.get("spec") or EMPTY
    found = conditions(*placement(spec))
    if original is None:
        return found
    return tuple(dict.fromkeys((*conditions(original.node_selector, original.node_affinity), *found)))


def placement(spec: RawObject) -> tuple[RawObject, RawObject]:
    """Return nodeSelector and nodeAffinity of a pod's spec."""
    affinity = spec.get("affinity")
    node_affinity = affinity.get("nodeAffinity") if isinstance(affinity, dict) else None
    node_selector = spec.get("nodeSelector")
    return (
        node_selector if isinstance(node_selector, dict) else EMPTY,
        node_affinity if isinstance(node_affinity, dict) else EMPTY,
    )


def selectors_for(mappings: Iterable[LegacyMapping], wanted: Sequence[Condition]) -> dict[str, tuple[str, ...]]:
    """Return by mapping the selectors that stand for the node labels which the pod demands."""
    found = {}
    for mapping in mappings:
        translated = translate(wanted, mapping).selectors if mapping.node_labels and wanted else {}
        found[mapping.name] = tuple(text for selectors in translated.values() for text in selectors)
    return found


def _found(
    pod: RawObject, original: Original, namespace: str, view: ClusterView, wanted: Collection[str]
) -> dict[str, Template]:
    labels = labels_of(view, namespace)
    found: dict[str, Template] = {}
    for shape, count in islice(_candidates(pod, original, labels, view), _MOST_CANDIDATES):
        template = make_template(shape, count)
        if template.name in wanted:
            found[template.name] = template
            if len(found) == len(wanted):
                break
    return found


def _candidates(
    pod: RawObject, original: Original, labels: Mapping[str, str] | None, view: ClusterView
) -> Iterator[tuple[Shape, int]]:
    """Yield every shape and count that some recorded container, resource and count may have led to, each once.

    A count of an ordinary init container may be any shortage, so every smaller one follows as well. A node label may
    have come from another webhook after the rewrite, so the shapes without labels follow too.
    """
    if labels is None:
        return
    seen: set[tuple[Shape, int]] = set()
    wanted = pod_conditions(pod, original)
    recorded = [
        replace(container, limits=original.containers[container.name])
        for container in parse_pod(pod).containers
        if container.name in original.containers
    ]
    names = tuple(islice(dict.fromkeys(name for container in recorded for name in container.limits), MOST_NAMES))
    for generation in _generations(tuple(view.mappings.values())):
        mappings = selecting(generation, labels)
        served = ((name, serve(name, mappings, any_mode=True)) for name in names)
        serving = {name: hit for name, hit in served if isinstance(hit, Served)}
        for selectors in (selectors_for(mappings, wanted), selectors_for(mappings, ())):
            for container in recorded:
                for candidate in _of_container(container, serving, selectors, view):
                    if candidate not in seen:
                        seen.add(candidate)
                        yield candidate


def _of_container(
    container: Container, serving: Mapping[str, Served], selectors: Selectors, view: ClusterView
) -> Iterator[tuple[Shape, int]]:
    try:
        needs = needs_of(container, serving, selectors, view)
    except UnusableQuantityError:
        return
    for need in needs:
        if need.count <= MOST_DEVICES:
            for count in (need.count,) if container.role.long_lived else range(need.count, 0, -1):
                yield from ((shape, count) for shape in need.shapes)


def _generations(mappings: tuple[LegacyMapping, ...]) -> Iterator[tuple[LegacyMapping, ...]]:
    """Yield the mappings as they are, then each time with one as it was before its last change."""
    yield mappings
    for index, mapping in enumerate(mappings):
        if mapping.previous is not None:
            yield (*mappings[:index], mapping.previous, *mappings[index + 1 :])
