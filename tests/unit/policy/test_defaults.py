"""Typed defaults: given where a claim says nothing itself, in every version, and only once."""

from typing import Any

import pytest

from tests.support.build import CLASS, DRIVER, device, make_slice, make_view
from tests.support.policies import claim_case, compiled
from webhook.core.patch import apply
from webhook.policy.defaults import Defaulted, defaulted
from webhook.server.exact_json import OPAQUE

ASK = {"deviceClassName": CLASS}
VERSIONS: dict[str, dict[str, Any]] = {
    "v1": {"name": "gpu", "exactly": ASK},
    "v1beta2": {"name": "gpu", "exactly": ASK},
    "v1beta1": {"name": "gpu", **ASK},
}
SHARED = make_view(make_slice({**device("gpu-0", {"memory": "80Gi"}), "allowMultipleAllocations": True}))
LABEL = {"label": {"key": "team", "value": "red"}}
LAB = {"toleration": {"key": "lab", "operator": "Exists", "effect": "NoSchedule"}}
MEMORY = {"capacity": {"name": "memory", "quantity": "10Gi"}}


def _claim(version: str, request: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"resource.k8s.io/{version}",
        "kind": "ResourceClaim",
        "metadata": {"name": "x", **metadata},
        "spec": {"devices": {"requests": [request]}},
    }


def _given(raw: dict[str, Any], *defaults: dict[str, Any], **spec: Any) -> Defaulted:
    policy = compiled(validations=[], defaults=list(defaults), **spec)
    assert policy.works, policy.flaws
    return defaulted([policy], claim_case(raw, SHARED))


@pytest.mark.parametrize("version", VERSIONS)
def test_defaults_are_given_in_every_version_and_once(version: str) -> None:
    raw = _claim(version, VERSIONS[version])
    given = _given(raw, LABEL, LAB, MEMORY)
    assert given.policies == ("x",)
    made = apply(raw, given.patch)
    assert made["metadata"]["labels"] == {"team": "red"}
    [request] = made["spec"]["devices"]["requests"]
    asked = request if version == "v1beta1" else request["exactly"]
    assert asked["tolerations"] == [{"key": "lab", "operator": "Exists", "effect": "NoSchedule"}]
    assert asked["capacity"] == {"requests": {"memory": "10Gi"}}
    assert _given(made, LABEL, LAB, MEMORY) == Defaulted()


def test_what_the_claim_says_itself_stays() -> None:
    own = {
        **ASK,
        "tolerations": [{"key": "lab", "operator": "Equal", "value": "x"}],
        "capacity": {"requests": {f"{DRIVER}/memory": "1Gi"}},
    }
    raw = _claim("v1", {"name": "gpu", "exactly": own}, labels={"team": "blue"})
    assert _given(raw, LABEL, LAB, MEMORY) == Defaulted()


def test_each_alternative_is_given_its_own() -> None:
    raw = _claim("v1", {"name": "gpu", "firstAvailable": [{"name": "a", **ASK}, {"name": "b", **ASK}]})
    made = apply(raw, _given(raw, LAB).patch)
    assert [len(one["tolerations"]) for one in made["spec"]["devices"]["requests"][0]["firstAvailable"]] == [1, 1]


def test_a_template_is_given_its_requests_defaults() -> None:
    raw = _claim("v1", VERSIONS["v1"])
    template = {**raw, "kind": "ResourceClaimTemplate", "spec": {"spec": raw["spec"]}}
    made = apply(template, _given(template, LAB).patch)
    assert "tolerations" in made["spec"]["spec"]["devices"]["requests"][0]["exactly"]


def test_capacity_is_not_asked_of_devices_that_are_not_shared_or_do_not_have_it() -> None:
    raw = _claim("v1", VERSIONS["v1"])
    assert _given(raw, {"capacity": {"name": "cores", "quantity": "1"}}) == Defaulted()
    whole = make_view(make_slice(device("gpu-0", {"memory": "80Gi"})))
    policy = compiled(validations=[], defaults=[MEMORY])
    assert defaulted([policy], claim_case(raw, whole)) == Defaulted()


def test_of_two_policies_the_first_by_name_wins() -> None:
    one = compiled(validations=[], name="a", defaults=[{"label": {"key": "team", "value": "red"}}])
    other = compiled(validations=[], name="b", defaults=[{"label": {"key": "team", "value": "blue"}}])
    raw = _claim("v1", VERSIONS["v1"])
    given = defaulted([one, other], claim_case(raw, SHARED))
    assert given.policies == ("a",)
    assert apply(raw, given.patch)["metadata"]["labels"] == {"team": "red"}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"mode": "Audit"}, id="in mode Audit"),
        pytest.param({"percent": 0}, id="outside of its share"),
        pytest.param({"matchConditions": [{"name": "no", "expression": "false"}]}, id="where a condition is false"),
        pytest.param(
            {"matchConditions": [{"name": "odd", "expression": "object.nothing == 1"}]}, id="where a condition fails"
        ),
        pytest.param(
            {"exceptions": [{"namespaces": ["lab"], "until": "2999-12-31", "reason": "x"}]}, id="where it is excepted"
        ),
        pytest.param({"match": {"objectSelector": {"matchLabels": {"a": "b"}}}}, id="of other labels"),
    ],
)
def test_a_policy_gives_nothing(spec: dict[str, Any]) -> None:
    assert _given(_claim("v1", VERSIONS["v1"]), LABEL, **spec) == Defaulted()


def test_what_cannot_be_read_is_no_part_of_the_patch() -> None:
    raw = _claim("v1", VERSIONS["v1"], annotations={"deep": OPAQUE})
    assert apply(raw, _given(raw, LABEL).patch)["metadata"]["labels"] == {"team": "red"}
    assert [operation.path for operation in _given(raw, LABEL).patch] == ["/metadata/labels"]
    raw["spec"] = OPAQUE
    assert [operation.path for operation in _given(raw, LABEL, LAB, MEMORY).patch] == ["/metadata/labels"]


def test_what_is_no_map_or_list_is_left_to_the_api_server() -> None:
    raw = _claim("v1", {"name": "gpu", "exactly": {**ASK, "tolerations": 7, "capacity": "x"}}, labels=[])
    assert _given(raw, LABEL, LAB, MEMORY) == Defaulted()
