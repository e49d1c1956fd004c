"""Functions of strings (cel-go common/types/string.go, ext/strings.go version 2)."""

from collections.abc import Callable
from typing import Final

from webhook.cel.functions.dispatch import FunctionTable, Overload
from webhook.cel.functions.formatting import format_text
from webhook.cel.types import DYN, INT, STRING, Type, list_type
from webhook.cel.values import LIMIT_PASSED, AbandonedError, EvaluationError, Value, go_text, no_such_overload

# What Go's strings.TrimSpace removes (unicode.IsSpace).
_SPACES: Final = "".join(
    map(
        chr, (9, 10, 11, 12, 13, 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
    )
)
_TO_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_TO_UPPER: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_QUOTED: Final = str.maketrans(
    {
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
)


# More than a string may have whose parts were paid for: 0.1 for each character, 1,000,000 at most.
MOST_LENGTH: Final = 10_000_000


def contains(text: Value, part: Value) -> bool:
    """`s.contains(part)`; like the next two it tests the types itself."""
    if type(text) is str and type(part) is str:
        return part in text
    raise no_such_overload()


def starts_with(text: Value, prefix: Value) -> bool:
    """`s.startsWith(prefix)`."""
    if type(text) is str and type(prefix) is str:
        return text.startswith(prefix)
    raise no_such_overload()


def ends_with(text: Value, suffix: Value) -> bool:
    """`s.endsWith(suffix)`."""
    if type(text) is str and type(suffix) is str:
        return text.endswith(suffix)
    raise no_such_overload()


def _out_of_range(index: int) -> EvaluationError:
    return EvaluationError(f"index out of range: {index}")


def check_length(length: int) -> None:
    """Stop an evaluation that would make a string of more than MOST_LENGTH characters out of nothing."""
    if length > MOST_LENGTH:
        raise AbandonedError(LIMIT_PASSED)


def char_at(text: str, index: int) -> str:
    """`s.charAt(i)`: the empty string just behind the end."""
    if not 0 <= index <= len(text):
        raise _out_of_range(index)
    return text[index : index + 1]


def index_of(text: str, part: str, offset: int = 0) -> int:
    """`s.indexOf(part)`, `s.indexOf(part, offset)`: -1 if it does not occur."""
    if offset < 0:
        raise _out_of_range(offset)
    if not part:
        return min(offset, len(text))
    return text.find(part, offset)


def last_index_of(text: str, part: str) -> int:
    """`s.lastIndexOf(part)`."""
    return text.rfind(part)


def last_index_from(text: str, part: str, offset: int) -> int:
    """`s.lastIndexOf(part, offset)`: the last occurrence that begins at the offset or before it."""
    if offset < 0:
        raise _out_of_range(offset)
    if not part:
        return min(offset, len(text))
    return -1 if offset >= len(text) else text.rfind(part, 0, offset + len(part))


def replace(text: str, old: str, new: str, times: int = -1) -> str:
    """`s.replace(old, new)`, `s.replace(old, new, n)`: all of them if n is negative."""
    count = text.count(old) if times < 0 else min(times, text.count(old))
    check_length(len(text) + count * max(0, len(new) - len(old)))
    return text.replace(old, new, count)


def split(text: str, separator: str, parts: int = -1) -> list[Value]:
    """`s.split(sep)`, `s.split(sep, n)`: n is the most parts, any number if it is negative."""
    if parts == 0:
        return []
    if not separator:
        return _characters(text, parts)
    if parts < 0 or parts > len(text) + 1:
        return list(text.split(separator))
    return list(text.split(separator, parts - 1))


def _characters(text: str, parts: int) -> list[Value]:
    if parts < 0 or parts > len(text):
        return list(text)
    return [*text[: parts - 1], text[parts - 1 :]]


def substring(text: str, start: int, end: int | None = None) -> str:
    """`s.substring(start)`, `s.substring(start, end)`."""
    if end is not None and start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    if not 0 <= start <= len(text):
        raise _out_of_range(start)
    if end is not None and not 0 <= end <= len(text):
        raise _out_of_range(end)
    return text[start:end]


def join(parts: list[Value], separator: str = "") -> str:
    """`list.join()`, `list.join(sep)`."""
    for part in parts:
        if type(part) is not str:
            raise EvaluationError(f"join: invalid input: {go_text(part)}")
    check_length(len(parts) * len(separator))
    return separator.join(parts)


def quote(text: str) -> str:
    """`strings.quote(s)`."""
    return f'"{text.translate(_QUOTED)}"'


def lower_ascii(text: str) -> str:
    """`s.lowerAscii()`."""
    return text.lower() if text.isascii() else text.translate(_TO_LOWER)


def upper_ascii(text: str) -> str:
    """`s.upperAscii()`."""
    return text.upper() if text.isascii() else text.translate(_TO_UPPER)


def trim(text: str) -> str:
    """`s.trim()`."""
    return text.strip(_SPACES)


_STRINGS: Final = list_type(STRING)


def _member(id_: str, run: Callable[..., Value], *others: Type) -> Overload:
    return Overload(id_, (STRING, *others), run)


def _unguarded(id_: str, run: Callable[..., Value]) -> tuple[Overload]:
    return (Overload(id_, (STRING, STRING), run, unguarded=True),)


FUNCTIONS: Final[FunctionTable] = {
    "contains": _unguarded("contains_string", contains),
    "startsWith": _unguarded("starts_with_string", starts_with),
    "endsWith": _unguarded("ends_with_string", ends_with),
    "charAt": (_member("string_char_at_int", char_at, INT),),
    "indexOf": (
        _member("string_index_of_string", index_of, STRING),
        _member("string_index_of_string_int", index_of, STRING, INT),
    ),
    "lastIndexOf": (
        _member("string_last_index_of_string", last_index_of, STRING),
        _member("string_last_index_of_string_int", last_index_from, STRING, INT),
    ),
    "lowerAscii": (_member("string_lower_ascii", lower_ascii),),
    "upperAscii": (_member("string_upper_ascii", upper_ascii),),
    "replace": (
        _member("string_replace_string_string", replace, STRING, STRING),
        _member("string_replace_string_string_int", replace, STRING, STRING, INT),
    ),
    "split": (
        _member("string_split_string", split, STRING),
        _member("string_split_string_int", split, STRING, INT),
    ),
    "substring": (
        _member("string_substring_int", substring, INT),
        _member("string_substring_int_int", substring, INT, INT),
    ),
    "trim": (_member("string_trim", trim),),
    "format": (_member("string_format", format_text, list_type(DYN)),),
    "strings.quote": (Overload("strings_quote", (STRING,), quote),),
    "join": (
        Overload("list_join", (_STRINGS,), join),
        Overload("list_join_string", (_STRINGS, STRING), join),
    ),
}
