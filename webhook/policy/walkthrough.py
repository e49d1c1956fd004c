"""The values of an expression's parts under its source, as a debugger shows them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from webhook.cel.syntax import Ast, Literal
from webhook.cel.values import NONE, EvaluationError, Opaque, Optional, Value
from webhook.core.render import cut, printable, width
from webhook.policy.judge import Step
from webhook.policy.written import written

_MOST_TEXT: Final = 60
_MOST_ENTRIES: Final = 4
_MAP: Final = "{...}"

Mark = tuple[int, str]
"""A column and what is written below it."""


def walkthrough(step: Step) -> Iterator[str]:
    """Yield the lines of an expression, each followed by the values of the parts that begin in it."""
    ast = step.expression.ast
    marks = dict(_marks(ast, step.values))
    start = 0
    for line in ast.source.split("\n"):
        here = [(width(line[: at - start]), text) for at, text in marks.items() if start <= at < start + len(line)]
        if line.strip():
            yield printable(line)
            yield from _below(sorted(here))
        start += len(line) + 1


def _marks(ast: Ast, values: Mapping[int, Sequence[Value]]) -> Iterator[tuple[int, str]]:
    """Yield places and the values to tell there; what is written out, and whole objects, need no telling."""
    for part in written(ast):
        found = values.get(part.node.id)
        if not found or isinstance(part.form, Literal):
            continue
        texts = list(dict.fromkeys(shown(value) for value in found))
        told = cut(", ".join(texts), _MOST_TEXT)
        if texts != [_MAP]:
            yield part.anchor(ast), told


def _below(marks: Sequence[Mark]) -> Iterator[str]:
    """Yield the rows: each value below its column, further down where the next one leaves no room."""
    pending = list(marks)
    if pending:
        yield _row([(column, "|") for column, _ in pending])
    while pending:
        row: list[Mark] = []
        left: list[Mark] = []
        limit: int | None = None
        for column, text in reversed(pending):
            fits = limit is None or column + width(text) < limit
            row.append((column, text if fits else "|"))
            if not fits:
                left.append((column, text))
            limit = column
        yield _row(row[::-1])
        pending = left[::-1]


def _row(marks: Sequence[Mark]) -> str:
    line = ""
    for column, text in marks:
        line += " " * (column - width(line)) + text
    return line


def shown(value: Value) -> str:
    """Return a value as CEL writes it, large ones in short."""
    if isinstance(value, EvaluationError):
        return f"error: {value}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return "'" + cut(printable(value), _MOST_TEXT) + "'"
    if isinstance(value, Optional):
        return "optional.none()" if value is NONE else f"optional.of({shown(value.value)})"
    if isinstance(value, Mapping):
        return _MAP if value else "{}"
    if isinstance(value, list | tuple):
        texts = [shown(entry) for entry in value[:_MOST_ENTRIES]]
        if len(value) > _MOST_ENTRIES or _MAP in texts:
            return f"[{len(value)} {'entry' if len(value) == 1 else 'entries'}]"
        return f"[{', '.join(texts)}]"
    if isinstance(value, Opaque) and type(value).__str__ is object.__str__:
        return type(value).cel_type
    return str(value)
