"""Parameters of policies: which objects they are, and what holds where there are none."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.build import claim_object, request
from tests.support.policies import VIEW, claim_case, compiled
from webhook.core.cluster import ClusterView
from webhook.policy.judge import Outcome, judge

Json = dict[str, Any]
MAP = {"apiVersion": "v1", "kind": "ConfigMap"}
OWN = {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "ClaimPolicyParameters"}
CLAIM = claim_object(request("gpu", count=4))
TEXT = "claim.worst.devices <= int(params.data.most)"
NUMBER = "claim.worst.devices <= params.spec.most"


def _map(name: str, most: int, namespace: str = "lab", **labels: str) -> Json:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {**MAP, "metadata": metadata, "data": {"most": str(most)}}


def _view(*objects: Json) -> ClusterView:
    keyed = [((raw["metadata"]["namespace"], raw["metadata"]["name"]), raw) for raw in objects]
    maps = {key: raw for key, raw in keyed if raw["kind"] == "ConfigMap"}
    return replace(VIEW, config_maps=maps, policy_parameters={key: raw for key, raw in keyed if key not in maps})


def _outcome(view: ClusterView, reference: Json, expression: str = TEXT, kind: Json = MAP, **spec: Any) -> Outcome:
    policy = compiled(expression, paramKind=kind, paramRef=reference, **spec)
    assert policy.works, policy.flaws
    [(_, outcome)] = judge([policy], claim_case(CLAIM, view)).outcomes
    return outcome


@pytest.mark.parametrize(("most", "expected"), [(4, Outcome.PASSED), (3, Outcome.DENIED)])
def test_a_config_map_of_the_claims_namespace_is_read(most: int, expected: Outcome) -> None:
    assert _outcome(_view(_map("limits", most)), {"name": "limits"}) is expected


def test_a_namespace_of_the_reference_wins() -> None:
    view = _view(_map("limits", 3), _map("limits", 8, "platform"))
    assert _outcome(view, {"name": "limits", "namespace": "platform"}) is Outcome.PASSED


def test_parameters_of_our_own_kind_have_any_shape() -> None:
    raw = {**OWN, "metadata": {"name": "limits", "namespace": "lab"}, "spec": {"most": 3}}
    assert _outcome(_view(raw), {"name": "limits"}, NUMBER, OWN) is Outcome.DENIED


def test_all_objects_of_a_selector_are_asked() -> None:
    strict = {"selector": {"matchLabels": {"for": "claims"}}}
    many = _map("a", 8, **{"for": "claims"}), _map("b", 3, **{"for": "claims"}), _map("c", 1)
    assert _outcome(_view(*many), strict) is Outcome.DENIED
    assert _outcome(_view(many[0], many[2]), strict) is Outcome.PASSED


@pytest.mark.parametrize(
    ("action", "failure_policy", "expected"),
    [
        ("Allow", "Fail", Outcome.SKIPPED),
        ("Deny", "Fail", Outcome.DENIED),
        ("Deny", "Ignore", Outcome.FAILED),
    ],
)
def test_missing_parameters_go_by_the_reference_and_the_failure_policy(
    action: str, failure_policy: str, expected: Outcome
) -> None:
    reference = {"name": "limits", "parameterNotFoundAction": action}
    assert _outcome(_view(), reference, failurePolicy=failure_policy) is expected


def test_what_is_missing_is_named() -> None:
    policy = compiled(TEXT, paramKind=MAP, paramRef={"name": "limits"})
    [finding] = judge([policy], claim_case(CLAIM, _view())).findings
    assert "ConfigMap 'limits' in namespace 'lab', are not there" in finding.message


def test_a_key_that_is_missing_is_an_error_that_says_so() -> None:
    empty = {**_map("limits", 1), "data": {}}
    policy = compiled(TEXT, paramKind=MAP, paramRef={"name": "limits"})
    [finding] = judge([policy], claim_case(CLAIM, _view(empty))).findings
    assert "there is no `most` here: ask for it with `has()` or `.?` first" in finding.message


def test_conditions_are_asked_for_each_of_the_parameters() -> None:
    conditions = [{"name": "on", "expression": "params.metadata.name != 'b'"}]
    both = _map("a", 8, x="y"), _map("b", 1, x="y")
    selector = {"selector": {"matchLabels": {"x": "y"}}}
    assert _outcome(_view(*both), selector, matchConditions=conditions) is Outcome.PASSED


def test_an_audit_annotation_tells_each_value_of_several_parameters_once() -> None:
    maps = [_map(name, most, **{"for": "claims"}) for name, most in (("a", 8), ("b", 4), ("c", 8))]
    policy = compiled(
        "true",
        paramKind=MAP,
        paramRef={"selector": {"matchLabels": {"for": "claims"}}},
        auditAnnotations=[{"key": "most", "valueExpression": "params.data.most"}],
    )
    assert judge([policy], claim_case(CLAIM, _view(*maps))).audit == {"x.most": "8, 4"}


def test_an_object_in_no_namespace_needs_a_namespace_of_the_reference() -> None:
    policy = compiled("true", paramKind=MAP, paramRef={"name": "limits"})
    [finding] = judge([policy], replace(claim_case(CLAIM), namespace="")).findings
    assert finding.message.endswith(
        "`paramRef` must name a `namespace` for an object that is in none: ConfigMap 'limits' is in one"
    )
