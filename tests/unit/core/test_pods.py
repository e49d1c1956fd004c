"""Where the kinds of workloads keep their pod template, and what is read of it."""

from typing import Any

import pytest

from webhook.core.pods import Role, parse_pod, pod_template

POD = {"spec": {"containers": [{"name": "main"}]}}


@pytest.mark.parametrize(
    ("api_version", "kind", "body", "path"),
    [
        ("v1", "Pod", POD, ""),
        ("v1", "PodTemplate", {"template": POD}, "template"),
        ("apps/v1", "Deployment", {"spec": {"template": POD}}, "spec.template"),
        ("apps/v1beta2", "StatefulSet", {"spec": {"template": POD}}, "spec.template"),
        (
            "batch/v1",
            "CronJob",
            {"spec": {"jobTemplate": {"spec": {"template": POD}}}},
            "spec.jobTemplate.spec.template",
        ),
    ],
)
def test_the_pod_of_a_workload_is_found(api_version: str, kind: str, body: dict[str, Any], path: str) -> None:
    found = pod_template({"apiVersion": api_version, "kind": kind, **body})
    assert found is not None
    assert found[0]["spec"] is POD["spec"]
    assert str(found[1]) == path


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(
            {"apiVersion": "example.com/v1", "kind": "Deployment", "spec": {"template": POD}}, id="another group"
        ),
        pytest.param({"apiVersion": "v1", "kind": "Service", "spec": {}}, id="no workload"),
        pytest.param({"apiVersion": "apps/v1", "kind": "Deployment", "spec": None}, id="no spec"),
        pytest.param({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": []}}, id="a list"),
        pytest.param({"apiVersion": 1, "kind": "Pod"}, id="a version that is a number"),
    ],
)
def test_any_other_object_has_none(raw: dict[str, Any]) -> None:
    assert pod_template(raw) is None


def test_containers_are_in_the_order_in_which_they_start() -> None:
    pod = parse_pod(
        {
            "spec": {
                "containers": [{"name": "main"}],
                "initContainers": [{"name": "warm"}, {"name": "log", "restartPolicy": "Always"}],
            }
        }
    )
    assert [(c.name, c.role) for c in pod.containers] == [
        ("warm", Role.INIT),
        ("log", Role.SIDECAR),
        ("main", Role.APP),
    ]
    assert str(pod.containers[2].path) == "spec.containers[0]"
    assert not pod.misfits


def test_claims_are_read_with_their_places() -> None:
    resources = {"claims": [{"name": "a"}, {"name": "b", "request": "r"}]}
    claims = [{"name": "a", "resourceClaimName": "x"}, {"name": "b", "resourceClaimTemplateName": "y"}]
    pod = parse_pod({"spec": {"containers": [{"resources": resources}], "resourceClaims": claims}})
    assert [(c.name, c.claim_name, c.template_name) for c in pod.claims] == [("a", "x", ""), ("b", "", "y")]
    assert [(c.name, c.request, str(c.path)) for c in pod.containers[0].claims] == [
        ("a", "", "spec.containers[0].resources.claims[0]"),
        ("b", "r", "spec.containers[0].resources.claims[1]"),
    ]


def test_what_cannot_be_read_is_told_with_its_place() -> None:
    pod = parse_pod({"metadata": {"annotations": {"a": False}}, "spec": {"containers": [1, {"name": []}]}})
    assert [str(misfit.path) for misfit in pod.misfits] == [
        "metadata.annotations[a]",
        "spec.containers[0]",
        "spec.containers[1].name",
    ]
