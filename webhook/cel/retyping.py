"""How a use of an attribute or capacity becomes one that its value can be put to, with everything else kept."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from webhook.cel.functions.semver import SemverError, normalised, parse_version
from webhook.cel.inspect import respell
from webhook.cel.operands import BOOL, INT, LIST, QUANTITY, STRING, VERSION, Use
from webhook.cel.places import ATTRIBUTES, CAPACITY
from webhook.cel.syntax import (
    EQUALS,
    GREATER,
    GREATER_EQUALS,
    IN,
    LESS,
    LESS_EQUALS,
    NOT_EQUALS,
    Call,
    Expr,
    ListLiteral,
    Literal,
    Select,
)

_SIGNS: Final = {LESS: "<", LESS_EQUALS: "<=", GREATER: ">", GREATER_EQUALS: ">=", EQUALS: "==", NOT_EQUALS: "!="}
_MIRRORED: Final = str.maketrans("<>", "><")
_WRAPPERS: Final = {(VERSION, STRING): "semver", (QUANTITY, STRING): "quantity", (INT, STRING): "int"}
_NUMBERS: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?\.?", re.ASCII)
_PATTERN: Final = re.compile(r"\^?([0-9]+)(?:(?:\\\.|\[\.\]|\.)([0-9]+))?(?:\\\.|\[\.\])?(?:\.[*+])?\$?", re.ASCII)
_TO_TEXT: Final = frozenset({INT, BOOL})


@dataclass(frozen=True, slots=True)
class Retyped:
    """A change of the text from `start` to `end`, with what to tell of it."""

    message: str
    start: int
    end: int
    text: str


def retyped(use: Use, source: str, known: frozenset[str]) -> Iterator[Retyped]:
    """Changes that make the use fit a value of the known types, best first."""
    if isinstance(use.other, Literal) and use.other.value is None:
        yield from _presence(use, source)
    elif use.place.field == ATTRIBUTES and use.types == {QUANTITY}:
        yield from _as_capacity(use, source)
    elif use.call.function in (EQUALS, NOT_EQUALS) and use.types == {LIST}:
        yield from _as_membership(use, source)
    else:
        yield from _value_changed(use, source, known)
        yield from _unwrapped(use, source, known)
        yield from _wrapped(use, source, known)


def _of(node: Expr, source: str) -> str:
    return source[node.start : node.end]


def _changed(use: Use, text: str) -> Retyped:
    return Retyped(f"write {text}", use.call.start, use.call.end, text)


def _presence(use: Use, source: str) -> Iterator[Retyped]:
    """`x != null`: whether it is there is asked with has()."""
    if isinstance(use.node, Select) and use.call.function in (EQUALS, NOT_EQUALS):
        yield _changed(use, f"{'!' if use.call.function == EQUALS else ''}has({_of(use.node, source)})")


def _as_capacity(use: Use, source: str) -> Iterator[Retyped]:
    text = _of(use.node, source)
    yield Retyped("quantities are capacities: write device.capacity", use.node.start, use.node.end, _swapped(text))


def _swapped(text: str) -> str:
    return text.replace("attributes", CAPACITY, 1)


def _as_membership(use: Use, source: str) -> Iterator[Retyped]:
    """`x == ['a', 'b']`: one of them is meant."""
    if use.other is not None:
        text = f"{_of(use.node, source)} in {_of(use.other, source)}"
        yield _changed(use, text if use.call.function == EQUALS else f"!({text})")


def _value_changed(use: Use, source: str, known: frozenset[str]) -> Iterator[Retyped]:
    """What it is compared with, as a value of the type that the attribute or capacity has."""
    other, call = use.other, use.call
    if other is None or (call.function not in _SIGNS and call.function != IN):
        yield from _of_prefix(use, source, known)
        return
    for type_ in (BOOL, INT, STRING, VERSION, QUANTITY):
        if type_ not in known:
            continue
        if type_ in (VERSION, QUANTITY) and call.function not in (EQUALS, NOT_EQUALS, IN):
            yield from _by_order(use, source, type_)
            continue
        elements = other.elements if isinstance(other, ListLiteral) and call.function == IN else (other,)
        written = [_written(element, type_, source) for element in elements]
        if all(text is not None for text in written):
            text = _joined(other, elements, [text or "" for text in written], source)
            yield Retyped(f"write {text}", other.start, other.end, text)


def _joined(other: Expr, elements: Sequence[Expr], written: Sequence[str], source: str) -> str:
    """The operand with its elements as they are written now, brackets and blanks kept."""
    if elements[0] is other:
        return written[0]
    text, at = "", other.start
    for element, new in zip(elements, written, strict=True):
        text += source[at : element.start] + new
        at = element.end
    return text + source[at : other.end]


def _by_order(use: Use, source: str, type_: str) -> Iterator[Retyped]:
    """`x < '8.0'`: versions and quantities are ordered by compareTo."""
    other, sign = use.other, _SIGNS.get(use.call.function)
    made = None if other is None else _written(other, type_, source)
    if made is not None and sign is not None:
        sign = sign if use.call.args[0] is use.node else sign.translate(_MIRRORED)
        yield _changed(use, f"{_of(use.node, source)}.compareTo({made}) {sign} 0")


def _of_prefix(use: Use, source: str, known: frozenset[str]) -> Iterator[Retyped]:
    """`x.startsWith('12.4')` or `x.matches('^12[.]4')` of a version: its major and minor number."""
    other = use.other
    if known != {VERSION} or not isinstance(other, Literal) or not isinstance(other.value, str):
        return
    pattern = _NUMBERS if use.call.function == "startsWith" else _PATTERN if use.call.function == "matches" else None
    found = pattern.fullmatch(other.value) if pattern is not None else None
    if found is not None:
        numbers = [number for number in found.groups() if number is not None]
        named = zip(("major", "minor"), numbers, strict=False)
        terms = [f"{_of(use.node, source)}.{name}() == {int(number)}" for name, number in named]
        text = " && ".join(terms)
        yield _changed(use, text if len(terms) == 1 else f"({text})")


def _written(node: Expr, type_: str, source: str) -> str | None:
    """A constant as a value of the type, in CEL; None where it is none."""
    if isinstance(node, Call) and node.function in ("quantity", "semver", "dyn") and node.args:
        return _written(node.args[0], type_, source)
    if not isinstance(node, Literal) or node.value is None:
        return None
    value = node.value.decode("utf-8", "replace") if isinstance(node.value, bytes) else node.value
    said = value if isinstance(value, str) else _of(node, source)
    match type_:
        case "bool":
            return said.lower() if said.lower() in ("true", "false") else {"1": "true", "0": "false"}.get(said)
        case "int":
            return said if said.removeprefix("-").isdecimal() and said.isascii() else None
        case "string":
            return quoted(said)
        case "quantity":
            return f"quantity({quoted(said)})"
        case _:
            return _version(said)


def _version(said: str) -> str | None:
    try:
        return f"semver({quoted(str(parse_version(normalised(said))))})"
    except SemverError:
        return None


def quoted(text: str) -> str:
    """A CEL string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def requoted(source: str, literal: Literal, text: str) -> str:
    """A string literal with another text, in the same style of quotes."""
    span = (literal.start, literal.end)
    written = respell(source, span, text)
    return written[literal.start : len(written) - (len(source) - literal.end)]


def _unwrapped(use: Use, source: str, known: frozenset[str]) -> Iterator[Retyped]:
    """`semver(version)` is that version, and `int(version)` its first number."""
    text = _of(use.node, source)
    if known == {VERSION} and use.call.function == "semver":
        yield _changed(use, text)
    if known == {VERSION} and use.call.function == "int":
        yield _changed(use, f"{text}.major()")


def _wrapped(use: Use, source: str, known: frozenset[str]) -> Iterator[Retyped]:
    """The value converted to what the call works on."""
    text = _of(use.node, source)
    wrapper = next((name for (to, of), name in _WRAPPERS.items() if to in use.types and known == {of}), "")
    if use.types == {STRING} and known and known <= _TO_TEXT and use.call.function not in (*_SIGNS, IN):
        wrapper = "string"
    if wrapper:
        yield Retyped(f"write {wrapper}({text})", use.node.start, use.node.end, f"{wrapper}({text})")
