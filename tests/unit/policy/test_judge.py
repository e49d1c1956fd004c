"""What policies say of an object: findings, audit annotations and outcomes."""

from datetime import date
from typing import Any

import pytest

from tests.support.policies import claim_case, compiled
from webhook.core.finding import Severity
from webhook.policy.judge import Outcome, Step, in_share, judge

CLAIM: dict[str, Any] = {
    "apiVersion": "resource.k8s.io/v1",
    "kind": "ResourceClaim",
    "metadata": {"name": "x", "labels": {"team": "red"}},
    "spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com", "count": 8}}]}},
}
CASE = claim_case(CLAIM)
FAILED = "deny spec.devices.requests: the policy could not be evaluated at spec.validations[0].expression: "


def _said(*policies: Any, case: Any = CASE) -> list[str]:
    return [f"{finding.severity.value} {finding.path}: {finding.message}" for finding in judge(policies, case).findings]


def test_a_validation_that_does_not_hold_is_told_at_its_field() -> None:
    policy = compiled(
        validations=[
            {
                "expression": "claim.worst.devices <= 4",
                "messageExpression": "'at most 4 devices, not ' + string(claim.worst.devices)",
                "field": "spec.devices.requests[0].exactly.count",
            }
        ]
    )
    assert _said(policy) == ["deny spec.devices.requests[0].exactly.count: at most 4 devices, not 8"]


def test_all_findings_of_all_policies_are_told_in_a_stable_order() -> None:
    one, other = compiled("false", "true", "1 > 2", name="b"), compiled("false", name="a")
    expected = [
        "deny spec.devices.requests: this must hold: false",
        "deny spec.devices.requests: this must hold: 1 > 2",
        "deny spec.devices.requests: this must hold: false",
    ]
    assert _said(one, other) == _said(other, one) == expected


def test_an_expression_of_several_lines_is_told_on_one() -> None:
    assert _said(compiled("1 > 2\n  && true")) == ["deny spec.devices.requests: this must hold: 1 > 2 && true"]


@pytest.mark.parametrize(("mode", "severity"), [("Deny", "deny"), ("Warn", "warn"), ("Audit", "info")])
def test_the_mode_settles_the_severity(mode: str, severity: str) -> None:
    [finding] = judge([compiled("false", mode=mode)], CASE).findings
    assert finding.severity is Severity(severity)


def test_an_error_denies_with_its_reason_where_the_failure_policy_is_fail() -> None:
    assert _said(compiled("object.spec.nothing == 1")) == [
        f"{FAILED}there is no `nothing` here: ask for it with `has()` or `.?` first"
    ]


def test_an_error_is_passed_over_and_counted_where_the_failure_policy_is_ignore() -> None:
    judgement = judge([compiled("object.spec.nothing == 1", failurePolicy="Ignore")], CASE)
    assert [finding.rule for finding in judgement.findings] == ["unjudged"]
    assert judgement.outcomes == (("x", Outcome.FAILED),)


def test_a_condition_that_does_not_hold_decides_over_one_that_ends_in_an_error() -> None:
    conditions = [
        {"name": "odd", "expression": "object.spec.nothing == 1"},
        {"name": "no", "expression": "request.operation == 'DELETE'"},
    ]
    judgement = judge([compiled("false", matchConditions=conditions)], CASE)
    assert (judgement.findings, judgement.outcomes) == ((), (("x", Outcome.SKIPPED),))


def test_an_exception_holds_to_its_last_day_and_is_warned_of_two_weeks_before() -> None:
    exceptions = [{"namespaces": ["lab"], "until": "2026-07-31", "reason": "moving", "ticket": "T-1"}]
    policy = compiled("false", exceptions=exceptions)
    assert _said(policy, case=claim_case(CLAIM, today=date(2026, 7, 16))) == []
    assert _said(policy, case=claim_case(CLAIM, today=date(2026, 7, 31))) == [
        "warn spec.devices.requests: allowed by an exception that ends on 2026-07-31 (T-1)"
    ]
    assert _said(policy, case=claim_case(CLAIM, today=date(2026, 8, 1))) == [
        "deny spec.devices.requests: this must hold: false"
    ]


def test_nothing_is_warned_of_where_the_policy_holds_without_the_exception() -> None:
    exceptions = [{"namespaces": ["lab"], "until": "2026-07-31", "reason": "moving"}]
    policy = compiled("true", exceptions=exceptions)
    assert _said(policy, case=claim_case(CLAIM, today=date(2026, 7, 31))) == []


def test_outside_of_its_share_of_namespaces_a_policy_only_records() -> None:
    policy = compiled("false", percent=50)
    inside = [f"ns-{number}" for number in range(200) if in_share(policy.policy, f"ns-{number}")]
    assert 60 < len(inside) < 140
    outside = next(name for name in (f"ns-{number}" for number in range(200)) if name not in inside)
    [there] = judge([policy], claim_case(CLAIM, namespace=inside[0])).findings
    [elsewhere] = judge([policy], claim_case(CLAIM, namespace=outside)).findings
    assert (there.severity, elsewhere.severity) == (Severity.DENY, Severity.INFO)


def test_audit_annotations_are_given_under_the_name_of_the_policy() -> None:
    annotations = [{"key": "who", "valueExpression": "request.operation + ' ' + request.namespace"}]
    assert judge([compiled("true", auditAnnotations=annotations)], CASE).audit == {"x.who": "CREATE lab"}


def test_an_audit_annotation_is_left_out_where_it_is_empty_and_cut_where_it_is_too_long() -> None:
    texts = {"empty": "' '", "long": "'lab' + variables.half + variables.half", "plain": "' lab '"}
    annotations = [{"key": key, "valueExpression": text} for key, text in texts.items()]
    half = [{"name": "half", "expression": "'" + "é" * 3000 + "'"}]
    audit = judge([compiled("true", auditAnnotations=annotations, variables=half)], CASE).audit
    assert audit == {"x.long": "lab" + "é" * 5118, "x.plain": "lab"}


def test_what_is_no_unicode_is_replaced_in_messages_and_audit_annotations() -> None:
    said = "url('http://x/?a=%ff').getQuery()['a'][0]"
    policy = compiled(
        validations=[{"expression": "false", "messageExpression": f"'not ' + {said}"}],
        auditAnnotations=[{"key": "query", "valueExpression": said}],
    )
    judged = judge([policy], CASE)
    assert [finding.message for finding in judged.findings] == ["not ?"]
    assert judged.audit == {"x.query": "?"}


def test_who_looks_on_is_told_each_expression_with_the_values_of_its_parts() -> None:
    steps: list[Step] = []
    judge(
        [compiled("variables.n < 4", variables=[{"name": "n", "expression": "claim.worst.devices"}])],
        CASE,
        steps.append,
    )
    assert [(str(step.expression.source.path), step.result) for step in steps] == [
        ("spec.variables[0].expression", 8),
        ("spec.validations[0].expression", False),
    ]
    root = steps[1].expression.ast.root
    assert steps[1].values[root.id] == (False,)


def test_a_template_is_told_its_own_path() -> None:
    template = {**CLAIM, "kind": "ResourceClaimTemplate", "spec": {"spec": CLAIM["spec"]}}
    policy = compiled(validations=[{"expression": "false", "field": "spec.devices.requests[0].exactly.count"}])
    [finding] = judge([policy], claim_case(template)).findings
    assert str(finding.path) == "spec.spec.devices.requests[0].exactly.count"


def test_a_policy_that_cannot_be_compiled_goes_by_its_failure_policy() -> None:
    assert _said(compiled("clam.requests == []")) == [f"{FAILED}there is no variable `clam`"]
