"""Arithmetic and order: the operators of the standard library (cel-go common/types, overflow.go)."""

import math
from typing import Final

from webhook.cel.functions.dispatch import Operator, OperatorTable
from webhook.cel.syntax import Uint
from webhook.cel.values import (
    COMPARABLE,
    LEAST_INT,
    LEAST_SECOND,
    LISTS,
    MAPS,
    MISSING,
    MOST_INT,
    MOST_SECOND,
    MOST_UINT,
    NANOS,
    ConcatenatedList,
    Duration,
    EvaluationError,
    GrowingList,
    Timestamp,
    Value,
    compare,
    equals_or_not,
    lookup,
    no_such_overload,
)


def checked_int(number: int) -> int:
    """The number, if it is an int of CEL."""
    if LEAST_INT <= number <= MOST_INT:
        return number
    raise EvaluationError("integer overflow")


def checked_uint(number: int) -> Uint:
    """The number as a uint of CEL, if it is one."""
    if 0 <= number <= MOST_UINT:
        return Uint(number)
    raise EvaluationError("unsigned integer overflow")


def checked_timestamp(nanos: int, offset: int) -> Timestamp:
    """The moment, if it lies between the years 1 and 9999."""
    if LEAST_SECOND <= nanos // NANOS <= MOST_SECOND:
        return Timestamp(nanos, offset)
    raise EvaluationError("timestamp overflow")


def add(left: Value, right: Value) -> Value:
    """`+`."""
    kind = type(left)
    if kind is Timestamp and type(right) is Duration:
        return checked_timestamp(left.nanos + right.nanos, left.offset)
    if kind is Duration and type(right) is Timestamp:
        return checked_timestamp(left.nanos + right.nanos, right.offset)
    if isinstance(left, list):
        return concatenated(left, right)
    if type(right) is not kind:
        raise no_such_overload()
    if kind is int:
        return checked_int(left + right)
    if kind is Uint:
        return checked_uint(int(left) + int(right))
    if kind is Duration:
        return Duration(checked_int(left.nanos + right.nanos))
    return left + right


def concatenated(left: list[Value], right: Value) -> list[Value]:
    """Two lists as one; the accumulator of a macro grows instead."""
    if not isinstance(right, list):
        raise no_such_overload()
    if type(left) is GrowingList:
        left.extend(right)
        return left
    if not left:
        return right
    if not right:
        return left
    return ConcatenatedList((*left, *right))


def subtract(left: Value, right: Value) -> Value:
    """`-` with two operands."""
    kind = type(left)
    if kind is Timestamp:
        if type(right) is Timestamp:
            return _time_between(left, right)
        if type(right) is Duration:
            return checked_timestamp(left.nanos + checked_int(-right.nanos), left.offset)
        raise no_such_overload()
    if type(right) is not kind:
        raise no_such_overload()
    if kind is int:
        return checked_int(left - right)
    if kind is Uint:
        return checked_uint(int(left) - int(right))
    if kind is Duration:
        return Duration(checked_int(left.nanos - right.nanos))
    return left - right


def _time_between(left: Timestamp, right: Timestamp) -> Duration:
    seconds = left.nanos // NANOS - right.nanos // NANOS
    nanos = left.nanos % NANOS - right.nanos % NANOS
    return Duration(checked_int(checked_int(seconds * NANOS) + nanos))


def multiply(left: Value, right: Value) -> Value:
    """`*`."""
    kind = type(left)
    if type(right) is not kind:
        raise no_such_overload()
    if kind is int:
        return checked_int(left * right)
    if kind is Uint:
        return checked_uint(int(left) * int(right))
    return left * right


def divide(left: Value, right: Value) -> Value:
    """`/`: integers are truncated toward zero."""
    kind = type(left)
    if type(right) is not kind:
        raise no_such_overload()
    if kind is float:
        return _divide_doubles(left, right)
    if right == 0:
        raise EvaluationError("division by zero")
    if kind is Uint:
        return Uint(int(left) // int(right))
    quotient = abs(left) // abs(right)
    return checked_int(quotient if (left < 0) == (right < 0) else -quotient)


def _divide_doubles(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def modulo(left: Value, right: Value) -> Value:
    """`%`: the sign is the left operand's."""
    kind = type(left)
    if type(right) is not kind:
        raise no_such_overload()
    if right == 0:
        raise EvaluationError("modulus by zero")
    if kind is Uint:
        return Uint(int(left) % int(right))
    if left == LEAST_INT and right == -1:
        raise EvaluationError("integer overflow")
    rest = abs(left) % abs(right)
    return rest if left >= 0 else -rest


def negate(value: Value) -> Value:
    """`-` with one operand."""
    kind = type(value)
    if kind is bool:
        raise no_such_overload()
    if kind is int:
        return checked_int(-value)
    if kind is Duration:
        return Duration(checked_int(-value.nanos))
    return -value


def logical_not(value: Value) -> Value:
    """`!`."""
    if value is True:
        return False
    if value is False:
        return True
    raise no_such_overload()


def less(left: Value, right: Value) -> bool:
    """`<`."""
    return compare(left, right) < 0


def less_equals(left: Value, right: Value) -> bool:
    """`<=`."""
    return compare(left, right) <= 0


def greater(left: Value, right: Value) -> bool:
    """`>`."""
    return compare(left, right) > 0


def greater_equals(left: Value, right: Value) -> bool:
    """`>=`."""
    return compare(left, right) >= 0


def contained(element: Value, aggregate: Value) -> bool:
    """`in`: an element of a list, a key of a map."""
    if isinstance(aggregate, list):
        return any(equals_or_not(element, one) for one in aggregate)
    if isinstance(aggregate, dict):
        return lookup(aggregate, element) is not MISSING
    raise no_such_overload()


def size(value: Value) -> int:
    """`size(x)`: code points, bytes, elements or entries."""
    return len(value)


_ADDERS: Final = LISTS | {int, Uint, float, str, bytes, Duration, Timestamp}

OPERATORS: Final[OperatorTable] = {
    "_+_": Operator(add, _ADDERS),
    "_-_": Operator(subtract, frozenset({int, Uint, float, Duration, Timestamp})),
    "_*_": Operator(multiply, frozenset({int, Uint, float})),
    "_/_": Operator(divide, frozenset({int, Uint, float})),
    "_%_": Operator(modulo, frozenset({int, Uint})),
    "-_": Operator(negate, frozenset({int, float, bool, Duration})),
    "!_": Operator(logical_not),
    "_<_": Operator(less, COMPARABLE),
    "_<=_": Operator(less_equals, COMPARABLE),
    "_>_": Operator(greater, COMPARABLE),
    "_>=_": Operator(greater_equals, COMPARABLE),
    "@in": Operator(contained),
    "in": Operator(contained),
    "_in_": Operator(contained),
    "size": Operator(size, LISTS | MAPS | {str, bytes}),
}
