"""Functions of lists and sets (cel-go ext/lists.go version 3, ext/sets.go; apiserver library/lists.go)."""

import functools
from collections.abc import Callable
from typing import Final

from webhook.cel.functions.dispatch import FunctionTable, Operator, OperatorTable, Overload
from webhook.cel.functions.numbers import add, contained
from webhook.cel.syntax import Uint
from webhook.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    Kind,
    Type,
    list_type,
)
from webhook.cel.values import (
    COMPARABLE,
    LISTS,
    Duration,
    EvaluationError,
    Timestamp,
    Value,
    compare,
    equals_or_not,
    no_such_overload,
    type_name,
)

MOST_RANGE: Final = 1_000_000


def is_sorted(values: list[Value]) -> bool:
    """`list.isSorted()`."""
    previous = None
    for index, value in enumerate(values):
        if type(value) not in COMPARABLE:
            raise no_such_overload()
        if index and _compared(previous, value) == 1:
            return False
        previous = value
    return True


def _compared(left: Value, right: Value) -> int | None:
    """The order of two values, None where comparing is an error."""
    try:
        return compare(left, right)
    except EvaluationError:
        return None


def _sum(zero: Value) -> Callable[[list[Value]], Value]:
    def run(values: list[Value]) -> Value:
        total = zero
        for value in values:
            if type(value) not in _SUMMABLE:
                raise no_such_overload()
            total = add(total, value)
        return total

    return run


_SUMMABLE: Final = LISTS | {int, Uint, float, str, bytes, Duration, Timestamp}


def _best(name: str, preferred: int) -> Callable[[list[Value]], Value]:
    """`list.min()` and `list.max()`: which result of comparing with the next makes it the better one."""

    def run(values: list[Value]) -> Value:
        if not values:
            raise EvaluationError(f"{name} called on empty list")
        best = values[0]
        for index, value in enumerate(values):
            if type(value) not in COMPARABLE:
                raise no_such_overload()
            if index and _compared(best, value) == preferred:
                best = value
        return best

    return run


def index_of(values: list[Value], wanted: Value) -> int:
    """`list.indexOf(x)`: -1 if it is not there."""
    return next((index for index, value in enumerate(values) if equals_or_not(value, wanted)), -1)


def last_index_of(values: list[Value], wanted: Value) -> int:
    """`list.lastIndexOf(x)`."""
    found = (index for index in range(len(values) - 1, -1, -1) if equals_or_not(values[index], wanted))
    return next(found, -1)


def includes(target: Value, wanted: Value) -> bool:
    """`x.includes(y)`: an element of the list, or the value itself."""
    if isinstance(target, list):
        return any(equals_or_not(value, wanted) for value in target)
    return equals_or_not(target, wanted)


def range_to(count: int) -> list[Value]:
    """`lists.range(n)`: 0 to n - 1."""
    if count < 0:
        raise EvaluationError(f"lists.range: size must be non-negative, got {count}")
    if count > MOST_RANGE:
        raise EvaluationError(f"lists.range: size {count} exceeds maximum allowed ({MOST_RANGE})")
    return list(range(count))


def slice_of(values: list[Value], start: int, end: int) -> list[Value]:
    """`list.slice(start, end)`."""
    problem = f"cannot slice({start}, {end})"
    if start < 0 or end < 0:
        raise EvaluationError(f"{problem}, negative indexes not supported")
    if start > end:
        raise EvaluationError(f"{problem}, start index must be less than or equal to end index")
    if len(values) < end:
        raise EvaluationError(f"{problem}, list is length {len(values)}")
    return values[start:end]


def flatten(values: list[Value], depth: int) -> list[Value]:
    """`list.flatten()`, `list.flatten(depth)`."""
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    flat: list[Value] = []
    for value in values:
        if isinstance(value, list) and depth > 0:
            flat.extend(flatten(value, depth - 1))
        else:
            flat.append(value)
    return flat


def _declared(value: Value) -> str:
    """The value's type with its parameters."""
    name = type_name(value)
    return _GENERIC.get(name, name)


_GENERIC: Final = {"list": "list(dyn)", "map": "map(dyn, dyn)", "optional_type": "optional_type(dyn)"}


def _flatten_one(values: Value) -> list[Value]:
    if not isinstance(values, list):
        raise EvaluationError(f"no such overload: {_declared(values)}.flatten()")
    return flatten(values, 1)


