"""Messages that a selector can write, such as `google.protobuf.Int64Value{value: 1}` (cel-go common/types).

Wrappers, durations, timestamps and JSON values become the values of CEL that they stand for.
"""

import base64
import struct
from collections.abc import Mapping
from typing import ClassVar, Final

from webhook.cel.functions.times import printed_duration, printed_timestamp
from webhook.cel.native import native_problem
from webhook.cel.syntax import Uint
from webhook.cel.values import (
    LEAST_INT,
    LISTS,
    MAPS,
    MESSAGE,
    MOST_INT,
    NANOS,
    Duration,
    EvaluationError,
    MapKey,
    Opaque,
    Timestamp,
    Value,
    go_text,
    key_value,
)

_PREFIX: Final = "google.protobuf."
_SAFE_INTEGER: Final = 2**53 - 1
# By wrapper: the class of its value, how Go calls that, and the value that is not given.
_WRAPPERS: Final[Mapping[str, tuple[type, str, Value]]] = {
    "BoolValue": (bool, "bool", False),
    "BytesValue": (bytes, "[]uint8", b""),
    "DoubleValue": (float, "float64", 0.0),
    "FloatValue": (float, "float32", 0.0),
    "Int32Value": (int, "int32", 0),
    "Int64Value": (int, "int64", 0),
    "StringValue": (str, "string", ""),
    "UInt32Value": (Uint, "uint32", Uint(0)),
    "UInt64Value": (Uint, "uint64", Uint(0)),
}


class Message(Opaque):
    """A message that is nothing else in CEL: `google.protobuf.Empty{}`."""

    __slots__ = ()

    cel_type: ClassVar[str] = MESSAGE

    def same(self, other: Opaque) -> bool:
        return isinstance(other, Message)


def make_struct(name: str, fields: Mapping[str, Value]) -> Value:
    """The value of a message literal."""
    short = name.removeprefix(_PREFIX)
    if short in _WRAPPERS:
        kind, native, value = _WRAPPERS[short]
        if "value" in fields:
            value = _checked(fields["value"], (kind, native), f"{name}.value")
        return struct.unpack("f", struct.pack("f", value))[0] if native == "float32" else value
    if short in ("Duration", "Timestamp"):
        seconds = _checked(fields.get("seconds", 0), (int, "int64"), f"{name}.seconds")
        nanos = _checked(fields.get("nanos", 0), (int, "int32"), f"{name}.nanos")
        total = seconds * NANOS + nanos
        return Timestamp(total) if short == "Timestamp" else Duration(max(LEAST_INT, min(total, MOST_INT)))
    if short == "Value":
        return _json_field(name, fields)
    if short == "ListValue":
        return _json(fields.get("values", []), f"{name}.values")
    if short == "Struct":
        return _json(fields.get("fields", {}), f"{name}.fields")
    if short == "Empty":
        return Message()
    raise EvaluationError("unsupported conversion to ref.Val: (*dynamicpb.Message)")


def _misfit(field: str, problem: str) -> EvaluationError:
    return EvaluationError(f"field type conversion error for {field} value type: {problem}")


def _checked(value: Value, wanted: tuple[type, str], field: str) -> Value:
    kind, native = wanted
    if type(value) is not kind:
        raise _misfit(field, native_problem(value, native))
    number = value if isinstance(value, int) else 0
    if native == "int32" and not -(2**31) <= number < 2**31:
        raise _misfit(field, "integer overflow")
    if native == "uint32" and number >= 2**32:
        raise _misfit(field, "unsigned integer overflow")
    return value


def _json_field(name: str, fields: Mapping[str, Value]) -> Value:
    """A google.protobuf.Value: the last of its fields, as only one of them can be set."""
    result: Value = None
    for field, value in fields.items():
        if field == "number_value":
            result = _checked(value, (float, "float64"), f"{name}.{field}")
        elif field == "string_value":
            result = _checked(value, (str, "string"), f"{name}.{field}")
        elif field == "bool_value":
            result = _checked(value, (bool, "bool"), f"{name}.{field}")
        elif field == "null_value":
            result = None
        else:
            result = _json(value, f"{name}.{field}")
    return result


def _json(value: Value, field: str) -> Value:
    """A value as JSON has it: all numbers are doubles, keys and what JSON lacks are strings."""
    kind = type(value)
    if kind is bool or kind is str or kind is float or value is None:
        return value
    if kind is int or kind is Uint:
        return float(value) if abs(value) <= _SAFE_INTEGER else str(int(value))
    if kind is bytes:
        return base64.b64encode(value).decode()
    if kind is Duration:
        return printed_duration(value)
    if kind is Timestamp:
        return printed_timestamp(value)
    if kind in LISTS:
        return [_json(element, field) for element in value]
    if kind in MAPS:
        entries: dict[MapKey, Value] = {go_text(key_value(key)): _json(held, field) for key, held in value.items()}
        return entries
    raise _misfit(field, native_problem(value, "*structpb.Value"))
