"""Samples of all values that one place of a device can have, as far as some expressions can tell them apart.

What the expressions compare a place with divides its values into cells: below a bound, equal to it, with a prefix and
so on. The samples hold one value of every cell, so an expression that is of one of the understood shapes and holds for
no sample holds for no value. The order of semantic versions: semver.org 2.0.0, 11.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from webhook.cel.device import CelDevice
from webhook.cel.evaluator import constant_value
from webhook.cel.functions.semver import SemverError, Version, parse_version
from webhook.cel.places import ATTRIBUTES, CAPACITY, DRIVER, Place, is_test, place_of
from webhook.cel.syntax import (
    EQUALS,
    GREATER,
    GREATER_EQUALS,
    IN,
    LESS,
    LESS_EQUALS,
    NOT_EQUALS,
    Call,
    Expr,
    Literal,
    walk,
)
from webhook.cel.values import LEAST_INT, MISSING, MOST_INT, DefaultMap, Value
from webhook.core.quantity import Quantity

_COMPARISONS: Final = frozenset({EQUALS, NOT_EQUALS, LESS, LESS_EQUALS, GREATER, GREATER_EQUALS})
_ORDERED: Final = frozenset({LESS, LESS_EQUALS, GREATER, GREATER_EQUALS})
_LEAST_VERSION: Final = "0.0.0-0"
_NANO: Final = Fraction(1, 10**9)
_ABSENT: Final = object()
_ELSEWHERE: Final = object()  # absent, but something else of its domain is there
_SOMETHING: Final = "\ue000"


@dataclass(slots=True)
class Constants:
    """What a place is compared with; `understood` is False where the comparison is of no known shape."""

    understood: bool = True
    texts_are_ordered: bool = False
    values: list[Value] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    suffixes: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sample:
    """A device with one value at the place, or none.

    `point`: it stands for no other value, so that every expression can be tried on it. Else it stands for others of
    which only expressions of the understood shapes cannot tell it; `text` marks a string.
    """

    device: CelDevice
    point: bool
    text: bool = False


def constants_of(part: Expr) -> Constants:
    """What the expression, which reads one place, compares it with."""
    found = Constants()
    if place_of(part) is not None:
        return found
    if isinstance(part, Call) and _read(part, found):
        return found
    found = Constants(understood=False)
    found.values.extend(node.value for node in walk(part) if isinstance(node, Literal))
    return found


def _read(part: Call, found: Constants) -> bool:
    """Note the constants of a call of an understood shape; False where it is none."""
    function, target, args = part.function, part.target, part.args
    if target is None and function in _COMPARISONS:
        return _compared(function, args, found) or _by_order(args, found)
    if target is None and function == IN:
        listed = constant_value(args[1])
        if isinstance(listed, list) and _term(args[0], found):
            found.values.extend(listed)
            return True
        return False
    if function == "hasValue" and target is not None and not args:
        return place_of(target) is not None and not is_test(target)
    if target is None or len(args) != 1:
        return False
    if function in ("isGreaterThan", "isLessThan"):
        return _compared(function, (target, args[0]), found)
    return _about_text(function, target, constant_value(args[0]), found)


def _about_text(function: str, target: Expr, text: Value, found: Constants) -> bool:
    lists = {"startsWith": found.prefixes, "endsWith": found.suffixes, "contains": found.parts}
    if function not in lists or not isinstance(text, str) or not _term(target, found):
        return False
    lists[function].append(text)
    return True


def _compared(function: str, pair: Sequence[Expr], found: Constants) -> bool:
    """A place compared with a constant, in either order."""
    for term, other in (pair, pair[::-1]):
        value = constant_value(other)
        if value is not MISSING and _term(term, found):
            found.values.append(value)
            found.texts_are_ordered |= function in _ORDERED and isinstance(value, str)
            return True
    return False


def _by_order(pair: Sequence[Expr], found: Constants) -> bool:
    """`place.compareTo(constant)` compared with a number."""
    for call, number in (pair, pair[::-1]):
        if isinstance(call, Call) and call.function == "compareTo" and call.target is not None:
            return constant_value(number) is not MISSING and _compared("", (call.target, *call.args), found)
    return False


def _term(node: Expr, found: Constants) -> bool:
    """Whether the node is the place's own value, or that with a default."""
    if isinstance(node, Call) and node.function == "orValue" and node.target is not None:
        default = constant_value(node.args[0])
        if default is MISSING or place_of(node.target) is None or is_test(node.target):
            return False
        found.values.append(default)
        return True
    if isinstance(node, Call) and node.function == "value" and node.target is not None and not node.args:
        node = node.target
    return place_of(node) is not None and not is_test(node)


