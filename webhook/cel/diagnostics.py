"""What is wrong with an expression, in words for people, with ways to mend it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from webhook.cel.problems import Problem, changed

_MOST_MENDED: Final = 2_000  # characters of an expression that is still tried to be mended
_ROUNDS: Final = 3


class DiagnosticKind(Enum):
    """What an expression offends against."""

    SYNTAX = "syntax"
    TYPE = "type"
    RESULT = "result"
    COST = "cost"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class DiagnosticFix:
    """A way out. `expression` is the whole expression with every problem mended, or None if a person must do it."""

    message: str
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong, in our words; `start` and `end` (exclusive) are code points of the expression.

    `reference_text` is how the API server puts it.
    """

    message: str
    start: int
    end: int
    kind: DiagnosticKind
    reference_text: str
    fixes: tuple[DiagnosticFix, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The problems of one compilation; none if it is accepted."""

    problems: tuple[Problem, ...]
    kind: DiagnosticKind
    reference_text: str


def diagnostics_of(expression: str, found: Found, judge: Callable[[str], Found | None]) -> tuple[Diagnostic, ...]:
    """One Diagnostic a problem. `judge` gives the problems of another expression, None if it is accepted.

    All fixes carry the same expression: the one in which everything is mended, if there is one.
    """
    mended = _mended(expression, found, judge) if len(expression) <= _MOST_MENDED else None
    return tuple(
        Diagnostic(
            problem.message,
            min(problem.start, len(expression)),
            min(max(problem.end, problem.start + 1), max(len(expression), 1)),
            found.kind,
            found.reference_text,
            (DiagnosticFix(problem.fix, mended),),
        )
        for problem in _distinct(found.problems)
    )


def _distinct(problems: Sequence[Problem]) -> list[Problem]:
    """In the order of their places, each place once."""
    places: dict[tuple[int, str], Problem] = {}
    for problem in problems:
        places.setdefault((problem.start, problem.message), problem)
    return sorted(places.values(), key=lambda problem: (problem.start, problem.end))


def _mended(expression: str, found: Found, judge: Callable[[str], Found | None]) -> str | None:
    for _ in range(_ROUNDS):
        changes = [change for problem in found.problems for change in problem.changes]
        if not changes:
            return None
        expression = changed(expression, changes)
        judged = judge(expression)
        if judged is None:
            return expression
        found = judged
    return None
