"""Conversions between types: `int(x)`, `string(x)`, `duration(x)` ... (cel-go common/types, ConvertToType).

Each function takes any value of CEL and raises EvaluationError with the reference's words.
"""

import math
import re
from collections.abc import Callable
from typing import Final

from webhook.cel.functions.dispatch import FunctionTable, Operator, OperatorTable, Overload, no_overload_for
from webhook.cel.functions.network import Cidr, IpAddress
from webhook.cel.functions.numbers import checked_int, checked_uint
from webhook.cel.functions.times import parse_duration, parse_timestamp, printed_duration, printed_timestamp
from webhook.cel.syntax import Uint
from webhook.cel.types import BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, UINT, Kind, Type
from webhook.cel.values import (
    LEAST_INT,
    LEAST_SECOND,
    MOST_INT,
    MOST_SECOND,
    MOST_UINT,
    NANOS,
    Duration,
    EvaluationError,
    Timestamp,
    TypeValue,
    Value,
    go_float,
    type_name,
)

_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_INTEGER: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_UNSIGNED: Final = re.compile(r"[0-9]+", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9][0-9_]*)?", re.ASCII)
_HEXADECIMAL: Final = re.compile(
    r"([+-]?)0[xX](_?[0-9a-fA-F][0-9a-fA-F_]*\.?[0-9a-fA-F_]*|_?\.[0-9a-fA-F][0-9a-fA-F_]*)[pP]([+-]?[0-9][0-9_]*)",
    re.ASCII,
)
_NO_NUMBER: Final = re.compile(r"[+-]?(?:inf|infinity)|nan", re.ASCII | re.IGNORECASE)
# An underscore stands between two digits, or behind the 0x.
_LOOSE_UNDERSCORE: Final = re.compile(r"(?<![0-9])_|_(?![0-9])", re.ASCII)
_LOOSE_HEX_UNDERSCORE: Final = re.compile(r"(?<![0-9a-fA-FxX])_|_(?![0-9a-fA-F])", re.ASCII)
_MOST_DIGITS: Final = 400


