"""What expressions may cost: refused where they are written, ended where they run, and never an outage."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.build import claim_object, request
from tests.support.policies import VIEW, claim_case, compiled
from webhook.inventory.case import never
from webhook.policy.case import PolicyCase
from webhook.policy.compile import MOST_CHARACTERS
from webhook.policy.judge import Outcome, judge
from webhook.policy.running import Budget, EvaluationFailedError, Variables

SQUARE = "object.spec.devices.requests.all(a, object.spec.devices.requests.all(b, a.name != '' && b.name != ''))"


def _claim(requests: int) -> PolicyCase:
    return claim_case(claim_object(*(request(f"gpu-{number}") for number in range(requests))))


def _told(case: PolicyCase, *validations: str, **spec: Any) -> tuple[list[str], Outcome]:
    policy = compiled(*validations, **spec)
    assert policy.works, policy.flaws
    judgement = judge([policy], case)
    [(_, outcome)] = judgement.outcomes
    return [finding.message for finding in judgement.findings], outcome


def test_what_is_bounded_by_the_object_runs_without_counting() -> None:
    policy = compiled(SQUARE)
    assert policy.is_bounded((32, 64))
    assert not policy.is_bounded((1024, 64))


@pytest.mark.parametrize(
    "expression",
    [
        "claim.alternatives.all(a, a.selectors.exists(s, s.contains('device.driver') || s.matches('^has')))",
        "claim.alternatives.all(a, a.tolerations.all(t, t.key in ['a', 'b']))",
        "claim.requests.all(r, r.alternatives.all(a, a.configs.all(c, c.kind != 'K')))",
        "inventory.devices('gpu.example.com').exists(d, d.node == 'node-1')",
    ],
)
def test_what_is_usual_is_neither_refused_nor_counted(expression: str) -> None:
    policy = compiled(expression)
    assert policy.works, policy.flaws
    assert policy.is_bounded((32, 64))


@pytest.mark.parametrize("expression", [SQUARE, SQUARE.replace("!= ''", "!= 'gpu-1'"), "object.nothing == 1"])
def test_counted_and_uncounted_runs_agree(expression: str) -> None:
    case, policy = _claim(3), compiled(expression)
    assert policy.is_bounded((32, 64))
    assert judge([policy], case).findings == judge([policy], case, lambda _: None).findings


def test_a_run_ends_at_the_limit_and_the_expressions_of_a_policy_share_theirs() -> None:
    ast, budget = compiled(SQUARE).validations[0].expression, Budget(never)
    variables: Variables = {"object": {"spec": {"devices": {"requests": [{"name": "gpu"}] * 100}}}}
    assert budget.value(ast, variables) is True
    budget.left = 1_000
    with pytest.raises(EvaluationFailedError, match="or its policy more than it may"):
        budget.value(ast, variables)
    assert budget.left == 0


def test_a_run_ends_where_the_time_is_over() -> None:
    ticks = iter([False] * 10)
    large = replace(_claim(2000), expired=lambda: next(ticks, True))
    [message], outcome = _told(large, SQUARE)
    assert outcome is Outcome.DENIED
    assert "the time for this review was over before it was evaluated" in message


def test_a_claim_larger_than_can_be_stored_is_counted() -> None:
    ticks = iter([False] * 20)
    policy = "claim.alternatives.all(a, claim.alternatives.all(b, a.name != '' || b.name != ''))"
    [message], _ = _told(replace(_claim(2000), expired=lambda: next(ticks, True)), policy)
    assert "the time for this review was over before it was evaluated" in message


def test_large_parameters_are_counted() -> None:
    """They may be those of a namespace's own administrator."""
    policy = compiled(
        "params.data.list.split(',').all(x, params.data.list.split(',').all(y, x != '' || y != ''))",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        paramRef={"name": "many"},
    )
    assert policy.works, policy.flaws
    ticks = iter([False] * 20)
    metadata = {"name": "many", "namespace": "lab"}
    view = replace(VIEW, config_maps={("lab", "many"): {"metadata": metadata, "data": {"list": "a," * 2_000}}})
    case = claim_case(claim_object(request("gpu")), view, expired=lambda: next(ticks, True))
    [finding] = judge([policy], case).findings
    assert "the time for this review was over before it was evaluated" in finding.message


def test_where_the_time_is_over_the_failure_policy_decides() -> None:
    over = claim_case(claim_object(request("gpu")), expired=lambda: True)
    [message], outcome = _told(over, "true")
    assert outcome is Outcome.DENIED
    assert "the time for this review was over" in message
    assert _told(over, "true", failurePolicy="Ignore")[1] is Outcome.FAILED


def test_policies_of_endless_text_are_refused() -> None:
    [flaw] = compiled(*["true" + " " * 2_000] * (MOST_CHARACTERS // 2_000 + 1)).flaws
    assert flaw.rule == "cel-length"
    assert "make several policies of it" in flaw.fixes[0].message


def test_more_entries_than_there_may_be_are_refused_once() -> None:
    [flaw] = compiled(*["true"] * 70).flaws
    assert (str(flaw.path), flaw.message) == ("spec.validations", "must have at most 64 entries, not 70")


def test_together_too_costly_expressions_are_refused() -> None:
    heavy = "object.a.all(a, object.b.all(b, object.c.all(c, a != b)))"
    assert compiled(heavy).works
    [flaw] = compiled(*[heavy] * 60).flaws
    assert flaw.rule == "cel-cost"
    assert "all expressions together cost up to" in flaw.message


def test_long_chains_of_variables_are_counted_when_they_run() -> None:
    chain = [{"name": "v0", "expression": "[request.name]"}]
    chain += [{"name": f"v{n}", "expression": f"variables.v{n - 1}.map(x, x + x)"} for n in range(1, 60)]
    policy = compiled("variables.v59.size() == 1", variables=chain)
    assert policy.works
    assert policy.depth == 60
    assert not policy.is_bounded((32, 64))
    [(_, outcome)] = judge([policy], claim_case(claim_object(request("gpu")), name="x" * 60)).outcomes
    assert outcome is Outcome.DENIED


def test_patterns_of_claims_are_matched_in_linear_time() -> None:
    """Only RE2 is asked: nested repetition cannot hang it."""
    labels = {"metadata": {"name": "a" * 5_000}}
    case = claim_case({**claim_object(request("gpu")), **labels})
    assert _told(case, "!object.metadata.name.matches('^(a+)+$b')") == ([], Outcome.PASSED)
