"""Laws of quantities: what is printed reads back, sums are sums, and the order is that of the amounts."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from webhook.core.quantity import BINARY_SI, DECIMAL_EXPONENT, DECIMAL_SI, Quantity, parse_quantity

SUFFIXES = ("", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "e3", "E-3", "e6")
DIGITS = st.from_regex(r"[+-]?[0-9]{1,12}(\.[0-9]{0,9})?", fullmatch=True)
TEXTS = st.builds(lambda digits, suffix: digits + suffix, DIGITS, st.sampled_from(SUFFIXES))
QUANTITIES = TEXTS.map(parse_quantity)


@given(QUANTITIES)
def test_what_is_printed_reads_back_as_the_same_amount(quantity: Quantity) -> None:
    # From 10**21 on, Kubernetes has no decimal suffix left and prints digits that mean something else.
    if abs(quantity.amount) < 10**21:
        again = parse_quantity(str(quantity))
        assert again == quantity
        assert str(again) == str(quantity)


@given(QUANTITIES, QUANTITIES)
def test_a_sum_has_the_amount_of_its_parts(left: Quantity, right: Quantity) -> None:
    assert left.add(right).amount == left.amount + right.amount
    assert left.sub(right).amount == left.amount - right.amount


@given(QUANTITIES, QUANTITIES)
def test_a_sum_prints_in_the_format_of_its_first_part(left: Quantity, right: Quantity) -> None:
    assert left.add(right).format == (left.format if left.amount else right.format)


@given(QUANTITIES, QUANTITIES)
def test_quantities_are_ordered_and_hashed_by_amount(left: Quantity, right: Quantity) -> None:
    assert (left < right, left == right, left > right) == (
        left.amount < right.amount,
        left.amount == right.amount,
        left.amount > right.amount,
    )
    assert left != right or hash(left) == hash(right)


@given(QUANTITIES)
def test_values_are_rounded_away_from_zero(quantity: Quantity) -> None:
    assert abs(quantity.value()) >= abs(quantity.amount)
    assert abs(quantity.value() - quantity.amount) < 1
    assert quantity.milli_value() * quantity.amount >= 0


@given(QUANTITIES)
def test_an_integer_is_the_amount_itself(quantity: Quantity) -> None:
    whole = quantity.as_integer()
    assert whole is None or whole == quantity.amount


@given(st.fractions(max_denominator=10**9), st.sampled_from((DECIMAL_SI, BINARY_SI, DECIMAL_EXPONENT)))
def test_computed_amounts_print_as_something_that_is_at_least_as_much(amount: Fraction, notation: str) -> None:
    if abs(amount) < 10**20:
        printed = parse_quantity(str(Quantity(amount, notation))).amount
        assert abs(printed) >= abs(amount)
        assert abs(printed - amount) <= Fraction(1, 10**9)


@given(st.text(max_size=20))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    try:
        quantity = parse_quantity(text)
    except ValueError:
        return
    assert quantity.amount.denominator <= 10**9
