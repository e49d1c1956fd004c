"""Each mistake in a selector is found by its rule, and its first fix is accepted by Kubernetes and matches a device."""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.mistakes.suite import (
    CLUSTER,
    HERE,
    Json,
    SelectorMistake,
    asking,
    findings,
    selector_mistakes,
    with_first_fixes,
)
from tests.support.reference import Question, Reference

MISTAKES = tuple(selector_mistakes())
VERSION = "1.37"


def test_there_are_many() -> None:
    assert len(MISTAKES) >= 110
    assert len({mistake.wrong for mistake in MISTAKES}) == len(MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_the_first_fix_is_the_one_that_was_meant(mistake: SelectorMistake) -> None:
    raw = asking(mistake.device_class, mistake.wrong)
    found = findings(raw)
    assert mistake.rule in {finding.rule for finding in found}
    mended = with_first_fixes(raw, found, mistake.rule)
    assert expression_of(mended) == mistake.right
    assert findings(mended) == ()


def test_every_fix_is_accepted_by_kubernetes_and_matches_a_device() -> None:
    reference = Reference(VERSION)
    if not Reference.is_built(VERSION):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("run `make conformance-reference`: it needs Go 1.26")
    questions = [
        Question(text, device, stored=index > 0)
        for mistake in MISTAKES
        for device in devices()
        for index, text in enumerate([mistake.right, *class_selectors()[mistake.device_class]])
    ]
    answers = iter(reference.ask(questions))
    for mistake in MISTAKES:
        outcomes = []
        for _ in devices():
            own, *of_class = [next(answers) for _ in range(1 + len(class_selectors()[mistake.device_class]))]
            assert own.kind == "ok", f"{mistake.right}: {own.error}"
            outcomes.append(all(answer.result for answer in (own, *of_class)))
        assert any(outcomes), f"no device matches {mistake.right}"


def expression_of(raw: Json) -> str:
    text = raw["spec"]["devices"]["requests"][0]["exactly"]["selectors"][0]["cel"]["expression"]
    assert isinstance(text, str)
    return text


@cache
def devices() -> tuple[Json, ...]:
    """Return one device of each sort of the cluster, published or planned, with its driver."""
    found: dict[str, Json] = {}
    for raw in _objects():
        if raw["kind"] in ("ResourceSlice", "DeviceInventory"):
            for device in raw["spec"]["devices"]:
                kept = {
                    name: device[name]
                    for name in ("attributes", "capacity", "allowMultipleAllocations")
                    if name in device
                }
                body = {"name": device["name"], "driver": raw["spec"]["driver"], **kept}
                own = {
                    name: value for name, value in body.get("attributes", {}).items() if name not in ("uuid", "index")
                }
                found.setdefault(
                    json.dumps([body["driver"], own, sorted(body.get("capacity", {}))], sort_keys=True), body
                )
    return tuple(found.values())


@cache
def class_selectors() -> Mapping[str, tuple[str, ...]]:
    classes = [raw for raw in _objects() if raw["kind"] == "DeviceClass"]
    return {
        raw["metadata"]["name"]: tuple(each["cel"]["expression"] for each in raw["spec"].get("selectors", ()))
        for raw in classes
    }


@cache
def _objects() -> tuple[Json, ...]:
    files: list[Path] = [*sorted(CLUSTER.glob("*.yaml")), HERE / "classes.yaml"]
    return tuple(raw for file in files for raw in yaml.safe_load_all(file.read_text()) if raw)
