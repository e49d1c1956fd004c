"""How a selector uses the values of attributes and capacities, and values of which types each use can work on.

Every operator and function is declared for types; an attribute's value is unchecked (`Any`), so the declarations that
the rest of the call leaves open tell what the value would have to be.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from webhook.cel.environment import Environment, Overload
from webhook.cel.places import Place, is_test, link_of, place_of
from webhook.cel.syntax import (
    CONDITIONAL,
    EQUALS,
    IN,
    NOT_EQUALS,
    OR,
    Ast,
    Call,
    Comprehension,
    Expr,
    Ident,
    ListLiteral,
    Literal,
    Select,
    children,
)
from webhook.cel.types import Kind, Type

BOOL: Final = "bool"
INT: Final = "int"
STRING: Final = "string"
VERSION: Final = "version"
LIST: Final = "list"
QUANTITY: Final = "quantity"
MAP: Final = "map"
# What an attribute can be, apart from lists, which need a gate (resource.k8s.io DeviceAttribute).
SINGLE: Final = frozenset({BOOL, INT, STRING, VERSION})

_BY_KIND: Final = {Kind.BOOL: BOOL, Kind.INT: INT, Kind.STRING: STRING, Kind.LIST: LIST, Kind.MAP: MAP}
_BY_NAME: Final = {"kubernetes.Semver": VERSION, "kubernetes.Quantity": QUANTITY}
_OTHER: Final = "other"
_NUMBERS: Final = frozenset({Kind.INT, Kind.UINT, Kind.DOUBLE})
_OPEN: Final = frozenset({Kind.DYN, Kind.ANY, Kind.PARAMETER, Kind.ERROR})


@dataclass(frozen=True, slots=True)
class Use:
    """An operand of a call that is the value of a place: `types` are what the call can work on there.

    `other` is the other operand of a call that has two. `certain`: the call is no part of an alternative or a loop, so
    that nothing makes up for it.
    """

    place: Place
    node: Expr
    call: Call
    types: frozenset[str]
    other: Expr | None = None
    certain: bool = False


def uses(ast: Ast, environment: Environment) -> Iterator[Use]:
    """Every use whose types are known, parents first; a loop over a value is none."""
    stack = [(ast.root, True)]
    while stack:
        node, certain = stack.pop()
        if isinstance(node, Call):
            operands = node.args if node.target is None else (node.target, *node.args)
            for position, operand in enumerate(operands):
                place = _value_of(operand)
                if place is not None:
                    yield from _use(Use(place, operand, node, frozenset(), None, certain), position, environment)
        certain = certain and not isinstance(node, Comprehension) and not _has_alternatives(node)
        stack.extend((child, certain) for child in reversed(children(node)))


def _has_alternatives(node: Expr) -> bool:
    return isinstance(node, Call) and node.function in (OR, CONDITIONAL)


def _value_of(node: Expr) -> Place | None:
    """The attribute or capacity whose value the node is; None for an optional one, and where it is only asked for."""
    place = None if is_test(node) or node.type.name == "optional_type" else place_of(node)
    return place if place is not None and place.name else None


@dataclass(frozen=True, slots=True)
class Nesting:
    """Something that is read of the value of a place, as if it were a map: `outer` is the whole chain.

    `keys` are what is read, None for what is computed; `dotted`: from the device on, all are written as fields.
    """

    place: Place
    node: Expr
    outer: Expr
    keys: tuple[str | None, ...]
    dotted: bool
    indexed: bool


def nestings(ast: Ast) -> Iterator[Nesting]:
    """Every such chain, in the order of the tree."""
    stack: list[Expr] = [ast.root]
    while stack:
        node = stack.pop()
        found = _nesting(node)
        if found is not None:
            yield found
        stack.extend(() if found is not None else reversed(children(node)))


def _nesting(outer: Expr) -> Nesting | None:
    keys: list[str | None] = []
    fields = True
    indexed = False
    node = outer
    while (link := link_of(node)) is not None:
        operand, key = link
        keys.insert(0, key)
        fields = fields and isinstance(node, Select)
        indexed = key is None
        place = _value_of(operand)
        if place is not None:
            return Nesting(place, operand, outer, tuple(keys), fields and _is_dotted(operand), indexed)
        node = operand
    return None


def _is_dotted(node: Expr) -> bool:
    while isinstance(node, Select):
        node = node.operand
    return isinstance(node, Ident)


def _use(use: Use, position: int, environment: Environment) -> Iterator[Use]:
    call = use.call
    other: Expr | None
    if call.function in (EQUALS, NOT_EQUALS):
        other = call.args[1 - position]
        types = _equal_types(other)
    elif call.function == IN and position == 0:
        other = call.args[1]
        types = _member_types(other)
    else:
        other = _partner(call, position)
        types = _declared_types(call, position, environment)
    if types is not None:
        yield replace(use, types=types, other=other)


def _partner(call: Call, position: int) -> Expr | None:
    operands = call.args if call.target is None else (call.target, *call.args)
    return operands[1 - position] if len(operands) == 2 else None


def _equal_types(other: Expr) -> frozenset[str] | None:
    """Types of which some value may equal the other operand; None where nothing is known of that."""
    if isinstance(other, Call) and other.function == "dyn":
        return _equal_types(other.args[0])
    if isinstance(other, Literal) and isinstance(other.value, float) and not other.value.is_integer():
        return frozenset()
    return _names(other.type)


def _member_types(other: Expr) -> frozenset[str] | None:
    if isinstance(other, ListLiteral):
        found = [_equal_types(element) for element in other.elements]
        known = [types for types in found if types is not None]
        return frozenset().union(*known) if len(known) == len(found) and found else None
    if other.type.kind == Kind.LIST:
        return _names(other.type.parameters[0])
    return None


def _declared_types(call: Call, position: int, environment: Environment) -> frozenset[str] | None:
    function = environment.functions.get(call.function)
    if function is None or not call.overloads:
        return None
    known: dict[str, Overload] = {overload.id: overload for overload in (*function.functions, *function.methods)}
    found: set[str] = set()
    for name in call.overloads:
        overload = known.get(name)
        types = None if overload is None else _names(overload.parameters[position], equal=False)
        if types is None:
            return None
        found |= types
    return frozenset(found)


def _names(type_: Type, *, equal: bool = True) -> frozenset[str] | None:
    """The name of a type as attributes have it; `equal`: of those that can equal it, as numbers of all types can."""
    if type_.kind in _OPEN:
        return None
    if equal and type_.kind in _NUMBERS:
        return frozenset({INT})
    return frozenset({_BY_KIND.get(type_.kind) or _BY_NAME.get(type_.name, _OTHER)})
