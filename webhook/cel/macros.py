"""Macros: calls that the parser replaces by other syntax before anything is checked.

A macro's name, number of arguments and whether it has a receiver select its expander. Every node that
an expander makes stands where the macro call stands. Source: cel-go parser/macro.go, ext/bindings.go,
ext/comprehensions.go, ext/lists.go, cel/library.go, for the shapes of the expansions, which the cost
estimate and the error positions depend on.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from webhook.cel.syntax import (
    ACCUMULATOR,
    ADD,
    AND,
    CONDITIONAL,
    EQUALS,
    NOT,
    NOT_STRICTLY_FALSE,
    OR,
    UNUSED_VARIABLE,
    Call,
    Comprehension,
    Expr,
    FieldEntry,
    Ident,
    ListLiteral,
    Literal,
    LiteralValue,
    MapEntry,
    MapLiteral,
    Select,
    StructLiteral,
    children,
)

MAP_INSERT: Final = "cel.@mapInsert"
SORT_BY_KEYS: Final = "@sortByAssociatedKeys"
SORT_INPUT: Final = "@__sortBy_input__"
MOST_NODES: Final = 50_000
_RESERVED_ACCUMULATORS: Final = (ACCUMULATOR, "__result__")


class MacroError(Exception):
    """The arguments do not fit the macro. The position is the argument's, the words are the API server's."""

    def __init__(self, pos: int, message: str) -> None:
        super().__init__(message)
        self.pos = pos
        self.message = message


class TooManyNodesError(Exception):
    """Expansion passed MOST_NODES: chained optMap calls double with each link."""


class Factory:
    """Makes the nodes of one parse: it numbers them, and places those of a macro at its call.

    Copies are made when all is read: chained optMap calls double with each, and most texts with many are refused.
    """

    __slots__ = ("_taken", "_to_take", "_uncopied", "end", "last_id", "pos", "start")

    def __init__(self) -> None:
        self.last_id = 0
        self.pos = 0
        self.start = 0
        self.end = 0
        self._taken: dict[int, int] = {}  # by the id of what is to be copied, how many ids it takes
        self._to_take = 0  # by all copies that are still to be made
        self._uncopied: list[Call] = []

    def at(self, pos: int, start: int, end: int) -> None:
        """Where the nodes to come belong."""
        self.pos = pos
        self.start = start
        self.end = end

    def next_id(self) -> int:
        """A fresh node id."""
        self.last_id += 1
        return self.last_id

    def literal(self, value: LiteralValue) -> Literal:
        """A constant."""
        self.last_id += 1
        return Literal(self.last_id, self.pos, self.start, self.end, value)

    def ident(self, name: str) -> Ident:
        """A name."""
        self.last_id += 1
        return Ident(self.last_id, self.pos, self.start, self.end, name)

    def call(self, function: str, *args: Expr, target: Expr | None = None) -> Call:
        """A call of a function, or of a method of the target."""
        self.last_id += 1
        return Call(self.last_id, self.pos, self.start, self.end, function, args, target)

    def list(self, *elements: Expr) -> ListLiteral:
        """A list."""
        self.last_id += 1
        return ListLiteral(self.last_id, self.pos, self.start, self.end, elements)

    def map(self) -> MapLiteral:
        """An empty map."""
        self.last_id += 1
        return MapLiteral(self.last_id, self.pos, self.start, self.end, ())

    def accumulator(self) -> Ident:
        """The accumulator variable."""
        return self.ident(ACCUMULATOR)

    def loop(
        self,
        over: Expr,
        names: tuple[str, str | None],
        accumulator: tuple[str, Expr],
        loop: tuple[Expr, Expr],
        result: Expr,
    ) -> Comprehension:
        """A comprehension; the pairs are as in its constructor."""
        self.last_id += 1
        return Comprehension(self.last_id, self.pos, self.start, self.end, over, names, accumulator, loop, result)

    def bind(self, name: str, value: Expr, body: Expr) -> Comprehension:
        """A loop over nothing, which gives the body with the name bound to the value."""
        condition = self.literal(False)
        return self.loop(self.list(), (UNUSED_VARIABLE, None), (name, value), (condition, self.ident(name)), body)

    def call_on_copy(self, function: str, node: Expr) -> Call:
        """A call of a method of a copy of the node, which `copy_all` makes; raises TooManyNodesError."""
        ids = self._ids(node)
        self._taken[node.id] = ids
        self._to_take += ids
        if self.last_id + self._to_take > MOST_NODES:
            raise TooManyNodesError
        call = self.call(function, target=node)
        self._uncopied.append(call)
        return call

    def copy_all(self) -> None:
        """Give each call that waits for it its copy: the tree again with fresh ids, each node at its place."""
        for call in self._uncopied:  # what a copy is made of has been copied before
            assert call.target is not None
            call.target = _COPIES[call.target.__class__](self, call.target)

    def _ids(self, root: Expr) -> int:
        """How many ids a tree takes: one for each node, and for each entry of a map or message."""
        ids = 0
        stack = [root]
        while stack:
            node = stack.pop()
            known = self._taken.get(node.id)
            if known is not None:
                ids += known
                continue
            ids += 1
            if node.__class__ is MapLiteral or node.__class__ is StructLiteral:
                ids += len(node.entries)
            stack.extend(children(node))
        return ids


def _copied(make: Factory, nodes: tuple[Expr, ...]) -> tuple[Expr, ...]:
    copies: list[Expr] = []
    for node in nodes:
        copies.append(_COPIES[node.__class__](make, node))  # noqa: PERF401 - recursion must not pass through C code
    return tuple(copies)


def _copy_literal(make: Factory, node: Literal) -> Expr:
    make.last_id += 1
    return Literal(make.last_id, node.pos, node.start, node.end, node.value)


def _copy_ident(make: Factory, node: Ident) -> Expr:
    make.last_id += 1
    return Ident(make.last_id, node.pos, node.start, node.end, node.name)


def _copy_select(make: Factory, node: Select) -> Expr:
    make.last_id += 1
    copy = Select(make.last_id, node.pos, node.start, node.end, node.operand, node.field, node.field_pos)
    copy.test_only = node.test_only
    copy.operand = _COPIES[node.operand.__class__](make, node.operand)
    return copy


def _copy_call(make: Factory, node: Call) -> Expr:
    make.last_id += 1
    copy = Call(make.last_id, node.pos, node.start, node.end, node.function, node.args)
    copy.args = _copied(make, node.args)
    target = node.target
    if target is not None:
        copy.target = _COPIES[target.__class__](make, target)
    return copy


def _copy_list(make: Factory, node: ListLiteral) -> Expr:
    make.last_id += 1
    copy = ListLiteral(make.last_id, node.pos, node.start, node.end, (), node.optional)
    copy.elements = _copied(make, node.elements)
    return copy


def _copy_map(make: Factory, node: MapLiteral) -> Expr:
    make.last_id += 1
    copy = MapLiteral(make.last_id, node.pos, node.start, node.end, ())
    entries: list[MapEntry] = []
    for entry in node.entries:
        id_ = make.next_id()
        key, value = _copied(make, (entry.key, entry.value))
        entries.append(MapEntry(id_, entry.pos, key, value, entry.optional))
    copy.entries = tuple(entries)
    return copy


def _copy_struct(make: Factory, node: StructLiteral) -> Expr:
    make.last_id += 1
    copy = StructLiteral(make.last_id, node.pos, node.start, node.end, node.name, ())
    entries: list[FieldEntry] = []
    for entry in node.entries:
        id_ = make.next_id()
        (value,) = _copied(make, (entry.value,))
        entries.append(FieldEntry(id_, entry.pos, entry.field, value, entry.optional))
    copy.entries = tuple(entries)
    return copy


def _copy_loop(make: Factory, node: Comprehension) -> Expr:
    make.last_id += 1
    head = (make.last_id, node.pos, node.start, node.end)
    over, initial, condition, step, result = _copied(make, children(node))
    names = node.iter_var, node.iter_var2
    return Comprehension(*head, over, names, (node.accumulator, initial), (condition, step), result)


_COPIES: Final[Mapping[type, Callable[..., Expr]]] = {
    Literal: _copy_literal,
    Ident: _copy_ident,
    Select: _copy_select,
    Call: _copy_call,
    ListLiteral: _copy_list,
    MapLiteral: _copy_map,
    StructLiteral: _copy_struct,
    Comprehension: _copy_loop,
}


Expander: TypeAlias = Callable[[Factory, Expr, tuple[Expr, ...]], Expr | None]
MacroKey: TypeAlias = tuple[str, int, bool]
Macros: TypeAlias = Mapping[MacroKey, Expander]


def _name(argument: Expr, problem: str) -> str:
    if not isinstance(argument, Ident):
        raise MacroError(argument.pos, problem)
    return argument.name


def _loop_name(argument: Expr, problem: str) -> str:
    name = _name(argument, problem)
    if name in _RESERVED_ACCUMULATORS:
        raise MacroError(argument.pos, "iteration variable overwrites accumulator variable")
    return name


def _one_name(args: tuple[Expr, ...]) -> tuple[str, None]:
    return _loop_name(args[0], "argument must be a simple name"), None


def _two_names(args: tuple[Expr, ...]) -> tuple[str, str]:
    first = _name(args[0], "argument must be a simple name")
    second = _name(args[1], "argument must be a simple name")
    if first == second:
        raise MacroError(args[1].pos, f"duplicate variable name: {first}")
    for argument in args[:2]:
        _loop_name(argument, "")
    return first, second


def _names(args: tuple[Expr, ...], two: bool) -> tuple[str, str | None]:
    return _two_names(args) if two else _one_name(args)


def _has(make: Factory, _: Expr, args: tuple[Expr, ...]) -> Expr:
    (argument,) = args
    if not isinstance(argument, Select):
        raise MacroError(argument.pos, "invalid argument to has() macro")
    node = Select(make.next_id(), make.pos, make.start, make.end, argument.operand, argument.field, argument.field_pos)
    node.test_only = True
    return node


def _all(two: bool) -> Expander:
    def expand(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr:
        names = _names(args, two)
        condition = make.call(NOT_STRICTLY_FALSE, make.accumulator())
        step = make.call(AND, make.accumulator(), args[-1])
        return make.loop(target, names, (ACCUMULATOR, make.literal(True)), (condition, step), make.accumulator())

    return expand


def _exists(two: bool) -> Expander:
    def expand(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr:
        names = _names(args, two)
        condition = make.call(NOT_STRICTLY_FALSE, make.call(NOT, make.accumulator()))
        step = make.call(OR, make.accumulator(), args[-1])
        return make.loop(target, names, (ACCUMULATOR, make.literal(False)), (condition, step), make.accumulator())

    return expand


def _exists_one(two: bool) -> Expander:
    def expand(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr:
        names = _names(args, two)
        counted = make.call(ADD, make.accumulator(), make.literal(1))
        step = make.call(CONDITIONAL, args[-1], counted, make.accumulator())
        result = make.call(EQUALS, make.accumulator(), make.literal(1))
        return make.loop(target, names, (ACCUMULATOR, make.literal(0)), (make.literal(True), step), result)

    return expand


def _collect(
    make: Factory, target: Expr, names: tuple[str, str | None], empty: Expr, step: Expr, keep: Expr | None
) -> Expr:
    if keep is not None:
        step = make.call(CONDITIONAL, keep, step, make.accumulator())
    return make.loop(target, names, (ACCUMULATOR, empty), (make.literal(True), step), make.accumulator())


def _map(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr:
    name = _loop_name(args[0], "argument is not an identifier")
    step = make.call(ADD, make.accumulator(), make.list(args[-1]))
    return _collect(make, target, (name, None), make.list(), step, args[1] if len(args) == 3 else None)


def _filter(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr:
    name = _loop_name(args[0], "argument is not an identifier")
    step = make.call(ADD, make.accumulator(), make.list(args[0]))
    return _collect(make, target, (name, None), make.list(), step, args[1])


def _transform_list(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr:
    names = _two_names(args)
    step = make.call(ADD, make.accumulator(), make.list(args[-1]))
    return _collect(make, target, names, make.list(), step, args[2] if len(args) == 4 else None)


def _transform_map(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr:
    names = _two_names(args)
    step = make.call(MAP_INSERT, make.accumulator(), make.ident(names[0]), args[-1])
    return _collect(make, target, names, make.map(), step, args[2] if len(args) == 4 else None)


def _transform_map_entry(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr:
    names = _two_names(args)
    step = make.call(MAP_INSERT, make.accumulator(), args[-1])
    return _collect(make, target, names, make.map(), step, args[2] if len(args) == 4 else None)


def _bind(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr | None:
    if not isinstance(target, Ident) or target.name != "cel":
        return None
    name = _name(args[0], "cel.bind() variable names must be simple identifiers")
    return make.bind(name, args[1], args[2])


def _opt_map(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr:
    name = _name(args[0], "optMap() variable name must be a simple identifier")
    present = make.call("hasValue", target=target)
    value = make.call_on_copy("value", target)
    mapped = make.call("optional.of", make.bind(name, value, args[1]))
    return make.call(CONDITIONAL, present, mapped, make.call("optional.none"))


def _opt_flat_map(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr:
    name = _name(args[0], "optFlatMap() variable name must be a simple identifier")
    present = make.call("hasValue", target=target)
    value = make.call_on_copy("value", target)
    return make.call(CONDITIONAL, present, make.bind(name, value, args[1]), make.call("optional.none"))


def _sort_by(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr:
    if isinstance(target, Literal | MapLiteral | StructLiteral):
        raise MacroError(
            target.pos,
            "sortBy can only be applied to a list, identifier, comprehension, call or select expression",
        )
    keys = _map(make, make.ident(SORT_INPUT), args)
    return make.bind(SORT_INPUT, target, make.call(SORT_BY_KEYS, keys, target=make.ident(SORT_INPUT)))


# Every macro there is, by name, number of arguments, and whether it is called on a receiver.
EXPANDERS: Final[Macros] = {
    ("has", 1, False): _has,
    ("all", 2, True): _all(two=False),
    ("all", 3, True): _all(two=True),
    ("exists", 2, True): _exists(two=False),
    ("exists", 3, True): _exists(two=True),
    ("exists_one", 2, True): _exists_one(two=False),
    ("exists_one", 3, True): _exists_one(two=True),
    ("existsOne", 3, True): _exists_one(two=True),
    ("map", 2, True): _map,
    ("map", 3, True): _map,
    ("filter", 2, True): _filter,
    ("transformList", 3, True): _transform_list,
    ("transformList", 4, True): _transform_list,
    ("transformMap", 3, True): _transform_map,
    ("transformMap", 4, True): _transform_map,
    ("transformMapEntry", 3, True): _transform_map_entry,
    ("transformMapEntry", 4, True): _transform_map_entry,
    ("bind", 3, True): _bind,
    ("optMap", 2, True): _opt_map,
    ("optFlatMap", 2, True): _opt_flat_map,
    ("sortBy", 2, True): _sort_by,
}
