"""Amounts whose unit was forgotten: `memory > 40` hardly means forty bytes where devices have tens of gigabytes."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final, NamedTuple

from webhook.cel.compile import Verdict
from webhook.cel.inspect import respell
from webhook.cel.places import CAPACITY, Place, place_of
from webhook.cel.syntax import Call, Expr, Literal, walk
from webhook.core.cluster import ClusterView
from webhook.core.quantity import parse_quantity
from webhook.inventory.case import compiled_new
from webhook.inventory.inventory import inventory_of

_UNITS: Final = ("Gi", "Mi", "Ti", "G", "M", "T")
_FAR: Final = 1_000
"""An amount that is so many times smaller than what any device has lacks its unit."""
_NEAR: Final = 8
"""With its unit it is at most so many times smaller or larger than what some device has."""


class _Bare(NamedTuple):
    """A number without a unit, and where its literal stands."""

    number: str
    start: int
    end: int


def with_units(view: ClusterView, text: str) -> str | None:
    """Return a selector with the units that bare amounts lack, by what known devices have; None where none does."""
    compiled = compiled_new(text, view.server)
    if compiled.ast is None or compiled.verdict is not Verdict.OK:
        return None
    changed = text
    for place, amount in sorted(_compared(compiled.ast.root), key=lambda found: -found[1].start):
        unit = _unit(view, place, amount.number)
        if unit:
            changed = respell(changed, (amount.start, amount.end), f"{amount.number}{unit}")
    return None if changed == text else changed


def _compared(root: Expr) -> Iterator[tuple[Place, _Bare]]:
    """Yield the capacities that are compared with a bare amount, each with the amount."""
    for node in walk(root):
        if isinstance(node, Call):
            sides = (node.target, *node.args) if node.target is not None else node.args
            places = [place for side in sides if (place := place_of(side)) is not None and place.field == CAPACITY]
            amounts = [amount for side in sides if (amount := _bare(side)) is not None]
            if len(places) == len(amounts) == 1:
                yield places[0], amounts[0]


def _bare(node: Expr) -> _Bare | None:
    """Return the amount in `quantity('40')`, of a number without a unit."""
    if not isinstance(node, Call) or node.function != "quantity" or len(node.args) != 1:
        return None
    literal = node.args[0]
    if isinstance(literal, Literal) and isinstance(literal.value, str) and literal.value.isdecimal():
        return _Bare(literal.value, literal.start, literal.end)
    return None


def _unit(view: ClusterView, place: Place, number: str) -> str:
    """Return the unit with which the number is what some device has, or is nearest to that; empty where it is right."""
    capacities = (make.capacity.get(f"{place.domain}/{place.name}") for make in inventory_of(view).makes)
    amounts = {held.value.amount for held in capacities if held is not None and held.value.amount > 0}
    bare = parse_quantity(number).amount
    if not amounts or bare <= 0 or bare * _FAR > min(amounts):
        return ""
    apart = {unit: min(_ratio(parse_quantity(number + unit).amount, amount) for amount in amounts) for unit in _UNITS}
    unit = min(_UNITS, key=apart.__getitem__)
    return unit if apart[unit] <= _NEAR else ""


def _ratio(one: Fraction, other: Fraction) -> Fraction:
    return max(one, other) / min(one, other)
