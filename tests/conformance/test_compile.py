"""Our verdicts on selectors against those that Kubernetes' own compiler gave, in four releases."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from webhook.cel.compile import MOST_COST, Compiled, Verdict, compile_selector
from webhook.cel.environment import VERSIONS, Environment, device_environment

RECORDED = Path(__file__).with_name("compile.jsonl")
FIRST_PLACE = re.compile(r"<input>:(-?\d+:\d+)")
# Expressions whose error text differs from the recorded one, with the reason. None does; a row that starts to
# agree must leave the table, so it is compared exactly.
TEXT_DIFFERS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Row:
    """What the reference said of an expression in one release."""

    expression: str
    verdict: str
    type: str
    max_cost: str
    error: str


def recorded(version: str) -> Iterator[Row]:
    with RECORDED.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            other = row.get("versions", {}).get(version)
            verdict = row["verdict"]
            if other is not None:
                row = {"expr": row["expr"], **other}
                verdict = "invalid"
                if other["ok"]:
                    verdict = "ok" if int(other["max_cost"]) <= MOST_COST else "too-costly"
            yield Row(row["expr"], verdict, row.get("type", ""), row.get("max_cost", ""), row.get("error", ""))


def difference(row: Row, ours: Compiled) -> str:
    if ours.verdict.value != row.verdict:
        return f"verdict {ours.verdict.value}, recorded {row.verdict}"
    if row.verdict in ("ok", "too-costly"):
        if str(ours.max_cost) != row.max_cost:
            return f"cost {ours.max_cost}, recorded {row.max_cost}"
        if ours.result_type != row.type:
            return f"type {ours.result_type}, recorded {row.type}"
    return ""


@dataclass(frozen=True, slots=True)
class Judged:
    """All rows of one release with our verdicts on them."""

    environment: Environment
    pairs: tuple[tuple[Row, Compiled], ...]


@pytest.fixture(params=VERSIONS, scope="module")
def judged(request: pytest.FixtureRequest) -> Judged:
    environment = device_environment(request.param)
    pairs = tuple((row, compile_selector(row.expression, environment)) for row in recorded(request.param))
    return Judged(environment, pairs)


def test_every_verdict_kind_type_and_cost_is_the_recorded_one(judged: Judged) -> None:
    differences = {row.expression: problem for row, ours in judged.pairs if (problem := difference(row, ours))}
    assert differences == {}


def test_every_error_is_told_in_the_recorded_words_at_the_recorded_place(judged: Judged) -> None:
    refused = [(row, ours) for row, ours in judged.pairs if ours.verdict is Verdict.INVALID]
    differing = {row.expression for row, ours in refused if ours.error != row.error}
    assert differing == set(TEXT_DIFFERS)
    for row, ours in refused:
        assert FIRST_PLACE.findall(ours.error)[:1] == FIRST_PLACE.findall(row.error)[:1], row.expression


def test_the_table_of_differing_texts_stays_within_three_rows_of_a_hundred(judged: Judged) -> None:
    assert len(judged.pairs) > 3000
    assert len(TEXT_DIFFERS) <= 0.03 * len(judged.pairs)


def test_every_refusal_is_explained_in_our_words(judged: Judged) -> None:
    mended: set[str] = set()
    for row, ours in judged.pairs:
        assert bool(ours.diagnostics) == (ours.verdict is not Verdict.OK), row.expression
        for diagnostic in ours.diagnostics:
            assert 0 <= diagnostic.start < diagnostic.end <= max(len(row.expression), 1), row.expression
            mended.update(fix.expression for fix in diagnostic.fixes if fix.expression is not None)
    assert len(mended) > 100
    for expression in mended:
        assert compile_selector(expression, judged.environment).verdict is Verdict.OK, expression
