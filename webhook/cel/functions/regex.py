"""Patterns, in RE2 only (cel-go String.Match; apiserver library/regex.go)."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import re2

from webhook.cel.functions.dispatch import FunctionTable, Operator, OperatorTable, Overload
from webhook.cel.types import INT, STRING
from webhook.cel.values import NONE, EvaluationError, Optional, TypeValue, Value, no_such_overload

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
# `\C`, one byte, is RE2's and not Go's.
_ANY_BYTE: Final = re.compile(r"(?:^|[^\\])(?:\\\\)*\\C")


class PatternError(EvaluationError):
    """Go's regexp does not accept the pattern."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> "re2._Regexp":
    """The pattern for RE2; PatternError in Go's words."""
    if _ANY_BYTE.search(pattern):
        raise PatternError("error parsing regexp: invalid escape sequence: `\\C`")
    try:
        return re2.compile(pattern, options=_OPTIONS)
    except re2.error as error:
        raise PatternError(f"error parsing regexp: {_go_words(error.args[0])}") from None


_GO_WORDS: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
}


def _go_words(problem: object) -> str:
    """RE2's message as Go's: what the problem is about stands in backquotes."""
    text = problem.decode(errors="replace") if isinstance(problem, bytes) else str(problem)
    what, _, about = text.partition(": ")
    return f"{_GO_WORDS.get(what, what)}: `{about}`"


def matches(text: Value, pattern: Value) -> bool:
    """`s.matches(pattern)`: somewhere in the text."""
    if type(pattern) is not str:
        raise no_such_overload()
    return compiled(pattern).search(text) is not None


def find(text: str, pattern: str) -> str:
    """`s.find(pattern)`: the first match, or the empty string."""
    found = _compiled_late(pattern).search(text)
    return str(found.group()) if found is not None else ""


def find_all(text: str, pattern: str, most: int = -1) -> list[Value]:
    """`s.findAll(pattern)`, `s.findAll(pattern, n)`: all matches if n is negative."""
    expression = _compiled_late(pattern)
    matched: list[Value] = []
    position, last_end = 0, -1
    while position <= len(text) and (most < 0 or len(matched) < most):
        found = expression.search(text, position)
        if found is None:
            break
        start, end = found.span()
        # An empty match right behind the match before does not count.
        if start != end or start != last_end:
            matched.append(found.group())
        last_end = end
        position = end if end > start else end + 1
    return matched


def _compiled_late(pattern: str) -> "re2._Regexp":
    try:
        return compiled(pattern)
    except PatternError as error:
        raise EvaluationError(f"Illegal regex: {error}") from None


FUNCTIONS: Final[FunctionTable] = {
    "find": (Overload("string_find_string", (STRING, STRING), find),),
    "findAll": (
        Overload("string_find_all_string", (STRING, STRING), find_all),
        Overload("string_find_all_string_int", (STRING, STRING, INT), find_all),
    ),
}

OPERATORS: Final[OperatorTable] = {"matches": Operator(matches, frozenset({str}))}


def _go_text(value: Value) -> str | None:
    """The Go string inside a value: a type has its name, an optional what it holds."""
    if type(value) is Optional and value is not NONE:
        return _go_text(value.value)
    if type(value) is TypeValue:
        return str(value.name)
    return value if type(value) is str else None


def _of_text(run: Callable[..., Value]) -> Callable[..., Value]:
    def call(value: Value, pattern: str, *most: Value) -> Value:
        text = _go_text(value)
        if text is None or any(type(number) is not int for number in most):
            raise no_such_overload()
        return run(text, pattern, *most)

    return call


# What runs where the pattern is a literal: the reference compiles it beforehand, and loses the longer message.
CONSTANT_PATTERNS: Final = {"matches": _of_text(matches), "find": _of_text(find), "findAll": _of_text(find_all)}
