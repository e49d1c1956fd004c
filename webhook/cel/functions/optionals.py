"""Optional values, and the entries of transformMap (cel-go cel/library.go, ext/comprehensions.go)."""

from typing import Final

from webhook.cel.functions.dispatch import FunctionTable, Overload
from webhook.cel.types import Kind, Type, list_type, map_type, optional_type
from webhook.cel.values import (
    MESSAGE,
    MISSING,
    NONE,
    Duration,
    EvaluationError,
    GrowingMap,
    MapKey,
    Optional,
    Timestamp,
    Value,
    go_text,
    key_value,
    lookup,
    map_key,
    type_name,
)

_ZERO_SECOND: Final = -62135596800 * 10**9  # Go's zero time, the year 1


def is_zero(value: Value) -> bool:
    """Whether `optional.ofNonZeroValue` makes nothing of it."""
    kind = type(value)
    if kind is Duration:
        return bool(value.nanos == 0)
    if kind is Timestamp:
        return bool(value.nanos == _ZERO_SECOND)
    if value is None or isinstance(value, bool | int | float | str | bytes | list | dict):
        return not value
    return type_name(value) == MESSAGE


def of(value: Value) -> Optional:
    """`optional.of(x)`."""
    return Optional(value)


def of_non_zero(value: Value) -> Optional:
    """`optional.ofNonZeroValue(x)`."""
    return NONE if is_zero(value) else Optional(value)


def none() -> Optional:
    """`optional.none()`."""
    return NONE


def used(held: Value) -> Value:
    """What an optional holds, once it is used: before 1.37 that may be an error."""
    if isinstance(held, EvaluationError):
        raise held
    return held


def value_of(holder: Optional) -> Value:
    """`o.value()`."""
    if holder is NONE:
        raise EvaluationError("optional.none() dereference")
    return used(holder.value)


def has_value(holder: Optional) -> bool:
    """`o.hasValue()`."""
    return holder is not NONE


def first(values: list[Value]) -> Optional:
    """`list.first()`."""
    return Optional(values[0]) if values else NONE


def last(values: list[Value]) -> Optional:
    """`list.last()`."""
    return Optional(values[-1]) if values else NONE


def unwrap(values: list[Value]) -> list[Value]:
    """`optional.unwrap(list)`, `list.unwrapOpt()`: what the optionals in the list hold."""
    held = []
    for value in values:
        if type(value) is not Optional:
            raise EvaluationError(f"value {go_text(value)} is not optional")
        if value is not NONE:
            held.append(value.value)
    return held


def insert(entries: dict[MapKey, Value], key: Value, value: Value) -> dict[MapKey, Value]:
    """One more entry, of transformMap; the accumulator grows in place."""
    if lookup(entries, key) is not MISSING:
        raise EvaluationError(f"insert failed: key {0 if key is None else go_text(key)} already exists")
    target = entries if type(entries) is GrowingMap else GrowingMap(entries)
    target[map_key(key)] = value
    return target


def insert_all(entries: dict[MapKey, Value], others: dict[MapKey, Value]) -> dict[MapKey, Value]:
    """All entries of another map, of transformMapEntry."""
    for key, value in others.items():
        entries = insert(entries, key_value(key), value)
    return entries


_KEY: Final = Type(Kind.PARAMETER, "K")
_VALUE: Final = Type(Kind.PARAMETER, "V")
_OPTIONAL: Final = optional_type(_VALUE)
_LIST: Final = list_type(_VALUE)
_MAP: Final = map_type(_KEY, _VALUE)

FUNCTIONS: Final[FunctionTable] = {
    "optional.of": (Overload("optional_of", (_VALUE,), of),),
    "optional.ofNonZeroValue": (Overload("optional_ofNonZeroValue", (_VALUE,), of_non_zero),),
    "optional.none": (Overload("optional_none", (), none),),
    "value": (Overload("optional_value", (_OPTIONAL,), value_of),),
    "hasValue": (Overload("optional_hasValue", (_OPTIONAL,), has_value),),
    "first": (Overload("list_first", (_LIST,), first),),
    "last": (Overload("list_last", (_LIST,), last),),
    "optional.unwrap": (Overload("optional_unwrap", (list_type(_OPTIONAL),), unwrap),),
    "unwrapOpt": (Overload("optional_unwrapOpt", (list_type(_OPTIONAL),), unwrap),),
    "cel.@mapInsert": (
        Overload("@mapInsert_map_key_value", (_MAP, _KEY, _VALUE), insert),
        Overload("@mapInsert_map_map", (_MAP, _MAP), insert_all),
    ),
}
