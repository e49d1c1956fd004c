"""What evaluating an expression costs, as the scheduler counts it.

Source: cel-go interpreter/runtimecost.go, ext/lists.go, ext/sets.go, apiserver library/cost.go. The tracker
remembers the values of the nodes evaluated so far, as the sizes of a call's arguments decide its cost; how
it finds and forgets them is part of the result, so that is kept exactly.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from webhook.cel.functions.named_formats import NamedFormat
from webhook.cel.functions.network import Cidr, IpAddress
from webhook.cel.functions.semver import Version
from webhook.cel.functions.urls import Url
from webhook.cel.qualify import go_type
from webhook.cel.syntax import Uint
from webhook.cel.values import (
    LIMIT_PASSED,
    LISTS,
    MAPS,
    MOST_UINT,
    NONE,
    AbandonedError,
    Duration,
    EvaluationError,
    Optional,
    SummedQuantity,
    Timestamp,
    Value,
    key_value,
)
from webhook.core.quantity import Quantity

LIST_COST: Final = 10
MAP_COST: Final = 30
STRUCT_COST: Final = 40
_FORMAT_FACTOR: Final = 0.25


_ELEMENTS: Final = (
    "int",
    "uint",
    "double",
    "bool",
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
    "string",
    "bytes",
)

_ADDABLE: Final = frozenset({int, Uint, float, str, bytes, Duration, Timestamp})
_FLATTEN: Final = "list_flatten_int"
# Overloads whose cost needs a list (of `flatten` an int), and which argument that is.
COUNTED_ARGUMENTS: Final[Mapping[str, int]] = {
    _FLATTEN: 1,
    "list_distinct": 0,
    **{f"list_{element}_sort": 0 for element in _ELEMENTS},
    **{f"list_{element}_sortByAssociatedKeys": 1 for element in _ELEMENTS},
}


class CostTracker:
    """The cost so far, and the values of evaluated nodes, the latest last."""

    def __init__(self, limit: int, modern: bool) -> None:
        self.cost = 0
        self.modern = modern
        self.limit = limit
        self._values: list[Value] = []
        self._ids: list[int] = []
        self._places: dict[int, list[int]] = {}

    def push(self, id_: int, value: Value) -> None:
        """Remember a node's value, and stop evaluation if the limit is passed."""
        self._places.setdefault(id_, []).append(len(self._values))
        self._values.append(value)
        self._ids.append(id_)
        if self.cost > self.limit:
            raise AbandonedError(LIMIT_PASSED)

    def check_ahead(self, cost: int) -> None:
        """Stop evaluation before a step that would pass the limit: the reference works for hours on some of them."""
        if self.cost + cost > self.limit:
            self.cost += cost
            raise AbandonedError(LIMIT_PASSED)

    def drop(self, *ids: int) -> None:
        """Forget for each id the latest value of that node, and everything later."""
        for id_ in ids:
            places = self._places.get(id_)
            if places:
                self._truncate(places[-1])

    def take(self, ids: Sequence[int]) -> list[Value] | None:
        """The latest values of the nodes, which are forgotten like in `drop`; None if one has none."""
        taken: list[Value] = [None] * len(ids)
        for position in range(len(ids) - 1, -1, -1):
            places = self._places.get(ids[position])
            if not places:
                return None
            taken[position] = self._values[places[-1]]
            self._truncate(places[-1])
        return taken

    def _truncate(self, length: int) -> None:
        ids = self._ids
        while len(ids) > length:
            self._places[ids.pop()].pop()
        del self._values[length:]


def size_of(value: Value) -> int:
    """Elements, entries, code points or bytes; 1 for whatever has no size."""
    kind = type(value)
    if kind is str or kind is bytes or kind in LISTS or kind in MAPS or kind is IpAddress or kind is Cidr:
        return len(value)
    if kind is Optional and value is not NONE:
        return size_of(value.value)
    return 1


def _plain_size(value: Value) -> int:
    """As `size_of`, but what an optional holds does not count."""
    return 1 if type(value) is Optional else size_of(value)


def _share(size: float, factor: float) -> int:
    return math.ceil(size * factor)


def _traversal(value: Value) -> int:
    """The cost of looking at a value and all that it holds."""
    kind = type(value)
    if kind is str:
        return int(len(value.encode(errors="surrogateescape")) * 0.1)
    if kind is bytes:
        return int(len(value) * 0.1)
    if kind in LISTS:
        return sum(map(_traversal, value))
    if kind in MAPS:
        return sum(_traversal(key_value(key)) + _traversal(held) for key, held in value.items())
    return 1


