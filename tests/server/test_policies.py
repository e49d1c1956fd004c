"""ClaimPolicies before a server over a folder: what they refuse, warn of and give, and how they change meanwhile."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.controlplane.programs import Programs
from tests.controlplane.waiting import wait_for
from tests.support.build import claim_object, class_object, device, request, slice_object
from tests.support.pods import container, of_template, pod_object, template_object, workload
from tests.support.policies import policy_object
from tests.support.standalone import Standalone, write

Json = dict[str, Any]
CLAIMS = ["claims", "templates"]
MOST = policy_object(
    "most-devices",
    match={"resources": CLAIMS},
    paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    paramRef={"name": "limits", "parameterNotFoundAction": "Allow"},
    variables=[{"name": "most", "expression": "int(params.data.devices)"}],
    validations=[
        {
            "expression": "claim.worst.devices <= variables.most",
            "messageExpression": "'at most ' + string(variables.most) + ' devices a claim'",
            "field": "spec.devices.requests",
        }
    ],
    auditAnnotations=[{"key": "devices", "valueExpression": "string(claim.worst.devices)"}],
    exceptions=[
        {"claimSelector": {"matchLabels": {"excepted": "yes"}}, "until": "2999-12-31", "reason": "x"},
        {"claimSelector": {"matchLabels": {"excepted": "once"}}, "until": "2024-12-31", "reason": "x"},
    ],
)
LIMITS = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "limits", "namespace": "team-a", "labels": {"drawbridge.dev/policy-parameters": "true"}},
    "data": {"devices": "2"},
}
LABELS = policy_object("labels", match={"resources": CLAIMS}, defaults=[{"label": {"key": "team", "value": "a"}}])
ADMIN = policy_object(
    "no-admin",
    match={"resources": CLAIMS},
    validations=[
        {
            "expression": "claim.alternatives.all(a, !a.adminAccess) || 'ops' in request.userInfo.groups",
            "message": "admin access is for operators",
            "reason": "Unauthorized",
        }
    ],
)
PODS = policy_object(
    "known-owner",
    match={"resources": ["pods"]},
    validations=[
        {
            "expression": "!has(pod.owner) || pod.owner.kind != 'Job' || claim.worst.devices < 2",
            "message": "jobs have one device",
            "field": "spec.resourceClaims",
        }
    ],
)
CLASSES = policy_object(
    "classes",
    match={"resources": ["deviceclasses"]},
    validations=[{"expression": "object.metadata.name.endsWith('.example.com')", "message": "classes end so"}],
)
FLAKY = policy_object("flaky", match={"resources": ["templates"]}, validations=[{"expression": "object.spec.x == 1"}])
FLAKY["spec"]["failurePolicy"] = "Ignore"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}
    published = slice_object(*(device(f"gpu-{number}") for number in range(8)))
    two = template_object(request("gpu", count=2), name="two")
    write(folder, "cluster.yaml", namespace, class_object(), published, two, LIMITS)
    write(folder, "policies.yaml", MOST, LABELS, ADMIN, PODS, CLASSES, FLAKY)
    return folder


@pytest.fixture(scope="module")
def server(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    place = tmp_path_factory.mktemp("server")
    with Programs(place / "logs") as programs:
        yield Standalone(programs, cluster, place)


def claim(count: int = 1, **labels: str) -> Json:
    made = claim_object(request("gpu", count=count))
    made["metadata"]["labels"] = labels
    return made


def test_a_policy_refuses_with_its_message_place_and_code(server: Standalone) -> None:
    response = server.ask("/validate/claims", claim(3))
    status = response["status"]
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    [cause] = status["details"]["causes"]
    assert cause["field"] == "spec.devices.requests"
    assert cause["message"].splitlines()[0] == "at most 2 devices a claim [policy/most-devices]"
    assert "drawbridge rule policy/most-devices" in cause["message"]
    assert response["auditAnnotations"]["most-devices.devices"] == "3"


def test_what_holds_passes_and_is_annotated(server: Standalone) -> None:
    response = server.ask("/validate/claims", claim(2), dry_run=True)
    assert (response["allowed"], response["auditAnnotations"]) == (True, {"most-devices.devices": "2"})


def test_an_exception_holds_until_its_day(server: Standalone) -> None:
    assert server.admits(claim(3, excepted="yes"), dry_run=True)
    assert not server.admits(claim(3, excepted="once"), dry_run=True)


def test_a_policy_may_name_the_reason_of_a_refusal(server: Standalone) -> None:
    made = claim()
    made["spec"]["devices"]["requests"][0]["exactly"]["adminAccess"] = True
    status = server.ask("/validate/claims", made)["status"]
    assert (status["code"], status["reason"]) == (401, "Unauthorized")


def test_a_template_is_judged_with_its_own_path_and_an_error_is_passed_over(server: Standalone) -> None:
    response = server.ask("/validate/claims", template_object(request("gpu", count=3), name="three"))
    [cause] = response["status"]["details"]["causes"]
    assert cause["field"] == "spec.spec.devices.requests"
    told = json.loads(response["auditAnnotations"]["findings"])["findings"]
    assert [finding["rule"] for finding in told] == ["policy/most-devices", "unjudged"]


def test_defaults_are_given_when_a_claim_is_made_and_once(server: Standalone) -> None:
    response = server.ask("/mutate/claims", claim(team="b"))
    assert "patch" not in response
    response = server.ask("/mutate/claims", claim())
    assert json.loads(base64.b64decode(response["patch"])) == [
        {"op": "add", "path": "/metadata/labels/team", "value": "a"}
    ]
    assert response["auditAnnotations"] == {"defaults": "labels"}


def test_a_refusal_of_a_selector_carries_what_policies_refuse(server: Standalone) -> None:
    made = claim_object(request("gpu", "device.driver = 'x'", count=3))
    rules = server.ask("/mutate/claims", made)["status"]["message"]
    assert "[cel-syntax]" in rules
    assert "[policy/most-devices]" in rules


def test_a_pod_is_judged_by_its_claims_and_its_owner(server: Standalone) -> None:
    pod = pod_object([of_template("gpu", "two")], container("gpu"))
    assert server.ask("/validate/pods", pod)["allowed"]
    owned = {
        **pod,
        "metadata": {**pod["metadata"], "ownerReferences": [{"kind": "Job", "name": "x", "controller": True}]},
    }
    [cause] = server.ask("/validate/pods", owned)["status"]["details"]["causes"]
    assert cause["field"] == "spec.resourceClaims"


def test_a_workload_is_only_warned_of_what_its_pods_will_be_refused(server: Standalone) -> None:
    job = workload(pod_object([of_template("gpu", "two")], container("gpu")), "Job")
    response = server.ask("/validate/workloads", job)
    assert response["allowed"]
    assert any("jobs have one device" in warning for warning in response["warnings"])
    assert all("[policy/known-owner]" in warning for warning in response["warnings"])


def test_a_class_is_judged_where_it_changes(server: Standalone) -> None:
    other = class_object("gpu.other.org")
    assert not server.ask("/validate/claims", other)["allowed"]
    assert server.ask("/validate/claims", other, "UPDATE", old=other)["allowed"]


def test_a_policy_that_does_not_compile_is_refused_at_its_write(server: Standalone) -> None:
    wrong = policy_object("wrong", validations=[{"expression": "clam.requests == []"}])
    [cause] = server.ask("/validate/config", wrong)["status"]["details"]["causes"]
    assert cause["field"] == "spec.validations[0].expression"
    assert "did you mean `claim`?" in cause["message"]
    assert server.ask("/validate/config", MOST)["allowed"]


def test_fm_48_a_broken_version_never_replaces_one_that_works(server: Standalone, cluster: Path) -> None:
    broken = {**ADMIN, "spec": {**ADMIN["spec"], "validations": [{"expression": "clam.x"}]}}
    write(cluster, "policies.yaml", MOST, LABELS, broken, PODS, CLASSES, FLAKY)
    wait_for("the broken version to be told", lambda: 'instead="earlier version"} 1.0' in _metrics(server))
    made = claim()
    made["spec"]["devices"]["requests"][0]["exactly"]["adminAccess"] = True
    assert "admin access is for operators" in server.ask("/validate/claims", made)["status"]["message"]
    mended = {**ADMIN, "spec": {**ADMIN["spec"], "validations": [{"expression": "true"}]}}
    write(cluster, "policies.yaml", MOST, LABELS, mended, PODS, CLASSES, FLAKY)
    wait_for("the mended version", lambda: server.admits(made, dry_run=True))
    wait_for("the metric", lambda: 'instead="earlier version"} 0.0' in _metrics(server))


def test_what_becomes_of_policies_is_counted(server: Standalone) -> None:
    server.ask("/validate/claims", claim(3))
    assert 'drawbridge_policy_outcomes_total{outcome="denied",policy="most-devices"}' in _metrics(server)


def test_parameters_change_while_the_server_runs(server: Standalone, cluster: Path) -> None:
    assert not server.admits(claim(4), dry_run=True)
    write(cluster, "limits.yaml", {**LIMITS, "data": {"devices": "4"}})
    wait_for("the new limit", lambda: server.admits(claim(4), dry_run=True))


def _metrics(server: Standalone) -> str:
    with urlopen(f"{server.process.health_url}/metrics", timeout=10) as answer:
        return str(answer.read().decode())
