"""What calls of the language's own functions, and of cel-go's for lists and sets, can cost, by overload.

Sources: cel-go checker/cost.go, ext/lists.go, ext/sets.go.
"""

from collections.abc import Mapping
from typing import Final

from webhook.cel.sizes import (
    LIST_COST,
    MOST,
    STRING_FACTOR,
    Entries,
    Estimate,
    Estimating,
    Known,
    Size,
    pattern_cost,
    plus,
    scaled,
    times,
    union,
)
from webhook.cel.syntax import Call, Expr, Literal


def _format(known: Known, node: Call, _: str) -> Estimate | None:
    return None if node.target is None else (scaled(known.size(node.target).most, STRING_FACTOR), None)


def _string_to_bytes(known: Known, node: Call, _: str) -> Estimate:
    size = known.size(node.args[0])
    return scaled(size.most, STRING_FACTOR), Size(size.least, size.most * 4 & MOST)


def _bytes_to_string(known: Known, node: Call, _: str) -> Estimate:
    size = known.size(node.args[0])
    return scaled(size.most, STRING_FACTOR), Size(size.least // 4, size.most)


def _quote(known: Known, node: Call, _: str) -> Estimate:
    size = known.size(node.args[0])
    return scaled(size.most, STRING_FACTOR), Size(size.least + 2 & MOST, size.most * 2 + 2 & MOST)


def _argument_scan(known: Known, node: Call, _: str) -> Estimate:
    return scaled(known.size(node.args[0]).most, STRING_FACTOR), None


def _in_list(known: Known, node: Call, _: str) -> Estimate:
    return scaled(known.size(node.args[1]).most, 1.0), None


def _matches(known: Known, node: Call, _: str) -> Estimate | None:
    if node.target is not None:
        return pattern_cost(known.size(node.target), known.size(node.args[0])), None
    if not known.modern:
        return None
    return pattern_cost(known.size(node.args[0]), known.size(node.args[1])), None


def _contains(known: Known, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    text = scaled(known.size(node.target).most, STRING_FACTOR)
    part = scaled(known.size(node.args[0]).most, STRING_FACTOR)
    return min(text * part, MOST), None


def _conditional(known: Known, node: Call, _: str) -> Estimate:
    _condition, then, other = node.args
    known.set_entries(node, _joined(known.entries(then), known.entries(other)))
    return 0, union(known.size(then), known.size(other))


def _joined(first: Entries | None, second: Entries | None) -> Entries | None:
    if first is None or second is None:
        return None
    return Entries(first.kind, union(first.key, second.key), union(first.value, second.value))


def _add(known: Known, node: Call, overload: str) -> Estimate:
    left, right = node.args
    size = plus(known.size(left), known.size(right))
    known.set_entries(node, _joined(known.entries(left), known.entries(right)))
    return (1 if overload == "add_list" else scaled(size.most, STRING_FACTOR)), size


def _compare(known: Known, node: Call, _: str) -> Estimate:
    left, right = node.args
    return scaled(min(known.size(left).most, known.size(right).most), STRING_FACTOR), None


_COMPARISONS: Final = tuple(
    f"{operator}_{type_}"
    for operator in ("less", "less_equals", "greater", "greater_equals")
    for type_ in ("string", "bytes")
)
STANDARD: Final[Mapping[str, Estimating]] = {
    "string_format": _format,
    "string_to_bytes": _string_to_bytes,
    "bytes_to_string": _bytes_to_string,
    "strings_quote": _quote,
    "starts_with_string": _argument_scan,
    "ends_with_string": _argument_scan,
    "in_list": _in_list,
    "matches": _matches,
    "matches_string": _matches,
    "contains_string": _contains,
    "conditional": _conditional,
    "add_string": _add,
    "add_bytes": _add,
    "add_list": _add,
    "equals": _compare,
    "not_equals": _compare,
    **dict.fromkeys(_COMPARISONS, _compare),
}

# Lists and sets


def _allocating(factor: float, size: Size) -> Estimate:
    return min(scaled(size.most, factor) + 1 + LIST_COST, MOST), size


def _int_value(node: Expr, default: int) -> int:
    if isinstance(node, Literal) and type(node.value) is int:
        return max(node.value, 0)
    return default


def _slice(known: Known, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    end = _int_value(node.args[1], known.size(node.target).most)
    length = end - _int_value(node.args[0], 0) & MOST
    return _allocating(1.0, Size(length, length))


def _range(_known: Known, node: Call, _: str) -> Estimate:
    length = _int_value(node.args[0], MOST)
    return _allocating(1.0, Size(length, length))


def _reverse(known: Known, node: Call, _: str) -> Estimate | None:
    return None if node.target is None else _allocating(1.0, known.size(node.target))


def _flatten(known: Known, node: Call, _: str) -> Estimate | None:
    depth = _int_value(node.args[0], MOST) if node.args else 1
    return None if node.target is None else _allocating(float(depth), known.size(node.target))


def _distinct(known: Known, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = known.size(node.target)
    return _allocating(2.0, times(size, size))


def _sort(known: Known, node: Call, overload: str) -> Estimate | None:
    keys = node.args[0] if node.args else node.target
    if keys is None:
        return None
    size = known.size(keys)
    of_text = overload.split("_")[1] in ("string", "bytes")
    return _allocating(2.0 + STRING_FACTOR if of_text else 2.0, times(size, size))


def _sets(factor: float) -> Estimating:
    def estimate(known: Known, node: Call, _: str) -> Estimate:
        pairs = times(known.size(node.args[0]), known.size(node.args[1]))
        return min(scaled(pairs.most, factor) + 1, MOST), None

    return estimate


_SORTABLE: Final = (
    "int",
    "uint",
    "double",
    "bool",
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
    "string",
    "bytes",
)
LISTS: Final[Mapping[str, Estimating]] = {
    "list_slice": _slice,
    "lists_range": _range,
    "list_reverse": _reverse,
    "list_flatten": _flatten,
    "list_flatten_int": _flatten,
    "list_distinct": _distinct,
    **{f"list_{type_}_sort": _sort for type_ in _SORTABLE},
    **{f"list_{type_}_sortByAssociatedKeys": _sort for type_ in _SORTABLE},
    "list_sets_contains_list": _sets(1.0),
    "list_sets_intersects_list": _sets(1.0),
    "list_sets_equivalent_list": _sets(2.0),
}
