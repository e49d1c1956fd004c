"""What selectors exclude, whatever else a device is (contract 5.2).

A request that no known device could serve still misses a limit if its selectors accept no device of the limit's driver
or profile. The selectors are evaluated on a device of which only the driver and the profile are known: every value is
the set of what it could be, so that an expression that cannot be true accepts nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Final, Literal

from webhook.cel import syntax
from webhook.core.quotas import Match
from webhook.quota.drivers import MOST_SLICES, DriverFacts, slices_of_profile

_PROFILE = "profile"


class Truth(Enum):
    """How an expression can end; an error accepts nothing, just like false."""

    TRUE = "true"
    FALSE = "false"
    ERROR = "error"


Truths = frozenset[Truth]
_ANY: Truths = frozenset(Truth)
_TRUE: Truths = frozenset({Truth.TRUE})
_FALSE: Truths = frozenset({Truth.FALSE})
_ERROR: Truths = frozenset({Truth.ERROR})


@dataclass(frozen=True, slots=True)
class Text:
    """A text: either this value, or (None) one that is unlike all literals of the selectors."""

    value: str | None


class _Mark(Enum):
    """A part of the device that selectors step through, or an attribute that the device does not publish."""

    DEVICE = "device"
    ATTRIBUTES = "attributes"
    ABSENT = "absent"


ABSENT: Final = _Mark.ABSENT


@dataclass(frozen=True, slots=True)
class Assumed:
    """The device as far as it is assumed: its driver, and the profile that this driver publishes, if any."""

    driver: Text
    profile: "Profile"


Profile = Text | Literal[_Mark.ABSENT]


@dataclass(frozen=True, slots=True)
class _Domain:
    name: str


_Value = Truths | Text | _Mark | _Domain | None
"""None is a value of which nothing is known."""


def rules_out(selectors: tuple[syntax.Ast, ...], match: Match) -> bool:
    """Return whether the selectors accept no device of the driver and the profile that a limit names."""
    if not match.driver and not match.mig_profile:
        return False
    drivers = [Text(match.driver)] if match.driver else _candidates(selectors, match.mig_profile)
    profiles = _profiles(selectors, match, match.driver)
    return not any(accepts(selectors, Assumed(driver, profile)) for driver, profile in product(drivers, profiles))


def most_slices(selectors: tuple[syntax.Ast, ...], match: Match, facts: DriverFacts) -> int:
    """Return the most compute slices of a device that the selectors could accept, within a limit's match."""
    drivers = [driver for driver in facts.dividing if match.driver in ("", driver)]
    return max((_slices(selectors, match, driver) for driver in drivers), default=0)


def _slices(selectors: tuple[syntax.Ast, ...], match: Match, driver: str) -> int:
    return max(
        (
            MOST_SLICES if profile is ABSENT else slices_of_profile(profile.value or "")
            for profile in _profiles(selectors, match, driver)
            if accepts(selectors, Assumed(Text(driver), profile))
        ),
        default=0,
    )


def _profiles(selectors: tuple[syntax.Ast, ...], match: Match, driver: str) -> list[Profile]:
    if match.mig_profile:
        return [Text(match.mig_profile)]
    return [*_candidates(selectors, driver), ABSENT]


def accepts(selectors: Iterable[syntax.Ast], assumed: Assumed) -> bool:
    """Return whether some device like the assumed one could be accepted by every selector."""
    return all(Truth.TRUE in _truths(_evaluate(selector.root, assumed)) for selector in selectors)


def _candidates(selectors: tuple[syntax.Ast, ...], known: str) -> list[Text]:
    """Return every text that the selectors name, the one that is known, and one unlike them all."""
    named = {known} | {text for selector in selectors for text in _texts(selector.root)}
    return [*(Text(text) for text in sorted(named)), Text(None)]


def _texts(root: syntax.Expr) -> Iterator[str]:
    for node in syntax.walk(root):
        if isinstance(node, syntax.Literal) and isinstance(node.value, str):
            yield node.value


def _truths(value: _Value) -> Truths:
    if value is ABSENT:
        return _ERROR
    return value if isinstance(value, frozenset) else _ANY


