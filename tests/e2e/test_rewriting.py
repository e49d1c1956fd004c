"""Legacy GPU limits, from kubectl to a bound pod: each link of the chain is the real one."""

import json
from collections.abc import Iterator

import pytest

from tests.controlplane.api import Api, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.gate import Gate, create_quota, standing
from tests.controlplane.injector import injecting
from tests.controlplane.objects import (
    CLAIMS,
    CLASSES,
    GPU_DRIVER,
    LEGACY_MAPPINGS,
    MIG_CLASS,
    MIG_SELECTOR,
    PODS,
    TEMPLATES,
    make_device_class,
    make_device_quota,
    make_gpu,
    make_legacy_mapping,
    make_mig,
    make_node,
    make_slice,
)
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e
KEY = "nvidia.com/gpu"
ORIGINAL = "drawbridge.dev/original-resources"


@pytest.fixture
def node(cluster: ControlPlane, namespace: str) -> Iterator[str]:
    """A node with two GPUs and a MIG device."""
    name = f"node-{namespace}"
    with cluster.with_devices([make_node(name)], [], [make_slice(name, [make_gpu(0), make_gpu(1), make_mig(0)])]):
        yield name


@pytest.fixture
def mapped(cluster: ControlPlane, guarded: str) -> Iterator[str]:
    """A guarded namespace whose legacy names are mapped to classes, with a quota of three whole GPUs."""
    mapping = make_legacy_mapping(
        f"map-{guarded}",
        guarded,
        {"name": KEY, "deviceClassName": GPU_DRIVER},
        {
            "pattern": "nvidia.com/mig-(?P<profile>.+)",
            "deviceClassName": MIG_CLASS,
            "selector": f"device.attributes['{GPU_DRIVER}'].profile == '{{profile}}'",
        },
    )
    limit = {"name": "whole-gpus", "match": {"deviceClassName": GPU_DRIVER}, "devices": 3}
    with cluster.api.temporarily(LEGACY_MAPPINGS, mapping):
        create_quota(cluster.api, make_device_quota(guarded, "gpus", limit))
        yield guarded


