"""Selectors on devices against what Kubernetes' own evaluation gave, in four releases: result, error and cost."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.differential import devices
from webhook.cel.compile import compile_selector, device_environment
from webhook.cel.device import CelDevice, device_from_json
from webhook.cel.environment import VERSIONS
from webhook.cel.evaluator import EvaluationError, build, evaluate
from webhook.cel.syntax import Ast

RECORDED = Path(__file__).with_name("evaluation.jsonl")


@dataclass(frozen=True, slots=True)
class Row:
    """What the reference said. Where Go's maps have no order, `costs` are the least and the most that were seen."""

    expression: str
    device: str
    result: bool | None = None
    error: str | None = None
    cost: int | None = None
    costs: tuple[int, ...] = ()
    results: tuple[str, ...] = field(default=())
    refused: bool = False

    @property
    def varies(self) -> bool:
        return bool(self.results)


def recorded(version: str) -> Iterator[Row]:
    with RECORDED.open(encoding="utf-8") as lines:
        for line in lines:
            raw: dict[str, Any] = json.loads(line)
            said = raw.get("versions", {}).get(version, raw)
            yield Row(
                raw["expr"],
                raw["device"],
                said.get("result"),
                said.get("error"),
                said.get("cost"),
                tuple(said.get("costs", ())),
                tuple(said.get("results", ())),
                "refused" in said,
            )


@cache
def everyone() -> dict[str, CelDevice]:
    return {device["name"]: device_from_json(device) for device in devices()}


@cache
def evaluated(version: str) -> tuple[tuple[Row, Ast], ...]:
    """All rows whose expression that release accepts, with our trees."""
    environment = device_environment(version)
    trees: dict[str, Ast | None] = {}
    found = []
    for row in recorded(version):
        if row.expression not in trees:
            trees[row.expression] = compile_selector(row.expression, environment).ast
        tree = trees[row.expression]
        if tree is not None:
            found.append((row, tree))
    return tuple(found)


def is_recorded(row: Row, result: bool | None, error: str | None) -> bool:
    if row.varies and len(row.results) > 1:
        return error is None and str(result) in row.results
    return (result, error) == (row.result, row.error)


@pytest.mark.parametrize(
    ("version", "least"),
    [
        pytest.param("1.34", 2_400, id="1.34, without allowMultipleAllocations and some list functions"),
        pytest.param("1.35", 2_450, id="1.35, without allowMultipleAllocations"),
        pytest.param("1.36", 2_540, id="1.36"),
        pytest.param("1.37", 2_540, id="1.37"),
    ],
)
def test_nearly_all_recorded_expressions_are_evaluated(version: str, least: int) -> None:
    assert len([row for row, _ in evaluated(version) if not row.refused]) >= least


@pytest.mark.parametrize("version", VERSIONS)
def test_results_errors_and_costs_are_those_of_kubernetes(version: str) -> None:
    wrong: list[tuple[object, ...]] = []
    for row, tree in evaluated(version):
        if row.refused:
            continue
        outcome = evaluate(tree, everyone()[row.device], version=version)
        if not is_recorded(row, outcome.result, outcome.error):
            wrong.append((row.expression, row.device, outcome.result, outcome.error))
        elif not row.varies and outcome.cost != row.cost:
            wrong.append((row.expression, row.device, outcome.cost, row.cost))
    assert wrong == []


def test_costs_that_depend_on_the_order_of_a_map_lie_between_those_seen() -> None:
    seen = [(row, tree) for row, tree in evaluated("1.36") if row.varies]
    assert len(seen) == 17
    for row, tree in seen:
        outcome = evaluate(tree, everyone()[row.device], version="1.36")
        assert row.costs[0] <= outcome.cost <= row.costs[-1], row.expression


@pytest.mark.parametrize("version", VERSIONS)
def test_the_quick_program_gives_the_same_results_and_errors(version: str) -> None:
    wrong = []
    for row, tree in evaluated(version):
        if row.refused:
            continue
        result, error = None, None
        try:
            result = build(tree, version).matches(everyone()[row.device])
        except EvaluationError as problem:
            error = str(problem)
        if not is_recorded(row, result, error):
            wrong.append((row.expression, row.device, result, error))
    assert wrong == []
