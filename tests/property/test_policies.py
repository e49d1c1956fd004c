"""Policies of any form are read, and objects of any form are judged, without a fault."""

from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.golden.test_policy_language import HEAD
from tests.support.build import claim_object, request
from tests.support.policies import TODAY, VIEW, claim_case, compiled
from webhook.cel.depth import allow_depth
from webhook.core.claims import parse_claim
from webhook.core.policies_parse import parse_policy
from webhook.core.review import Resource
from webhook.policy.compile import compile_policy
from webhook.policy.defaults import defaulted
from webhook.policy.judge import judge
from webhook.policy.oddities import oddities

WHOLE = yaml.safe_load(HEAD.split("```yaml\n")[1].split("```")[0])
CLAIM = claim_object(request("gpu", "device.driver == 'x'", count=2, capacity={"memory": "1Gi"}))
CHOICES = st.randoms(use_true_random=False)
ODD: tuple[Any, ...] = (None, True, -1, 2**63, 1.5, "", "x", "a" * 300, [], [None], {}, {"": None}, {"a": {"b": [1]}})
POLICIES = [
    compiled(
        "claim.alternatives.all(a, a.count < 9 && !a.adminAccess && a.selectors.size() < 33)",
        "claim.worst.devices < 99 && !('x' in claim.worst.capacity)",
        "has(object.metadata.labels) ? object.metadata.labels.all(k, k != '') : true",
        "claim.configs.all(c, c.driver != 'y') && claim.constraints == [] && claim.migProfiles == []",
        "!has(pod.owner) || pod.owner.kind != ''",
        "request.name != 'y' && namespaceObject.metadata.name == 'lab'",
        "object.spec.devices.requests.exists(r, has(r.exactly))",
        name="reading",
        auditAnnotations=[{"key": "kind", "valueExpression": "string(object.kind)"}],
        exceptions=[{"claimSelector": {"matchLabels": {"a": "b"}}, "until": "2999-12-31", "reason": "x"}],
        match={"objectSelector": {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}},
    ),
    compiled(
        validations=[],
        name="giving",
        defaults=[
            {"label": {"key": "team", "value": "a"}},
            {"toleration": {"key": "a", "operator": "Exists"}},
            {"capacity": {"name": "memory", "quantity": "1Gi"}},
        ],
    ),
]


@pytest.fixture(scope="module", autouse=True)
def deep() -> None:
    """See to it that the limit of recursion is raised: Hypothesis minds a change while it runs."""
    allow_depth()


def changed(value: Any, random: Random, times: int) -> Any:
    """Return the value with some of its parts replaced by odd ones, removed, or under other names."""
    made = deepcopy(value)
    for _ in range(times):
        around: Any = made
        while True:
            keys = list(around) if isinstance(around, dict) else list(range(len(around)))
            if not keys:
                break
            key = random.choice(keys)
            inner = around[key]
            if isinstance(inner, dict | list) and inner and random.random() < 0.8:
                around = inner
                continue
            if random.random() < 0.2:
                del around[key]
            elif isinstance(around, dict) and random.random() < 0.2:
                around[f"{key}s"] = around.pop(key)
            else:
                around[key] = deepcopy(random.choice(ODD))
            break
    return made


@given(CHOICES, st.integers(1, 6))
def test_a_policy_of_any_form_is_read_compiled_and_told_of(random: Random, times: int) -> None:
    policy = parse_policy(changed(WHOLE, random, times))
    found = compile_policy(policy)
    assert found.works == (not found.flaws)
    assert all(flaw.fixes for flaw in (*found.flaws, *oddities(found, TODAY)))
    judge([found], claim_case(CLAIM, VIEW))


@given(CHOICES, st.integers(1, 6))
def test_an_object_of_any_form_is_judged_and_given_its_defaults(random: Random, times: int) -> None:
    raw = {**changed(CLAIM, random, times), "kind": "ResourceClaim"}
    case = replace(claim_case(CLAIM, VIEW), raw=raw, claim=parse_claim(raw), kind=Resource("", "", ""))
    assert all(finding.fixes for finding in judge(POLICIES, case).findings if finding.rule != "unjudged")
    defaulted(POLICIES, case)
