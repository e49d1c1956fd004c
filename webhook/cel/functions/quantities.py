"""Quantities in selectors (apiserver library/quantity.go)."""

from collections.abc import Callable
from copy import copy
from typing import Final

from webhook.cel.functions.dispatch import FunctionTable, Overload
from webhook.cel.types import INT, STRING, Kind, Type
from webhook.cel.values import EvaluationError, SummedQuantity, Value
from webhook.core.quantity import DECIMAL_EXPONENT, Quantity, parse_quantity, whole_quantity


def to_quantity(text: str) -> Quantity:
    """`quantity(text)`: a new object each time, for as keys of a map quantities equal only themselves."""
    try:
        return copy(parse_quantity(text))
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def is_quantity(text: str) -> bool:
    """`isQuantity(text)`."""
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True


def as_integer(quantity: Quantity) -> int:
    """`q.asInteger()`."""
    whole = quantity.as_integer()
    if whole is None:
        raise EvaluationError("cannot convert value to integer")
    return whole


def compare_quantities(left: Quantity, right: Quantity) -> int:
    """`q.compareTo(r)`."""
    return (left.key > right.key) - (left.key < right.key)


def add(left: Quantity, right: Quantity | int) -> SummedQuantity:
    """`q.add(r)`."""
    return _summed(left.add(_quantity(right)))


def subtract(left: Quantity, right: Quantity | int) -> SummedQuantity:
    """`q.sub(r)`."""
    return _summed(left.sub(_quantity(right)))


def _quantity(value: Quantity | int) -> Quantity:
    return value if isinstance(value, Quantity) else whole_quantity(value, DECIMAL_EXPONENT)


def _summed(total: Quantity) -> SummedQuantity:
    return SummedQuantity(total.amount, total.format, total.held)


_QUANTITY: Final = Type(Kind.STRUCT, "kubernetes.Quantity")


def _member(id_: str, run: Callable[..., Value], *others: Type) -> Overload:
    return Overload(id_, (_QUANTITY, *others), run)


def _sign(quantity: Quantity) -> int:
    return int(quantity.key > 0) - int(quantity.key < 0)


FUNCTIONS: Final[FunctionTable] = {
    "quantity": (Overload("string_to_quantity", (STRING,), to_quantity),),
    "isQuantity": (Overload("is_quantity_string", (STRING,), is_quantity),),
    "sign": (_member("quantity_sign", _sign),),
    "isGreaterThan": (_member("quantity_is_greater_than", lambda left, right: left.key > right.key, _QUANTITY),),
    "isLessThan": (_member("quantity_is_less_than", lambda left, right: left.key < right.key, _QUANTITY),),
    "compareTo": (_member("quantity_compare_to", compare_quantities, _QUANTITY),),
    "asApproximateFloat": (_member("quantity_get_float", Quantity.as_float),),
    "asInteger": (_member("quantity_get_int", as_integer),),
    "isInteger": (_member("quantity_is_integer", lambda quantity: quantity.as_integer() is not None),),
    "add": (_member("quantity_add", add, _QUANTITY), _member("quantity_add_int", add, INT)),
    "sub": (_member("quantity_sub", subtract, _QUANTITY), _member("quantity_sub_int", subtract, INT)),
}
