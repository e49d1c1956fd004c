"""Kubernetes quantities, exactly: `40Gi`, `1500m`, `2e3` (apimachinery pkg/api/resource/quantity.go).

Kubernetes holds a quantity in one of two ways, and which one shows (in what `asInteger` accepts, and in how
a float comes out): small ones as a 64-bit integer times a power of ten, others as a decimal of any size.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_NAMES: Final = {power: name for name, power in _BINARY.items()}
_DECIMAL_NAMES: Final = {power: name for name, power in _DECIMAL.items()}
_WRITTEN: Final = re.compile(
    r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)",
    re.ASCII,
)
_ZERO: Final = re.compile(r"[+-]?0*", re.ASCII)
_EXPONENT: Final = re.compile(r"[eE][+-]?[0-9]+", re.ASCII)
_MOST_TEXT: Final = 3000
_MOST_EXPONENT: Final = 1000  # Kubernetes has no bound, and hangs on such a quantity
_MOST_DIGITS: Final = 18  # what surely fits into 64 bits
_NANO: Final = -9
_MOST: Final = 2**63 - 1
_LEAST: Final = -(2**63)

DECIMAL_SI: Final = "DecimalSI"
BINARY_SI: Final = "BinarySI"
DECIMAL_EXPONENT: Final = "DecimalExponent"

_WRONG_FORM: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_WRONG_NUMBER: Final = "unable to parse numeric part of quantity"
_WRONG_SUFFIX: Final = "unable to parse quantity's suffix"


class Held(NamedTuple):
    """How Kubernetes holds the amount: digits * 10**power, in 64 bits unless `wide`."""

    digits: int
    power: int
    wide: bool

    def fraction(self) -> Fraction:
        """The amount."""
        if self.power >= 0:
            return Fraction(self.digits * 10**self.power)
        return Fraction(self.digits, 10**-self.power)


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount and the notation in which it prints; equal and ordered by the amount alone.

    `written` is the text that Kubernetes keeps because it is canonical enough.
    """

    amount: Fraction
    format: str = DECIMAL_SI
    held: Held | None = None
    written: str = ""
    # The amount again, as an int where it is whole: comparing ints is ten times as fast.
    key: int | Fraction = field(init=False, repr=False)

    def __post_init__(self) -> None:
        whole = self.amount.denominator == 1
        object.__setattr__(self, "key", self.amount.numerator if whole else self.amount)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __lt__(self, other: "Quantity") -> bool:
        return self.key < other.key

    def __le__(self, other: "Quantity") -> bool:
        return self.key <= other.key

    def __gt__(self, other: "Quantity") -> bool:
        return self.key > other.key

    def __ge__(self, other: "Quantity") -> bool:
        return self.key >= other.key

    def value(self) -> int:
        """Return the amount, rounded up to a whole number (away from zero)."""
        return _rounded_up(self.amount)

    def milli_value(self) -> int:
        """Return the amount in thousandths, rounded up."""
        return _rounded_up(self.amount * 1000)

    def as_integer(self) -> int | None:
        """Return the amount where Kubernetes can say it as an int64 (AsInt64), which excludes `1.0` and `1Pi`."""
        held = _held(self)
        if held.wide or held.power < 0:
            return None
        return _in_64_bits(held.digits * 10**held.power)

    def as_float(self) -> float:
        """Return the amount as a double, with the rounding of AsApproximateFloat64."""
        held = _held(self)
        if held.power == 0:
            return _float(held.digits)
        return _float(held.digits) * _power_of_ten(held.power)

    def add(self, other: "Quantity") -> "Quantity":
        """Return the sum, in this quantity's format (in the other's if this is zero)."""
        return self._plus(_held(other), other.format, negative=False)

    def sub(self, other: "Quantity") -> "Quantity":
        """Return the difference, in this quantity's format (in the other's if this is zero)."""
        return self._plus(_held(other), other.format, negative=True)

    def __str__(self) -> str:
        return self.written or _printed(self.amount, self.format)

    def _plus(self, other: Held, notation: str, negative: bool) -> "Quantity":
        mine = _held(self)
        if mine.digits != 0:
            notation = self.format
        held = None
        if not mine.wide and not other.wide:
            digits = other.digits
            if negative:
                digits = -digits if digits != _LEAST else digits  # wraps around in 64 bits, as in Go
            held = _small_sum(mine, Held(digits, other.power, wide=False))
        if held is None:
            power = min(mine.power, other.power)
            sign = -1 if negative else 1
            digits = mine.digits * 10 ** (mine.power - power) + sign * other.digits * 10 ** (other.power - power)
            held = Held(digits, power, wide=True)
        return Quantity(held.fraction(), notation, held)


def _held(quantity: Quantity) -> Held:
    return quantity.held or _smallest(quantity.amount)


def _small_sum(left: Held, right: Held) -> Held | None:
    """The sum in 64 bits, or None where it does not fit."""
    if right.digits == 0:
        return left
    if left.digits == 0:
        return right
    power = min(left.power, right.power)
    scaled = [_in_64_bits(part.digits * 10 ** (part.power - power)) for part in (left, right)]
    if scaled[0] is None or scaled[1] is None:
        return None
    total = _in_64_bits(scaled[0] + scaled[1])
    return None if total is None else Held(total, power, wide=False)


def _in_64_bits(number: int) -> int | None:
    return number if _LEAST <= number <= _MOST else None


