"""The syntax tree of a CEL expression: the parser builds it, the checker annotates it, the evaluator runs it.

Macros are already expanded (`has` into a test-only Select, `all`, `exists`, `map`, `filter`, `sortBy`,
`cel.bind`, `transformList` ... into Comprehension, `optMap` into a conditional Call). The call as the
user wrote it is kept in `Ast.macros` under the id of the node that replaced it.

Positions are code points in the source, from 0:

* `pos` is where Kubernetes reports an error of this node (the dot of a field, the bracket of a call,
  the operator of a binary expression, the first character of a literal or name);
* `start` and `end` (exclusive) enclose the whole expression that the node stands for. A node that a
  macro invented has the span of the macro call.

Nodes are mutable while they are built and checked, and must not be changed afterwards.
Every node is used in exactly one place: the tree has no sharing.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from webhook.cel.types import DYN, Type

# Function names of operators, as the environment declares them.
AND: Final = "_&&_"
OR: Final = "_||_"
NOT: Final = "!_"
NEGATE: Final = "-_"
CONDITIONAL: Final = "_?_:_"
EQUALS: Final = "_==_"
NOT_EQUALS: Final = "_!=_"
LESS: Final = "_<_"
LESS_EQUALS: Final = "_<=_"
GREATER: Final = "_>_"
GREATER_EQUALS: Final = "_>=_"
IN: Final = "@in"
ADD: Final = "_+_"
SUBTRACT: Final = "_-_"
MULTIPLY: Final = "_*_"
DIVIDE: Final = "_/_"
MODULO: Final = "_%_"
INDEX: Final = "_[_]"
OPTIONAL_INDEX: Final = "_[?_]"  # a[?b]
OPTIONAL_SELECT: Final = "_?._"  # a.?b: a call with two arguments, the second a string literal
NOT_STRICTLY_FALSE: Final = "@not_strictly_false"  # only in conditions of comprehensions

# Names that may not be those of variables or functions, though fields may have them.
RESERVED: Final = frozenset(
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in"),
        *("let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while"),
    )
)

ACCUMULATOR: Final = "@result"  # the accumulator of `all`, `exists`, `map`, ...
UNUSED_VARIABLE: Final = "#unused"  # the iteration variable of `cel.bind`


class Uint(int):
    """A CEL `uint` literal; a class of its own so that `1u` and `1` stay different things."""

    __slots__ = ()


LiteralValue: TypeAlias = bool | int | Uint | float | str | bytes | None


class Node:
    """What all nodes have. `type` is set by the checker (DYN before, and where nothing better is known)."""

    __slots__ = ("end", "id", "pos", "start", "type")

    id: int
    pos: int
    start: int
    end: int
    type: Type

    def __init__(self, id_: int, pos: int, start: int, end: int) -> None:
        self.id = id_
        self.pos = pos
        self.start = start
        self.end = end
        self.type = DYN


class Literal(Node):
    """A constant. The Python type of `value` tells the kind: None, bool, int, Uint, float, str, bytes.

    A string may hold any code point but surrogates. Signs belong to the literal: `-1` is one Literal.
    """

    __slots__ = ("value",)

    value: LiteralValue

    def __init__(self, id_: int, pos: int, start: int, end: int, value: LiteralValue) -> None:
        self.id = id_
        self.pos = pos
        self.start = start
        self.end = end
        self.type = DYN
        self.value = value


class Ident(Node):
    """A name. `name` may begin with a dot (`.device`: the root scope, past any macro variable).

    The checker sets `reference` to the full name of what is meant (`device`, `int`, a macro's variable
    without the dot). It names a type value exactly if `type.kind` is TYPE and no macro variable of that
    name is in scope; then `type.parameters[0]` is the type.
    """

    __slots__ = ("name", "reference")

    name: str
    reference: str | None

    def __init__(self, id_: int, pos: int, start: int, end: int, name: str) -> None:
        self.id = id_
        self.pos = pos
        self.start = start
        self.end = end
        self.type = DYN
        self.name = name
        self.reference = None


class Select(Node):
    """`operand.field`, or with `test_only` the macro `has(operand.field)`.

    Where the checker finds that the whole chain is one qualified name (`net.IP`), it sets `reference` to
    that name; then this node is an identifier, its operand is never evaluated and has no type.
    `field_pos` is where the field's name begins (-1 for a field that a macro invented).
    """

    __slots__ = ("field", "field_pos", "operand", "reference", "test_only")

    operand: "Expr"
    field: str
    field_pos: int
    test_only: bool
    reference: str | None

    def __init__(
        self, id_: int, pos: int, start: int, end: int, operand: "Expr", field: str, field_pos: int = -1
    ) -> None:
        self.id = id_
        self.pos = pos
        self.start = start
        self.end = end
        self.type = DYN
        self.operand = operand
        self.field = field
        self.field_pos = field_pos
        self.test_only = False
        self.reference = None


class Call(Node):
    """A function, method or operator. Operators have the names above and no target.

    `a.b.f(x)` parses as the method f of `a.b`. Where the checker finds that the qualified name is a
    declared function (`lists.range(3)`), it sets `target` to None and `function` to the full name.
    `overloads` holds the ids of all declared overloads that fit the argument types, in the order of
    their declaration: one id if the types decide, several where `dyn` leaves it to run time.
    """

    __slots__ = ("args", "function", "overloads", "target")

    target: "Expr | None"
    function: str
    args: "tuple[Expr, ...]"
    overloads: tuple[str, ...]

    def __init__(
        self,
        id_: int,
        pos: int,
        start: int,
        end: int,
        function: str,
        args: "tuple[Expr, ...]",
        target: "Expr | None" = None,
    ) -> None:
        self.id = id_
        self.pos = pos
        self.start = start
        self.end = end
        self.type = DYN
        self.target = target
        self.function = function
        self.args = args
        self.overloads = ()


class ListLiteral(Node):
    """`[a, b]`. `optional` holds the indices of elements written `?x`, which vanish when they are empty."""

    __slots__ = ("elements", "optional")

    elements: "tuple[Expr, ...]"
    optional: tuple[int, ...]

    def __init__(
        self,
        id_: int,
        pos: int,
        start: int,
        end: int,
        elements: "tuple[Expr, ...]",
        optional: tuple[int, ...] = (),
    ) -> None:
        self.id = id_
        self.pos = pos
        self.start = start
        self.end = end
        self.type = DYN
        self.elements = elements
        self.optional = optional


class MapEntry:
    """`key: value`, or `?key: value`: left out when the optional value is empty. `pos` is the colon's."""

    __slots__ = ("id", "key", "optional", "pos", "value")

    def __init__(self, id_: int, pos: int, key: "Expr", value: "Expr", optional: bool) -> None:
        self.id = id_
        self.pos = pos
        self.key = key
        self.value = value
        self.optional = optional


