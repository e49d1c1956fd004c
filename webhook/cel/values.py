"""The values of CEL at run time, and what all operators need of them: type names, equality, order, map keys.

| CEL | Python |
|---|---|
| bool, int, uint, double, string, bytes, null | bool, int, Uint, float, str, bytes, None |
| list, map | list, dict; the keys of a dict are those of `map_key` |
| duration, timestamp, optional, type | Duration, Timestamp, Optional, TypeValue |
| Kubernetes' own types | Quantity and the subclasses of Opaque |

Values are never changed once they are made, but for GrowingList and GrowingMap.
Source: cel-go common/types.
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

from webhook.cel.syntax import Uint
from webhook.cel.types import ENUMS
from webhook.core.quantity import Quantity

# Any, because a value is one of the classes above and every function looks at its class itself.
Value: TypeAlias = Any
MapKey: TypeAlias = str | int | tuple[str, Any]

MOST_INT: Final = 2**63 - 1
LEAST_INT: Final = -(2**63)
MOST_UINT: Final = 2**64 - 1
NANOS: Final = 10**9
# 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
LEAST_SECOND: Final = -62135596800
MOST_SECOND: Final = 253402300799


LIMIT_PASSED: Final = "operation cancelled: actual cost limit exceeded"


class EvaluationError(Exception):
    """The expression has no value on this device; the text is the one that Kubernetes reports."""


class AbandonedError(Exception):
    """Evaluation cannot go on at all: the cost limit, or what makes the reference panic; no `||` absorbs it."""


def no_such_overload() -> EvaluationError:
    """Operands whose types do not fit."""
    return EvaluationError("no such overload")


def no_such_key(key: Value) -> EvaluationError:
    """A map has no such entry, or the value is not a map at all."""
    return EvaluationError(f"no such key: {go_text(key)}")


class Opaque:
    """A value of a type that is none of Python's own."""

    __slots__ = ()

    cel_type: ClassVar[str]

    def same(self, other: "Opaque") -> bool:
        """Whether this equals another value of the same class."""
        return self is other


class Optional(Opaque):
    """`optional.of(value)`; NONE is the one that holds nothing."""

    __slots__ = ("value",)

    cel_type: ClassVar[str] = "optional_type"

    def __init__(self, value: Value) -> None:
        self.value = value


NONE: Final = Optional(None)


MESSAGE: Final = "google.protobuf.Empty"  # the only message that is no other value


class TypeValue(Opaque):
    """What `type(x)` gives; types are equal if their names are."""

    __slots__ = ("name",)

    cel_type: ClassVar[str] = "type"

    def __init__(self, name: str) -> None:
        self.name = name


def named_value(name: str) -> Value:
    """What a qualified name stands for: the value of an enum, or a type."""
    return ENUMS[name] if name in ENUMS else TypeValue(name)


class Duration(Opaque):
    """A span of time in nanoseconds, in 64 bits."""

    __slots__ = ("nanos",)

    cel_type: ClassVar[str] = "google.protobuf.Duration"

    def __init__(self, nanos: int) -> None:
        self.nanos = nanos

    def __str__(self) -> str:
        """As Go prints it: `1h0m0s`, `-1.5ms`."""
        sign, left = "-" if self.nanos < 0 else "", abs(self.nanos)
        if left < NANOS:
            unit = next((size for size in (10**6, 10**3) if left >= size), 1)
            return f"{sign}{_decimal(left, unit)}{_UNITS[unit]}" if left else "0s"
        minutes, rest = divmod(left, 60 * NANOS)
        hours, minutes = divmod(minutes, 60)
        longer = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
        return f"{sign}{longer}{_decimal(rest, NANOS)}s"


_UNITS: Final = {10**6: "ms", 10**3: "µs", 1: "ns"}


def _decimal(count: int, unit: int) -> str:
    """So many units, with as many decimal places as it takes."""
    whole, rest = divmod(count, unit)
    return f"{whole}.{str(unit + rest)[1:].rstrip('0')}" if rest else str(whole)


class Timestamp(Opaque):
    """A moment in nanoseconds since 1970, and the offset in seconds in which it was written (for printing)."""

    __slots__ = ("nanos", "offset")

    cel_type: ClassVar[str] = "google.protobuf.Timestamp"

    def __init__(self, nanos: int, offset: int = 0) -> None:
        self.nanos = nanos
        self.offset = offset

    def __str__(self) -> str:
        """As Go prints it: `2026-01-01 00:00:00 +0200 +0200`."""
        from webhook.cel.functions.times import printed_timestamp

        day, clock = printed_timestamp(self).split("T")
        at = next(at for at, letter in enumerate(clock) if letter in "Z+-")
        zone = clock[at:].replace(":", "")
        return f"{day} {clock[:at]} {'+0000 UTC' if zone == 'Z' else f'{zone} {zone}'}"


