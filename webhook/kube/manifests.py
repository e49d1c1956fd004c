"""Reads manifests as kubectl does: YAML of several documents, JSON, Lists; each broken document alone is left out.

Values are those that `sigs.k8s.io/yaml` would send to the API server: plain JSON, no dates, keys are strings.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import yaml

from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Span
from webhook.core.raw import RawObject
from webhook.kube.yaml_values import Loader, values_of

_MARKER = re.compile(r"^---(?=\s|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that could not be used; `line` and `column` count from 1, `field` may be empty.

    `is_manifest` is False where the document is not even half a Kubernetes object; `shown` is the line, and `fix`
    what to do about it, where that is known.
    """

    file: str
    line: int
    field: str
    message: str
    column: int = 1
    is_manifest: bool = True
    shown: str = ""
    fix: str = ""

    def __str__(self) -> str:
        place = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}: {place}{self.message}"


@dataclass(frozen=True, slots=True)
class Extract:
    """A line of a file and the `length` characters of it, from the position on, that are meant.

    `exact` is False where a span was asked for and folding or escapes have moved it: then the value begins there.
    """

    position: Position
    text: str
    length: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file; `text` is its YAML document, which begins on `line`; `at` its place in that document."""

    raw: RawObject
    text: str
    line: int
    at: FieldPath = ROOT
    file: str = ""

    def line_of(self, path: FieldPath) -> int:
        """Return the line of the value at a path, or of the nearest field around it that is written."""
        return self.position(path).line

    def position(self, path: FieldPath, span: Span | None = None) -> Position:
        """Return where the value at a path begins, or the nearest field around it that is written.

        With a span, where its first character stands, unless folding or escapes have moved it.
        """
        return self.extract(path, span).position

    def extract(self, path: FieldPath, span: Span | None = None) -> "Extract":
        """Return the line that holds the value at a path, or a span of it, and what of the line is meant."""
        node, whole = _composed(self.text), True
        for step in (*self.at.steps, *path.steps):
            inner = _inside(node, step)
            if inner is None:
                whole = False
                break
            node = inner
        if node is None:
            return Extract(Position(self.line, 1), "", 0, exact=span is None)
        found = _start(node, self.text, span.start) if span is not None and whole else None
        exact = span is None or found is not None
        line, column = found or (int(node.start_mark.line), int(node.start_mark.column))
        lines = self.text.splitlines()
        shown = lines[line] if line < len(lines) else ""
        length = _length(node, len(shown)) if span is None or found is None else span.end - span.start
        return Extract(Position(self.line + line, column + 1), shown, max(1, min(length, len(shown) - column)), exact)


def read_documents(file: str, content: bytes) -> tuple[tuple[Document, ...], tuple[Problem, ...]]:
    """Return the objects of a file, Lists taken apart, and what could not be read."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (), (Problem(file, line, "", "must be UTF-8 text"),)
    documents: list[Document] = []
    problems: list[Problem] = []
    for part, line in parts_of(text):
        try:
            values = list(values_of(part))
        except yaml.YAMLError as error:
            problems.append(_unreadable(file, part, line, error))
            continue
        except (RecursionError, ValueError):
            problems.append(Problem(file, line, "", "must be YAML or JSON"))
            continue
        for value in values:
            _take(value, Document({}, part, line, file=file), documents, problems)
    return tuple(documents), tuple(problems)


def parts_of(text: str) -> Iterator[tuple[str, int]]:
    """Yield each YAML document with the number of its first line."""
    line = 1
    start = 0
    for marker in _MARKER.finditer(text):
        yield text[start : marker.start()], line
        line += text.count("\n", start, marker.start())
        start = marker.start()
    yield text[start:], line


def _take(value: object, place: Document, documents: list[Document], problems: list[Problem]) -> None:
    file = place.file
    if value is None:
        return
    if not isinstance(value, dict) or not ("apiVersion" in value or "kind" in value):
        line = place.line_of(ROOT)
        said = "must be a Kubernetes object with `apiVersion` and `kind`"
        problems.append(Problem(file, line, "", said, is_manifest=False))
        return
    lacking = [name for name in ("apiVersion", "kind") if not isinstance(value.get(name), str)]
    if lacking:
        problems.append(Problem(file, place.line_of(ROOT), lacking[0], "must be a string such as 'v1'"))
        return
    items = value.get("items")
    if not isinstance(items, list) or "spec" in value:
        documents.append(replace(place, raw=value))
        return
    for position, item in enumerate(items):
        inner = replace(place, at=place.at.child("items").index(position))
        _take(typed(item, value), inner, documents, problems)


