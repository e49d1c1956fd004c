"""How the reference's quantities change while an expression is evaluated, which shows in rare expressions.

Comparing a quantity with one that 64 bits cannot hold makes it a big number for good: `asInteger` then fails.
Before 1.37, `add` and `sub` on a big number changed the number itself. An expression in which that could
show is evaluated on quantities of its own, with the functions here; all others never know.
Source: apimachinery pkg/api/resource/quantity.go (Cmp, AsDec, Add), apiserver library/quantity.go.
"""

from typing import Final

from webhook.cel.device import CelDevice
from webhook.cel.functions.dispatch import Implementation
from webhook.cel.functions.quantities import add, compare_quantities, subtract, to_quantity
from webhook.cel.syntax import Ast, Call, walk
from webhook.cel.values import DefaultMap, SummedQuantity
from webhook.core.quantity import Quantity

_COMPARING: Final = frozenset({"isGreaterThan", "isLessThan", "compareTo"})
_TELLING: Final = frozenset({"asInteger", "isInteger"})
_SUMMING: Final = frozenset({"add", "sub"})


def quantities_change(ast: Ast, modern: bool) -> bool:
    """Whether the expression may show that a quantity has changed."""
    called = {node.function for node in walk(ast.root) if isinstance(node, Call)}
    if not modern and called & _SUMMING:
        return True
    return bool(called & _COMPARING and called & _TELLING)


def with_own_quantities(device: CelDevice) -> CelDevice:
    """The device with capacities that nobody else sees."""
    capacity = DefaultMap(
        {
            domain: {name: _fresh(quantity) for name, quantity in quantities.items()}
            for domain, quantities in device.capacity.items()
        }
    )
    return CelDevice(device.driver, device.attributes, capacity, device.allow_multiple_allocations)


def _fresh(quantity: Quantity) -> Quantity:
    return Quantity(quantity.amount, quantity.format, quantity.held, quantity.written)


def _compare(left: Quantity, right: Quantity) -> int:
    """The order of two quantities; the left one becomes a big number if the right one is."""
    if right.held is not None and right.held.wide and left.held is not None:
        object.__setattr__(left, "held", left.held._replace(wide=True))
    return compare_quantities(left, right)


def _changed(left: Quantity, total: SummedQuantity) -> SummedQuantity:
    """The sum, which the left quantity becomes too if it is a big number."""
    if left.held is not None and left.held.wide:
        for field in ("amount", "key", "held"):
            object.__setattr__(left, field, getattr(total, field))
        object.__setattr__(left, "written", "")
    return total


# By overload.
CHANGING: Final[dict[str, Implementation]] = {
    "string_to_quantity": lambda text: _fresh(to_quantity(text)),
    "quantity_compare_to": _compare,
    "quantity_is_greater_than": lambda left, right: _compare(left, right) > 0,
    "quantity_is_less_than": lambda left, right: _compare(left, right) < 0,
}
CHANGING_SUMS: Final[dict[str, Implementation]] = {
    "quantity_add": lambda left, right: _changed(left, add(left, right)),
    "quantity_add_int": lambda left, right: _changed(left, add(left, right)),
    "quantity_sub": lambda left, right: _changed(left, subtract(left, right)),
    "quantity_sub_int": lambda left, right: _changed(left, subtract(left, right)),
}