Cost = Callable[[Sequence[Value], Value], int]


def _one(_: Sequence[Value], __: Value) -> int:
    return 1


def _whole(args: Sequence[Value], _: Value) -> int:
    return _traversal(args[0])


Size = Callable[[Value], int]


def _first(factor: float, size: Size = _plain_size) -> Cost:
    return lambda args, _: _share(size(args[0]), factor)


def _joined(_: Sequence[Value], result: Value) -> int:
    return _share(_plain_size(result), 0.2)


def _pattern(size: Size) -> Cost:
    return lambda args, _: _share(1.0 + size(args[0]), 0.1) * _share(size(args[1]), 0.25)


def _contains(args: Sequence[Value], _: Value) -> int:
    return _share(size_of(args[0]), 0.1) * _share(size_of(args[1]), 0.1)


def _smaller(args: Sequence[Value], _: Value) -> int:
    return _share(min(size_of(args[0]), size_of(args[1])), 0.1)


def _both(args: Sequence[Value], _: Value) -> int:
    return _share(size_of(args[0]) + size_of(args[1]), 0.1)


def _contains_address(parsed: bool, network: bool) -> Cost:
    def cost(args: Sequence[Value], _: Value) -> int:
        size = _plain_size(args[0])
        total = _share(2 * size, 0.1)
        if network:
            total += _share(size, 0.1) + 1
        return total + (_share(_plain_size(args[1]), 0.1) if parsed else 0)

    return cost


def _validate(args: Sequence[Value], _: Value) -> int:
    checked = args[0]
    if type(checked) is not NamedFormat:
        return 1
    return _share(1.0 + _plain_size(args[1]), 0.1) * _share(checked.pattern_length, _FORMAT_FACTOR)


_UNITS: Final = frozenset(
    {Quantity, SummedQuantity, IpAddress, Cidr, NamedFormat, Url, Version},
)


def _equality(args: Sequence[Value], result: Value) -> int:
    return 1 if type(args[0]) in _UNITS else _smaller(args, result)


def _allocated(factor: float, size: int, modern: bool = True) -> int:
    product = float(size) * factor
    # What a uint64 cannot hold becomes 2**63 where Go converts a float on amd64; negative numbers wrap around.
    whole = int(product) % 2**64 if -(2.0**63) <= product < 2.0**64 else 2**63
    total = whole + 1 + LIST_COST
    return min(total, MOST_UINT) if modern else total % 2**64


def check_countable(overload: str, position: int, value: Value) -> None:
    """Raise AbandonedError where counting the cost makes the reference panic: it takes the argument's type for granted.

    Whoever evaluates without counting must ask as well, about the arguments in COUNTED_ARGUMENTS.
    """
    if COUNTED_ARGUMENTS.get(overload) != position:
        return
    found = "*types.Err" if isinstance(value, EvaluationError) else go_type(value)
    if overload == _FLATTEN:
        if type(value) is not int:
            raise AbandonedError(f"internal error: interface conversion: ref.Val is {found}, not types.Int")
    elif type(value) not in LISTS:
        missing = "Contains" if type(value) in _ADDABLE else "Add"
        raise AbandonedError(
            f"internal error: interface conversion: {found} is not traits.Lister: missing method {missing}"
        )


def _by_output(_: Sequence[Value], result: Value) -> int:
    return _allocated(1, _plain_size(result))


def _flattened(args: Sequence[Value], _: Value) -> int:
    depth = 1
    if len(args) == 2:
        check_countable(_FLATTEN, 1, args[1])
        depth = args[1]
    return _allocated(float(depth), _plain_size(args[0]))


def _self_compared(overload: str) -> Cost:
    position = COUNTED_ARGUMENTS[overload]

    def cost(args: Sequence[Value], _: Value) -> int:
        values = args[position]
        check_countable(overload, position, values)
        size = len(values)
        factor = 2.1 if values and type(values[0]) in (str, bytes) else 2.0
        return _allocated(factor, min(size * size, MOST_UINT))

    return cost


def _sets(factor: float) -> Cost:
    return lambda args, _: 1 + int(_plain_size(args[0]) * _plain_size(args[1]) * factor)