def _evaluate(node: syntax.Expr, assumed: Assumed) -> _Value:
    match node:
        case syntax.Literal():
            return _literal(node.value)
        case syntax.Ident():
            return _Mark.DEVICE if node.name.removeprefix(".") == "device" else None
        case syntax.Select():
            return _selected(node, assumed)
        case syntax.Call():
            return _called(node, assumed)
        case _:
            return None


def _literal(value: syntax.LiteralValue) -> _Value:
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    return Text(value) if isinstance(value, str) else None


def _selected(node: syntax.Select, assumed: Assumed) -> _Value:
    inside = _evaluate(node.operand, assumed)
    if isinstance(inside, _Domain):
        found = _attribute(inside, node.field, assumed)
        return _is_there(found) if node.test_only else found
    if inside is _Mark.DEVICE and not node.test_only:
        return assumed.driver if node.field == "driver" else _Mark.ATTRIBUTES if node.field == "attributes" else None
    return None


def _attribute(domain: _Domain, name: str, assumed: Assumed) -> _Value:
    return assumed.profile if name == _PROFILE and domain.name == assumed.driver.value else None


def _is_there(found: _Value) -> _Value:
    if found is None:
        return None
    return _FALSE if found is ABSENT else _TRUE


def _called(node: syntax.Call, assumed: Assumed) -> _Value:
    operands = node.args if node.target is None else (node.target, *node.args)
    values = tuple(_evaluate(operand, assumed) for operand in operands)
    match node.function, values:
        case syntax.INDEX, (_Mark.ATTRIBUTES, Text(str() as domain)):
            return _Domain(domain)
        case syntax.INDEX, (_Domain() as domain, Text(str() as name)):
            return _attribute(domain, name, assumed)
        case ((syntax.AND | syntax.OR | syntax.NOT | syntax.CONDITIONAL), _):
            return _logic(node.function, values)
        case _ if ABSENT in values:
            return ABSENT
        case syntax.EQUALS, (Text() as one, Text() as other):
            return _equal(one, other)
        case syntax.NOT_EQUALS, (Text() as one, Text() as other):
            return _not(_equal(one, other))
        case syntax.IN, (Text() as one, _):
            return _in(one, operands[1], assumed)
        case (("startsWith" | "endsWith" | "contains"), (Text(str() as text), Text(str() as part))):
            return _TRUE if _holds(node.function, text, part) else _FALSE
        case _:
            return None


def _logic(function: str, values: tuple[_Value, ...]) -> Truths:
    return frozenset(
        truth for combination in product(*map(_truths, values)) for truth in _outcomes(function, combination)
    )


def _outcomes(function: str, operands: tuple[Truth, ...]) -> Iterator[Truth]:
    """Yield how CEL ends: `false && error` is false, `true || error` is true, in either order."""
    match function:
        case syntax.NOT:
            yield {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE}.get(operands[0], Truth.ERROR)
        case syntax.CONDITIONAL:
            yield {Truth.TRUE: operands[1], Truth.FALSE: operands[2]}.get(operands[0], Truth.ERROR)
        case _:
            deciding = Truth.FALSE if function == syntax.AND else Truth.TRUE
            yield deciding if deciding in operands else Truth.ERROR if Truth.ERROR in operands else operands[0]


def _not(truths: Truths) -> Truths:
    return _logic(syntax.NOT, (truths,))


def _equal(one: Text, other: Text) -> Truths:
    """Return whether two texts are equal; a text unlike all literals is unlike every one of them."""
    if one.value is None and other.value is None:
        return _ANY
    return _TRUE if one.value == other.value else _FALSE


def _in(one: Text, listed: syntax.Expr, assumed: Assumed) -> _Value:
    if not isinstance(listed, syntax.ListLiteral) or listed.optional:
        return None
    values = [_evaluate(element, assumed) for element in listed.elements]
    equal = [_equal(one, value) if isinstance(value, Text) else _ANY for value in values]
    if any(truths == _TRUE for truths in equal):
        return _TRUE
    return _FALSE if all(truths == _FALSE for truths in equal) else _ANY


def _holds(function: str, text: str, part: str) -> bool:
    match function:
        case "startsWith":
            return text.startswith(part)
        case "endsWith":
            return text.endswith(part)
        case _:
            return part in text
