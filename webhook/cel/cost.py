"""The worst-case cost of a checked expression, to the unit what the API server estimates.

Source: cel-go checker/cost.go. What single functions cost is in `cost_language` and `cost_kubernetes`.
"""

from collections.abc import Callable, Mapping
from typing import Final

from webhook.cel.cost_kubernetes import KUBERNETES
from webhook.cel.cost_language import LISTS, STANDARD
from webhook.cel.environment import Environment
from webhook.cel.sizes import LIST_COST, MOST, ONE, STRUCT_COST, Entries, Estimating, Known, Local, Path, Size, union
from webhook.cel.syntax import (
    AND,
    CONDITIONAL,
    OR,
    Call,
    Comprehension,
    Expr,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    Select,
    StructLiteral,
)
from webhook.cel.types import Kind

_MAP_COST: Final = 30
_SELECTABLE: Final = (Kind.MAP, Kind.STRUCT, Kind.PARAMETER)
_LOGICAL: Final = (AND, OR)
_INDICES: Final = {"index_list": "@items", "index_map": "@values"}


def estimate_cost(root: Expr, environment: Environment) -> int:
    """The most that evaluating the checked tree can cost."""
    return estimate(root, environment)[0]


def estimate(root: Expr, environment: Environment) -> tuple[int, int | None]:
    """The most that evaluating the checked tree can cost, and the largest size of its result, if that is known."""
    known = Known(environment.sizes, environment.modern, environment.undeclared)
    cost = _COST[root.__class__](known, root)
    size = known.known_size(root)
    return cost, None if size is None else size.most


def _literal(_known: Known, _node: Literal) -> int:
    return 0


def _ident(known: Known, node: Ident) -> int:
    name = known.name(node)
    local = known.local(name)
    if local is None:
        known.paths[node.id] = Path([name], 1)
    else:
        known.paths[node.id] = local.path
        if local.path.length:
            known.known_size(node)  # now, before another path can change this one
    return 1


def _select(known: Known, node: Select) -> int:
    if node.reference is not None:
        known.paths[node.id] = Path([node.reference], 1)
        return 1
    operand = node.operand
    cost = _COST[operand.__class__](known, operand)
    if not node.test_only:
        if operand.type.kind in _SELECTABLE:
            cost += 1
        known.paths[node.id] = known.path(operand).append(node.field)
    return min(MOST, cost)


def _call(known: Known, node: Call) -> int:
    args = node.args
    function = node.function
    total = 0
    if function == CONDITIONAL:
        condition, yes, no = args
        total = _COST[condition.__class__](known, condition)
        total += max(_COST[yes.__class__](known, yes), _COST[no.__class__](known, no))
    else:
        for argument in args:
            if argument.__class__ is not Literal:
                total += _COST[argument.__class__](known, argument)
    target = node.target
    if target is not None:
        total += _COST[target.__class__](known, target)
    elif function in _LOGICAL:
        return min(total, MOST)
    if function == "dyn":
        known.set_size(node, known.known_size(args[0]))
        known.set_entries(node, known.entries(args[0]))
        return min(total + 1, MOST)
    overloads = node.overloads
    if not overloads:
        return 0
    return min(total + _own_cost(known, node), MOST)


def _own_cost(known: Known, node: Call) -> int:
    """What a call costs beside its arguments; notes the size of its result."""
    most = 0
    result: Size | None = None
    function = node.function
    for overload in node.overloads:
        ways = _WAYS.get((function, overload))
        if ways is None:
            ways = _WAYS[function, overload] = _ways(function, overload)
        cost = 1
        for way in ways:
            estimate = way(known, node, overload)
            if estimate is not None:
                cost, size = estimate
                if size is not None:
                    result = size if result is None else union(result, size)
                break
        most = max(most, cost)
        if overload in _INDICES:
            held = known.entries(node.args[0])
            result = None if held is None else held.value
            known.paths[node.id] = known.path(node.args[0]).append(_INDICES[overload])
        if result is None:
            result = known.known_size(node)
    known.set_size(node, result)
    return most


