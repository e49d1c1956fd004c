"""Places of a device that selectors read: its driver, whether it is shareable, one attribute, one capacity."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from webhook.cel.syntax import (
    AND,
    IN,
    INDEX,
    OPTIONAL_INDEX,
    OPTIONAL_SELECT,
    Call,
    Comprehension,
    Expr,
    Ident,
    Literal,
    Select,
    children,
)

_DEVICE: Final = "device"
DRIVER: Final = "driver"
SHAREABLE: Final = "allowMultipleAllocations"
ATTRIBUTES: Final = "attributes"
CAPACITY: Final = "capacity"


@dataclass(frozen=True, slots=True)
class Place:
    """`field` is that of `device`; an attribute or capacity has its domain and its name in it as well."""

    field: str
    domain: str = ""
    name: str = ""

    @property
    def word(self) -> str:
        """What it is called in a message."""
        return self.name or self.field


def place_of(node: Expr) -> Place | None:
    """The place that the node reads, or asks for with has() or `in`; None for anything else."""
    if isinstance(node, Call) and node.function == IN:
        return _place((*(_keys(node.args[1]) or (None,)), _text(node.args[0])))
    return _place(_keys(node))


def is_test(node: Expr) -> bool:
    """Whether the node of a place only asks whether the device has it."""
    return (isinstance(node, Select) and node.test_only) or (isinstance(node, Call) and node.function == IN)


def places_in(node: Expr) -> frozenset[Place] | None:
    """Every place that the expression reads; None where it reads the device in some other way as well."""
    found: set[Place] = set()
    stack = [node]
    while stack:
        part = stack.pop()
        place = place_of(part)
        if place is not None:
            found.add(place)
        elif (isinstance(part, Ident) and _is_device(part)) or _hides_device(part):
            return None
        elif not isinstance(part, Select) or part.reference is None:
            stack.extend(children(part))
    return frozenset(found)


def clauses(root: Expr) -> tuple[Expr, ...]:
    """The parts that && joins at the top, in the order of the source."""
    return tuple(_clauses(root))


def _clauses(root: Expr) -> Iterator[Expr]:
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, Call) and node.function == AND:
            stack.extend(reversed(node.args))
        else:
            yield node


def _is_device(node: Ident) -> bool:
    return node.name.removeprefix(".") == _DEVICE


def _hides_device(node: Expr) -> bool:
    """Whether a macro's variable is called `device`, so that the name means something else in it."""
    return isinstance(node, Comprehension) and _DEVICE in (node.iter_var, node.iter_var2, node.accumulator)


def _text(node: Expr) -> str | None:
    return node.value if isinstance(node, Literal) and isinstance(node.value, str) else None


def link_of(node: Expr) -> tuple[Expr, str | None] | None:
    """Of a field or an index what it is read of, and its key, None for a computed one; None for anything else."""
    if isinstance(node, Select) and node.reference is None:
        return node.operand, node.field
    if isinstance(node, Call) and node.function in (INDEX, OPTIONAL_INDEX, OPTIONAL_SELECT):
        return node.args[0], _text(node.args[1])
    return None


def _keys(node: Expr) -> tuple[str | None, ...] | None:
    """The fields from the device to the node, None for one that is computed; None where it is no such chain."""
    keys: list[str | None] = []
    while (link := link_of(node)) is not None:
        node, key = link
        keys.append(key)
    return tuple(reversed(keys)) if isinstance(node, Ident) and _is_device(node) else None


def _place(keys: tuple[str | None, ...] | None) -> Place | None:
    match keys:
        case (("driver" | "allowMultipleAllocations") as field,):
            return Place(field)
        case (("attributes" | "capacity") as field, str() as domain, str() as name):
            return Place(field, domain, name)
        case _:
            return None
