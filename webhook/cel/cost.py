"""The worst-case cost of a checked expression, to the unit what the API server estimates.

Sizes are ranges of numbers of elements or characters, costs are upper bounds; both stop at 2**64 - 1.
A *path* tells which part of a declared variable a node reads (`device`, `attributes`, `@values`), and so
how large it can be. cel-go keeps paths in slices that can share memory, so that a later path can change
an earlier one; `_Path` behaves the same, because the numbers depend on it.
Sources: cel-go checker/cost.go, ext/lists.go, ext/sets.go; k8s.io/apiserver pkg/cel/library/cost.go.
"""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Final, NamedTuple, TypeAlias

from webhook.cel.environment import Environment, Sized
from webhook.cel.syntax import (
    AND,
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
from webhook.cel.types import Kind, Type

MOST: Final = 2**64 - 1
_TWO_TO_64: Final = 2.0**64
_STRING_FACTOR: Final = 0.1
_REGEX_FACTOR: Final = 0.25
_LIST_COST: Final = 10
_MAP_COST: Final = 30
_STRUCT_COST: Final = 40
_AUTHORIZATION_COST: Final = 350_000
_NAME_FORMAT_PATTERN: Final = 128
_NAME_FORMAT_SIZE: Final = 64
_SCALARS: Final = (Kind.BOOL, Kind.DOUBLE, Kind.DURATION, Kind.INT, Kind.TIMESTAMP, Kind.UINT)
_SELECTABLE: Final = (Kind.MAP, Kind.STRUCT, Kind.PARAMETER)
_ACCUMULATORS: Final = ("@result", "__result__")


class Size(NamedTuple):
    """At least and at most so many elements or characters."""

    least: int
    most: int


UNKNOWN: Final = Size(0, MOST)
_ONE: Final = Size(1, 1)


class _Entries(NamedTuple):
    """The sizes of what a list or map holds."""

    kind: int
    key: Size
    value: Size


Estimate: TypeAlias = tuple[int, Size | None]
"""The cost of a call without that of its arguments, and the size of its result if it is known."""


def _plus(first: Size, second: Size) -> Size:
    return Size(min(first.least + second.least, MOST), min(first.most + second.most, MOST))


def _times(first: Size, second: Size) -> Size:
    return Size(min(first.least * second.least, MOST), min(first.most * second.most, MOST))


def _union(first: Size, second: Size) -> Size:
    return Size(min(first.least, second.least), max(first.most, second.most))


def _scaled(amount: int, factor: float) -> int:
    """The product rounded up, in the arithmetic of float64."""
    product = float(amount) * factor
    return MOST if product >= _TWO_TO_64 else ceil(product)


class _Path:
    """A Go slice of strings: a length, and an array that other slices may share."""

    __slots__ = ("array", "length")

    array: list[str]
    length: int

    def __init__(self, array: list[str], length: int) -> None:
        self.array = array
        self.length = length

    def append(self, name: str) -> "_Path":
        """In place if the array has room, like Go's append."""
        length = self.length
        array = self.array
        if length < len(array):
            array[length] = name
        else:
            array = [*array[:length], name, *[""] * max(length - 1, 0)]
        return _Path(array, length + 1)


_NO_PATH: Final = _Path([], 0)


class _Local(NamedTuple):
    """What is known of a macro's variable."""

    path: _Path
    size: Size | None
    entries: _Entries | None


def estimate_cost(root: Expr, environment: Environment) -> int:
    """The most that evaluating the checked tree can cost."""
    return _Estimator(environment).run(root)


class _Estimator:
    __slots__ = (
        "_costs",
        "_entries",
        "_locals",
        "_names",
        "_paths",
        "_sized",
        "_sizes",
        "_stack",
        "modern",
    )

    def __init__(self, environment: Environment) -> None:
        self.modern = environment.modern
        self._sized = environment.sizes
        self._costs: dict[int, int] = {}
        self._paths: dict[int, _Path] = {}
        self._sizes: dict[int, Size] = {}
        self._entries: dict[int, _Entries] = {}
        self._locals: dict[str, list[_Local]] = {}
        self._names: dict[int, str] = {}
        self._stack: list[Expr | tuple[Callable[..., None], Expr]] = []

    def run(self, root: Expr) -> int:
        stack = self._stack
        stack.append(root)
        while stack:
            task = stack.pop()
            if task.__class__ is tuple:
                task[0](self, task[1])
            else:
                _ENTER[task.__class__](self, task)
        return self._costs[root.id]

    # Sizes and paths

    def size(self, node: Expr) -> Size:
        """The size of a node, or the unknown one."""
        return self.known_size(node) or UNKNOWN

    def known_size(self, node: Expr) -> Size | None:
        """The size of a node, if there is any ground for one."""
        found = self._sizes.get(node.id)
        if found is not None:
            return found
        if node.__class__ is Literal:
            return _literal_size(node)
        if node.__class__ is ListLiteral:
            return Size(len(node.elements), len(node.elements))
        if node.__class__ is MapLiteral:
            return Size(len(node.entries), len(node.entries))
        path = self._path(node)
        if path.length:
            found = self.declared_size(path)
            if found is not None:
                self._sizes[node.id] = found
                return found
        if _is_scalar(node.type):
            return _ONE
        if node.__class__ is Ident:
            local = self._local(self._name(node))
            if local is not None:
                return local.size
        return None

    def declared_size(self, path: _Path) -> Size | None:
        """The largest size that the declarations allow at the end of a path."""
        names = path.array[: path.length]
        fields = self._sized.get(names[0])
        if fields is None:
            return None
        if len(names) == 1:
            return Size(0, 0)
        node: Sized | None = fields.get(names[1])
        for name in names[2:]:
            if node is None:
                return None
            if name in ("@items", "@values"):
                node = node.element
            elif name == "@keys":
                node = node.key
            elif node.element is not None and node.element.attribute:
                node = node.element
            else:
                return None
        return None if node is None else Size(0, node.size)

    def entries(self, node: Expr) -> _Entries | None:
        """The sizes of what a node holds."""
        found = self._entries.get(node.id)
        if found is None and node.__class__ is Ident:
            local = self._local(self._name(node))
            if local is not None:
                return local.entries
        return found

    def set_entries(self, node: Expr, entries: _Entries | None) -> None:
        """Notes the sizes of what a node holds."""
        if entries is not None:
            self._entries[node.id] = entries

    def _path(self, node: Expr) -> _Path:
        if node.__class__ is Ident:
            local = self._local(self._name(node))
            if local is not None:
                return local.path
        return self._paths.get(node.id, _NO_PATH)

    def element_size(self, node: Expr) -> Size | None:
        """The size of an element of what the node stands for; None if its type holds nothing."""
        if not node.type.parameters:
            return None
        path = self._path(node)
        if not path.length or path.array[0] in _ACCUMULATORS:
            return UNKNOWN
        return self.declared_size(_Path([*path.array[: path.length], "@items"], path.length + 1)) or UNKNOWN

    def _local(self, name: str) -> _Local | None:
        stack = self._locals.get(name)
        return stack[-1] if stack else None

    def _name(self, node: Ident) -> str:
        """The variable's name; with its dot where cel-go 0.29 needs that to get past a macro's variable."""
        return self._names.get(node.id, node.name) if node.name[0] == "." else node.name

    # Nodes

    def literal(self, node: Literal) -> None:
        self._costs[node.id] = 0

    def ident(self, node: Ident) -> None:
        name = node.name
        if name[0] == ".":
            bare = name[1:]
            name = name if self.modern and self._local(bare) is not None else bare
            self._names[node.id] = name
        local = self._local(name)
        self._costs[node.id] = 1
        if local is None:
            self._paths[node.id] = _Path([name], 1)
        else:
            self._paths[node.id] = local.path
            if local.path.length:
                self.known_size(node)  # now, before another path can change this one

    def select(self, node: Select) -> None:
        if node.reference is not None:
            self._costs[node.id] = 1
            self._paths[node.id] = _Path([node.reference], 1)
            return
        self._stack.append((_Estimator.finish_select, node))
        self._stack.append(node.operand)

    def finish_select(self, node: Select) -> None:
        operand = node.operand
        cost = self._costs[operand.id]
        if not node.test_only:
            if operand.type.kind in _SELECTABLE:
                cost += 1
            self._paths[node.id] = self._path(operand).append(node.field)
        self._costs[node.id] = min(cost, MOST)

    def call(self, node: Call) -> None:
        self._stack.append((_Estimator.finish_call, node))
        if node.target is not None:
            self._stack.append(node.target)
        self._stack.extend(node.args[::-1])

    def finish_call(self, node: Call) -> None:
        costs = self._costs
        args = node.args
        function = node.function
        if function == "dyn":
            costs[node.id] = min(1 + costs[args[0].id], MOST)
            size = self.known_size(args[0])
            if size is not None:
                self._sizes[node.id] = size
            self.set_entries(node, self.entries(args[0]))
            return
        total = 0
        for argument in args:
            total += costs[argument.id]
        if function in (AND, OR):
            costs[node.id] = min(total, MOST)
            return
        if node.target is not None:
            total += costs[node.target.id]
        if function == "_?_:_":
            total -= min(costs[args[1].id], costs[args[2].id])
        own = 0
        result: Size | None = None
        for overload in node.overloads:
            cost, size = self._call_cost(node, function, overload)
            own = max(own, cost)
            if size is not None:
                result = size if result is None else _union(result, size)
            if overload in ("index_list", "index_map"):
                held = self.entries(args[0])
                result = held.value if held is not None else None
                path = self._path(args[0]).append("@items" if overload == "index_list" else "@values")
                self._paths[node.id] = path
            if result is None:
                result = self.known_size(node)
        if result is not None:
            self._sizes[node.id] = result
        costs[node.id] = min(total + own, MOST) if node.overloads else 0

    def _call_cost(self, node: Call, function: str, overload: str) -> Estimate:
        estimate = None
        by_overload = _BY_OVERLOAD.get(overload)
        if by_overload is not None:
            estimate = by_overload(self, node, overload)
        if estimate is None:
            by_name = _BY_FUNCTION.get(function)
            if by_name is not None:
                estimate = by_name(self, node, overload)
        if estimate is None:
            standard = _STANDARD.get(overload)
            if standard is not None:
                estimate = standard(self, node, overload)
        return estimate or (1, None)

    def list(self, node: ListLiteral) -> None:
        self._stack.append((_Estimator.finish_list, node))
        self._stack.extend(node.elements[::-1])

    def finish_list(self, node: ListLiteral) -> None:
        cost = _LIST_COST
        held = Size(MOST if node.elements else 0, 0)
        for part in node.elements:
            cost += self._costs[part.id]
            held = _union(held, self.size(part))
        self._costs[node.id] = min(cost, MOST)
        self._entries[node.id] = _Entries(Kind.LIST, _ONE, held)

    def map(self, node: MapLiteral) -> None:
        self._stack.append((_Estimator.finish_map, node))
        for entry in node.entries[::-1]:
            self._stack.extend((entry.value, entry.key))

    def finish_map(self, node: MapLiteral) -> None:
        cost = _MAP_COST
        key = value = Size(MOST if node.entries else 0, 0)
        for entry in node.entries:
            cost += self._costs[entry.key.id] + self._costs[entry.value.id]
            key = _union(key, self.size(entry.key))
            value = _union(value, self.size(entry.value))
        self._costs[node.id] = min(cost, MOST)
        self._entries[node.id] = _Entries(Kind.MAP, key, value)

    def struct(self, node: StructLiteral) -> None:
        self._stack.append((_Estimator.finish_struct, node))
        self._stack.extend([entry.value for entry in node.entries[::-1]])

    def finish_struct(self, node: StructLiteral) -> None:
        cost = _STRUCT_COST
        for entry in node.entries:
            cost += self._costs[entry.value.id]
        self._costs[node.id] = min(cost, MOST)

    # Loops

    def loop(self, node: Comprehension) -> None:
        self._stack.append((_Estimator.enter_bind if _is_bind(node) else _Estimator.enter_loop, node))
        self._stack.append(node.accumulator_init)
        self._stack.append(node.iter_range)

    def _push(self, name: str, local: _Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _push_accumulator(self, node: Comprehension) -> None:
        initial = node.accumulator_init
        local = _Local(self._path(initial), self.known_size(initial), self.entries(initial))
        self._push(node.accumulator, local)

    def enter_bind(self, node: Comprehension) -> None:
        self._push_accumulator(node)
        self._stack.append((_Estimator.leave_bind, node))
        self._stack.append(node.result)

    def leave_bind(self, node: Comprehension) -> None:
        self._locals[node.accumulator].pop()
        costs = self._costs
        cost = costs[node.iter_range.id] + costs[node.accumulator_init.id] + costs[node.result.id]
        costs[node.id] = min(cost, MOST)
        size = self.known_size(node.result)
        if size is not None:
            self._sizes[node.id] = size
        self.set_entries(node, self.entries(node.result))

    def enter_loop(self, node: Comprehension) -> None:
        self._push_accumulator(node)
        over = node.iter_range
        held = self.entries(over)
        is_list = (over.type.kind if held is None else held.kind) == Kind.LIST
        key = held.key if held is not None else None
        value = held.value if held is not None else None
        path = self._path(over)
        if node.iter_var2 is not None:
            self._push(node.iter_var, _Local(path.append("@indices" if is_list else "@keys"), key, None))
            self._push(node.iter_var2, _Local(path.append("@items" if is_list else "@values"), value, None))
        else:
            first = _Local(path.append("@items" if is_list else "@keys"), value if is_list else key, None)
            self._push(node.iter_var, first)
        self._stack.append((_Estimator.leave_step, node))
        self._stack.append(node.step)
        self._stack.append(node.condition)

    def leave_step(self, node: Comprehension) -> None:
        self._locals[node.iter_var].pop()
        if node.iter_var2 is not None:
            self._locals[node.iter_var2].pop()
        self._stack.append((_Estimator.leave_loop, node))
        self._stack.append(node.result)

    def leave_loop(self, node: Comprehension) -> None:
        self._locals[node.accumulator].pop()
        costs = self._costs
        initial = node.accumulator_init
        count = self.size(node.iter_range)
        once = min(costs[node.step.id] + costs[node.condition.id], MOST)
        cost = costs[node.iter_range.id] + costs[initial.id] + costs[node.result.id] + min(count.most * once, MOST)
        costs[node.id] = min(cost, MOST)
        if initial.__class__ is Literal:
            size = self.known_size(initial)
            if size is not None:
                self._sizes[node.id] = size
        elif initial.__class__ in (ListLiteral, MapLiteral):
            self._sizes[node.id] = count
            self.set_entries(node, self.entries(node.step))


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


def _literal_size(node: Literal) -> Size:
    value = node.value
    length = len(value) if isinstance(value, str | bytes) else 1
    return Size(length, length)


def _is_scalar(type_: Type) -> bool:
    while type_.kind == Kind.OPAQUE and type_.name == "optional_type":
        type_ = type_.parameters[0]
    return type_.kind in _SCALARS


_ENTER: Final[Mapping[type, Callable[..., None]]] = {
    Literal: _Estimator.literal,
    Ident: _Estimator.ident,
    Select: _Estimator.select,
    Call: _Estimator.call,
    ListLiteral: _Estimator.list,
    MapLiteral: _Estimator.map,
    StructLiteral: _Estimator.struct,
    Comprehension: _Estimator.loop,
}

Estimating: TypeAlias = Callable[[_Estimator, Call, str], Estimate | None]

# Functions of the standard library, by overload


def _format(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    return None if node.target is None else (_scaled(cost.size(node.target).most, _STRING_FACTOR), None)


def _string_to_bytes(cost: _Estimator, node: Call, _: str) -> Estimate:
    size = cost.size(node.args[0])
    return _scaled(size.most, _STRING_FACTOR), Size(size.least, size.most * 4 & MOST)


def _bytes_to_string(cost: _Estimator, node: Call, _: str) -> Estimate:
    size = cost.size(node.args[0])
    return _scaled(size.most, _STRING_FACTOR), Size(size.least // 4, size.most)


def _quote(cost: _Estimator, node: Call, _: str) -> Estimate:
    size = cost.size(node.args[0])
    return _scaled(size.most, _STRING_FACTOR), Size(size.least + 2 & MOST, size.most * 2 + 2 & MOST)


def _argument_scan(cost: _Estimator, node: Call, _: str) -> Estimate:
    return _scaled(cost.size(node.args[0]).most, _STRING_FACTOR), None


def _in_list(cost: _Estimator, node: Call, _: str) -> Estimate:
    return _scaled(cost.size(node.args[1]).most, 1.0), None


def _pattern_cost(subject: Size, pattern: Size) -> int:
    scan = _scaled(min(subject.most + 1, MOST), _STRING_FACTOR)
    return min(scan * _scaled(pattern.most, _REGEX_FACTOR), MOST)


def _matches(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is not None:
        return _pattern_cost(cost.size(node.target), cost.size(node.args[0])), None
    if not cost.modern:
        return None
    return _pattern_cost(cost.size(node.args[0]), cost.size(node.args[1])), None


def _contains(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    text = _scaled(cost.size(node.target).most, _STRING_FACTOR)
    part = _scaled(cost.size(node.args[0]).most, _STRING_FACTOR)
    return min(text * part, MOST), None


def _conditional(cost: _Estimator, node: Call, _: str) -> Estimate:
    _condition, then, other = node.args
    cost.set_entries(node, _joined(cost.entries(then), cost.entries(other)))
    return 0, _union(cost.size(then), cost.size(other))


def _joined(first: _Entries | None, second: _Entries | None) -> _Entries | None:
    if first is None or second is None:
        return None
    return _Entries(first.kind, _union(first.key, second.key), _union(first.value, second.value))


def _add(cost: _Estimator, node: Call, overload: str) -> Estimate:
    left, right = node.args
    size = _plus(cost.size(left), cost.size(right))
    cost.set_entries(node, _joined(cost.entries(left), cost.entries(right)))
    return (1 if overload == "add_list" else _scaled(size.most, _STRING_FACTOR)), size


def _compare(cost: _Estimator, node: Call, _: str) -> Estimate:
    left, right = node.args
    return _scaled(min(cost.size(left).most, cost.size(right).most), _STRING_FACTOR), None


_COMPARISONS: Final = tuple(
    f"{operator}_{type_}"
    for operator in ("less", "less_equals", "greater", "greater_equals")
    for type_ in ("string", "bytes")
)
_STANDARD: Final[Mapping[str, Estimating]] = {
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

# Functions of Kubernetes, by name


def _fixed(amount: int) -> Estimating:
    def estimate(_cost: _Estimator, _node: Call, _overload: str) -> Estimate:
        return amount, None

    return estimate


def _selector(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    if len(node.args) != 1:
        return None
    size = cost.size(node.args[0]).most
    requirements = _scaled(_scaled(size, 0.5), float(_LIST_COST + _STRUCT_COST))
    return min(_LIST_COST + _scaled(size, _STRING_FACTOR) + requirements, MOST), None


def _traverse(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    target = node.target
    if target is None:
        return None
    count = cost.size(target).most
    element = cost.element_size(target)
    if element is not None:
        once = 1
        if target.type.parameters[0].kind in (Kind.STRING, Kind.BYTES):
            once = min(1 + _scaled(element.most, _STRING_FACTOR), MOST)
        return min(count * once, MOST), None
    if node.function == "includes":
        return count, None
    return _scaled(count, _STRING_FACTOR), None


def _url(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    if len(node.args) != 1:
        return None
    size = cost.size(node.args[0])
    return _scaled(size.most, _STRING_FACTOR), size


def _transform(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = cost.size(node.target)
    return _scaled(size.most, _STRING_FACTOR), size


def _replace(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = cost.size(node.target)
    old = cost.size(node.args[0])
    new = cost.size(node.args[1])
    most_kept = most_count = least_kept = least_count = 0
    if old.least == 0:
        most_count, most_kept = min(size.most + 1, MOST), size.most
    elif new.most <= old.least:
        most_kept = size.most
    else:
        most_count = _ratio(size.most, old.least)
    if old.most == 0:
        least_count, least_kept = min(size.least + 1, MOST), size.least
    elif old.most <= new.least:
        least_kept = size.least
    else:
        least_count = _ratio(size.least, old.most)
    result = _plus(_times(Size(least_count, most_count), new), Size(least_kept, most_kept))
    return _scaled(size.most, 2 * _STRING_FACTOR), result


def _ratio(amount: int, divisor: int) -> int:
    quotient = ceil(float(amount) / float(divisor))
    return 2**63 if quotient > MOST else quotient  # what amd64 gives for a float64 that is too large


def _split(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = cost.size(node.target)
    most = size.most
    if len(node.args) > 1:
        limit = node.args[1]
        if isinstance(limit, Literal) and type(limit.value) is int:
            most = limit.value & MOST
    return _scaled(size.most, 2 * _STRING_FACTOR), Size(0, most)


def _join(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    target = node.target
    if target is None:
        return None
    count = cost.size(target)
    element = cost.element_size(target)
    size = Size(0, 0) if element is None else _times(count, element)
    if node.args:
        separators = Size(max(count.least - 1, 0), max(count.most - 1, 0))
        size = _plus(size, _times(cost.size(node.args[0]), separators))
    return _scaled(size.most, _STRING_FACTOR), size


def _find(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = cost.size(node.target)
    return _pattern_cost(size, cost.size(node.args[0])), Size(0, size.most)


def _parse(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    return (_scaled(cost.size(node.args[0]).most, _STRING_FACTOR), None) if node.args else None


def _ip(cost: _Estimator, node: Call, overload: str) -> Estimate | None:
    return (1, None) if overload == "cidr_ip" else _parse(cost, node, overload)


def _canonical(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    return _scaled(cost.size(node.args[0]).most, 2 * _STRING_FACTOR), None


def _contains_address(cost: _Estimator, node: Call, overload: str) -> Estimate | None:
    total = 4  # two addresses of at most 16 bytes, a tenth each, rounded up together
    if node.function == "containsCIDR":
        total += 2 + 1
    if overload in ("cidr_contains_ip_string", "cidr_contains_cidr_string"):
        total = min(total + _scaled(cost.size(node.args[0]).most, _STRING_FACTOR), MOST)
    return total, None


def _validate(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    scan = _scaled(cost.size(node.args[0]).most, _STRING_FACTOR)
    return _scaled(scan, _NAME_FORMAT_PATTERN * _REGEX_FACTOR), None


_CONSTANT_EQUALITY: Final = ("kubernetes.Quantity", "kubernetes.Semver", "net.IP", "net.CIDR")


def _equals(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    left, right = node.args
    name = left.type.name
    if name != right.type.name or left.type.kind not in (Kind.STRUCT, Kind.OPAQUE):
        return None
    if name in _CONSTANT_EQUALITY or name.startswith("kubernetes.authorization."):
        return 1, None
    if name == "kubernetes.NamedFormat":
        return _scaled(_NAME_FORMAT_SIZE, _STRING_FACTOR), None
    if name == "kubernetes.URL":
        size = cost.known_size(right)
        return _scaled(1 if size is None else size.most, _STRING_FACTOR), None
    return None


_NOMINAL: Final = (
    # accessors of authorization checks
    "serviceAccount",
    "path",
    "group",
    "resource",
    "subresource",
    "namespace",
    "name",
    "allowed",
    "reason",
    "error",
    "errored",
    # of addresses and networks
    "masked",
    "prefixLength",
    "family",
    "isUnspecified",
    "isLoopback",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isGlobalUnicast",
    # of formats, quantities and versions
    "format.named",
    "sign",
    "asInteger",
    "isInteger",
    "asApproximateFloat",
    "isGreaterThan",
    "isLessThan",
    "compareTo",
    "add",
    "sub",
    "major",
    "minor",
    "patch",
    # of URLs
    "getScheme",
    "getHostname",
    "getHost",
    "getPort",
    "getEscapedPath",
    "getQuery",
)
_BY_FUNCTION: Final[Mapping[str, Estimating]] = {
    **dict.fromkeys(_NOMINAL, _fixed(1)),
    "check": _fixed(_AUTHORIZATION_COST),
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selector),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf", "includes"), _traverse),
    "url": _url,
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _transform),
    "replace": _replace,
    "split": _split,
    "join": _join,
    **dict.fromkeys(("find", "findAll"), _find),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _parse),
    "ip": _ip,
    "ip.isCanonical": _canonical,
    **dict.fromkeys(("containsIP", "containsCIDR"), _contains_address),
    "validate": _validate,
    "_==_": _equals,
}

# Lists and sets, by overload


def _allocating(factor: float, size: Size) -> Estimate:
    return min(_scaled(size.most, factor) + 1 + _LIST_COST, MOST), size


def _int_value(node: Expr, default: int) -> int:
    if isinstance(node, Literal) and type(node.value) is int:
        return max(node.value, 0)
    return default


def _slice(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    end = _int_value(node.args[1], cost.size(node.target).most)
    length = end - _int_value(node.args[0], 0) & MOST
    return _allocating(1.0, Size(length, length))


def _range(_cost: _Estimator, node: Call, _: str) -> Estimate:
    length = _int_value(node.args[0], MOST)
    return _allocating(1.0, Size(length, length))


def _reverse(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    return None if node.target is None else _allocating(1.0, cost.size(node.target))


def _flatten(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    depth = _int_value(node.args[0], MOST) if node.args else 1
    return None if node.target is None else _allocating(float(depth), cost.size(node.target))


def _distinct(cost: _Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = cost.size(node.target)
    return _allocating(2.0, _times(size, size))


def _sort(cost: _Estimator, node: Call, overload: str) -> Estimate | None:
    keys = node.args[0] if node.args else node.target
    if keys is None:
        return None
    size = cost.size(keys)
    of_text = overload.split("_")[1] in ("string", "bytes")
    return _allocating(2.0 + _STRING_FACTOR if of_text else 2.0, _times(size, size))


def _sets(factor: float) -> Estimating:
    def estimate(cost: _Estimator, node: Call, _: str) -> Estimate:
        pairs = _times(cost.size(node.args[0]), cost.size(node.args[1]))
        return min(_scaled(pairs.most, factor) + 1, MOST), None

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
_BY_OVERLOAD: Final[Mapping[str, Estimating]] = {
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