def samples_of(place: Place, constants: Iterable[Constants], parts: Sequence[str]) -> Iterator[Sample]:
    """Samples for a place that is compared with these constants.

    `parts` are the texts that its value must contain, where it is a string at all.
    """
    known = tuple(constants)
    values = [value for one in known for value in one.values]
    if place.field == DRIVER:
        yield from (
            Sample(CelDevice(text, DefaultMap(), DefaultMap(), False), p, True) for text, p in _texts(known, parts)
        )
        return
    if place.field not in (ATTRIBUTES, CAPACITY):
        for shareable in (True, False):
            yield Sample(CelDevice("", DefaultMap(), DefaultMap(), shareable), True)
        return
    yield Sample(_device(place, _ABSENT), True)
    yield Sample(_device(place, _ELSEWHERE), True)
    if place.field == CAPACITY:
        yield from (Sample(_device(place, quantity), False) for quantity in _quantities(values))
        return
    yield from (Sample(_device(place, flag), True) for flag in (True, False))
    yield from (Sample(_device(place, number), point) for number, point in _ints(values).items())
    yield from (Sample(_device(place, text), point, True) for text, point in _texts(known, parts))
    yield from (Sample(_device(place, version), False) for version in _versions(values))
    yield Sample(_device(place, [_SOMETHING]), False)
    yield from (Sample(_device(place, value), False) for value in values if isinstance(value, list))


def combined(devices: Iterable[CelDevice]) -> CelDevice:
    """One device with what each of the devices has; they are of different places."""
    whole = CelDevice("", DefaultMap(), DefaultMap(), False)
    for device in devices:
        whole.driver = whole.driver or device.driver
        whole.allow_multiple_allocations |= device.allow_multiple_allocations
        for fields, more in ((whole.attributes, device.attributes), (whole.capacity, device.capacity)):
            for domain, values in more.items():
                fields[domain] = {**fields.get(domain, {}), **values}
    return whole


def _device(place: Place, value: Value) -> CelDevice:
    device = CelDevice("", DefaultMap(), DefaultMap(), False)
    fields = device.attributes if place.field == ATTRIBUTES else device.capacity
    if value is _ELSEWHERE:
        fields[place.domain] = {_SOMETHING: True if place.field == ATTRIBUTES else Quantity(Fraction(1))}
    elif value is not _ABSENT:
        fields[place.domain] = {place.name: value}
    return device


def _ints(values: Iterable[Value]) -> dict[int, bool]:
    """Ints, each with whether it is one of the constants: those, their neighbours, and the ends."""
    found = dict.fromkeys((LEAST_INT, 0, MOST_INT), False)
    constants = []
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            near = range(math.floor(value) - 1, math.ceil(value) + 2)
            found.update((number, found.get(number, False)) for number in near if LEAST_INT <= number <= MOST_INT)
            constants.append(value)
    found.update((int(value), True) for value in constants if value == int(value) and int(value) in found)
    return found


def _quantities(values: Iterable[Value]) -> Iterator[Quantity]:
    """The quantities compared with, and their neighbours: nothing is finer than a nano."""
    yield Quantity(Fraction(0))
    for value in values:
        if isinstance(value, Quantity):
            yield from (Quantity(value.amount + step) for step in (-_NANO, Fraction(0), _NANO))


def _versions(values: Iterable[Value]) -> Iterator[Version]:
    """The versions compared with, the next above each, and the least of all."""
    yield parse_version(_LEAST_VERSION)
    for value in values:
        if isinstance(value, Version):
            yield value
            yield from _above(value)


def _above(version: Version) -> Iterator[Version]:
    """The least version above: of a release the first prerelease of the next patch, else one more part."""
    text = str(version).partition("+")[0]
    numbers = (version.major, version.minor, version.patch)
    nexts = (
        (f"{text}.0",)
        if version.prerelease
        else (
            f"{numbers[0]}.{numbers[1]}.{numbers[2] + 1}-0",
            f"{numbers[0]}.{numbers[1] + 1}.0-0",
            f"{numbers[0] + 1}.0.0-0",
        )
    )
    for candidate in nexts:
        try:
            yield parse_version(candidate)
        except SemverError:
            continue
        return


def _texts(constants: Sequence[Constants], parts: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Strings, each with whether it is a constant: those, and what no constant can tell from strings unlike them.

    A prefix, a letter that is in no constant and a suffix together begin and end like no longer constant.
    """
    points = {value for one in constants for value in one.values if isinstance(value, str)}
    prefixes = {text for one in constants for text in one.prefixes}
    suffixes = {text for one in constants for text in one.suffixes}
    named = points | prefixes | suffixes | {text for one in constants for text in one.parts}
    yield from ((text, True) for text in sorted(named))
    if any(one.texts_are_ordered for one in constants):
        yield from ((text, False) for known in sorted(named | {""}) for text in (known, f"{known}\0"))
    unlike = _unlike("".join(named))
    inside = unlike.join(("", *parts, "")) or unlike
    for prefix in sorted({"", *prefixes}):
        yield from ((f"{prefix}{inside}{suffix}", False) for suffix in sorted({"", *suffixes}))


def _unlike(texts: str) -> str:
    """A letter that is in none of the texts."""
    return next(letter for letter in map(chr, range(0xE000, 0xF8FF)) if letter not in texts)