# By function and overload, what may tell the cost, in the order in which it is asked. As many as are declared.
_WAYS: Final[dict[tuple[str, str], tuple[Estimating, ...]]] = {}


def _ways(function: str, overload: str) -> tuple[Estimating, ...]:
    found = (LISTS.get(overload), KUBERNETES.get(function), STANDARD.get(overload))
    return tuple(way for way in found if way is not None)


def _list(known: Known, node: ListLiteral) -> int:
    cost = LIST_COST
    least, most = MOST if node.elements else 0, 0
    for part in node.elements:
        if part.__class__ is not Literal:
            cost += _COST[part.__class__](known, part)
    for part in node.elements:
        size = known.size(part)
        least = min(least, size.least)
        most = max(most, size.most)
    known.set_entries(node, Entries(Kind.LIST, ONE, Size(least, most)))
    return min(cost, MOST)


def _map(known: Known, node: MapLiteral) -> int:
    cost = _MAP_COST
    for entry in node.entries:
        cost += _COST[entry.key.__class__](known, entry.key) + _COST[entry.value.__class__](known, entry.value)
    key = value = Size(MOST if node.entries else 0, 0)
    for entry in node.entries:
        key = union(key, known.size(entry.key))
        value = union(value, known.size(entry.value))
    known.set_entries(node, Entries(Kind.MAP, key, value))
    return min(cost, MOST)


def _struct(known: Known, node: StructLiteral) -> int:
    cost = STRUCT_COST
    for entry in node.entries:
        cost += _COST[entry.value.__class__](known, entry.value)
    return min(cost, MOST)


def _loop(known: Known, node: Comprehension) -> int:
    over = node.iter_range
    initial = node.accumulator_init
    cost = _COST[over.__class__](known, over) + _COST[initial.__class__](known, initial)
    outer = known.locals.setdefault(node.accumulator, [])
    outer.append(Local(known.path(initial), known.known_size(initial), known.entries(initial)))
    once = 0 if _is_bind(node) else _pass(known, node)
    cost += _COST[node.result.__class__](known, node.result)
    outer.pop()
    if _is_bind(node):
        known.set_size(node, known.known_size(node.result))
        known.set_entries(node, known.entries(node.result))
        return min(cost, MOST)
    count = known.looped_size(over)
    if initial.__class__ is Literal:
        known.set_size(node, known.known_size(initial))
    elif initial.__class__ in (ListLiteral, MapLiteral):
        known.set_size(node, count)
        known.set_entries(node, known.entries(node.step))
    return min(cost + min(count.most * once, MOST), MOST)


def _pass(known: Known, node: Comprehension) -> int:
    """What one pass of the loop costs."""
    over = node.iter_range
    held = known.entries(over)
    is_list = (over.type.kind if held is None else held.kind) == Kind.LIST
    key = None if held is None else held.key
    value = None if held is None else held.value
    path = known.path(over)
    if node.iter_var2 is not None:
        first = Local(path.append("@indices" if is_list else "@keys"), key, None)
        second = Local(path.append("@items" if is_list else "@values"), value, None)
        variables = [(node.iter_var, first), (node.iter_var2, second)]
    else:
        first = Local(path.append("@items" if is_list else "@keys"), value if is_list else key, None)
        variables = [(node.iter_var, first)]
    for name, local in variables:
        known.locals.setdefault(name, []).append(local)
    condition = _COST[node.condition.__class__](known, node.condition)
    step = _COST[node.step.__class__](known, node.step)
    for name, _ in variables:
        known.locals[name].pop()
    return min(condition + step, MOST)


def _is_bind(node: Comprehension) -> bool:
    over = node.iter_range
    condition = node.condition
    return (
        isinstance(over, ListLiteral)
        and not over.elements
        and isinstance(condition, Literal)
        and condition.value is False
        and node.accumulator != "__result__"
    )


_COST: Final[Mapping[type, Callable[..., int]]] = {
    Literal: _literal,
    Ident: _ident,
    Select: _select,
    Call: _call,
    ListLiteral: _list,
    MapLiteral: _map,
    StructLiteral: _struct,
    Comprehension: _loop,
}