class GrowingList(list[Value]):
    """The accumulator of a macro: `+` appends to it in place (cel-go's mutable list)."""

    __slots__ = ()


class ConcatenatedList(list[Value]):
    """The sum of two lists: comparing it does not forgive elements that cannot be compared."""

    __slots__ = ()


class SummedQuantity(Quantity):
    """What `add` and `sub` give: the reference refuses to compare another quantity with it by `==`."""

    __slots__ = ()


class GrowingMap(dict[MapKey, Value]):
    """The accumulator of transformMap: entries are inserted in place."""

    __slots__ = ()


class DefaultMap(dict[MapKey, Value]):
    """`device.attributes` and `device.capacity`: looking up an unknown domain gives an empty map."""

    __slots__ = ()

    def __missing__(self, key: MapKey) -> dict[MapKey, Value]:
        return _EMPTY


class LazyMap(dict[MapKey, Value]):
    """An object whose fields are computed when they are first read; EvaluationError of one is raised each time.

    `make` gives the value of a field, or MISSING where it has none. Only fields are read of it, for it stands where
    an object of a declared type is expected: it is never gone through.
    """

    __slots__ = ("_failed", "_make")

    def __init__(self, make: Callable[[str], Value]) -> None:
        super().__init__()
        self._make = make
        self._failed: dict[str, EvaluationError] = {}

    def __missing__(self, key: MapKey) -> Value:
        return self.made(key)

    def made(self, field: Value) -> Value:
        """The value of a field that has not been read before."""
        if type(field) is not str:
            return MISSING
        failed = self._failed.get(field)
        if failed is not None:
            raise failed
        try:
            value = self._make(field)
        except EvaluationError as error:
            self._failed[field] = error
            raise
        if value is not MISSING:
            self[field] = value
        return value


_EMPTY: Final[dict[MapKey, Value]] = {}

_NAMES: Final[dict[type, str]] = {
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    type(None): "null_type",
    list: "list",
    GrowingList: "list",
    ConcatenatedList: "list",
    dict: "map",
    GrowingMap: "map",
    DefaultMap: "map",
    LazyMap: "map",
    Quantity: "kubernetes.Quantity",
    SummedQuantity: "kubernetes.Quantity",
}


def type_name(value: Value) -> str:
    """The name of the value's type, as `type(x)` and error messages have it."""
    name = _NAMES.get(type(value))
    if name is not None:
        return name
    named: str = value.cel_type
    return named


def classes_of(name: str) -> frozenset[type]:
    """The classes of the values of a type, by its name."""
    opaque = (kind for kind in Opaque.__subclasses__() if kind.cel_type == name)
    return frozenset((*(kind for kind, known in _NAMES.items() if known == name), *opaque))


def map_key(key: Value) -> MapKey:
    """How a dict of ours holds a key: 1, 1u, 1.0 and true are different keys."""
    kind = type(key)
    if kind is str or kind is int:
        return key  # type: ignore[no-any-return]  # just tested
    if kind is bytes:
        raise AbandonedError("internal error: runtime error: hash of unhashable type types.Bytes")
    if kind is float and math.isnan(key):  # NaN is found nowhere, and may be there several times
        return ("double", Identity(float("nan")))
    name = type_name(key)
    if name in _BY_VALUE:
        return (name, key)
    if kind is Duration:
        return (name, key.nanos)
    if kind is Timestamp:
        return (name, (key.nanos, key.offset))
    if name in _UNHASHABLE:
        raise AbandonedError(f"internal error: runtime error: hash of unhashable type {_UNHASHABLE[name]}")
    return (name, Identity(key))


_BY_VALUE: Final = frozenset({"bool", "uint", "double", "null_type", "net.IP", "net.CIDR", "google.protobuf.Any"})


# By name, what Go calls them: the reference panics where one is the key of a map.
_UNHASHABLE: Final = {"kubernetes.Semver": "cel.Semver", "kubernetes.NamedFormat": "cel.Format"}


class Identity:
    """A key that only the very same object equals."""

    __slots__ = ("held",)

    def __init__(self, held: Value) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.held is other.held

    def __hash__(self) -> int:
        return id(self.held)


