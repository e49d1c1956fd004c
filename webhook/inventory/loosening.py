"""Other literals for a clause: those with which it would be true of devices that it refuses."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Final

from webhook.cel.functions.semver import SemverError, parse_version
from webhook.cel.inspect import respell
from webhook.cel.places import DRIVER, SHAREABLE, Place, place_of
from webhook.cel.syntax import NOT, NOT_EQUALS, Call, Comprehension, Expr, Literal, children
from webhook.core.device import AttributeValue, Device, VersionText
from webhook.core.finding import Replacement, Span
from webhook.core.quantity import Quantity, parse_quantity
from webhook.core.suggest import nearest
from webhook.inventory.clauses import Clause, value_of

_MOST_VALUES: Final = 8
_PARSERS: Final = frozenset({"quantity", "semver"})


def other_literals(clause: Clause, devices: Iterable[Device]) -> Iterator[Replacement]:
    """Yield replacements of one literal by a value that the devices have, the likeliest first.

    A clause that says what a value must not be has none: any other literal would only empty it.
    """
    place = next(iter(clause.places)) if clause.places and len(clause.places) == 1 else None
    if place is None or place.field == SHAREABLE:
        return
    counted = Counter(value for device in devices if (value := value_of(place, device)) is not None)
    for literal, parser in _literals(clause.node, place):
        values = _ranked(literal, parser, counted)
        if place.field == DRIVER:  # another driver is another device: only a slip of the pen is put right
            values = nearest(str(literal.value), [str(value) for value in counted])
        for value in values:
            text = _written(clause.selector.expression, literal, value)
            if text is not None:
                yield Replacement(Span(literal.start, literal.end), text)


def _literals(node: Expr, place: Place) -> Iterator[tuple[Literal, str]]:
    """Yield the literals that a value at the place is held against, with the function that reads each, if any."""
    stack: list[tuple[Expr, str]] = [(node, "")]
    while stack:
        part, parser = stack.pop()
        if isinstance(part, Literal):
            yield part, parser
        elif place_of(part) != place and not _denies(part):
            named = part.function if isinstance(part, Call) and part.function in _PARSERS else ""
            stack.extend((child, named) for child in reversed(children(part)))


def _denies(node: Expr) -> bool:
    """Return whether it says what must not be, or what only a macro can tell."""
    return isinstance(node, Comprehension) or (isinstance(node, Call) and node.function in (NOT, NOT_EQUALS))


def _ranked(
    literal: Literal, parser: str, values: Counter[AttributeValue | Quantity]
) -> Sequence[AttributeValue | Quantity]:
    """Return the values that can stand where the literal stands: the nearest first, then the most frequent."""
    old = literal.value
    if parser == "quantity" and isinstance(old, str):
        amounts = [value for value in values if isinstance(value, Quantity)]
        return sorted(amounts, key=lambda value: abs(value.amount - _amount(old)))[:_MOST_VALUES]
    if parser == "semver" and isinstance(old, str):
        versions = [value for value in values if isinstance(value, VersionText)]
        return sorted(versions, key=lambda value: _apart(str(value), old))[:_MOST_VALUES]
    if isinstance(old, bool):
        return []
    if isinstance(old, int):
        whole = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
        near = {other for value in whole for other in (value, value - 1, value + 1)}
        return sorted(near, key=lambda value: (abs(value - old), value not in values))[:_MOST_VALUES]
    if isinstance(old, str):
        texts = [value for value in values if type(value) is str]
        part = sorted((text for text in texts if old.lower() in text.lower()), key=lambda text: (-values[text], text))
        close = [*part, *(text for text in nearest(old, texts) if text not in part)]
        rest = sorted((text for text in texts if text not in close), key=lambda text: (-values[text], text))
        return [*close, *rest][:_MOST_VALUES]
    return []


def _amount(text: str) -> Fraction:
    try:
        return parse_quantity(text).amount
    except ValueError:
        return Fraction(0)


def _apart(one: str, other: str) -> tuple[int, ...]:
    try:
        first, second = parse_version(one), parse_version(other)
    except SemverError:
        return (0,)
    return (
        abs(first.major - second.major),
        abs(first.minor - second.minor),
        abs(first.patch - second.patch),
    )


def _written(source: str, literal: Literal, value: AttributeValue | Quantity) -> str | None:
    old = source[literal.start : literal.end]
    new = str(value)
    if isinstance(literal.value, str):
        if old[:1] not in "'\"" or old[:3] in ("'''", '"""'):
            return None
        new = respell(old, (0, len(old)), new)
    return None if new == old else new
