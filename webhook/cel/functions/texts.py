"""Texts as Go's fmt and strconv print them."""

import unicodedata
from typing import Final

_SHORT: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def go_quoted(text: str) -> str:
    """The text in double quotes with escapes, as %q prints it (strconv.Quote)."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    short = _SHORT.get(char)
    if short is not None:
        return short
    if char == " " or _printable(char):
        return char
    code = ord(char)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _printable(char: str) -> bool:
    """Letters, marks, numbers, punctuation and symbols (strconv.IsPrint)."""
    return unicodedata.category(char)[0] in "LMNPS"


def go_quoted_bytes(data: bytes) -> str:
    """Bytes in double quotes: valid UTF-8 as text, the rest as \\x escapes."""
    parts: list[str] = []
    position = 0
    while position < len(data):
        for length in (1, 2, 3, 4):
            try:
                char = data[position : position + length].decode()
            except UnicodeDecodeError:
                continue
            if char:
                parts.append(_escaped(char))
                position += length
                break
        else:
            parts.append(f"\\x{data[position]:02x}")
            position += 1
    return f'"{"".join(parts)}"'