def key_value(key: MapKey) -> Value:
    """The CEL value of a dict's key."""
    if type(key) is not tuple:
        return key
    name, held = key
    if isinstance(held, Identity):
        return held.held
    if name == "google.protobuf.Duration":
        return Duration(held)
    if name == "google.protobuf.Timestamp":
        return Timestamp(*held)
    return held


class _Missing:
    """What a map gives for a key that it does not have."""


MISSING: Final = _Missing()


def lookup(entries: dict[MapKey, Value], key: Value) -> Value:
    """The map's own entry for the key, or MISSING. Numbers find equal numbers of the other types."""
    kind = type(key)
    if kind is str or not entries:
        return entries.get(key, MISSING) if kind is str else MISSING
    if kind is int:
        return _first(entries, key, ("uint", key))
    if kind is Uint:
        return _first(entries, ("uint", key), int(key))
    if kind is float:
        whole = int(key) if math.isfinite(key) and key == int(key) else None
        return _first(entries, ("double", key), whole, ("uint", whole))
    return entries.get(map_key(key), MISSING)


def _first(entries: dict[MapKey, Value], *keys: MapKey | None) -> Value:
    for key in keys:
        if key is not None and key in entries:
            return entries[key]
    return MISSING


def find(entries: dict[MapKey, Value], key: Value) -> Value:
    """The entry for the key, which an unknown domain of a device has too, or MISSING."""
    found = lookup(entries, key)
    if found is MISSING:
        kind = type(entries)
        if kind is DefaultMap:
            return _EMPTY
        if kind is LazyMap:
            return entries.made(key)  # type: ignore[attr-defined]  # just tested
    return found


def equal(left: Value, right: Value) -> bool:
    """`==`: numbers of different types compare by value, values of otherwise different types differ.

    Raises EvaluationError where one of Kubernetes' types is on the left and something else on the right.
    """
    kind = type(left)
    if kind is type(right) and kind in _PLAIN:
        return bool(left == right)
    if left is None or right is None:
        return False
    return _EQUALS.get(kind, _opaques_equal)(left, right)


def equals_or_not(left: Value, right: Value) -> bool:
    """True if equal; false also where comparing is an error."""
    try:
        return equal(left, right)
    except EvaluationError:
        return False


_PLAIN: Final = frozenset({bool, int, Uint, str, bytes, type(None), float})
_NUMBERS: Final = frozenset({int, Uint, float})


def _numbers_equal(left: Value, right: Value) -> bool:
    if type(right) not in _NUMBERS:
        return False
    if math.isnan(left) or math.isnan(right):
        return False
    return compare_numbers(left, right) == 0


def _never_equal(_: Value, __: Value) -> bool:
    return False


def _equal_unless_different(left: Value, right: Value) -> bool:
    """How lists and maps compare what they hold: an error counts as equal."""
    try:
        return equal(left, right)
    except EvaluationError:
        return True


def _lists_equal(left: Value, right: Value) -> bool:
    if not isinstance(right, list) or len(left) != len(right):
        return False
    return all(_equal_unless_different(mine, other) for mine, other in zip(left, right, strict=True))


def _concatenated_lists_equal(left: Value, right: Value) -> bool:
    if not _lists_equal(left, right):
        return False
    for mine, other in zip(left, right, strict=True):
        equal(mine, other)
    return True


def _maps_equal(left: Value, right: Value) -> bool:
    if not isinstance(right, dict) or len(left) != len(right):
        return False
    for key, value in left.items():
        other = find(right, key_value(key))
        if other is MISSING or not _equal_unless_different(value, other):
            return False
    return True


def _optionals_equal(left: Value, right: Value) -> bool:
    if type(right) is not Optional:
        return False
    if left is NONE or right is NONE:
        return left is right
    for held in (left.value, right.value):
        if isinstance(held, EvaluationError):  # what could not be converted, before 1.37
            raise held
    return _equal_values(left.value, right.value)


def _equal_values(left: Value, right: Value) -> bool:
    """`Equal` of the left value itself, without the rule for null."""
    if left is None:
        return right is None
    if right is None and type(left) not in _EQUALS:
        raise no_such_overload()
    return equal(left, right)


def _quantities_equal(left: Value, right: Value) -> bool:
    if type(right) is not Quantity:
        raise no_such_overload()
    return bool(left.key == right.key)


