"""Changes a YAML document where its data changed, and leaves every other character as it is.

Comments, order, quotes, indentation and blank lines stay, because they are never read into data and written again.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

import yaml

from webhook.kube.yaml_tree import Form, Node, parse_tree

_MERGE = "<<"
_WIDTH = 1 << 30
_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\r\n]*", re.MULTILINE)


class _Dumper(yaml.SafeDumper):
    """Block style with dashes indented below their key, or not, as the document has it; no anchors of its own."""

    indented = False

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless and not self.indented)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # PyYAML's signature
        return True


class _Indented(_Dumper):
    indented = True


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


class _TooHardError(Exception):
    """A part must be written anew as a whole: what must go has no lines of its own."""


def dump(value: object, *, indented: bool = False) -> str:
    """Return a value as a YAML document in block style, in its own order."""
    dumper = _Indented if indented else _Dumper
    return yaml.dump(value, Dumper=dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=_WIDTH)


def edit(text: str, before: object, after: object) -> str:
    """Return the document's text, changed so that it reads as `after`; `before` is what it reads as now.

    What both share is recognised by identity: parts of `after` that are new must be new objects.
    """
    if before is after:
        return text
    if is_json(text):
        return json_text(after, like=text)
    whole = text if text.endswith("\n") else f"{text}\n"
    root = parse_tree(whole)
    return text if root is None else _Editor(whole, root).edited(before, after)


def dashes_indented(text: str) -> bool:
    """Return whether a document's lists stand further right than their keys."""
    try:
        root = parse_tree(text)
    except yaml.YAMLError:
        return False  # libyaml has read what the parser in Python does not
    return root is not None and _dashes_indented(root)


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def json_text(value: object, *, like: str) -> str:
    """Return a value as JSON, indented as another text is."""
    found = re.search(r"\n( +)", like)
    return json.dumps(value, indent=len(found.group(1)) if found else None, ensure_ascii=False) + "\n"


