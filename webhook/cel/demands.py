"""What the parts of a selector must come to so that the whole comes to something: alternatives of demands.

CEL has three outcomes, and its logic decides where it can: `false && error` is false, `true || error` is true, in
either order (cel-spec, logical operators). So `a && b` is true exactly if both are, and false exactly if one is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Final, TypeAlias

from webhook.cel.syntax import AND, CONDITIONAL, NOT, OR, Call, Expr

MOST_ALTERNATIVES: Final = 256


class Wanted(Enum):
    """How an expression must end; an error is neither true nor false."""

    TRUE = "true"
    FALSE = "false"
    NOT_TRUE = "not true"
    NOT_FALSE = "not false"

    def admits(self, outcome: bool | None) -> bool:
        """Whether an outcome is as wanted; None is an error."""
        match self:
            case Wanted.TRUE:
                return outcome is True
            case Wanted.FALSE:
                return outcome is False
            case Wanted.NOT_TRUE:
                return outcome is not True
            case Wanted.NOT_FALSE:
                return outcome is not False


_OPPOSITE: Final = {
    Wanted.TRUE: Wanted.FALSE,
    Wanted.FALSE: Wanted.TRUE,
    Wanted.NOT_TRUE: Wanted.NOT_FALSE,
    Wanted.NOT_FALSE: Wanted.NOT_TRUE,
}


@dataclass(frozen=True, slots=True)
class Demand:
    """One part without logic of its own, and how it must end."""

    part: Expr
    wanted: Wanted


Alternatives: TypeAlias = tuple[tuple[Demand, ...], ...]
"""One of these must be met, each wholly."""


class TooManyError(Exception):
    """There are more alternatives than are worth looking at."""


def alternatives(node: Expr, wanted: Wanted) -> Alternatives:
    """The ways in which the expression ends as wanted; TooManyError where they are too many to tell."""
    if isinstance(node, Call):
        if node.function == NOT:
            return alternatives(node.args[0], _OPPOSITE[wanted])
        if node.function in (AND, OR):
            parts = [alternatives(part, wanted) for part in node.args]
            every = (node.function == AND) == (wanted in (Wanted.TRUE, Wanted.NOT_FALSE))
            return every_of(parts) if every else one_of(parts)
        if node.function == CONDITIONAL:
            return _conditional(node, wanted)
    return ((Demand(node, wanted),),)


def parts_of(node: Expr) -> Iterator[Expr]:
    """The parts of an expression without logic of their own, in the order of the source."""
    stack = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, Call) and part.function in (NOT, AND, OR, CONDITIONAL):
            stack.extend(reversed(part.args))
        else:
            yield part


def _conditional(node: Call, wanted: Wanted) -> Alternatives:
    condition, yes, no = node.args
    if wanted in (Wanted.TRUE, Wanted.FALSE):
        taken = every_of((alternatives(condition, Wanted.TRUE), alternatives(yes, wanted)))
        other = every_of((alternatives(condition, Wanted.FALSE), alternatives(no, wanted)))
        return one_of((taken, other))
    return every_of(
        (
            one_of((alternatives(condition, Wanted.NOT_TRUE), alternatives(yes, wanted))),
            one_of((alternatives(condition, Wanted.NOT_FALSE), alternatives(no, wanted))),
        )
    )


def one_of(parts: Iterable[Alternatives]) -> Alternatives:
    """The alternatives of any part."""
    return _bounded(tuple(found for part in parts for found in part))


def every_of(parts: Iterable[Alternatives]) -> Alternatives:
    """The alternatives of all parts together."""
    found: Alternatives = ((),)
    for part in parts:
        if len(found) * len(part) > MOST_ALTERNATIVES:
            raise TooManyError
        found = tuple((*one, *other) for one, other in product(found, part))
    return found


def _bounded(found: Alternatives) -> Alternatives:
    if len(found) > MOST_ALTERNATIVES:
        raise TooManyError
    return found
