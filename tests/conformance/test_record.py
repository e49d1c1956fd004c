"""What `make conformance-record` writes of the answers; and the recorded verdicts are those of the newest release."""

import pytest

from tests.conformance.record import COMPILED, evaluation_row, rows_of, verdict, verdict_row
from tests.support.reference import MINORS, Answer, Outcome, Question, Reference

REFUSED = Answer("x", ok=False, kind="invalid", error="undeclared")
ACCEPTED = Answer("x", ok=True, kind="ok", type="bool", max_cost=3)


def by_release(base: Answer, newest: Answer) -> dict[str, Answer]:
    return {minor: newest if minor == MINORS[-1] else base for minor in MINORS}


def seen(*outcomes: Outcome) -> Answer:
    return Answer("x", ok=True, kind="ok", type="bool", seen=outcomes)


def test_a_release_that_says_the_same_is_not_named() -> None:
    assert verdict_row(by_release(ACCEPTED, ACCEPTED)) == {
        "expr": "x",
        "verdict": "ok",
        "type": "bool",
        "max_cost": "3",
    }


def test_a_release_that_says_something_else_has_its_own_verdict() -> None:
    row = verdict_row(by_release(REFUSED, ACCEPTED))
    assert row["verdict"] == "invalid"
    assert row["versions"] == {"1.37": {"ok": True, "type": "bool", "max_cost": "3"}}


def test_an_evaluation_has_the_result_or_the_error_of_each_release() -> None:
    row = evaluation_row(
        {"expr": "x", "device": "d"},
        by_release(seen(Outcome(result=True, cost=4)), seen(Outcome(eval_error="no such key: a", cost=2))),
    )
    assert row == {
        "expr": "x",
        "device": "d",
        "result": True,
        "cost": 4,
        "versions": {"1.37": {"error": "no such key: a", "cost": 2}},
    }


def test_a_release_that_refuses_the_expression_has_no_evaluation() -> None:
    row = evaluation_row({"expr": "x", "device": "d"}, by_release(seen(Outcome(result=True, cost=4)), REFUSED))
    assert "versions" not in row


def test_costs_that_vary_are_recorded_as_the_widest_range_ever_seen() -> None:
    varying = seen(Outcome(result=True, cost=4), Outcome(result=True, cost=9))
    row = evaluation_row({"expr": "x", "device": "d", "costs": [5, 12]}, by_release(varying, varying))
    assert row == {"expr": "x", "device": "d", "result": True, "results": ["True"], "costs": [4, 12]}


def test_the_recorded_verdicts_are_those_that_the_newest_release_gives() -> None:
    newest = MINORS[-1]
    if not Reference.is_built(newest):
        pytest.skip("the reference compiler is not built: run `make conformance-reference`")
    rows = rows_of(COMPILED)
    answers = Reference(newest).ask(Question(row["expr"]) for row in rows)
    differing = []
    for row, answer in zip(rows, answers, strict=True):
        recorded = row.get("versions", {}).get(newest, row)
        words = {key: recorded[key] for key in ("type", "max_cost", "error") if key in recorded}
        if answer.kind != "too-long" and verdict(answer) != words:
            differing.append(row["expr"])
    assert differing == []