class _Editor:
    def __init__(self, text: str, root: Node) -> None:
        self._text = text
        self._root = root
        self._edits: list[_Edit] = []
        self._changed: set[str] = set()
        self._spoiled: set[str] = set()
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._indented = _dashes_indented(root)

    def edited(self, before: object, after: object) -> str:
        """Return the changed text.

        Where the text behind an anchor changes, its aliases mean something else: then all is done again, and they are
        written out.
        """
        while True:
            self._edits.clear()
            self._reconcile(self._root, before, after)
            if self._changed <= self._spoiled:
                return self._result()
            self._spoiled |= self._changed

    def _result(self) -> str:
        pieces, at = [], 0
        for change in sorted(self._edits, key=lambda change: (change.start, change.end)):
            pieces += [self._text[at : change.start], change.text]
            at = max(at, change.end)
        return "".join([*pieces, self._text[at:]])

    def _reconcile(self, node: Node, before: object, after: object) -> None:
        """Collect what turns the node's text from one value into the other."""
        if before is after and not self._spoiled:
            return
        if node.form is Form.ALIAS:
            if before is not after or node.anchor in self._spoiled:
                self._rewrite(node, after)
            return
        if before is not after and node.anchor:
            self._changed.add(node.anchor)
        kept = len(self._edits)
        try:
            self._part(node, before, after)
        except _TooHardError:
            del self._edits[kept:]
            self._rewrite(node, after)

    def _part(self, node: Node, before: object, after: object) -> None:
        if node.form is Form.MAPPING and isinstance(before, dict) and isinstance(after, dict) and (after or not before):
            self._mapping(node, before, after)
        elif node.form is Form.SEQUENCE and isinstance(before, list) and isinstance(after, list) and node.items:
            self._sequence(node, before, after)
        elif before is not after:
            raise _TooHardError

    def _mapping(self, node: Node, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        own = {key.text: (key, value) for key, value in node.entries if key.text != _MERGE}
        merges = [value for key, value in node.entries if key.text == _MERGE]
        if any(leaf.form is Form.ALIAS and leaf.anchor in self._spoiled for merge in merges for leaf in merge.leaves()):
            raise _TooHardError
        gone = [name for name in before if name not in after]
        if gone and (merges or len(own) < len(before)):
            raise _TooHardError
        self._remove(node, gone)
        added: dict[str, Any] = {}
        for name, value in after.items():
            if name not in before or (name not in own and before[name] is not value):
                added[name] = value
            elif name in own:
                self._entry(node, *own[name], before[name], value)
        if added and node.flow:
            self._insert_flow(node, _flow(added)[1:-1])
            return
        first = self._insert_before(node, added, before, after)
        rest = {name: value for name, value in added.items() if name not in first}
        if rest:
            self._insert(node.end, dump(rest, indented=self._indented), node.column)

    def _insert_before(
        self, node: Node, added: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Insert what stands before all else of a block above it, and return that; nothing where it shares its line."""
        first = dict(takewhile(lambda entry: entry[0] in added and entry[0] not in before, after.items()))
        at = self._line_start(node.entries[0][0].start) if node.entries else 0
        if not first or len(first) == len(after) or self._text[at : node.entries[0][0].start].strip():
            return {}
        while at and self._is_comment(above := self._line_start(at - 1), node.column):
            at = above  # what it says belongs to the entry below it
        self._edits.append(_Edit(at, at, self._lines(dump(first, indented=self._indented), node.column)))
        return first

    def _entry(self, node: Node, key: Node, value: Node, before: object, after: object) -> None:
        if value.start != value.end:
            self._reconcile(value, before, after)
        elif before is not after:
            if node.flow:
                raise _TooHardError
            start, end = self._own_lines(key, value)
            text = self._lines(dump({key.text: after}, indented=self._indented), key.column)
            self._edits.append(_Edit(start, end, self._comments(key, value, end, key.column) + text))

    def _sequence(self, node: Node, before: list[Any], after: list[Any]) -> None:
        if len(after) < len(before):
            raise _TooHardError
        for item, old, new in zip(node.items, before, after, strict=False):
            self._reconcile(item, old, new)
        added = after[len(before) :]
        if added and node.flow:
            self._insert_flow(node, _flow(added)[1:-1])
        elif added:
            self._insert(node.end, dump(added), node.column)

    def _remove(self, node: Node, names: list[str]) -> None:
        """Take entries out: whole lines of a block, whose comments stay; of a flow mapping the text up to the next."""
        if node.flow and names:
            self._remove_flow(node, set(names))
            return
        for key, value in node.entries:
            if key.text in names:
                start, end = self._own_lines(key, value)
                self._edits.append(_Edit(start, end, self._comments(key, value, end, key.column)))

    def _remove_flow(self, node: Node, names: set[str]) -> None:
        if "#" in self._text[node.start : node.end]:
            raise _TooHardError
        left = [entry for entry in node.entries if entry[0].text not in names]
        if not left:
            raise _TooHardError
        first = left[0][0].start
        for (key, _), (following, _) in pairwise(node.entries):
            if key.text in names and key.start < first:
                self._edits.append(_Edit(key.start, following.start, ""))
        for (_, value), (key, last) in pairwise(node.entries):
            if key.text in names and key.start > first:
                self._edits.append(_Edit(value.end, last.end, ""))

    def _insert_flow(self, node: Node, text: str) -> None:
        parts = list(node.inner())
        if not parts or "#" in self._text[node.start : node.end]:
            raise _TooHardError
        at = parts[-1].end
        self._edits.append(_Edit(at, at, f", {text}"))

    def _insert(self, end: int, text: str, column: int) -> None:
        """Insert whole lines below the line in which a node ends, indented as the node is."""
        at = self._line_end(end)
        lead = "" if at == 0 or self._text[at - 1] == "\n" else self._newline
        self._edits.append(_Edit(at, at, lead + self._lines(text, column)))

    def _is_comment(self, at: int, column: int) -> bool:
        """Return whether a line is a comment that is indented so far."""
        line = self._text[at : self._line_end(at + 1)]
        return line.lstrip(" ").startswith("#") and len(line) - len(line.lstrip(" ")) == column

    def _line_end(self, index: int) -> int:
        """Return where the line after the last character before the index begins."""
        if index and self._text[index - 1] == "\n":
            return index
        found = self._text.find("\n", index)
        return len(self._text) if found < 0 else found + 1

    def _line_start(self, index: int) -> int:
        return self._text.rfind("\n", 0, index) + 1

    def _lines(self, text: str, column: int) -> str:
        lines = (f"{' ' * column}{line}" if line else line for line in text.splitlines())
        return self._newline.join(lines) + self._newline

    def _own_lines(self, key: Node, value: Node) -> tuple[int, int]:
        start = self._line_start(key.start)
        if self._text[start : key.start].strip():
            raise _TooHardError  # the entry shares its line with a dash
        return start, self._line_end(max(value.end, key.end))

    def _comments(self, key: Node, value: Node, end: int, column: int) -> str:
        """Return the comments from a key to the end of its lines, each as a line of its own."""
        leaves = [key, *value.leaves()]
        gaps = [self._text[one.end : other.start] for one, other in pairwise(leaves)]
        gaps.append(self._text[max(leaves[-1].end, key.end) : end])
        return "".join(self._lines(found, column) for gap in gaps for found in _COMMENT.findall(gap))

    def _rewrite(self, node: Node, after: object) -> None:
        """Write a node anew: in flow style where it stood on its line like that, else as a block in its place.

        Anchors in it are lost, so what their aliases mean must be written out.
        """
        self._changed.update(node.anchors())
        block = not node.flow and node.form in (Form.MAPPING, Form.SEQUENCE)
        # What has no dashes must stand further right than its key.
        dashes = isinstance(after, list) and bool(after)
        further = "  " if block and node.form is Form.SEQUENCE and not dashes else ""
        if block and after and isinstance(after, dict | list):
            text = self._lines(dump(after, indented=self._indented), node.column + len(further)).strip()
        elif node.form is Form.SCALAR and isinstance(after, str):
            text = self._scalar(node, after)
        else:
            text = _flow(after)
        text = further + text
        if self._text[node.end - 1 : node.end] == "\n" and not text.endswith("\n"):
            text += self._newline
        comments = self._comments(Node(Form.SCALAR, node.start, node.start, 0), node, node.end, 0)
        if comments:
            start = self._line_start(node.start)
            column = len(self._text[start : node.start]) - len(self._text[start : node.start].lstrip())
            self._edits.append(_Edit(start, start, self._lines(comments, column)))
        self._edits.append(_Edit(node.start, node.end, text))

    def _scalar(self, node: Node, after: str) -> str:
        """Return a text in the style of the scalar that it replaces: in its quotes, or as a literal block."""
        if node.style == "|":
            header, _, body = self._text[node.start : node.end].partition("\n")
            lines = after.splitlines()
            if _fits_block(node.text, after):
                indent = len(body) - len(body.lstrip(" "))
                shown = [f"{' ' * indent}{line}" if line else "" for line in lines]
                return self._newline.join([header.rstrip("\r"), *shown]) + self._newline
        return _flow(after, node.style if node.style in ("'", '"') else None)


def _fits_block(before: str, after: str) -> bool:
    """Return whether a literal block that held one text can hold the other under the same header."""
    ends = [len(text) - len(text.rstrip("\n")) for text in (before, after)]
    lines = after.splitlines()
    return ends[0] == ends[1] and bool(lines) and lines[0][:1] not in (" ", "") and all(map(str.isprintable, lines))


def _flow(value: object, style: str | None = None) -> str:
    """Return a value on one line, a text in the given quotes; it may stand inside a flow collection as well."""
    whole = yaml.dump(
        [value],
        Dumper=_Dumper,
        default_flow_style=True,
        default_style=style,
        sort_keys=False,
        allow_unicode=True,
        width=_WIDTH,
    )
    return whole.removesuffix("\n")[1:-1]


def _dashes_indented(root: Node) -> bool:
    """Return whether the document's lists stand further right than their keys; the first list tells."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        for key, value in node.entries:
            if value.form is Form.SEQUENCE and not value.flow and value.items:
                return value.column > key.column
        waiting.extend(reversed(list(node.inner())))
    return False