def typed(item: object, around: Mapping[str, Any]) -> object:
    """Return an item of a typed list (`ResourceSliceList`) with the kind that the list implies."""
    kind = around.get("kind")
    name = kind.removesuffix("List") if isinstance(kind, str) else ""
    if not isinstance(item, dict) or not name or name == kind or not isinstance(around.get("apiVersion"), str):
        return item
    return {"apiVersion": around["apiVersion"], "kind": name, **item}


@lru_cache(maxsize=8)
def _composed(text: str) -> yaml.Node | None:
    """Return the syntax nodes of a document that has been read; kept while its findings are placed.

    None where it is JSON that is no YAML: control characters, halves of surrogate pairs.
    """
    try:
        return yaml.compose(text, Loader=Loader)
    except yaml.YAMLError:
        return None


def _length(node: yaml.Node, room: int) -> int:
    """Return how much of its first line a node takes; a collection is told by its first character."""
    if not isinstance(node, yaml.ScalarNode):
        return 1
    if node.start_mark.line != node.end_mark.line:
        return room - int(node.start_mark.column)
    return int(node.end_mark.column) - int(node.start_mark.column)


def _start(node: yaml.Node, text: str, offset: int) -> tuple[int, int] | None:
    """Return the line and column, from 0, of a character of a node's value; None where it stands elsewhere."""
    if not isinstance(node, yaml.ScalarNode):
        return None
    line, column = int(node.start_mark.line), int(node.start_mark.column)
    if node.style == "|":
        return _in_block(node, text, offset)
    quoted = 1 if node.style in ("'", '"') else 0
    lines = text.splitlines()
    written = lines[line][column + quoted :] if line < len(lines) else ""
    moved = node.style == ">" or not written.startswith(str(node.value))
    return None if moved else (line, column + quoted + offset)


def _in_block(node: yaml.ScalarNode, text: str, offset: int) -> tuple[int, int] | None:
    """Return the place of a character of a literal block scalar, whose lines stand as they are, but indented."""
    before = str(node.value)[:offset]
    shown = str(node.value).split("\n")[before.count("\n")]
    line = int(node.start_mark.line) + 1 + before.count("\n")
    lines = text.splitlines()
    if line >= len(lines) or not lines[line].endswith(shown):
        return None
    return line, len(lines[line]) - len(shown) + offset - (before.rfind("\n") + 1)


def _inside(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        found: yaml.Node = node.value[step]
        return found
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in reversed(node.value) if key.value == step), None)
    return None


# What YAML's reader says, by its beginning, and what has been slipped then.
_SLIPS: Mapping[str, str] = {
    "mapping values are not allowed": "put a text that holds ': ' in quotes, or mend the indentation",
    "did not find expected": "mend the indentation, the quotes or the brackets here or on the line before",
    "could not find expected ':'": "put ': ' behind the field's name, or mend the indentation",
    "found undefined alias": "define the anchor before it, or put the text in quotes",
    "found character that cannot start any token": "put the text in quotes",
    "found unexpected end of stream": "close the quote",
    "found unknown escape character": "double the backslash, or put the text in single quotes",
}


def _unreadable(file: str, part: str, line: int, error: yaml.YAMLError) -> Problem:
    """Return what keeps a document from being read, at its place."""
    mark, said = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        return Problem(file, line, "", f"must be YAML: {said}" if said else "must be YAML")
    at, column = int(mark.line), int(mark.column)
    lines = part.splitlines()
    shown = lines[at] if at < len(lines) else ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())]:
        said, fix = "a tab may not indent a line", "indent with spaces"
    elif "{{" in shown:
        said, fix = "the file is a template", "check what comes of it, as `helm template` prints it"
    else:
        fix = next((fix for start, fix in _SLIPS.items() if str(said).startswith(start)), "")
    return Problem(file, line + at, "", f"must be YAML: {said}", column + 1, shown=shown, fix=fix)
