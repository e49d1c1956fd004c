"""ClaimPolicies on a real control plane: written, obeyed, changed and told of, as kubectl shows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.controlplane.api import ApiError, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.objects import (
    CLAIM_POLICIES,
    CLAIMS,
    PODS,
    TEMPLATES,
    make_claim_object,
    make_exact_request,
    make_pod,
    make_template,
)
from tests.controlplane.waiting import wait_for
from tests.support.policies import policy_object

pytestmark = pytest.mark.e2e

CONFIG_MAPS = "v1/configmaps"
LABELLED = {"drawbridge.dev/policy-parameters": "true"}
AT_MOST = [
    {
        "expression": "claim.worst.devices <= int(params.data.devices)",
        "messageExpression": "'at most ' + params.data.devices + ' devices a claim'",
        "field": "spec.devices.requests[0].exactly.count",
    }
]
PARAMS: Json = {
    "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
    "paramRef": {"name": "limits", "parameterNotFoundAction": "Allow"},
}


def policy(namespace: str, name: str, **spec: Any) -> Json:
    """Return a policy for claims of one namespace."""
    only = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return policy_object(f"{name}-{namespace}", match={"namespaceSelector": only, "resources": ["claims"]}, **spec)


@contextmanager
def written(cluster: ControlPlane, manifest: Json) -> Iterator[None]:
    """A policy, once the controller has found that it works."""
    with cluster.api.temporarily(CLAIM_POLICIES, manifest):
        wait_for("the policy to be ready", lambda: condition(cluster, manifest, "Ready").get("status") == "True")
        yield


def condition(cluster: ControlPlane, manifest: Json, kind: str) -> Json:
    stored = cluster.api.get(CLAIM_POLICIES, manifest["metadata"]["name"])
    return next((one for one in stored.get("status", {}).get("conditions", ()) if one["type"] == kind), {})


def tried(cluster: ControlPlane, namespace: str, count: int) -> str:
    """Return what kubectl says of a claim for so many devices, which is not stored."""
    claim = make_claim_object(namespace, "train", make_exact_request(count, "gpu.nvidia.com"))
    return cluster.kubectl("create", "--dry-run=server", "-f", "-", manifests=[claim], check=False).stderr


def test_parameters_of_each_namespace_settle_what_is_refused(cluster: ControlPlane, guarded: str) -> None:
    with written(cluster, policy(guarded, "most", validations=AT_MOST, **PARAMS)):
        assert "policy/most" not in tried(cluster, guarded, 9)
        limits = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"devices": "2"}}
        metadata = {"name": "limits", "namespace": guarded, "labels": LABELLED}
        cluster.api.create(CONFIG_MAPS, {**limits, "metadata": metadata})
        wait_for("the parameters", lambda: "policy/most" in tried(cluster, guarded, 3))
        said = tried(cluster, guarded, 3)
        assert "(Forbidden)" in said
        assert "spec.devices.requests[0].exactly.count: at most 2 devices a claim [policy/most-" in said
        assert "policy/most" not in tried(cluster, guarded, 2)


def test_fm_48_a_policy_that_does_not_compile_is_refused_in_our_words(cluster: ControlPlane, guarded: str) -> None:
    wrong = policy(guarded, "wrong", validations=[{"expression": "clam.requests.size() > 0"}])
    with pytest.raises(ApiError) as refusal:
        cluster.api.create(CLAIM_POLICIES, wrong)
    assert refusal.value.code == 422
    assert "there is no variable `clam`" in refusal.value.message
    assert "did you mean `claim`?" in refusal.value.message


def test_what_is_odd_is_a_warning_and_in_the_status(cluster: ControlPlane, guarded: str) -> None:
    exceptions = [{"namespaces": [guarded], "until": "2024-01-31", "reason": "moving"}]
    odd = policy(guarded, "odd", validations=[{"expression": "claim.matching.devices > 0"}], exceptions=exceptions)
    odd["spec"]["mode"] = "Audit"
    said = cluster.kubectl("create", "--dry-run=server", "-f", "-", manifests=[odd]).stderr
    assert "[policy-maybe-absent]" in said
    assert "[policy-exception]" in said
    with written(cluster, odd):
        stored = cluster.api.get(CLAIM_POLICIES, odd["metadata"]["name"])
        assert len(stored["status"]["typeChecking"]["expressionWarnings"]) == 2


def test_modes_and_defaults(cluster: ControlPlane, guarded: str) -> None:
    warning = policy(guarded, "warning", mode="Warn", validations=[{"expression": "false", "message": "think of it"}])
    given = policy(guarded, "given", defaults=[{"label": {"key": "team", "value": "a"}}])
    with written(cluster, warning), written(cluster, given):
        wait_for("the policies", lambda: "think of it" in tried(cluster, guarded, 1))
        claim = make_claim_object(guarded, "train", make_exact_request(1, "gpu.nvidia.com"))
        assert "Warning: " in tried(cluster, guarded, 1)
        stored = cluster.api.create(CLAIMS, claim, dry_run=True)
        assert stored["metadata"]["labels"] == {"team": "a"}


def test_an_update_and_the_end_of_a_policy_are_followed(cluster: ControlPlane, guarded: str) -> None:
    strict = policy(guarded, "strict", validations=[{"expression": "false", "message": "nothing here"}])
    name = strict["metadata"]["name"]
    with written(cluster, strict):
        wait_for("the policy", lambda: "nothing here" in tried(cluster, guarded, 1))
        cluster.kubectl("patch", "claimpolicy", name, "--type=merge", "-p", '{"spec":{"mode":"Audit"}}')
        wait_for("the change", lambda: "nothing here" not in tried(cluster, guarded, 1))
        cluster.kubectl("patch", "claimpolicy", name, "--type=merge", "-p", '{"spec":{"mode":"Deny"}}')
        wait_for("the change back", lambda: "nothing here" in tried(cluster, guarded, 1))
    wait_for("its end", lambda: "nothing here" not in tried(cluster, guarded, 1))


def test_fm_10_what_is_stored_can_be_changed_when_a_policy_has_become_stricter(
    cluster: ControlPlane, guarded: str
) -> None:
    """Claims, templates and pods are judged when they are created, workloads are only warned of."""
    api, one = cluster.api, make_exact_request(1, "gpu.nvidia.com")
    template = {"metadata": {"labels": {"app": "x"}}, "spec": make_pod(guarded, "x", "kept")["spec"]}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "kept", "namespace": guarded}}
    stored = {
        CLAIMS: make_claim_object(guarded, "kept", one),
        TEMPLATES: make_template(guarded, "kept", one),
        PODS: make_pod(guarded, "kept", "kept"),
        "apps/v1/deployments": {**deployment, "spec": spec},
    }
    for resource, manifest in stored.items():
        api.create(resource, manifest)
    strict = policy(guarded, "strict", validations=[{"expression": "false", "message": "nothing here"}])
    strict["spec"]["match"]["resources"] = ["claims", "templates", "pods", "workloads"]
    with written(cluster, strict):
        wait_for("the policy", lambda: "nothing here" in tried(cluster, guarded, 1))
        for resource in stored:
            changed = api.patch(resource, "kept", {"metadata": {"labels": {"changed": "yes"}}}, guarded)
            assert changed["metadata"]["labels"]["changed"] == "yes"
        assert api.patch("apps/v1/deployments", "kept", {"spec": {"paused": True}}, guarded)["spec"]["paused"]


def test_who_asks_is_known(cluster: ControlPlane, guarded: str) -> None:
    people = "!('system:masters' in request.userInfo.groups)"
    who = policy(guarded, "who", validations=[{"expression": people, "messageExpression": "request.userInfo.username"}])
    with written(cluster, who):
        wait_for("the policy", lambda: "[policy/who-" in tried(cluster, guarded, 1))