# What the libraries of cel-go charge, by overload.
_BY_LIBRARY: Final[Mapping[str, Cost]] = {
    "list_slice": _by_output,
    "list_flatten": _flattened,
    "list_flatten_int": _flattened,
    "lists_range": _by_output,
    "list_reverse": _by_output,
    **{overload: _self_compared(overload) for overload in COUNTED_ARGUMENTS if overload != _FLATTEN},
    "list_sets_contains_list": _sets(1),
    "list_sets_intersects_list": _sets(1),
    "list_sets_equivalent_list": _sets(2),
}

# Overloads whose work grows with the square of what they get: their cost is known before.
QUADRATIC: Final = frozenset(_BY_LIBRARY) - {"list_slice", "list_flatten", _FLATTEN, "lists_range", "list_reverse"}


def _requirements(args: Sequence[Value], _: Value) -> int:
    """The text of a label or field selector is read into a list, of a requirement for every two characters at most."""
    if len(args) < 2:
        return 1
    size = _plain_size(args[1])
    return LIST_COST + _share(size, 0.1) + _share(_share(size, 0.5), LIST_COST + STRUCT_COST)


# What Kubernetes charges, by function. `check` is an authorization check.
_BY_FUNCTION: Final[Mapping[str, Cost]] = {
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf", "includes"), _whole),
    **dict.fromkeys(("url", "lowerAscii", "upperAscii", "substring", "trim"), _first(0.1)),
    **dict.fromkeys(("replace", "split"), _first(0.2)),
    "join": _joined,
    **dict.fromkeys(("find", "findAll"), _pattern(_plain_size)),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "ip"), _first(0.1)),
    "ip.isCanonical": _first(0.2),
    **dict.fromkeys(("quantity", "isQuantity", "semver", "isSemver"), _first(0.1)),
    "validate": _validate,
    "_==_": _equality,
    "check": lambda _, __: 350_000,
    **dict.fromkeys(("fieldSelector", "labelSelector"), _requirements),
}

_COMPARISONS: Final = tuple(
    f"{name}_{kind}" for name in ("less", "less_equals", "greater", "greater_equals") for kind in ("string", "bytes")
)

# What the language itself charges, by overload; anything else costs 1.
_BY_OVERLOAD: Final[Mapping[str, Cost]] = {
    **dict.fromkeys(("string_to_bytes", "bytes_to_string", "strings_quote", "string_format"), _first(0.1, size_of)),
    "in_list": lambda args, _: size_of(args[1]),
    **dict.fromkeys((*_COMPARISONS, "equals", "not_equals"), _smaller),
    **dict.fromkeys(("add_string", "add_bytes"), _both),
    "matches_string": _pattern(size_of),
    "contains_string": _contains,
    "cidr_ip": _one,
    "cidr_contains_ip_string": _contains_address(parsed=True, network=False),
    "cidr_contains_ip_ip": _contains_address(parsed=False, network=False),
    "cidr_contains_cidr_string": _contains_address(parsed=True, network=True),
    "cidr_contains_cidr": _contains_address(parsed=False, network=True),
}
_CONTAINS_ADDRESS: Final = {
    "containsIP": _contains_address(parsed=False, network=False),
    "containsCIDR": _contains_address(parsed=False, network=True),
}


def call_cost(function: str, overload: str, args: Sequence[Value], result: Value, modern: bool) -> int:
    """What a call costs. `modern`: as cel-go 0.29 (Kubernetes 1.37) counts, not 0.26."""
    by_library = _BY_LIBRARY.get(overload)
    if by_library is not None:
        if overload == _FLATTEN and type(args[1]) is int and args[1] < 0:
            return _allocated(1.0 if modern else float(args[1]), _plain_size(args[0]), modern)
        return by_library(args, result)
    if overload in ("starts_with_string", "ends_with_string"):
        return _share(size_of(args[1] if modern else args[0]), 0.1)
    if function == "includes" and not modern:
        return 1
    if overload == "matches" and modern:
        return _BY_OVERLOAD["matches_string"](args, result)
    if overload not in _BY_OVERLOAD and function in _CONTAINS_ADDRESS:
        return _CONTAINS_ADDRESS[function](args, result)
    special = _BY_OVERLOAD.get(overload) if overload == "cidr_ip" else None
    cost = special or _BY_FUNCTION.get(function) or _BY_OVERLOAD.get(overload, _one)
    return cost(args, result)