def _float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _power_of_ten(power: int) -> float:
    if power > 308:
        return float("inf")
    return float(f"1e{power}")


def _smallest(amount: Fraction) -> Held:
    """How Kubernetes would hold an amount of ours, which is a multiple of a nano (others are rounded up)."""
    if amount.denominator == 1:
        number = amount.numerator
        return Held(number, 0, wide=_in_64_bits(number) is None)
    number, power = _rounded_up(amount * 10**9), _NANO
    while number % 1000 == 0 and power < 0:
        number, power = number // 1000, power + 3
    return Held(number, power, wide=_in_64_bits(number) is None)


def _rounded_up(amount: Fraction) -> int:
    whole = -(-abs(amount.numerator) // amount.denominator)
    return whole if amount >= 0 else -whole


def whole_quantity(number: int, notation: str = DECIMAL_SI) -> Quantity:
    """Return an int64 as a quantity (resource.NewQuantity)."""
    return Quantity(Fraction(number), notation, Held(number, 0, wide=False))


def parse_quantity(text: str | float) -> Quantity:
    """Return the quantity; ValueError, in Kubernetes' words, for what is none. Below nano is rounded up."""
    return _parsed(text if isinstance(text, str) else repr(text))


@lru_cache(maxsize=8192)
def _parsed(text: str) -> Quantity:
    if not text or len(text) > _MOST_TEXT:
        raise ValueError(_WRONG_FORM)
    if _ZERO.fullmatch(text):
        return Quantity(Fraction(0), DECIMAL_SI, Held(0, 0, wide=False))
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(_WRONG_FORM)
    sign, whole, fraction, suffix = found.groups()
    base, exponent, notation = _suffix(suffix)
    return _fast(text, (sign, whole or "0", fraction or ""), (base, exponent), notation) or _slow(
        text[: found.start(4)], (base, exponent), notation
    )


def _suffix(suffix: str) -> tuple[int, int, str]:
    """The base, the exponent and the format that the suffix stands for."""
    if suffix in _DECIMAL:
        return 10, _DECIMAL[suffix], DECIMAL_SI
    if suffix in _BINARY:
        return 2, _BINARY[suffix], BINARY_SI
    if not _EXPONENT.fullmatch(suffix):
        raise ValueError(_WRONG_SUFFIX)
    exponent = int(suffix[1:])
    if exponent > _MOST_EXPONENT:
        raise ValueError(f"{_WRONG_SUFFIX}: the exponent must be at most {_MOST_EXPONENT}")
    return 10, exponent, DECIMAL_EXPONENT


def _fast(text: str, parts: tuple[str, str, str], factor: tuple[int, int], notation: str) -> Quantity | None:
    """The quantity in 64 bits; None if it may not fit, by Kubernetes' rough rule."""
    sign, whole, fraction = parts
    base, exponent = factor
    if base == 10:
        fits = len(whole) + len(fraction) <= _MOST_DIGITS
        power, factor_value = exponent - len(fraction), 1
    else:
        fits = not fraction and len(whole) + exponent * 3 // 10 + 1 <= 15
        power, factor_value = 0, 2**exponent
    if not fits or power < _NANO:
        return None
    digits = whole + fraction
    number = int(digits)
    product = _in_64_bits(number * factor_value)
    if product is None:
        return None
    held = Held(-product if sign == "-" else product, power, wide=False)
    decimal_keeps = power % 3 == 0 and not digits.endswith("000") and digits[0] != "0"
    keeps = number & 7 != 0 if base == 2 else decimal_keeps
    return Quantity(held.fraction(), notation, held, text if keeps else "")


def _slow(number: str, factor: tuple[int, int], notation: str) -> Quantity:
    """The quantity as a decimal of any size, a multiple of a nano."""
    base, exponent = factor
    if not any(char.isdigit() for char in number):
        raise ValueError(_WRONG_NUMBER)
    whole, _, fraction = number.lstrip("+-").partition(".")
    digits, power = int(whole + fraction), -len(fraction)
    if base == 10:
        power += exponent
    else:
        digits *= 2**exponent
    if digits:
        if power >= _NANO:
            digits *= 10 ** (power - _NANO)
        else:
            digits = 1 if _NANO - power > len(str(digits)) else -(-digits // 10 ** (_NANO - power))
        power = _NANO
    if base == 2 and digits > _MOST * 10**9:
        digits, power = _MOST, 0
    if base == 2 and 0 < digits < 10**9 and power == _NANO:
        notation = DECIMAL_SI
    held = Held(-digits if number.startswith("-") else digits, power, wide=True)
    return Quantity(held.fraction(), notation, held)


def _printed(amount: Fraction, notation: str) -> str:
    """Kubernetes' canonical form: the largest suffix that needs no fraction."""
    if amount == 0:
        return "0"
    if notation == BINARY_SI and amount.denominator == 1 and abs(amount) >= 1024:
        number, power = _without_factors(amount.numerator, 1024)
        return f"{number}{_BINARY_NAMES.get(10 * power, '')}"
    number, power = _without_factors(_rounded_up(amount * 10**9), 10)
    power -= 9
    number, power = number * 10 ** (power % 3), power - power % 3
    if notation == DECIMAL_EXPONENT:
        return f"{number}e{power}" if power else str(number)
    return f"{number}{_DECIMAL_NAMES.get(power, '')}"


def _without_factors(number: int, factor: int) -> tuple[int, int]:
    times = 0
    while number % factor == 0:
        number, times = number // factor, times + 1
    return number, times
