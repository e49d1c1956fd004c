"""Rewriting when something is in the way: forged pods, lost templates, quotas, missing rights, no controller.

A pod that asks the old way gets its devices in the end, or is told why not.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.controlplane.api import ApiError, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess
from tests.controlplane.gate import Gate, create_quota, standing
from tests.controlplane.objects import (
    CLAIMS,
    GPU_DRIVER,
    LEGACY_MAPPINGS,
    PODS,
    TEMPLATES,
    make_device_class,
    make_device_quota,
    make_gpu,
    make_legacy_mapping,
    make_node,
    make_slice,
)
from tests.controlplane.waiting import wait_for
from tests.support.pod_shapes import GPU, shaped_pod
from webhook.rewrite.original import ANNOTATION
from webhook.rewrite.templates import Shape, make_template

pytestmark = pytest.mark.e2e
EVENTS = "v1/events"
RESOURCE_QUOTAS = "v1/resourcequotas"
ROLES = "rbac.authorization.k8s.io/v1/clusterroles"
CONTROLLER_ROLE = "drawbridge-controller"
TEMPLATE_COUNT = "count/resourceclaimtemplates.resource.k8s.io"
UNDERIVABLE_SECONDS = 10
"""How soon a reference that cannot be derived is told of: what Drawbridge promises."""


@pytest.fixture
def mapped(cluster: ControlPlane, guarded: str) -> Iterator[str]:
    """A guarded namespace with a mapping, and a node with twelve GPUs."""
    node = f"node-{guarded}"
    devices = make_slice(node, [make_gpu(index) for index in range(12)])
    mapping = make_legacy_mapping(f"map-{guarded}", guarded, {"name": GPU, "deviceClassName": GPU_DRIVER})
    with (
        cluster.with_devices([make_node(node)], [make_device_class()], [devices]),
        cluster.api.temporarily(LEGACY_MAPPINGS, mapping),
    ):
        wait_for("effect of the mapping", lambda: "resourceClaims" in _created(cluster, guarded, dry_run=True)["spec"])
        yield guarded


def _created(cluster: ControlPlane, namespace: str, name: str = "probe", *, dry_run: bool = False) -> Json:
    return cluster.api.create(PODS, shaped_pod(namespace, name, "a=1g"), dry_run=dry_run)


def _told(cluster: ControlPlane, namespace: str, reason: str) -> list[str]:
    """Return what Events with a reason say."""
    return [event["message"] for event in cluster.api.list_all(EVENTS, namespace) if event["reason"] == reason]


def _forged(namespace: str, name: str, template: str, recorded: str = "2") -> Json:
    """Return a pod that pretends to have been rewritten."""
    pod = shaped_pod(namespace, name, "a=")
    pod["metadata"]["annotations"] = {ANNOTATION: json.dumps({"containers": {"a": {GPU: recorded}}})}
    pod["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": template}]
    pod["spec"]["containers"][0]["resources"] = {"claims": [{"name": "gpu"}]}
    return pod


def test_t_13_a_forged_annotation_gains_what_a_limit_would_and_nothing_else(
    cluster: ControlPlane, controller: ControllerProcess, mapped: str
) -> None:
    api = cluster.api
    honest, other, larger = (
        make_template(shape, count).name
        for shape, count in ((Shape(GPU_DRIVER), 2), (Shape("somebody-elses.class"), 2), (Shape(GPU_DRIVER), 3))
    )
    api.create(PODS, _forged(mapped, "as-by-a-limit", honest))
    for name, template in (("another-class", other), ("another-count", larger)):
        api.create(PODS, _forged(mapped, name, template))
    assert cluster.wait_for_pod(mapped, "as-by-a-limit")["spec"]["nodeName"]
    wait_for("both told", lambda: len(_told(cluster, mapped, "TemplateNotDerivable")) == 2, UNDERIVABLE_SECONDS)
    assert controller.metric("drawbridge_templates_underivable_total") == 2
    told = " ".join(_told(cluster, mapped, "TemplateNotDerivable"))
    assert other in told
    assert larger in told
    assert [template["metadata"]["name"] for template in api.list_all(TEMPLATES, mapped)] == [honest]


def test_templates_that_are_deleted_while_pods_are_created_are_made_again(cluster: ControlPlane, mapped: str) -> None:
    over = threading.Event()
    deleted: list[str] = []

    def delete_all() -> None:
        while not over.is_set():
            for template in cluster.api.list_all(TEMPLATES, mapped):
                cluster.api.delete(TEMPLATES, template["metadata"]["name"], mapped)
                deleted.append(template["metadata"]["name"])

    vandal = threading.Thread(target=delete_all)
    vandal.start()
    try:
        for number in range(6):
            cluster.api.create(PODS, shaped_pod(mapped, f"p-{number}", f"a={number % 3 + 1}g"))
            time.sleep(0.2)
        wait_for("deleted templates", lambda: len(deleted) >= 3)
    finally:
        over.set()
        vandal.join()
    for number in range(6):
        assert cluster.wait_for_pod(mapped, f"p-{number}", 60)["spec"]["nodeName"]


def test_a_quota_on_templates_is_told_at_the_pod_with_what_to_do(cluster: ControlPlane, mapped: str) -> None:
    api = cluster.api
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"namespace": mapped, "name": "few"}}
    with api.temporarily(RESOURCE_QUOTAS, {**quota, "spec": {"hard": {TEMPLATE_COUNT: "0"}}}):
        wait_for("quota in force", lambda: "hard" in api.get(RESOURCE_QUOTAS, "few", mapped).get("status", {}))
        _created(cluster, mapped, "short-of-templates")
        (told,) = wait_for("event", lambda: _told(cluster, mapped, "TemplateNotCreated"))
        assert "exceeded quota: few" in told
        assert told.endswith(
            f"raise `{TEMPLATE_COUNT}` in the ResourceQuota, a template serves all pods that ask the same"
        )
    assert cluster.wait_for_pod(mapped, "short-of-templates", 60)["spec"]["nodeName"]


@contextmanager
def _without_right_to_create_templates(cluster: ControlPlane) -> Iterator[None]:
    role = cluster.api.get(ROLES, CONTROLLER_ROLE)
    fewer = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb != "create"]}
        if rule.get("resources") == ["resourceclaimtemplates"]
        else rule
        for rule in role["rules"]
    ]
    assert fewer != role["rules"]
    cluster.api.patch(ROLES, CONTROLLER_ROLE, {"rules": fewer})
    try:
        yield
    finally:
        cluster.api.patch(ROLES, CONTROLLER_ROLE, {"rules": role["rules"]})


def test_a_missing_right_is_told_at_the_pod_with_what_to_do(cluster: ControlPlane, mapped: str) -> None:
    with _without_right_to_create_templates(cluster):
        time.sleep(0.5)  # the authorizer watches roles
        _created(cluster, mapped, "without-right")
        (told,) = wait_for("event", lambda: _told(cluster, mapped, "TemplateNotCreated"))
        assert "cannot create resource" in told
        assert told.endswith("give the controller's service account the right to create resourceclaimtemplates")
    assert cluster.wait_for_pod(mapped, "without-right", 60)["spec"]["nodeName"]


def test_t_09_a_namespace_never_holds_more_than_its_resource_quota_allowed(cluster: ControlPlane, mapped: str) -> None:
    api = cluster.api
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"namespace": mapped, "name": "gpus"}}
    api.create(RESOURCE_QUOTAS, {**quota, "spec": {"hard": {f"requests.{GPU}": "2"}}})
    path = f"/api/v1/namespaces/{mapped}/pods"

    def left_alone() -> bool:
        answer = api.send("POST", path, shaped_pod(mapped, "probe", "a=1g"), query={"dryRun": "All"})
        return any("quota-continuity" in warning for warning in answer.warnings)

    wait_for("pods left alone", left_alone)
    with pytest.raises(ApiError, match="exceeded quota: gpus"):
        api.create(PODS, shaped_pod(mapped, "too-much", "a=3g"))

    limit = {"name": "gpus", "match": {"deviceClassName": GPU_DRIVER}, "devices": 2}
    create_quota(api, make_device_quota(mapped, "gpus", limit))
    wait_for("effect of the quota", lambda: "resourceClaims" in _created(cluster, mapped, dry_run=True)["spec"])
    for name in ("one", "two", "three"):
        _created(cluster, mapped, name)
    wait_for("two bound pods", lambda: len(_bound(cluster, mapped)) == 2)
    wait_for("folded charges", lambda: standing(api, mapped, "gpus") == ("2", "0"))
    (waiting,) = {"one", "two", "three"} - _bound(cluster, mapped)
    wait_for("the refusal at the pod", lambda: _refusals(cluster, mapped, waiting))
    assert len(api.list_all(CLAIMS, mapped)) == 2


def _bound(cluster: ControlPlane, namespace: str) -> set[str]:
    return {pod["metadata"]["name"] for pod in cluster.api.list_all(PODS, namespace) if pod["spec"].get("nodeName")}


def _refusals(cluster: ControlPlane, namespace: str, pod: str) -> list[str]:
    events = cluster.api.list_all(EVENTS, namespace)
    return [
        event["message"]
        for event in events
        if event["involvedObject"]["name"] == pod and "quota-exceeded" in event["message"]
    ]


def test_a_migration_can_go_through_its_phases_and_back(cluster: ControlPlane, mapped: str) -> None:
    api = cluster.api
    path, pod = f"/api/v1/namespaces/{mapped}/pods", shaped_pod(mapped, "probe", "a=1g")
    _created(cluster, mapped, "moved")
    assert cluster.wait_for_pod(mapped, "moved")["spec"]["nodeName"]
    before = api.get(PODS, "moved", mapped)["spec"]

    def outcome() -> tuple[str, bool]:
        """Return what the author of a pod is told, and whether the pod would be rewritten."""
        try:
            answer = api.send("POST", path, pod, query={"dryRun": "All"})
        except ApiError as error:
            return error.message, False
        return " ".join(answer.warnings), "resourceClaims" in answer.body["spec"]

    for mode, told in (("Report", "[legacy-report]"), ("Deny", "[legacy-denied]"), ("Off", ""), ("Rewrite", "")):
        api.patch(LEGACY_MAPPINGS, f"map-{mapped}", {"spec": {"mode": mode}})
        wanted = mode == "Rewrite"

        def changed(told: str = told, wanted: bool = wanted) -> bool:
            words, rewritten = outcome()
            return rewritten is wanted and (told in words if told else "[legacy-" not in words)

        wait_for(f"mode {mode}", changed)
        assert api.get(PODS, "moved", mapped)["spec"] == before, "what runs stays as it is"
        assert len(api.list_all(TEMPLATES, mapped)) == 1


def test_pods_that_were_created_while_no_controller_ran_get_their_templates(
    cluster: ControlPlane, gate: Gate, controller: ControllerProcess, mapped: str
) -> None:
    """The last test of this file: the controller of the others has ended after it."""
    assert controller.stop() == 0
    for number in range(4):
        cluster.api.create(PODS, shaped_pod(mapped, f"p-{number}", f"a={number % 2 + 1}g"))
    assert cluster.api.list_all(TEMPLATES, mapped) == []
    again = gate.controller()
    try:
        for number in range(4):
            assert cluster.wait_for_pod(mapped, f"p-{number}", 60)["spec"]["nodeName"]
        for number in range(4):
            cluster.end_pod(mapped, f"p-{number}")
        wait_for("collection of the templates", lambda: not cluster.api.list_all(TEMPLATES, mapped))
        assert cluster.api.list_all(CLAIMS, mapped) == []
    finally:
        again.stop()
