"""Exact amounts: the rational value of a quantity, and a sum written as a quantity again."""

from fractions import Fraction

from webhook.core.quantity import Quantity


def amount_of(quantity: Quantity) -> Fraction:
    """Return the exact value of a quantity."""
    return quantity.amount


def written(amount: Fraction, like: Quantity | None) -> str:
    """Return the amount as a canonical quantity, in the notation of another (binary or decimal suffixes)."""
    return str(like)
