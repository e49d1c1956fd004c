"""Reads any JSON text of RFC 8259 without losing a digit and at any depth; used where msgspec gives up.

msgspec refuses what the RFC allows: numbers beyond a double or of thousands of digits, escapes of half a surrogate
pair, and nesting deeper than the stack. Three steps, each slower than the one before: msgspec (in wire.py), the
standard library, and a parser that keeps its own stack.
"""

import json
import re
from collections.abc import Callable
from json.decoder import (  # type: ignore[attr-defined]  # the typings lack scanstring
    JSONDecodeError,
    scanstring,
)
from typing import Any, Final, NoReturn

DEEPEST = 10_000
"""Nesting that the API server's own decoder allows (encoding/json, maxNestingDepth)."""

MOST_DEEP_TOKENS = 500_000
"""How much is read of a text nested deeper than the stack, under a second of work; a real object is never both."""

_MOST_DIGITS = 4_300  # what int() reads; more would be quadratic work
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
_TOKEN = re.compile(
    r"[ \t\n\r]*(?:(?P<mark>[{}\[\],:])|(?P<text>\")"
    r"|(?P<whole>-?(?:0|[1-9][0-9]*))(?P<fraction>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<word>true|false|null)|(?P<end>\Z))"
)
_WORDS: Final = {"true": True, "false": False, "null": None}


class Opaque:
    """Stands where a value is that cannot be held exactly or walked safely; it is of no JSON type. There is one."""

    __slots__ = ()

    def __deepcopy__(self, _: object) -> "Opaque":
        """Return itself: in a copy of an object it is no change."""
        return self

    def __repr__(self) -> str:
        return "<opaque>"


OPAQUE: Final = Opaque()


class JsonError(ValueError):
    """The text is not JSON, or nested too deeply; says what and where."""


def parse_exact(text: str) -> Any:
    """Return the value of a JSON text; JsonError if it is none.

    Of duplicate keys the last counts. A number that a double cannot hold, or a whole one of more than 4,300 digits, is
    OPAQUE; half a surrogate pair becomes U+FFFD, as in Go's decoder.
    """
    if "\\u" in text:
        text = _ESCAPE.sub(lambda escape: "\\ufffd" if escape["half"] else escape[0], text)
    try:
        return json.loads(text, parse_int=_whole, parse_float=_real, parse_constant=_refused)
    except RecursionError:
        return parse_with_own_stack(text)
    except JSONDecodeError as error:
        raise JsonError(f"{error.msg[0].lower()}{error.msg[1:]} at character {error.pos}") from None


def parse_with_own_stack(text: str) -> Any:
    """Return the same for a text of any depth up to 10,000, more slowly; JsonError where it is too long for that."""
    return _DeepText(text).value()


def _whole(digits: str) -> int | Opaque:
    return int(digits) if len(digits) <= _MOST_DIGITS else OPAQUE


def _real(digits: str) -> float | Opaque:
    value = float(digits)
    return value if abs(value) != float("inf") else OPAQUE


def _refused(word: str) -> NoReturn:
    raise JsonError(f"'{word}' is not a JSON number")


class _DeepText:
    """Reads one text with a stack of its own."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._tokens = 0

    def value(self) -> Any:
        mark, value = self._next()
        if mark in _OPENERS:
            value = self._container(_OPENERS[mark]())
        elif mark != "value":
            raise self._unexpected(mark)
        mark, _ = self._next()
        if mark != "end":
            raise self._unexpected(mark)
        return value

    def _container(self, current: dict[str, Any] | list[Any]) -> Any:
        """Return the object or list whose opening bracket was just read."""
        outer: list[dict[str, Any] | list[Any]] = []
        first = True
        while True:
            mark, value = self._next()
            if mark == ("}" if isinstance(current, dict) else "]"):
                if not outer:
                    return current
                current = outer.pop()
                first = False
                continue
            if not first:
                self._must_be(",", mark)
                mark, value = self._next()
            first = False
            if isinstance(current, dict):
                key = self._key(mark, value)
                mark, value = self._next()
                inner = current[key] = self._element(mark, value)
            else:
                inner = self._element(mark, value)
                current.append(inner)
            if mark in _OPENERS:
                outer.append(current)
                if len(outer) >= DEEPEST:
                    raise JsonError(f"nested deeper than {DEEPEST} levels")
                current, first = inner, True

    def _key(self, mark: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self._unexpected(mark)
        mark, _ = self._next()
        self._must_be(":", mark)
        return value

    def _element(self, mark: str, value: Any) -> Any:
        if mark in _OPENERS:
            return _OPENERS[mark]()
        self._must_be("value", mark)
        return value

    def _next(self) -> tuple[str, Any]:
        """Return what the next token is (a mark, `value` or `end`), and its value."""
        self._tokens += 1
        if self._tokens > MOST_DEEP_TOKENS:
            raise JsonError("nested too deeply for its length")
        found = _TOKEN.match(self._text, self._position)
        if found is None:
            raise JsonError(f"unexpected text at character {self._position}")
        self._position = found.end()
        mark, text, whole, fraction, word, _ = found.groups()
        if mark:
            return mark, None
        if text:
            return "value", self._string()
        if whole:
            return "value", _real(whole + fraction) if fraction else _whole(whole)
        return ("value", _WORDS[word]) if word else ("end", None)

    def _string(self) -> str:
        try:
            value, self._position = scanstring(self._text, self._position, True)
        except JSONDecodeError as error:
            raise JsonError(f"unreadable string at character {error.pos}") from None
        return str(value)

    def _must_be(self, wanted: str, mark: str) -> None:
        if mark != wanted:
            raise self._unexpected(mark)

    def _unexpected(self, mark: str) -> JsonError:
        what = mark if mark in {"value", "end"} else f"'{mark}'"
        return JsonError(f"unexpected {what} before character {self._position}")


_OPENERS: Final[dict[str, Callable[[], dict[str, Any] | list[Any]]]] = {"{": dict, "[": list}