def _flatten_to(values: Value, depth: Value) -> list[Value]:
    if not isinstance(values, list) or type(depth) is not int:
        raise EvaluationError(f"no such overload: {_declared(values)}.flatten({_declared(depth)})")
    return flatten(values, depth)


def sort_by_keys(values: list[Value], keys: list[Value]) -> list[Value]:
    """`list.sort()`, `list.sortBy(x, key)`: all keys must be of one ordered type."""
    if not values:
        return values
    first = keys[0]
    if type(first) not in COMPARABLE:
        raise EvaluationError("list elements must be comparable")
    if len(keys) > 1 and any(type(key) is not type(first) for key in keys):
        raise EvaluationError("list elements must have the same type")
    order = sorted(range(len(values)), key=functools.cmp_to_key(_order_of(keys)))
    return [values[index] for index in order]


def _order_of(keys: list[Value]) -> Callable[[int, int], int]:
    return lambda i, j: _compared(keys[i], keys[j]) or 0


def distinct(values: list[Value]) -> list[Value]:
    """`list.distinct()`: the first of each group of equal elements."""
    unique: list[Value] = []
    for value in values:
        if not any(equals_or_not(value, kept) for kept in unique):
            unique.append(value)
    return unique


def sets_contains(values: list[Value], part: list[Value]) -> bool:
    """`sets.contains(a, b)`."""
    return all(contained(value, values) for value in part)


def sets_equivalent(left: list[Value], right: list[Value]) -> bool:
    """`sets.equivalent(a, b)`."""
    return sets_contains(left, right) and sets_contains(right, left)


def sets_intersects(left: list[Value], right: list[Value]) -> bool:
    """`sets.intersects(a, b)`."""
    return any(contained(value, right) for value in left)


_ELEMENT: Final = Type(Kind.PARAMETER, "T")
_ANY_LIST: Final = list_type(_ELEMENT)
_NAMED: Final = {
    "int": INT,
    "uint": UINT,
    "double": DOUBLE,
    "bool": BOOL,
    "duration": DURATION,
    "timestamp": TIMESTAMP,
    "string": STRING,
    "bytes": BYTES,
}
_ZEROS: Final = {"int": 0, "uint": Uint(0), "double": 0.0, "duration": Duration(0)}


def _each(pattern: str, run: Callable[..., Value]) -> tuple[Overload, ...]:
    """An overload for lists of each ordered type; $ in the id is the type's name."""
    return tuple(Overload(pattern.replace("$", name), (list_type(element),), run) for name, element in _NAMED.items())


def _sets(name: str, run: Callable[..., bool]) -> tuple[Overload]:
    return (Overload(f"list_sets_{name}_list", (_ANY_LIST, _ANY_LIST), run),)


FUNCTIONS: Final[FunctionTable] = {
    "isSorted": _each("list_$_is_sorted_bool", is_sorted),
    "min": _each("list_$_min_$", _best("min", 1)),
    "max": _each("list_$_max_$", _best("max", -1)),
    "sum": tuple(
        Overload(f"list_{name}_sum_{name}", (list_type(_NAMED[name]),), _sum(zero)) for name, zero in _ZEROS.items()
    ),
    "indexOf": (Overload("list_a_index_of_int", (_ANY_LIST, _ELEMENT), index_of),),
    "lastIndexOf": (Overload("list_a_last_index_of_int", (_ANY_LIST, _ELEMENT), last_index_of),),
    "includes": (Overload("list_includes_dyn_dyn", (DYN, DYN), includes),),
    "lists.range": (Overload("lists_range", (INT,), range_to),),
    "slice": (Overload("list_slice", (_ANY_LIST, INT, INT), slice_of),),
    "flatten": (
        Overload("list_flatten", (DYN,), _flatten_one, unguarded=True),
        Overload("list_flatten_int", (DYN, DYN), _flatten_to, unguarded=True),
    ),
    "reverse": (Overload("list_reverse", (_ANY_LIST,), lambda values: values[::-1]),),
    "distinct": (Overload("list_distinct", (_ANY_LIST,), distinct),),
    "sets.contains": _sets("contains", sets_contains),
    "sets.equivalent": _sets("equivalent", sets_equivalent),
    "sets.intersects": _sets("intersects", sets_intersects),
}


def sort(values: list[Value]) -> list[Value]:
    """`list.sort()`."""
    return sort_by_keys(values, values)


OPERATORS: Final[OperatorTable] = {
    "sort": Operator(sort, LISTS),
    "@sortByAssociatedKeys": Operator(sort_by_keys, LISTS),
}