class MapLiteral(Node):
    """`{k: v}`."""

    __slots__ = ("entries",)

    entries: tuple[MapEntry, ...]

    def __init__(self, id_: int, pos: int, start: int, end: int, entries: tuple[MapEntry, ...]) -> None:
        self.id = id_
        self.pos = pos
        self.start = start
        self.end = end
        self.type = DYN
        self.entries = entries


class FieldEntry:
    """`field: value` or `?field: value` of a StructLiteral. `pos` is the colon's."""

    __slots__ = ("field", "id", "optional", "pos", "value")

    def __init__(self, id_: int, pos: int, field: str, value: "Expr", optional: bool) -> None:
        self.id = id_
        self.pos = pos
        self.field = field
        self.value = value
        self.optional = optional


class StructLiteral(Node):
    """`google.protobuf.Int64Value{value: 1}`. The checker sets `reference` to the message's full name."""

    __slots__ = ("entries", "name", "reference")

    name: str
    entries: tuple[FieldEntry, ...]
    reference: str | None

    def __init__(self, id_: int, pos: int, start: int, end: int, name: str, entries: tuple[FieldEntry, ...]) -> None:
        self.id = id_
        self.pos = pos
        self.start = start
        self.end = end
        self.type = DYN
        self.name = name
        self.entries = entries
        self.reference = None


class Comprehension(Node):
    """A loop: the one construct into which all iterating macros and `cel.bind` expand.

    `iter_range` and `accumulator_init` are evaluated in the outer scope. For each element, with the
    iteration variable(s) and the accumulator in scope: stop if `condition` is false, else the
    accumulator becomes `step`. The value is `result`, where only the accumulator is in scope besides the
    outer names. With `iter_var2` (None for one variable) the first variable is the index or key and the
    second the element or value; with one variable a map gives its keys. `cel.bind(v, x, body)` is a loop
    over an empty list with accumulator v = x and result body.
    """

    __slots__ = (
        "accumulator",
        "accumulator_init",
        "condition",
        "iter_range",
        "iter_var",
        "iter_var2",
        "result",
        "step",
    )

    iter_var: str
    iter_var2: str | None
    iter_range: "Expr"
    accumulator: str
    accumulator_init: "Expr"
    condition: "Expr"
    step: "Expr"
    result: "Expr"

    def __init__(
        self,
        id_: int,
        pos: int,
        start: int,
        end: int,
        iter_range: "Expr",
        iter_vars: tuple[str, str | None],
        accumulator: tuple[str, "Expr"],
        loop: tuple["Expr", "Expr"],
        result: "Expr",
    ) -> None:
        self.id = id_
        self.pos = pos
        self.start = start
        self.end = end
        self.type = DYN
        self.iter_range = iter_range
        self.iter_var, self.iter_var2 = iter_vars
        self.accumulator, self.accumulator_init = accumulator
        self.condition, self.step = loop
        self.result = result


Expr: TypeAlias = Literal | Ident | Select | Call | ListLiteral | MapLiteral | StructLiteral | Comprehension


class Ast:
    """A parsed expression: its tree, its text, and the macro calls as they were written.

    `macros` maps the id of the node that a macro became to the unexpanded Call. Arguments of such a Call
    that are macros themselves are already expanded (look them up again), and may be the same objects as
    in the tree.
    """

    __slots__ = ("macros", "root", "source")

    root: Expr
    source: str
    macros: dict[int, Call]

    def __init__(self, root: Expr, source: str, macros: dict[int, Call]) -> None:
        self.root = root
        self.source = source
        self.macros = macros


def children(node: Expr) -> tuple[Expr, ...]:
    """The direct subexpressions, in the order of the source where it has one."""
    return _CHILDREN[node.__class__](node)


def _entry_parts(node: MapLiteral) -> tuple[Expr, ...]:
    return tuple([part for entry in node.entries for part in (entry.key, entry.value)])


_CHILDREN: Final[Mapping[type, Callable[..., "tuple[Expr, ...]"]]] = {
    Literal: lambda _: (),
    Ident: lambda _: (),
    Select: lambda node: (node.operand,),
    Call: lambda node: node.args if node.target is None else (node.target, *node.args),
    ListLiteral: lambda node: node.elements,
    MapLiteral: _entry_parts,
    StructLiteral: lambda node: tuple([entry.value for entry in node.entries]),
    Comprehension: lambda node: (node.iter_range, node.accumulator_init, node.condition, node.step, node.result),
}


def walk(node: Expr) -> Iterator[Expr]:
    """The node and everything below it, parents first, without recursion."""
    stack: list[Expr] = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(children(current)))
