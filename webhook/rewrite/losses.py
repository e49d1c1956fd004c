"""What a pod says and no claim can say: it is told, and never lost unseen (LegacyMapping `withoutCounterpart`)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from webhook.core.mappings import LegacyMapping
from webhook.core.pods import Pod
from webhook.core.without_counterpart import Loss, NoCounterpart, Sayer
from webhook.rewrite.labels import Condition, is_meant

_WORDS = {Sayer.RESOURCE: "limit", Sayer.ANNOTATION: "annotation", Sayer.NODE_LABEL: "node label"}
_ONLY_EXACT = "only nodeSelector, and In and NotIn in a single required term, say the same of a device"


@dataclass(frozen=True, slots=True)
class Lost:
    """One thing that a pod says and no claim can; `name` is that of the limit, annotation or label."""

    sayer: Sayer
    name: str
    why: str
    action: Loss

    def __str__(self) -> str:
        return f"{_WORDS[self.sayer]} `{self.name}`"


def losses(pod: Pod, wanted: Sequence[Condition], mappings: Iterable[LegacyMapping]) -> tuple[Lost, ...]:
    """Return what would be lost, each once; a label that a pod must not have (NotIn) never keeps it from moving."""
    found: dict[tuple[Sayer, str], Lost] = {}
    for mapping in mappings:
        for entry in mapping.without_counterpart:
            for name in _said(entry, pod, wanted):
                found.setdefault((entry.sayer, name), Lost(entry.sayer, name, entry.why, entry.action))
    return tuple(found.values())


def _said(entry: NoCounterpart, pod: Pod, wanted: Sequence[Condition]) -> Iterator[str]:
    match entry.sayer:
        case Sayer.RESOURCE:
            for container in pod.containers:
                yield from (name for name, amount in container.limits.items() if entry.means(name, (str(amount),)))
        case Sayer.ANNOTATION:
            yield from (name for name, value in pod.annotations.items() if entry.means(name, (value,)))
        case Sayer.NODE_LABEL:
            yield from (c.label for c in wanted if c.operator != "NotIn" and is_meant(c, entry))


def is_lost_resource(name: str, mappings: Iterable[LegacyMapping]) -> bool:
    """Return whether a resource name is one of which a mapping says that no claim can say it."""
    return any(
        entry.sayer is Sayer.RESOURCE and entry.means(name, ())
        for mapping in mappings
        for entry in mapping.without_counterpart
    )


def kept_on_node(condition: Condition) -> str:
    """Return in words that a demand on a node label is not said of the device."""
    return f"the demand {condition.operator} on node label `{condition.label}` stays on the node alone"


def why_kept(condition: Condition, mappings: Iterable[LegacyMapping]) -> str:
    """Return why a demand on a node label stays on the node alone."""
    entries = (entry for mapping in mappings for entry in mapping.without_counterpart if is_meant(condition, entry))
    return next((entry.why for entry in entries), _ONLY_EXACT)
