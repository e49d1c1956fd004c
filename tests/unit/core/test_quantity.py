"""Quantities are read, compared, added and printed as Kubernetes does it."""

from fractions import Fraction

import pytest

from webhook.core.quantity import BINARY_SI, DECIMAL_EXPONENT, DECIMAL_SI, Quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        pytest.param("40Gi", "40Gi", id="a binary amount stays as it is"),
        pytest.param("1024Ki", "1Mi", id="a binary amount takes the largest suffix"),
        pytest.param("0.5Gi", "512Mi", id="half a gibi is 512 mebi"),
        pytest.param("1.5", "1500m", id="a fraction becomes milli"),
        pytest.param("1.234", "1.234", id="a text that is canonical enough is kept"),
        pytest.param("+5", "+5", id="a plus sign is kept"),
        pytest.param("007", "007", id="leading zeros are kept"),
        pytest.param("1e3", "1e3", id="an exponent stays"),
        pytest.param("1e4", "10e3", id="an exponent becomes a multiple of three"),
        pytest.param("1000", "1k", id="a thousand is 1k"),
        pytest.param("0", "0", id="zero"),
        pytest.param("0Gi", "0", id="zero has no suffix"),
        pytest.param("1Pi", "1Pi", id="a pebi"),
        pytest.param("9Ei", "9223372036854775807", id="binary amounts end at 64 bits"),
        pytest.param("0.0000000001", "1n", id="less than a nano is a nano"),
        pytest.param("-0.5Ki", "-512", id="below a kibi there is no binary suffix"),
        pytest.param("0.5Ki", "512", id="half a kibi is 512"),
        pytest.param("12345678901234567890123", "12345678901234567890123", id="beyond 64 bits"),
        pytest.param("Ki", "0", id="a suffix alone is zero"),
        pytest.param(".", "0", id="a point alone is zero"),
    ],
)
def test_quantities_print_canonically(text: str, printed: str) -> None:
    assert str(parse_quantity(text)) == printed


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "must match", id="nothing"),
        pytest.param("20GiB", "must match", id="a B at the end"),
        pytest.param("1 Gi", "must match", id="a blank inside"),
        pytest.param("1..5", "must match", id="two points"),
        pytest.param("1e5.5", "must match", id="a fraction in the exponent"),
        pytest.param("1ki", "parse quantity's suffix", id="a suffix in the wrong case"),
        pytest.param("1MM", "parse quantity's suffix", id="two suffixes"),
        pytest.param("1e", "parse quantity's suffix", id="an exponent without digits"),
        pytest.param(".Pi", "numeric part", id="no digits before a large suffix"),
        pytest.param("1e1001", "must be at most", id="an exponent without end"),
        pytest.param("9" * 4000, "must match", id="a text without end"),
        pytest.param("١", "must match", id="digits of another script"),
    ],
)
def test_what_is_no_quantity_is_refused_in_the_words_of_kubernetes(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_quantity(text)


def test_bare_numbers_are_quantities() -> None:
    assert parse_quantity(4) == parse_quantity("4")
    assert parse_quantity(0.5) == parse_quantity("500m")
    assert parse_quantity(1e22).amount == 10**22


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        pytest.param("5", 5, id="a whole number"),
        pytest.param("1E", 10**18, id="an exa"),
        pytest.param("10E", None, id="more than 64 bits"),
        pytest.param("1.0", None, id="a number written with a fraction"),
        pytest.param("1000m", None, id="a thousand milli"),
        pytest.param("99999Gi", 99999 * 2**30, id="five digits of gibi"),
        pytest.param("100000Gi", None, id="six digits of gibi, which Kubernetes holds as a decimal"),
        pytest.param("1Pi", None, id="a pebi, which Kubernetes holds as a decimal"),
    ],
)
def test_an_amount_is_an_integer_where_kubernetes_can_say_it_as_one(text: str, whole: int | None) -> None:
    assert parse_quantity(text).as_integer() == whole


def test_values_are_rounded_away_from_zero() -> None:
    assert parse_quantity("1500m").value() == 2
    assert parse_quantity("-1500m").value() == -2
    assert parse_quantity("1.5m").milli_value() == 2


def test_floats_carry_the_rounding_of_kubernetes() -> None:
    assert parse_quantity("3e-1").as_float() == 3 * 0.1
    assert parse_quantity("1e400").as_float() == float("inf")
    assert parse_quantity("80Gi").as_float() == float(80 * 2**30)


@pytest.mark.parametrize(
    ("left", "right", "total", "notation"),
    [
        pytest.param("1Gi", "512Mi", "1536Mi", BINARY_SI, id="both binary"),
        pytest.param("1Gi", "1G", "2073741824", BINARY_SI, id="the first one's format counts"),
        pytest.param("0", "1e3", "1e3", DECIMAL_EXPONENT, id="zero takes the other's format"),
        pytest.param("0", "0Gi", "0", BINARY_SI, id="even from another zero"),
        pytest.param("1m", "1n", "1000001n", DECIMAL_SI, id="the finer unit counts"),
        pytest.param("9E", "9E", "18E", DECIMAL_SI, id="64 bits are no limit"),
        pytest.param("1", "-1", "0", DECIMAL_SI, id="a sum of zero"),
    ],
)
def test_sums_keep_the_format_that_kubernetes_gives_them(left: str, right: str, total: str, notation: str) -> None:
    sum_ = parse_quantity(left).add(parse_quantity(right))
    assert (str(sum_), sum_.format) == (total, notation)


def test_subtraction_undoes_addition() -> None:
    left, right = parse_quantity("12345678901234567890123"), parse_quantity("1500m")
    assert left.add(right).sub(right) == left


def test_equal_amounts_are_equal_however_they_are_written() -> None:
    assert parse_quantity("1Ki") == parse_quantity("1024") == Quantity(Fraction(1024))
    assert hash(parse_quantity("1Ki")) == hash(parse_quantity("1024"))
    assert parse_quantity("1Ki") != "1Ki"


def test_quantities_are_ordered_by_amount() -> None:
    one, two = parse_quantity("1000m"), parse_quantity("1001m")
    assert one < two
    assert one <= two
    assert two > one
    assert two >= one


def test_computed_amounts_print_and_count_like_parsed_ones() -> None:
    half = Quantity(Fraction(1, 2), BINARY_SI)
    assert str(half) == "500m"
    assert half.as_integer() is None
    assert Quantity(Fraction(2**70)).as_integer() is None
    assert str(Quantity(Fraction(3 * 2**20), BINARY_SI).add(half)) == "3145728500m"
