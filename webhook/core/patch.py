"""JSON Patch (RFC 6902): built from what has changed, and applied here before it is sent.

A patch that the API server cannot apply refuses the object even where a failing webhook is ignored (operations.md
0.4), so every patch is tried on the object as received. Only what differs is walked: parts that both objects share
are never looked into, however deep they are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.core.finding import Json

_END = "-"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `path` is a JSON Pointer into the object as received."""

    op: str
    path: str
    value: Json = None


class PatchError(ValueError):
    """The API server would refuse the patch: it does not fit the object."""


def apply(document: Any, operations: Iterable[Operation]) -> Any:
    """Return the document with the operations done in order; the document itself stays as it is.

    PatchError where a step leads nowhere, as the API server would refuse it: a missing parent, a missing target of
    `remove` or `replace`, an index out of range, a failing `test`.
    """
    top: list[Any] = [document]
    copies: dict[int, Any] = {id(top): top}
    for operation in operations:
        _change(top, ["0", *_steps(operation.path)], operation, copies)
    return top[0]


def _steps(pointer: str) -> list[str]:
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise PatchError(f"'{pointer}' is no JSON Pointer")
    steps = pointer[1:].split("/")
    return [step.replace("~1", "/").replace("~0", "~") for step in steps] if "~" in pointer else steps


def _change(top: list[Any], steps: list[str], operation: Operation, copies: dict[int, Any]) -> None:
    """Change the target, in copies of the objects and lists on the way to it.

    `copies` are those that are ours already; they are held, so that none of their numbers is given again.
    """
    target: Any = top
    key = _position(top, steps[0], operation)
    for step in steps[1:]:
        _require(target, key, operation)
        child = target[key]
        if id(child) not in copies:
            child = target[key] = _copied(child, operation)
            copies[id(child)] = child
        target, key = child, _position(child, step, operation)
    _do(target, key, operation)


def _copied(value: Any, operation: Operation) -> Any:
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list):
        return list(value)
    raise PatchError(f"{operation.op} '{operation.path}': the parent is no object or list")


def _position(parent: Any, step: str, operation: Operation) -> Any:
    """Return the key or index that a step names; the index of `-` is one past the end."""
    if not isinstance(parent, list):
        return step
    if step == _END:
        return len(parent)
    if not step.isascii() or not step.isdigit() or (step[0] == "0" and step != "0"):
        raise PatchError(f"{operation.op} '{operation.path}': '{step}' is no index")
    return int(step)


def _require(parent: Any, key: Any, operation: Operation) -> None:
    there = key in parent if isinstance(parent, dict) else key < len(parent)
    if not there:
        raise PatchError(f"{operation.op} '{operation.path}': nothing is there")


def _do(parent: Any, key: Any, operation: Operation) -> None:
    match operation.op:
        case "add" if isinstance(parent, list):
            if key > len(parent):
                raise PatchError(f"add '{operation.path}': the index is past the end")
            parent.insert(key, operation.value)
        case "add":
            parent[key] = operation.value
        case "remove":
            _require(parent, key, operation)
            del parent[key]
        case "replace":
            _require(parent, key, operation)
            parent[key] = operation.value
        case "test":
            _require(parent, key, operation)
            if not _same(parent[key], operation.value):
                raise PatchError(f"test '{operation.path}': another value is there")
        case other:
            raise PatchError(f"'{other}' is no operation that is used here")


def _same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal; true is not 1, in JSON."""
    return type(one) is type(other) and bool(one == other)


@dataclass(frozen=True, slots=True)
class _Pair:
    pointer: str
    before: Any
    after: Any


def difference(before: Any, after: Any) -> tuple[Operation, ...]:
    """Return operations that make `before` into `after`, and touch nothing that is equal in both.

    Lists are compared place by place, so items are only ever appended, replaced, or removed at the end: what the
    rewrite does. Without recursion: hostile nesting cannot exhaust the stack.
    """
    found: list[Operation] = []
    waiting = [_Pair("", before, after)]
    while waiting:
        pair = waiting.pop()
        if isinstance(pair.before, dict) and isinstance(pair.after, dict):
            found.extend(_keys_differing(pair.pointer, pair.before, pair.after))
            both = ((key, old, pair.after[key]) for key, old in pair.before.items() if key in pair.after)
            inner = [_Pair(_at(pair.pointer, key), old, new) for key, old, new in both if old is not new]
        elif isinstance(pair.before, list) and isinstance(pair.after, list):
            found.extend(_ends_differing(pair.pointer, pair.before, pair.after))
            items = enumerate(zip(pair.before, pair.after, strict=False))
            inner = [_Pair(f"{pair.pointer}/{index}", old, new) for index, (old, new) in items if old is not new]
        else:
            if not _same(pair.before, pair.after):
                found.append(Operation("replace", pair.pointer, pair.after))
            continue
        waiting.extend(reversed(inner))
    return tuple(found)


def _keys_differing(pointer: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Operation]:
    for key in before:
        if key not in after:
            yield Operation("remove", _at(pointer, key))
    for key, value in after.items():
        if key not in before:
            yield Operation("add", _at(pointer, key), value)


def _ends_differing(pointer: str, before: list[Any], after: list[Any]) -> Iterator[Operation]:
    for index in range(len(before) - 1, len(after) - 1, -1):
        yield Operation("remove", f"{pointer}/{index}")
    for value in after[len(before) :]:
        yield Operation("add", f"{pointer}/{_END}", value)


def _at(pointer: str, key: str) -> str:
    if "~" in key or "/" in key:
        key = key.replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{key}"
