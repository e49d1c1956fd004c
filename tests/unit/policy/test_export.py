"""Policies as ValidatingAdmissionPolicies: what is exported, and what is not and why."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.policies import TODAY, compiled
from webhook.core.policies import PolicyResource
from webhook.policy.export import Export, exported
from webhook.policy.resources import FAMILIES

WEBHOOKS = Path(__file__).resolve().parents[3] / "deploy/kustomize/base/validatingwebhookconfiguration.yaml"
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap"}
CLAIMS = {"resources": ["claims"]}
ENDED = {"until": "2026-06-14", "reason": "over"}
OPEN = {"until": "2026-06-15", "reason": "moving"}


def _exported(*validations: str, today: date = TODAY, **spec: Any) -> Export:
    policy = compiled(*validations or ("object != null",), **{"match": CLAIMS, **spec})
    return exported(policy, today, "drawbridge-system")


def _policy(**spec: Any) -> Any:
    """Return the ValidatingAdmissionPolicy of the only family."""
    made = _exported(**spec)
    assert made.obstacles == ()
    policy, binding = made.manifests
    assert binding["spec"]["policyName"] == policy["metadata"]["name"] == "x"
    return policy


@pytest.mark.parametrize(
    ("spec", "obstacle"),
    [
        ({"validations": [{"expression": "claim.worst.devices < 2"}]}, "only Drawbridge has `claim`"),
        ({"validations": [{"expression": "has(pod.owner)"}]}, "only Drawbridge has `pod`"),
        ({"validations": [{"expression": "quota('a').used.size() == 0"}]}, "only Drawbridge has `quotas`"),
        ({"validations": [{"expression": "inventory.devices('a').size() == 0"}]}, "only Drawbridge has `inventory`"),
        ({"variables": [{"name": "a", "expression": "claim"}]}, "only Drawbridge has `claim`"),
        (
            {"validations": [{"expression": "request.name != 'a'"}]},
            "the API server leaves `name` out where it is empty: write `.?name.orValue('')`",
        ),
        (
            {"validations": [{"expression": "request.userInfo.?uid.hasValue()"}]},
            "the API server leaves `uid` out where it is empty: write `.?uid.orValue('')`",
        ),
        (
            {"validations": [{"expression": "'a' in namespaceObject.metadata.annotations"}]},
            "the API server leaves `annotations` out where it is empty: write `.?annotations.orValue({})`",
        ),
        (
            {"validations": [{"expression": "cel.bind(o, object, o.a == 1)"}]},
            "the API server has no `cel.bind` in policies: write a variable",
        ),
        (
            {
                "variables": [{"name": "a", "expression": "true"}],
                "matchConditions": [{"name": "a", "expression": "variables.a"}],
            },
            "`variables` is not there in the API server's `matchConditions`",
        ),
        (
            {"matchConditions": [{"name": "a", "expression": "namespaceObject.metadata.name == 'a'"}]},
            "`namespaceObject` is not there in the API server's `matchConditions`",
        ),
        (
            {"defaults": [{"label": {"key": "team", "value": "a"}}]},
            "a ValidatingAdmissionPolicy changes no objects",
        ),
        (
            {"percent": 50},
            "the API server knows no share of namespaces: use `match.namespaceSelector`, or wait for 100",
        ),
        (
            {
                "paramKind": {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "ClaimPolicyParameters"},
                "paramRef": {"name": "a"},
            },
            "only Drawbridge has ClaimPolicyParameters: use a ConfigMap",
        ),
        (
            {"paramKind": CONFIG_MAP, "paramRef": {"name": "a"}, "match": {"resources": ["deviceclasses"]}},
            "a DeviceClass has no namespace to take parameters from: name a `namespace`",
        ),
        (
            {"paramKind": CONFIG_MAP, "paramRef": {"name": "a"}, "mode": "Warn"},
            (
                "where parameters are missing the API server denies whatever the mode is: "
                "set `parameterNotFoundAction` to Allow or `failurePolicy` to Ignore"
            ),
        ),
        (
            {"auditAnnotations": [{"key": "a", "valueExpression": "'b'"}], "match": {"resources": ["workloads"]}},
            "where one ends in an error the API server denies whatever the mode is: set `failurePolicy` to Ignore",
        ),
        (
            {"auditAnnotations": [{"key": "a.example.com/b", "valueExpression": "'b'"}]},
            "must be a name without '/' of at most 63 characters for the API server",
        ),
        (
            {"matchConditions": [{"name": f"a{number}", "expression": "true"} for number in range(64)]},
            "with those for exceptions there would be more than 64",
        ),
        ({"validations": [{"expression": "1 +"}]}, "the expression ends too early"),
    ],
)
def test_what_the_api_server_cannot_do_alike_is_not_exported(spec: dict[str, Any], obstacle: str) -> None:
    made = _exported(**spec)
    assert [one.problem for one in made.obstacles] == [obstacle]
    assert made.manifests == ()


def test_an_obstacle_has_its_place() -> None:
    made = _exported("true", "claim.worst.devices < 2")
    assert [str(one.path) for one in made.obstacles] == ["spec.validations[1].expression"]


@pytest.mark.parametrize(
    "expression",
    [
        "request.?name.orValue('') != 'a'",
        "request.userInfo.?extra[?'scopes'].orValue([]).size() == 0",
        "request.namespace != 'a' && request.userInfo.username != 'b'",
        "object.spec.name == 'a'",
        "{'claim': 1}.claim == 1",
        "['a'].exists(claim, claim == 'a')",
        "['a'].transformList(pod, claim, claim).size() == 1",
    ],
)
def test_what_is_the_same_there_is_exported(expression: str) -> None:
    assert _exported(expression).obstacles == ()


def test_the_webhooks_are_asked_under_the_same_conditions() -> None:
    webhooks = next(yaml.safe_load_all(WEBHOOKS.read_text()))["webhooks"]
    of = {webhook["name"].partition(".")[0]: webhook for webhook in webhooks}
    for family in FAMILIES:
        webhook = of[family.name]
        named = [{**rule, "resources": sorted(rule["resources"])} for rule in webhook["rules"]]
        ours = [{**rule, "resources": sorted(rule["resources"])} for rule in family.rules(frozenset(PolicyResource))]
        if family.name == "claims":
            assert [rule["resources"] for rule in ours] == [["resourceclaims", "resourceclaimtemplates"]]
        assert named == ours
        for condition in webhook.get("matchConditions", ()):
            assert family.conditions[condition["name"]] == condition["expression"].strip()


def test_a_policy_on_one_family_keeps_its_name() -> None:
    spec = _policy(match={"resources": ["templates"], "objectSelector": {"matchLabels": {"a": "b"}}})["spec"]
    (rule,) = spec["matchConstraints"]["resourceRules"]
    assert rule["resources"] == ["resourceclaimtemplates"]
    assert rule["apiVersions"] == ["v1", "v1beta2", "v1beta1"]
    selected = [{"key": "a", "operator": "In", "values": ["b"]}]
    assert spec["matchConstraints"]["objectSelector"] == {"matchExpressions": selected}
    (left_alone,) = spec["matchConstraints"]["namespaceSelector"]["matchExpressions"]
    assert left_alone["values"] == ["drawbridge-system", "kube-node-lease", "kube-public", "kube-system"]


def test_each_family_is_a_policy_of_its_own_and_workloads_are_only_warned() -> None:
    made = _exported(match={}).manifests
    actions = {
        one["spec"]["policyName"]: one["spec"]["validationActions"] for one in made if "policyName" in one["spec"]
    }
    assert actions == {
        "x-claims": ["Deny"],
        "x-deviceclasses": ["Deny"],
        "x-pods": ["Deny"],
        "x-workloads": ["Warn"],
    }
    assert _exported(match={}).notes == ("workloads are not told beforehand what will be refused of their pods",)


def test_exceptions_that_hold_are_conditions_and_those_that_ended_are_gone() -> None:
    exceptions = [
        {**OPEN, "namespaces": ["lab", "a'b"], "users": ["ann"]},
        {**OPEN, "until": "2026-06-20", "claimSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
        {**ENDED, "users": ["bob"]},
    ]
    policy = _policy(exceptions=exceptions)
    assert [condition["expression"] for condition in policy["spec"]["matchConditions"]] == [
        "!(request.namespace in ['a\\'b', 'lab'] && request.userInfo.username in ['ann'])",
        "!((object.metadata.?labels[?'a'].hasValue()))",
    ]
    assert policy["metadata"]["annotations"] == {
        "drawbridge.dev/policy": "x",
        "drawbridge.dev/export-again-after": "2026-06-15",
    }
    assert len(_exported(exceptions=exceptions).notes) == 2


def test_validations_say_the_same() -> None:
    (validation, plain) = _policy(
        validations=[
            {"expression": "object != null", "messageExpression": "'no ' + 'object'", "reason": "Invalid"},
            {"expression": "object\n != null"},
        ]
    )["spec"]["validations"]
    assert validation == {
        "expression": "object != null",
        "reason": "Invalid",
        "messageExpression": "'no ' + 'object'",
        "message": "this must hold: object != null",
    }
    assert (plain["message"], plain["reason"]) == ("this must hold: object != null", "Forbidden")


def test_parameters_are_config_maps_with_our_label() -> None:
    reference = {"selector": {"matchLabels": {"a": "b"}}, "namespace": "limits", "parameterNotFoundAction": "Allow"}
    made = _exported(paramKind=CONFIG_MAP, paramRef=reference)
    assert made.notes == ()
    _, binding = made.manifests
    assert binding["spec"]["paramRef"] == {
        "selector": {
            "matchLabels": {"drawbridge.dev/policy-parameters": "true"},
            "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
        },
        "parameterNotFoundAction": "Allow",
        "namespace": "limits",
    }


def test_a_config_map_that_is_named_counts_without_the_label() -> None:
    made = _exported(paramKind=CONFIG_MAP, paramRef={"name": "limits"})
    assert made.manifests[1]["spec"]["paramRef"] == {"name": "limits", "parameterNotFoundAction": "Deny"}
    assert made.notes == ("a ConfigMap 'limits' counts without the label drawbridge.dev/policy-parameters too",)
