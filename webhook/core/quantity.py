"""Kubernetes quantities, exactly: `40Gi`, `1500m`, `2e3` (apimachinery pkg/api/resource/quantity.go)."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, total_ordering

_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_WRITTEN = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")
_MOST_DIGITS = 4096
_NANO = 10**9

DECIMAL_SI = "DecimalSI"
BINARY_SI = "BinarySI"
DECIMAL_EXPONENT = "DecimalExponent"


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount and the notation in which it prints; equal and ordered by the amount alone."""

    amount: Fraction
    format: str = DECIMAL_SI

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __lt__(self, other: "Quantity") -> bool:
        return self.amount < other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    def value(self) -> int:
        """Return the amount, rounded up to a whole number (away from zero)."""
        return _rounded_up(self.amount)

    def milli_value(self) -> int:
        """Return the amount in thousandths, rounded up."""
        return _rounded_up(self.amount * 1000)

    def __str__(self) -> str:
        return _printed(self.amount, self.format)


def _rounded_up(amount: Fraction) -> int:
    whole = -(-abs(amount.numerator) // amount.denominator)
    return whole if amount >= 0 else -whole


@lru_cache(maxsize=8192)
def _parsed(text: str) -> Quantity:
    found = _WRITTEN.fullmatch(text)
    if found is None or len(text) > _MOST_DIGITS:
        raise ValueError(f"'{text[:64]}' is not a quantity such as '40Gi' or '500m'")
    sign, digits, suffix = found.group(1), found.group(2), found.group(3) or ""
    amount = Fraction(digits + "0" if digits.endswith(".") else digits)
    if suffix in _BINARY[1:]:
        amount, notation = amount * 1024 ** _BINARY.index(suffix), BINARY_SI
    elif suffix in _DECIMAL:
        amount, notation = amount * Fraction(10) ** _DECIMAL[suffix], DECIMAL_SI
    else:
        exponent = int(suffix[1:])
        if abs(exponent) > 400:
            raise ValueError(f"'{text[:64]}' is not a quantity: its exponent is too large")
        amount, notation = amount * Fraction(10) ** exponent, DECIMAL_EXPONENT
    amount = Fraction(_rounded_up(amount * _NANO), _NANO)
    return Quantity(-amount if sign == "-" else amount, notation)


def parse_quantity(text: str | float) -> Quantity:
    """Return the quantity; ValueError for anything else. Digits beyond nano are rounded up, away from zero."""
    return _parsed(text if isinstance(text, str) else repr(text))


def _printed(amount: Fraction, notation: str) -> str:
    if amount == 0:
        return "0"
    if notation == BINARY_SI and amount.denominator == 1 and abs(amount) >= 1024:
        whole, power = amount.numerator, 0
        while whole % 1024 == 0 and power < 6:
            whole, power = whole // 1024, power + 1
        return f"{whole}{_BINARY[power]}"
    nano, exponent = int(amount * _NANO), -9
    while nano % 1000 == 0 and (exponent < 18 or notation == DECIMAL_EXPONENT):
        nano, exponent = nano // 1000, exponent + 3
    if notation == DECIMAL_EXPONENT:
        return f"{nano}e{exponent}" if exponent else f"{nano}"
    suffix = next(name for name, power in _DECIMAL.items() if power == exponent)
    return f"{nano}{suffix}"
