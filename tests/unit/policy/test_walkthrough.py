"""The values of an expression's parts, below its source."""

from fractions import Fraction
from typing import Any

import pytest

from tests.support.build import claim_object, request
from tests.support.policies import claim_case, compiled
from webhook.cel.values import NONE, Duration, EvaluationError, Optional
from webhook.core.quantity import BINARY_SI, Quantity
from webhook.policy.judge import Step, judge
from webhook.policy.walkthrough import shown, walkthrough


def walked(expression: str, **more: Any) -> list[str]:
    steps: list[Step] = []
    judge([compiled(expression)], claim_case(claim_object(request("gpu", count=3)), **more), steps.append)
    return list(walkthrough(steps[0]))


def test_values_stand_below_their_parts_further_down_where_the_next_leaves_no_room() -> None:
    assert walked("claim.worst.devices <= 2 && request.dryRun") == [
        "claim.worst.devices <= 2 && request.dryRun",
        "            |       |    |",
        "            3       |    false",
        "                    false",
    ]


def test_values_of_each_element_stand_beside_each_other() -> None:
    lines = walked("[1, 2, 2].all(n, n < 2)")
    assert lines[0] == "[1, 2, 2].all(n, n < 2)"
    assert "1, 2" in "\n".join(lines)
    assert "true, false" in "\n".join(lines)


def test_each_line_of_a_long_expression_has_its_values() -> None:
    assert walked("claim.worst.devices <= 3\n  && size(claim.requests) == 1") == [
        "claim.worst.devices <= 3",
        "            |       |",
        "            3       true",
        "  && size(claim.requests) == 1",
        "  |  |          |         |",
        "  |  1          [1 entry] true",
        "  true",
    ]


def test_an_error_is_told_at_the_part_that_ends_in_it() -> None:
    assert "error: " in "\n".join(walked("object.spec.nothing == 1"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        ("a\nb", "'a\\u000ab'"),
        ([1, "a"], "[1, 'a']"),
        ([1, 2, 3, 4, 5], "[5 entries]"),
        ([{"a": 1}], "[1 entry]"),
        ({}, "{}"),
        ({"a": 1}, "{...}"),
        (NONE, "optional.none()"),
        (Optional(None), "optional.of(null)"),
        (Optional(3), "optional.of(3)"),
        (Quantity(Fraction(2**30), BINARY_SI), "1Gi"),
        (Duration(60 * 10**9), "1m0s"),
        (EvaluationError("no such key: x"), "error: no such key: x"),
    ],
)
def test_values_are_written_as_in_cel_and_large_ones_in_short(value: Any, text: str) -> None:
    assert shown(value) == text
