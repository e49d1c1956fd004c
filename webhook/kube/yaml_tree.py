"""The syntax of a YAML document with the place of every node: what is needed to change it and keep all else."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

import yaml


class Form(Enum):
    MAPPING = "mapping"
    SEQUENCE = "sequence"
    SCALAR = "scalar"
    ALIAS = "alias"


@dataclass(slots=True)
class Node:
    """A node; `start` and `end` are its characters in the text. `column` is that of its first key, item or letter.

    `entries` are the keys (by their text) and values of a mapping, `items` the nodes of a sequence. `anchor` is the
    anchor that it has, or the one that an alias means.
    """

    form: Form
    start: int
    end: int
    column: int
    flow: bool = False
    anchor: str = ""
    text: str = ""
    style: str = ""
    entries: list[tuple["Node", "Node"]] = field(default_factory=list)
    items: list["Node"] = field(default_factory=list)

    def inner(self) -> Iterator["Node"]:
        for key, value in self.entries:
            yield key
            yield value
        yield from self.items

    def value(self, key: str) -> "Node | None":
        """Return the value of a key; of duplicate keys the last counts."""
        return next((value for name, value in reversed(self.entries) if name.text == key), None)

    def anchors(self) -> Iterator[str]:
        """Yield the anchors on the node and below."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if node.anchor and node.form is not Form.ALIAS:
                yield node.anchor
            waiting.extend(node.inner())

    def leaves(self) -> Iterator["Node"]:
        """Yield the scalars and aliases below, in order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if node.form in (Form.SCALAR, Form.ALIAS):
                yield node
            else:
                waiting.extend(reversed(list(node.inner())))


def parse_tree(text: str) -> Node | None:
    """Return the root of the first document of a text that has been read before; None where it is empty."""
    open_nodes: list[Node] = []
    keys: list[Node | None] = []
    root: Node | None = None
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            form = Form.MAPPING if isinstance(event, yaml.MappingStartEvent) else Form.SEQUENCE
            node = _node(form, event, flow=bool(event.flow_style), anchor=event.anchor or "")
        elif isinstance(event, yaml.ScalarEvent):
            node = _node(Form.SCALAR, event, anchor=event.anchor or "", text=event.value, style=event.style or "")
        elif isinstance(event, yaml.AliasEvent):
            node = _node(Form.ALIAS, event, anchor=event.anchor)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = open_nodes.pop()
            keys.pop()
            _close(done, _mark(event.end_mark).index)
            continue
        else:
            continue
        if open_nodes:
            _put(open_nodes[-1], keys, node)
        else:
            root = node
        if node.form in (Form.MAPPING, Form.SEQUENCE):
            open_nodes.append(node)
            keys.append(None)
    return root


def _node(form: Form, event: yaml.NodeEvent, **fields: object) -> Node:
    start, end = _mark(event.start_mark), _mark(event.end_mark)
    return Node(form, start.index, end.index, start.column, **fields)  # type: ignore[arg-type]  # as the caller gives


def _mark(mark: object) -> yaml.Mark:
    assert isinstance(mark, yaml.Mark)  # the parser in Python always says where it is
    return mark


def _put(parent: Node, keys: list[Node | None], node: Node) -> None:
    if parent.form is Form.SEQUENCE:
        parent.items.append(node)
    elif keys[-1] is None:
        keys[-1] = node
    else:
        parent.entries.append((keys[-1], node))
        keys[-1] = None


def _close(node: Node, end: int) -> None:
    """Set where a collection ends, and where it really begins: behind its anchor.

    The end of a block collection is that of its last part: comments behind it are not its own.
    """
    inner = list(node.inner())
    if node.flow:
        node.end = end
    elif inner:
        node.end = max(part.end for part in inner)
    if node.form is Form.MAPPING and not node.flow and inner:
        node.start, node.column = inner[0].start, inner[0].column
