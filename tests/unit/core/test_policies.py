"""ClaimPolicy as it is read: what it means, and every problem told at once with what mends it."""

from datetime import date
from typing import Any

import pytest

from webhook.core.fieldpath import ROOT
from webhook.core.policies import (
    ClaimPolicy,
    FailurePolicy,
    ParameterNotFound,
    PolicyException,
    PolicyMode,
    PolicyReason,
    PolicyResource,
)
from webhook.core.policies_parse import parse_policy

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap"}
HOLDS = [{"expression": "true"}]


def _parse(**spec: Any) -> ClaimPolicy:
    return parse_policy({"metadata": {"name": "x", "generation": 3}, "spec": {"validations": HOLDS, **spec}})


def _flaws(**spec: Any) -> list[str]:
    return [f"{flaw.path}: {flaw.message}; {flaw.fix}" for flaw in _parse(**spec).flaws]


def test_a_policy_that_says_little_has_the_strictest_defaults() -> None:
    policy = _parse()
    assert not policy.flaws
    assert (policy.rule, policy.generation) == ("policy/x", 3)
    assert (policy.mode, policy.failure_policy, policy.percent) == (PolicyMode.DENY, FailurePolicy.FAIL, 100)
    assert policy.match.resources == frozenset(PolicyResource)
    [validation] = policy.validations
    assert (validation.reason, validation.field) == (PolicyReason.FORBIDDEN, None)
    assert str(validation.expression.path) == "spec.validations[0].expression"


def test_a_policy_in_full_is_read() -> None:
    policy = _parse(
        mode="Warn",
        percent=25,
        failurePolicy="Ignore",
        match={
            "namespaceSelector": {"matchLabels": {"team": "red"}},
            "objectSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
            "resources": ["claims", "templates"],
        },
        paramKind=CONFIG_MAP,
        paramRef={"name": "limits", "parameterNotFoundAction": "Allow"},
        matchConditions=[{"name": "mine", "expression": "true"}],
        variables=[{"name": "most", "expression": "4"}],
        validations=[
            {
                "expression": "true",
                "messageExpression": "'no'",
                "field": "spec.devices.requests[0]",
                "reason": "Invalid",
            }
        ],
        auditAnnotations=[{"key": "seen", "valueExpression": "'yes'"}],
        defaults=[
            {"toleration": {"key": "a", "operator": "Exists"}},
            {"capacity": {"name": "memory", "quantity": "10Gi"}},
            {"label": {"key": "team", "value": "red"}},
        ],
        exceptions=[
            {"namespaces": ["lab"], "users": ["ann"], "until": "2027-01-31", "reason": "moving", "ticket": "T-1"},
            {"claimSelector": {"matchLabels": {"old": "yes"}}, "until": date(2027, 1, 31), "reason": "old"},
        ],
    )
    assert not policy.flaws
    assert policy.param_ref is not None
    assert policy.param_ref.not_found is ParameterNotFound.ALLOW
    assert policy.validations[0].field == ROOT.child("spec", "devices", "requests").index(0)
    assert [type(default).__name__ for default in policy.defaults] == [
        "DefaultToleration",
        "DefaultCapacity",
        "DefaultLabel",
    ]
    assert [exception.until for exception in policy.exceptions] == [date(2027, 1, 31)] * 2
    assert [expression.text for expression in policy.expressions()] == ["true", "4", "true", "'no'", "'yes'"]


@pytest.mark.parametrize(
    ("spec", "flaw"),
    [
        ({"mode": "deny"}, "spec.mode: must be 'Deny', 'Warn' or 'Audit', not 'deny'; did you mean 'Deny'?"),
        ({"percent": 101}, "spec.percent: must be a percentage from 0 to 100, not 101; use such a number"),
        (
            {"validation": []},
            "spec.validation: there is no field `validation`; did you mean `validations`?",
        ),
        (
            {"paramRef": {"name": "x"}},
            "spec.paramRef: must not stand without `paramKind`; add `paramKind`",
        ),
        (
            {"paramRef": {"name": "x", "parameterNotFoundAction": "deny"}, "paramKind": CONFIG_MAP},
            "spec.paramRef.parameterNotFoundAction: must be 'Allow' or 'Deny', not 'deny'; did you mean 'Deny'?",
        ),
        (
            {"exceptions": [{"namespaces": ["a"], "until": "2027-02-30", "reason": "x"}]},
            "spec.exceptions[0].until: must be a date, not '2027-02-30'; write it as '2027-01-31'",
        ),
        (
            {"exceptions": [{"namespaces": ["a"], "until": 20270131}]},
            "spec.exceptions[0].until: must be a date, not '20270131'; write it as '2027-01-31'",
        ),
        (
            {"exceptions": [{"claimSelector": {"matchLabels": {}}, "until": "2027-01-31"}]},
            (
                "spec.exceptions[0]: must say for whom it is: `namespaces`, `users` or `claimSelector`; "
                "add at least one of them; an exception for all would be no policy"
            ),
        ),
        (
            {"exceptions": ["a"]},
            "spec.exceptions[0]: must be an object; write `exceptions` as its type says, or leave it out",
        ),
        ({"mode": 1}, "spec.mode: must be a string; write `mode` as its type says, or leave it out"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_told_with_its_place_and_what_mends_it(spec: dict[str, Any], flaw: str) -> None:
    assert _flaws(**spec) == [flaw]


def test_an_exception_holds_on_its_last_day_and_not_after_it() -> None:
    exception = PolicyException(namespaces=frozenset({"lab"}), until=date(2027, 1, 31))
    assert exception.holds("lab", "ann", {}, date(2027, 1, 31))
    assert not exception.holds("lab", "ann", {}, date(2027, 2, 1))
    assert not exception.holds("other", "ann", {}, date(2027, 1, 31))


def test_all_parts_of_an_exception_must_fit() -> None:
    exception = PolicyException(frozenset({"lab"}), frozenset({"ann"}), until=date(2027, 1, 31))
    assert exception.holds("lab", "ann", {}, date(2027, 1, 1))
    assert not exception.holds("lab", "bob", {}, date(2027, 1, 1))


def test_an_exception_without_an_end_holds_for_nobody() -> None:
    [exception] = _parse(exceptions=[{"namespaces": ["lab"], "reason": "x"}]).exceptions
    assert not exception.holds("lab", "ann", {}, date(2020, 1, 1))