def _failed(value: Value, target: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{type_name(value)}' to '{target}'")


def to_int(value: Value) -> int:
    """`int(x)`: of a timestamp the seconds since 1970, of a duration its nanoseconds; doubles are truncated."""
    kind = type(value)
    if kind is int:
        return value  # type: ignore[no-any-return]  # just tested
    if kind is Uint:
        return checked_int(int(value))
    if kind is float:
        if not -(2.0**63) < value < 2.0**63:
            raise EvaluationError("integer overflow")
        return int(value)
    if kind is str:
        if _INTEGER.fullmatch(value) and len(value) < _MOST_DIGITS and LEAST_INT <= int(value) <= MOST_INT:
            return int(value)
        raise _failed(value, "int")
    if kind is Duration:
        return value.nanos  # type: ignore[no-any-return]  # just tested
    if kind is Timestamp:
        return value.nanos // NANOS  # type: ignore[no-any-return]  # just tested
    raise _misfit("int", value)


def to_uint(value: Value) -> Uint:
    """`uint(x)`."""
    kind = type(value)
    if kind is Uint:
        return value  # type: ignore[no-any-return]  # just tested
    if kind is int:
        return checked_uint(value)
    if kind is float:
        if not 0 <= value < 2.0**64:
            raise EvaluationError("unsigned integer overflow")
        return Uint(value)
    if kind is str:
        if _UNSIGNED.fullmatch(value) and len(value) < _MOST_DIGITS and int(value) <= MOST_UINT:
            return Uint(value)
        raise _failed(value, "uint")
    raise _misfit("uint", value)


def to_double(value: Value) -> float:
    """`double(x)`."""
    kind = type(value)
    if kind is float:
        return value  # type: ignore[no-any-return]  # just tested
    if kind is int or kind is Uint:
        return float(value)
    if kind is str:
        number = parse_double(value)
        if number is None:
            raise _failed(value, "double")
        return number
    raise _misfit("double", value)


def parse_double(text: str) -> float | None:
    """The double that Go's strconv.ParseFloat reads, or None where it fails (out of range included)."""
    if _NO_NUMBER.fullmatch(text):
        return float(text)
    if _DECIMAL.fullmatch(text):
        number = float(text.replace("_", "")) if not _LOOSE_UNDERSCORE.search(text) else math.inf
        return None if math.isinf(number) else number
    if not _HEXADECIMAL.fullmatch(text) or _LOOSE_HEX_UNDERSCORE.search(text):
        return None
    try:
        return float.fromhex(text.replace("_", ""))
    except OverflowError:
        return None


def to_bool(value: Value) -> bool:
    """`bool(x)`."""
    if type(value) is bool:
        return value
    if type(value) is not str:
        raise _misfit("bool", value)
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise _failed(value, "bool")


def to_string(value: Value) -> str:
    """`string(x)`."""
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
        try:
            return value.decode()  # type: ignore[no-any-return]  # just tested
        except UnicodeDecodeError:
            raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None
    if kind is Duration:
        return printed_duration(value)
    if kind is Timestamp:
        return printed_timestamp(value)
    if kind is IpAddress or kind is Cidr:
        return str(value)
    raise _misfit("string", value)


def to_bytes(value: Value) -> bytes:
    """`bytes(x)`."""
    if type(value) is bytes:
        return value
    if type(value) is str:
        return value.encode()
    raise _misfit("bytes", value)


def to_duration(value: Value) -> Duration:
    """`duration(x)`."""
    if type(value) is Duration:
        return value
    if type(value) is not str:
        raise _misfit("duration", value)
    nanos = parse_duration(value)
    if nanos is None:
        raise _failed(value, "google.protobuf.Duration")
    return Duration(nanos)


def legacy_duration_of_int(value: int) -> Duration:
    """`duration(1)`, before Kubernetes 1.37: the overload is declared, and never succeeds."""
    raise _failed(value, "google.protobuf.Duration")


def to_timestamp(value: Value) -> Timestamp:
    """`timestamp(x)`: of seconds since 1970, or of a text in RFC 3339."""
    kind = type(value)
    if kind is Timestamp:
        return value  # type: ignore[no-any-return]  # just tested
    if kind is int:
        moment: Timestamp | None = Timestamp(value * NANOS)
    elif kind is str:
        moment = parse_timestamp(value)
    else:
        raise _misfit("timestamp", value)
    if moment is None:
        raise _failed(value, "google.protobuf.Timestamp")
    if not LEAST_SECOND <= moment.nanos // NANOS <= MOST_SECOND:
        raise EvaluationError("timestamp overflow")
    return moment


def to_dyn(value: Value) -> Value:
    """`dyn(x)`: the value itself; only the checker forgets its type."""
    return value


def to_type(value: Value) -> TypeValue:
    """`type(x)`."""
    return TypeValue(type_name(value))


def _misfit(function: str, value: Value) -> EvaluationError:
    return no_overload_for(function, (value,))


def _one(id_: str, parameter: Type, run: Callable[[Value], Value]) -> Overload:
    return Overload(id_, (parameter,), run)


_IP: Final = Type(Kind.OPAQUE, "net.IP")
_CIDR: Final = Type(Kind.OPAQUE, "net.CIDR")

FUNCTIONS: Final[FunctionTable] = {
    "bool": (_one("bool_to_bool", BOOL, to_bool), _one("string_to_bool", STRING, to_bool)),
    "bytes": (_one("bytes_to_bytes", BYTES, to_bytes), _one("string_to_bytes", STRING, to_bytes)),
    "double": (
        _one("double_to_double", DOUBLE, to_double),
        _one("int64_to_double", INT, to_double),
        _one("string_to_double", STRING, to_double),
        _one("uint64_to_double", UINT, to_double),
    ),
    "duration": (
        _one("duration_to_duration", DURATION, to_duration),
        _one("int64_to_duration", INT, to_duration),
        _one("string_to_duration", STRING, to_duration),
    ),
    "int": (
        _one("int64_to_int64", INT, to_int),
        _one("double_to_int64", DOUBLE, to_int),
        _one("duration_to_int64", DURATION, to_int),
        _one("string_to_int64", STRING, to_int),
        _one("timestamp_to_int64", TIMESTAMP, to_int),
        _one("uint64_to_int64", UINT, to_int),
    ),
    "string": (
        _one("string_to_string", STRING, to_string),
        _one("bool_to_string", BOOL, to_string),
        _one("bytes_to_string", BYTES, to_string),
        _one("double_to_string", DOUBLE, to_string),
        _one("duration_to_string", DURATION, to_string),
        _one("int64_to_string", INT, to_string),
        _one("timestamp_to_string", TIMESTAMP, to_string),
        _one("uint64_to_string", UINT, to_string),
        _one("ip_to_string", _IP, to_string),
        _one("cidr_to_string", _CIDR, to_string),
    ),
    "timestamp": (
        _one("timestamp_to_timestamp", TIMESTAMP, to_timestamp),
        _one("int64_to_timestamp", INT, to_timestamp),
        _one("string_to_timestamp", STRING, to_timestamp),
    ),
    "uint": (
        _one("uint64_to_uint64", UINT, to_uint),
        _one("double_to_uint64", DOUBLE, to_uint),
        _one("int64_to_uint64", INT, to_uint),
        _one("string_to_uint64", STRING, to_uint),
    ),
}

OPERATORS: Final[OperatorTable] = {"dyn": Operator(to_dyn), "type": Operator(to_type)}
