"""What pods may say and no claim can: the part of a LegacyMapping that makes sure that nothing is lost unseen."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from webhook.core.fieldpath import FieldPath
from webhook.core.name_pattern import NamePattern, parse_pattern
from webhook.core.raw import RawObject, Reader


class Loss(Enum):
    """What becomes of a pod that says something which no claim can say."""

    LEAVE_ALONE = "LeaveAlone"
    REWRITE = "Rewrite"


class Sayer(Enum):
    """Where a pod says it: the field of an entry of `withoutCounterpart`."""

    RESOURCE = "resource"
    ANNOTATION = "annotation"
    NODE_LABEL = "nodeLabel"


@dataclass(frozen=True, slots=True)
class NoCounterpart:
    """Something that a pod may say and no claim can; `why` is told. Without `value` every value is meant."""

    sayer: Sayer
    name: NamePattern
    why: str
    value: NamePattern | None = None
    action: Loss = Loss.LEAVE_ALONE

    def means(self, name: str, values: Iterable[str]) -> bool:
        """Return whether a name is meant, with one of its values where the entry is about some values only."""
        return self.name.accepts(name) and (self.value is None or any(map(self.value.accepts, values)))


def parse_without_counterpart(spec: RawObject, at: FieldPath, reader: Reader) -> Iterator[NoCounterpart]:
    """Yield the entries of `withoutCounterpart`; what is wrong with one the reader notes."""
    for raw, path in reader.structs(spec, "withoutCounterpart", at):
        given = {sayer: text for sayer in Sayer if (text := reader.text(raw, sayer.value, path))}
        if len(given) != 1:
            listed = ", ".join(f"`{sayer.value}`" for sayer in Sayer)
            reader.note(path, f"must have exactly one of {listed}")
        why, written = reader.text(raw, "why", path), reader.text(raw, "value", path)
        if not why:
            reader.note(path, "must say `why`")
        value = parse_pattern(written, path.child("value"), reader) if written else None
        action = reader.choice(raw, "action", path, Loss.LEAVE_ALONE)
        for sayer, text in given.items():
            name = parse_pattern(text, path.child(sayer.value), reader)
            if name is not None and (value is not None or not written):
                yield NoCounterpart(sayer, name, why, value, action)
