"""Field paths as the API server writes them: `spec.devices.requests[0].exactly.capacity.requests[memory]`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


class MapKey(str):
    """A step into a map by its key, written in brackets, unlike a field of a struct."""

    __slots__ = ()


Step = str | int


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A place in an object as received; steps are field names, list indices (from 0) and map keys."""

    steps: tuple[Step, ...] = ()

    def child(self, *names: str) -> "FieldPath":
        return FieldPath(self.steps + names)

    def index(self, position: int) -> "FieldPath":
        return FieldPath((*self.steps, position))

    def key(self, name: str) -> "FieldPath":
        return FieldPath((*self.steps, MapKey(name)))

    def parent(self) -> "FieldPath":
        """Return the place around this one; the object itself has none other than itself."""
        return FieldPath(self.steps[:-1])

    def __str__(self) -> str:
        return "".join(_written(self.steps)).removeprefix(".")

    def pointer(self) -> str:
        """Return the JSON Pointer (RFC 6901) of the same place."""
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self.steps)

    def order(self) -> tuple[tuple[int, int, str], ...]:
        """Return a sort key in which indices compare as numbers (contract 7.6)."""
        return tuple((0, step, "") if isinstance(step, int) else (1, 0, step) for step in self.steps)


def _written(steps: tuple[Step, ...]) -> Iterator[str]:
    for step in steps:
        yield f"[{step}]" if isinstance(step, int | MapKey) else f".{step}"


ROOT = FieldPath()


_STEP = re.compile(r"\.?([A-Za-z_$][A-Za-z0-9_$-]*)|\[(\d{1,9})\]|\[([^\]]+)\]")


def parse_field_path(text: str) -> FieldPath | None:
    """Return the path that is written so; None where it is none."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None or (text[position] == "[" and not steps) or (text[position] not in ".[" and steps):
            return None
        name, index, key = found.groups()
        steps.append(name or (int(index) if index else MapKey(key)))
        position = found.end()
    return FieldPath(tuple(steps)) if steps and not text.startswith(".") else None
