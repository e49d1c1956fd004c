"""A problem of an expression as the detectors of mistakes hand it on: words, place, and what would mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Change: TypeAlias = tuple[int, int, str]
"""Replace the code points from start to end (exclusive) by a text."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`fix` says what to do. `changes` do it; they are empty where a person has to decide."""

    message: str
    start: int
    end: int
    fix: str
    changes: tuple[Change, ...] = ()


def changed(text: str, changes: Iterable[Change]) -> str:
    """The text with all changes made; of changes that overlap the first one counts."""
    parts: list[str] = []
    position = 0
    for start, end, replacement in sorted(set(changes)):
        if start < position:
            continue
        parts.extend((text[position:start], replacement))
        position = end
    parts.append(text[position:])
    return "".join(parts)
