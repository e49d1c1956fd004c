"""`'%d of %s'.format([...])`, in the reference's American English (cel-go ext/formatting.go)."""

import math
import re
from collections.abc import Callable
from typing import Final, TypeAlias

from webhook.cel.functions.texts import go_quoted, go_quoted_bytes
from webhook.cel.functions.times import printed_duration, printed_timestamp
from webhook.cel.syntax import Uint
from webhook.cel.values import (
    LISTS,
    MAPS,
    Duration,
    EvaluationError,
    Timestamp,
    TypeValue,
    Value,
    go_float,
    key_value,
    type_name,
)

Clause: TypeAlias = Callable[[Value], str]

_PRECISION: Final = re.compile(r"\.([0-9]*)", re.ASCII)
_DEFAULT_PRECISION: Final = 6
_MOST_PRECISION: Final = 10_000  # beyond what a budget of 1,000,000 cost units could use
_SPELLED_NUMBERS: Final = frozenset({"NaN", "Infinity", "-Infinity"})


def format_text(pattern: str, args: list[Value]) -> str:
    """The pattern with its clauses replaced by the arguments."""
    parts: list[str] = []
    used = position = 0
    while True:
        percent = pattern.find("%", position)
        if percent < 0:
            return "".join((*parts, pattern[position:]))
        parts.append(pattern[position:percent])
        position = percent + 1
        if pattern.startswith("%", position):
            parts.append("%")
            position += 1
            continue
        if used >= len(args):
            raise EvaluationError(f"index {used} out of range")
        if position >= len(pattern):
            raise EvaluationError("unexpected end of string")
        position, clause = _clause(pattern, position)
        try:
            parts.append(clause(args[used]))
        except EvaluationError as error:
            raise EvaluationError(f"error during formatting: {error}") from None
        used += 1


def _clause(pattern: str, position: int) -> tuple[int, Clause]:
    """Where the clause ends, and what it does."""
    problem = "could not parse formatting clause"
    precision = _DEFAULT_PRECISION
    found = _PRECISION.match(pattern, position)
    if found is not None:
        precision = _precision(found.group(1), at_end=found.end() >= len(pattern))
        position = found.end()
    letter = pattern[position]
    if letter == "f":
        return position + 1, _number_clause("fixed-point", precision, _fixed)
    if letter == "e":
        return position + 1, _number_clause("scientific", precision, _scientific)
    clause = _CLAUSES.get(letter)
    if clause is None:
        first = chr(letter.encode()[0])
        raise EvaluationError(f'{problem}: unrecognized formatting clause "{first}"')
    return position + 1, clause


def _precision(digits: str, at_end: bool) -> int:
    problem = "could not parse formatting clause: error while parsing precision"
    if at_end:
        raise EvaluationError(f"{problem}: could not find end of precision specifier")
    if not digits or len(digits) > 18:
        why = "value out of range" if digits else "invalid syntax"
        text = f"error while converting precision to integer: strconv.Atoi: parsing {go_quoted(digits)}: {why}"
        raise EvaluationError(f"{problem}: {text}")
    return min(int(digits), _MOST_PRECISION)


def _string(value: Value) -> str:
    """%s."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]  # just tested
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is Uint:
        return str(int(value))
    if kind is float:
        return go_float(value)
    if kind is bytes:
        return _bytes_text(value)
    if value is None:
        return "null"
    if kind in LISTS:
        return _list(value)
    if kind in MAPS:
        return _map(value)
    if kind is Duration:
        return printed_duration(value)
    if kind is Timestamp:
        return printed_timestamp(value)
    if kind is TypeValue:
        return str(value.name)
    raise EvaluationError(
        "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, "
        f"and timestamps, was given {type_name(value)}"
    )


def _bytes_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EvaluationError(
            'could not convert argument "invalid UTF-8 in bytes, cannot convert to string" to string'
        ) from None


def _decimal(value: Value) -> str:
    """%d."""
    if type(value) is int or type(value) is Uint:
        return str(int(value))
    raise EvaluationError(f"decimal clause can only be used on integers, was given {type_name(value)}")


def _binary(value: Value) -> str:
    """%b."""
    if type(value) is bool:
        return str(int(value))
    if type(value) is int or type(value) is Uint:
        return f"{int(value):b}"
    raise EvaluationError(f"only integers and bools can be formatted as binary, was given {type_name(value)}")


def _octal(value: Value) -> str:
    """%o."""
    if type(value) is int or type(value) is Uint:
        return f"{int(value):o}"
    raise EvaluationError(f"octal clause can only be used on integers, was given {type_name(value)}")


def _hex(value: Value) -> str:
    """%x."""
    if type(value) is str:
        return value.encode().hex()
    if type(value) is bytes:
        return value.hex()
    if type(value) is int or type(value) is Uint:
        return f"{int(value):x}"
    raise EvaluationError(
        f"only integers, byte buffers, and strings can be formatted as hex, was given {type_name(value)}"
    )


_CLAUSES: Final[dict[str, Clause]] = {
    "s": _string,
    "d": _decimal,
    "b": _binary,
    "o": _octal,
    "x": _hex,
    "X": lambda value: _hex(value).upper(),
}


def _number_clause(name: str, precision: int, printed: Callable[[float, int], str]) -> Clause:
    def clause(value: Value) -> str:
        if type(value) is str and value in _SPELLED_NUMBERS:
            value = float(value)
        if type(value) is not float:
            raise EvaluationError(f"{name} clause can only be used on doubles, was given {type_name(value)}")
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        return printed(value, precision)

    return clause


def _fixed(number: float, precision: int) -> str:
    """%f: with commas between thousands."""
    return f"{number:,.{precision}f}"


def _scientific(number: float, precision: int) -> str:
    """%e: `1.000000 × 10⁰⁰` with the exponent in superscript digits, as the reference's locale has it."""
    mantissa, _, exponent = f"{number:.{precision}e}".partition("e")
    sign = "⁻" if exponent.startswith("-") else ""
    digits = exponent.lstrip("+-").translate(_SUPERSCRIPT)
    return f"{mantissa}\u00a0×\u00a010{sign}{digits}"


_SUPERSCRIPT: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _element(value: Value) -> str:
    """A value inside a list or map, as a literal of CEL."""
    kind = type(value)
    if kind is str:
        return go_quoted(value)
    if kind is bytes:
        return "b" + go_quoted_bytes(_bytes_text(value).encode())
    if kind is float:
        if math.isfinite(value):
            return f"{value:.6f}"
        return '"NaN"' if math.isnan(value) else f'"{go_float(value)}"'
    if kind is Duration:
        return f'duration("{printed_duration(value)}")'
    if kind is Timestamp:
        return f'timestamp("{printed_timestamp(value)}")'
    if kind is bool or kind is int or kind is Uint or value is None or kind in LISTS or kind in MAPS:
        return _string(value)
    if kind is TypeValue:
        return str(value.name)
    raise EvaluationError(f"no formatting function for {type_name(value)}")


def _list(values: list[Value]) -> str:
    return f"[{', '.join(map(_element, values))}]"


def _map(entries: dict[str, Value]) -> str:
    pairs = sorted((_key(key_value(key)), _element(value)) for key, value in entries.items())
    return f"{{{', '.join(f'{key}:{value}' for key, value in pairs)}}}"


def _key(key: Value) -> str:
    if type(key) is str:
        return go_quoted(key)
    if type(key) is bool or type(key) is int or type(key) is Uint:
        return _string(key)
    raise EvaluationError(f"no formatting function for map key of type {type_name(key)}")