def _opaques_equal(left: Value, right: Value) -> bool:
    if type(right) is type(left):
        return bool(left.same(right))
    if left.cel_type == MESSAGE:
        return False
    raise no_such_overload()


_EQUALS: Final = {
    bool: _never_equal,
    str: _never_equal,
    bytes: _never_equal,
    int: _numbers_equal,
    Uint: _numbers_equal,
    float: _numbers_equal,
    list: _lists_equal,
    GrowingList: _lists_equal,
    ConcatenatedList: _concatenated_lists_equal,
    dict: _maps_equal,
    GrowingMap: _maps_equal,
    DefaultMap: _maps_equal,
    LazyMap: _maps_equal,
    Optional: _optionals_equal,
    TypeValue: lambda left, right: type(right) is TypeValue and left.name == right.name,
    Duration: lambda left, right: type(right) is Duration and left.nanos == right.nanos,
    Timestamp: lambda left, right: type(right) is Timestamp and left.nanos == right.nanos,
    Quantity: _quantities_equal,
    SummedQuantity: _quantities_equal,
}

LISTS: Final = frozenset({list, GrowingList, ConcatenatedList})
MAPS: Final = frozenset({dict, GrowingMap, DefaultMap, LazyMap})
COMPARABLE: Final = frozenset({bool, int, Uint, float, str, bytes, Duration, Timestamp})


def compare(left: Value, right: Value) -> int:
    """-1, 0 or 1 for two values of ordered types; the left one's type is in COMPARABLE."""
    kind = type(left)
    if kind in _NUMBERS:
        if type(right) not in _NUMBERS and not (kind is float and math.isnan(left)):
            raise no_such_overload()
        if math.isnan(left) or (type(right) is float and math.isnan(right)):
            raise EvaluationError("NaN values cannot be ordered")
        return compare_numbers(left, right)
    if type(right) is not kind:
        raise no_such_overload()
    if kind is str:
        left, right = left.encode(), right.encode()
    elif kind is Duration or kind is Timestamp:
        left, right = left.nanos, right.nanos
    return int(left > right) - int(left < right)


def compare_numbers(left: float, right: float) -> int:
    """-1, 0 or 1. A double compares with an int as doubles, once it is in the int's range."""
    if type(left) is float:
        return compare_double(left, right)
    if type(right) is float:
        return -compare_double(right, left)
    return int(left > right) - int(left < right)


def compare_double(left: float, right: float) -> int:
    """As `compare_numbers`, for a double on the left."""
    if type(right) is not float:
        if left < (0 if type(right) is Uint else LEAST_INT):
            return -1
        if left > (2.0**64 if type(right) is Uint else 2.0**63):
            return 1
        right = float(right)
    return int(left > right) - int(left < right)


def go_float(number: float) -> str:
    """A double as Go prints it with %g or %v: the shortest digits, with an exponent outside 1e-4 .. 1e6."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    return _shortest(number, 6)


def _shortest(number: float, most: int) -> str:
    sign, digits, exponent = _digits(number)
    point = exponent + 1
    if exponent < -4 or exponent >= most:
        head = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{head}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def go_decimal(number: float) -> str:
    """A finite double in decimal digits without an exponent, the shortest that reads back as the same."""
    return _shortest(number, 10**6) if abs(number) >= 1e-4 or number == 0 else _small(number)


def _small(number: float) -> str:
    sign, digits, exponent = _digits(number)
    return f"{sign}0.{'0' * (-exponent - 1)}{digits}"


def _digits(number: float) -> tuple[str, str, int]:
    """Sign, significant digits, and the decimal exponent of the first."""
    text = repr(number)
    sign = "-" if text.startswith("-") else ""
    mantissa, _, power = text.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return sign, "0", 0
    leading = len(whole + fraction) - len(digits)
    exponent = len(whole) - 1 - leading + (int(power) if power else 0)
    return sign, digits.rstrip("0"), exponent


def go_text(value: Value) -> str:
    """A value as Go prints it with %v, which error messages do."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]  # just tested
    if kind is bool:
        return "true" if value else "false"
    if kind is float:
        return go_float(value)
    if value is None:
        return "null"
    if kind is bytes:
        return "[" + " ".join(map(str, value)) + "]"
    if isinstance(value, list):
        return "[" + ", ".join(map(go_text, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{go_text(key_value(key))}: {go_text(held)}" for key, held in value.items()) + "}"
    if kind is Optional:
        return "optional.none()" if value is NONE else f"optional({go_text(value.value)})"
    if kind is TypeValue:
        return str(value.name)
    return str(value)
