"""How many of the recorded selectors are let pass because they cannot be judged: printed with reasons, and none."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.support.build import claim_with, device, make_slice, make_view
from webhook.core.finding import UNJUDGED
from webhook.inventory.case import Case
from webhook.rules import COMPILING, SCHEMA, judged

CORPUS = Path(__file__).with_name("compile.jsonl")


def test_every_recorded_selector_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    with CORPUS.open(encoding="utf-8") as lines:
        expressions = [json.loads(line)["expr"] for line in lines]
    view = make_view(make_slice(device("gpu-0", {"memory": "40Gi"}, model="A100")))
    reasons: Counter[str] = Counter()
    for expression in expressions:
        findings = judged(Case(claim_with(expression), "team-a", view), (*COMPILING, *SCHEMA))
        reasons.update(finding.what for finding in findings if finding.rule == UNJUDGED)

    with capsys.disabled():
        print(f"\nunjudged in {len(expressions)} recorded selectors: {dict(reasons)}")
    assert not reasons