def _legacy_pod(namespace: str, *limits: Json) -> Json:
    """Return a pod as a Deployment makes them, with generateName; one container for each of the limits."""
    containers = [
        {
            "name": f"main-{index}",
            "image": "example.com/train:1",
            "resources": {"limits": {**each, "cpu": "1"}, "requests": {"cpu": "500m"}},
        }
        for index, each in enumerate(limits or ({KEY: "2"},))
    ]
    metadata = {"namespace": namespace, "generateName": "train-", "labels": {"app": "train"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def _is_rewritten(api: Api, namespace: str) -> bool:
    return "resourceClaims" in api.create(PODS, _legacy_pod(namespace), dry_run=True)["spec"]


def _create(cluster: ControlPlane, pod: Json) -> Json:
    """Create a pod with kubectl and return it as stored."""
    stored: Json = json.loads(cluster.kubectl("create", "-f", "-", "-o", "json", manifests=[pod]).stdout)
    return stored


def _devices(api: Api, namespace: str) -> set[str]:
    """Return the devices that are allocated to the namespace's claims."""
    allocations = [claim["status"]["allocation"]["devices"]["results"] for claim in api.list_all(CLAIMS, namespace)]
    return {result["device"] for results in allocations for result in results}


def test_a_legacy_pod_gets_its_devices_by_way_of_template_claim_and_quota(
    cluster: ControlPlane, mapped: str, node: str
) -> None:
    api = cluster.api
    with api.temporarily(CLASSES, make_device_class()):
        wait_for("effect of the mapping", lambda: _is_rewritten(api, mapped))
        pod = _create(cluster, _legacy_pod(mapped))
        name = pod["metadata"]["name"]

        (reference,) = pod["spec"]["resourceClaims"]
        template_name = reference["resourceClaimTemplateName"]
        assert reference["name"] == "gpu"
        assert pod["spec"]["containers"][0]["resources"] == {
            "limits": {"cpu": "1"},
            "requests": {"cpu": "500m"},
            "claims": [{"name": "gpu"}],
        }
        assert json.loads(pod["metadata"]["annotations"][ORIGINAL]) == {"containers": {"main-0": {KEY: "2"}}}

        told = json.loads(cluster.audit_annotations("pods", mapped)["pods.mutate.drawbridge.dev/rewrite"])
        assert told == {
            "claims": {"gpu": {"count": 2, "resource": KEY, "template": template_name}},
            "original": {"main-0": {KEY: "2"}},
        }

        assert cluster.wait_for_pod(mapped, name)["spec"]["nodeName"] == node
        template = api.get(TEMPLATES, template_name, mapped)
        assert template["metadata"]["labels"] == {"drawbridge.dev/generated": "true"}
        (claim,) = api.list_all(CLAIMS, mapped)
        assert claim["spec"] == template["spec"]["spec"]
        assert _devices(api, mapped) == {"gpu-0", "gpu-1"}
        wait_for("folded charge", lambda: standing(api, mapped, "whole-gpus") == ("2", "0"))

        cluster.run_pod(mapped, name)
        cluster.end_pod(mapped, name)
        wait_for("free quota", lambda: standing(api, mapped, "whole-gpus") == ("0", "0"))
        wait_for("collection of the template", lambda: not api.list_all(TEMPLATES, mapped))


def test_fm_38_containers_with_gpu_and_mig_each_get_their_own_and_a_second_pass_changes_nothing(
    cluster: ControlPlane, mapped: str, node: str
) -> None:
    api = cluster.api
    with (
        api.temporarily(CLASSES, make_device_class()),
        api.temporarily(CLASSES, make_device_class(MIG_CLASS, MIG_SELECTOR)),
    ):
        wait_for("effect of the mapping", lambda: _is_rewritten(api, mapped))
        pod = _create(cluster, _legacy_pod(mapped, {KEY: "1"}, {"nvidia.com/mig-1g.10gb": "1"}))
        assert [each["resources"]["claims"] for each in pod["spec"]["containers"]] == [
            [{"name": "gpu"}],
            [{"name": "gpu-2"}],
        ]
        assert cluster.wait_for_pod(mapped, pod["metadata"]["name"])["spec"]["nodeName"] == node
        assert _devices(api, mapped) in ({"gpu-0", "mig-0"}, {"gpu-1", "mig-0"})

        metadata = {key: pod["metadata"][key] for key in ("namespace", "generateName", "labels", "annotations")}
        again = api.create(PODS, {**pod, "metadata": metadata, "status": {}}, dry_run=True)
        assert again["spec"]["resourceClaims"] == pod["spec"]["resourceClaims"]
        assert again["spec"]["containers"] == pod["spec"]["containers"]
        assert again["metadata"]["annotations"] == pod["metadata"]["annotations"]


@pytest.mark.parametrize("name", ["aa-before-us", "zz-after-us"])
def test_fm_38_a_container_that_another_webhook_adds_gets_its_device_too(
    cluster: ControlPlane, gate: Gate, mapped: str, node: str, name: str
) -> None:
    api = cluster.api
    added = {"name": "mesh", "image": "example.com/mesh:1", "resources": {"limits": {KEY: "1"}}}
    with (
        api.temporarily(CLASSES, make_device_class()),
        injecting(api, gate.cert_dir, mapped, f"{name}-{mapped}", added),
    ):
        wait_for("effect of the mapping", lambda: _is_rewritten(api, mapped))
        wait_for("effect of the injector", lambda: _has_mesh(api.create(PODS, _legacy_pod(mapped), dry_run=True)))
        pod = _create(cluster, _legacy_pod(mapped, {KEY: "1"}))
        assert [each["resources"].get("claims") for each in pod["spec"]["containers"]] == [
            [{"name": "gpu"}],
            [{"name": "gpu-2"}],
        ]
        assert not any(KEY in each["resources"].get("limits", {}) for each in pod["spec"]["containers"])
        assert json.loads(pod["metadata"]["annotations"][ORIGINAL]) == {
            "containers": {"main-0": {KEY: "1"}, "mesh": {KEY: "1"}}
        }
        assert cluster.wait_for_pod(mapped, pod["metadata"]["name"])["spec"]["nodeName"] == node
        assert _devices(api, mapped) == {"gpu-0", "gpu-1"}


def _has_mesh(pod: Json) -> bool:
    return "mesh" in [each["name"] for each in pod["spec"]["containers"]]


def test_pods_of_a_deployment_share_one_template(cluster: ControlPlane, mapped: str, node: str) -> None:
    api = cluster.api
    pod = _legacy_pod(mapped, {KEY: "1"})
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": mapped, "name": "train"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "train"}},
            "template": {"metadata": {"labels": {"app": "train"}}, "spec": pod["spec"]},
        },
    }
    with api.temporarily(CLASSES, make_device_class()):
        wait_for("effect of the mapping", lambda: _is_rewritten(api, mapped))
        with api.temporarily("apps/v1/deployments", deployment):
            wait_for("two bound pods", lambda: [_node_of(each) for each in api.list_all(PODS, mapped)] == [node, node])
            assert len(api.list_all(TEMPLATES, mapped)) == 1
            assert _devices(api, mapped) == {"gpu-0", "gpu-1"}
            wait_for("folded charges", lambda: standing(api, mapped, "whole-gpus") == ("2", "0"))


def _node_of(pod: Json) -> str:
    return str(pod["spec"].get("nodeName", ""))


def test_fm_42_a_pod_that_the_scheduler_serves_itself_is_left_alone_and_charged(
    cluster: ControlPlane, mapped: str, node: str
) -> None:
    api = cluster.api
    with api.temporarily(CLASSES, make_device_class(extended_resource=KEY)):
        wait_for("effect of the class", lambda: "served-by-scheduler" in _warned(api, mapped))
        pod = _create(cluster, _legacy_pod(mapped))
        name = pod["metadata"]["name"]
        assert "resourceClaims" not in pod["spec"]
        assert pod["spec"]["containers"][0]["resources"]["limits"][KEY] == "2"
        assert ORIGINAL not in pod["metadata"].get("annotations", {})

        assert cluster.wait_for_pod(mapped, name)["spec"]["nodeName"] == node
        assert api.list_all(TEMPLATES, mapped) == []
        wait_for("charge of the scheduler's claim", lambda: standing(api, mapped, "whole-gpus") == ("2", "0"))
        cluster.end_pod(mapped, name)
        wait_for("free quota", lambda: standing(api, mapped, "whole-gpus") == ("0", "0"))


def _warned(api: Api, namespace: str) -> str:
    """Return what the author of the pod is warned of."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    return " ".join(api.send("POST", path, _legacy_pod(namespace), query={"dryRun": "All"}).warnings)
