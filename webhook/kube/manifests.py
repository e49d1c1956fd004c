"""Reads YAML and JSON manifests as Kubernetes' own tools do, and knows where each value stands in its file.

Scalars resolve as sigs.k8s.io/yaml resolves them: no timestamps, no sexagesimal numbers; `1e3` is a number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Span

_MOST_NODES = 2_000_000  # aliases count each time they are used, so that a bomb of them ends here
_MOST_DEPTH = 500


class _Loader(yaml.CSafeLoader):
    """PyYAML's loader with the resolvers of sigs.k8s.io/yaml."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}


_FLOAT = (
    r"^(?:[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$", "tTfFyYnNoO"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$", "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("merge", r"^<<$", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a document, or what follows it in its file, could not be read."""

    file: str
    position: Position
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.position.line}:{self.position.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: its content as JSON values, and the syntax nodes that tell positions."""

    file: str
    content: Any
    text: str
    node: yaml.Node

    def position(self, path: FieldPath, span: Span | None = None) -> Position:
        """Return where the value at the path begins, or the span in it where that can be told."""
        node = self._nearest(path)
        inside = None if span is None or not isinstance(node, yaml.ScalarNode) else self._inside(node, span.start)
        return inside or _position(node)

    def _nearest(self, path: FieldPath) -> yaml.Node:
        """Return the node at the path, or the deepest one on the way that is there."""
        node = self.node
        for step in path.steps:
            below = _child(node, step)
            if below is None:
                return node
            node = below
        return node

    def _inside(self, node: yaml.ScalarNode, offset: int) -> Position | None:
        """Return where a character of a scalar stands, unless folding or escapes have moved it."""
        start, end = node.start_mark.index, node.end_mark.index
        written = self.text[start:end]
        quoted = 1 if node.style in ("'", '"') else 0
        if node.style in (None, "'", '"'):
            if written[quoted : len(written) - quoted] != node.value:
                return None
            return Position(node.start_mark.line + 1, node.start_mark.column + 1 + quoted + offset)
        if node.style != "|":
            return None
        before = str(node.value)[:offset]
        line = node.start_mark.line + 1 + before.count("\n")
        source = self.text.splitlines()
        shown = str(node.value).split("\n")[before.count("\n")]
        if line >= len(source) or not source[line].endswith(shown):
            return None
        return Position(line + 1, len(source[line]) - len(shown) + offset - (before.rfind("\n") + 1) + 1)


def read_documents(text: str, file: str) -> Iterator[Document | Problem]:
    """Yield each document that is not empty; broken syntax ends its file with a Problem, for what follows is unsure."""
    loader = _Loader(text.removeprefix("\ufeff"))
    try:
        while True:
            try:
                if not loader.check_node():
                    return
                node = loader.get_node()
            except yaml.YAMLError as error:
                yield _yaml_problem(error, file)
                return
            except RecursionError:
                yield Problem(file, Position(1, 1), "must not be nested deeper than 500 levels")
                return
            if node is None:
                continue
            try:
                content = _Content().of(node)
            except _UnreadableError as error:
                yield Problem(file, _position(error.node), error.message)
                continue
            if content is not None:
                yield Document(file, content, text, node)
    finally:
        loader.dispose()


class _UnreadableError(Exception):
    def __init__(self, node: yaml.Node, message: str) -> None:
        super().__init__(message)
        self.node = node
        self.message = message


class _Content:
    """Builds JSON values from syntax nodes, with a budget for aliases and depth."""

    def __init__(self) -> None:
        self._left = _MOST_NODES

    def of(self, node: yaml.Node, depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _MOST_DEPTH:
            raise _UnreadableError(node, "the document is too large or nested too deeply")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.of(item, depth + 1) for item in node.value]
        return self._mapping(node, depth)

    def _mapping(self, node: yaml.Node, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _UnreadableError(key, "a key must be a string")
            content = self.of(value, depth + 1)
            if key.tag == "tag:yaml.org,2002:merge":
                for part in content if isinstance(content, list) else [content]:
                    merged.update(part if isinstance(part, dict) else {})
            else:
                found[str(key.value)] = content
        return {**merged, **found} if merged else found


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() in ("true", "yes", "on")
        case "int":
            return _integer(text.replace("_", ""))
        case "float":
            return _number(node, text.replace("_", ""))
        case _:
            return text


def _integer(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits.startswith("0") and digits[1] in "01234567":
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _number(node: yaml.Node, text: str) -> float:
    if "inf" in text.lower() or "nan" in text.lower():
        raise _UnreadableError(node, f"'{text}' is not a JSON number")
    return float(text)


def _child(node: yaml.Node, step: object) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        found = [value for key, value in node.value if isinstance(key, yaml.ScalarNode) and key.value == step]
        return found[-1] if found else None
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        below: yaml.Node = node.value[step]
        return below
    return None


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _yaml_problem(error: yaml.YAMLError, file: str) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        at = Position(mark.line + 1, mark.column + 1) if mark is not None else Position(1, 1)
        return Problem(file, at, f"is not YAML: {error.problem or error.context}")
    return Problem(file, Position(1, 1), f"is not YAML: {str(error).splitlines()[0]}")
