"""Values of literal tokens: numbers and their ranges, escapes in strings and bytes."""

import re
from typing import Final

from webhook.cel.syntax import Uint

_SIMPLE: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "`": "`",
    "?": "?",
}
_ESCAPE = re.compile(r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7][0-7])|(.))", re.DOTALL)
_SHORT_INTEGER: Final = 19  # so many digits may be too many for an int
_QUOTES: Final = "'\""
_TRIPLE_QUOTES: Final = ('"""', "'''")
_CARRIAGE_RETURN = re.compile(r"\r\n?")


class BadLiteralError(Exception):
    """The token has a value that CEL does not allow; the message is the API server's."""


def string_value(token: str) -> str:
    """The text that a STRING token stands for."""
    if token[0] in _QUOTES and "\\" not in token and token[:3] not in _TRIPLE_QUOTES:
        return token[1:-1]
    body, raw = _body(token)
    return body if raw or "\\" not in body else _ESCAPE.sub(_unescape, body)


def bytes_value(token: str) -> bytes:
    """The bytes that a BYTES token (with its `b`) stands for."""
    body, raw = _body(token[1:])
    if raw or "\\" not in body:
        return body.encode()
    parts: list[bytes] = []
    position = 0
    for match in _ESCAPE.finditer(body):
        parts.extend((body[position : match.start()].encode(), _unescape_bytes(match)))
        position = match.end()
    parts.append(body[position:].encode())
    return b"".join(parts)


def read_number(kind: str, token: str, *, negative: bool) -> int | Uint | float:
    """The number that a token of the kind `int`, `uint` or `float` stands for, with a sign before it."""
    if kind == "int" and len(token) < _SHORT_INTEGER and token.isdecimal():
        return -int(token) if negative else int(token)
    if kind == "float":
        number = float(token)
        if number == float("inf"):
            raise BadLiteralError("invalid double literal")
        return -number if negative else number
    if kind == "uint":
        value = _integer(token[:-1])
        if value >= 2**64:
            raise BadLiteralError("invalid uint literal")
        return Uint(value)
    value = -_integer(token) if negative else _integer(token)
    if not -(2**63) <= value < 2**63:
        raise BadLiteralError("invalid int literal")
    return value


def _integer(token: str) -> int:
    """The number, or one that is too large for every type if it has more digits than any of them."""
    if token.startswith("0x"):
        return int(token, 16)
    digits = token.lstrip("0")
    return int(digits or "0") if len(digits) <= 20 else 2**64


def _body(token: str) -> tuple[str, bool]:
    raw = token[0] in "rR"
    if raw:
        token = token[1:]
    quotes = 3 if len(token) >= 6 and token[:3] in _TRIPLE_QUOTES else 1
    body = token[quotes:-quotes]
    return (_CARRIAGE_RETURN.sub("\n", body) if "\r" in body else body), raw


def _unescape(match: re.Match[str]) -> str:
    hexadecimal, short, long, octal, simple = match.groups()
    if simple:
        return _SIMPLE[simple]
    code = int(octal, 8) if octal else int(hexadecimal or short or long, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise BadLiteralError("invalid unicode code point")
    return chr(code)


def _unescape_bytes(match: re.Match[str]) -> bytes:
    hexadecimal, short, long, octal, simple = match.groups()
    if short or long:
        raise BadLiteralError("unable to unescape string")
    if simple:
        return _SIMPLE[simple].encode()
    return bytes((int(octal, 8) if octal else int(hexadecimal, 16),))
