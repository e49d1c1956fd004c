"""Legacy GPU limits, from kubectl to a bound pod: each link of the chain is the real one."""

import json
from collections.abc import Iterator

import pytest

from tests.controlplane.api import Api, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.gate import create_quota, standing
from tests.controlplane.objects import (
    CLAIMS,
    CLASSES,
    GPU_DRIVER,
    LEGACY_MAPPINGS,
    NODES,
    PODS,
    SLICES,
    TEMPLATES,
    make_device_class,
    make_device_quota,
    make_gpu,
    make_legacy_mapping,
    make_node,
    make_pod,
    make_slice,
)
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e
KEY = "nvidia.com/gpu"
ORIGINAL = "drawbridge.dev/original-resources"


@pytest.fixture
def node(cluster: ControlPlane, namespace: str) -> Iterator[str]:
    """A node with two GPUs."""
    name = f"node-{namespace}"
    cluster.add_node(make_node(name))
    with cluster.api.temporarily(SLICES, make_slice(name, [make_gpu(0), make_gpu(1)])):
        yield name
    cluster.api.delete(NODES, name)


@pytest.fixture
def mapped(cluster: ControlPlane, guarded: str) -> Iterator[str]:
    """A guarded namespace whose `nvidia.com/gpu` is mapped to the class of whole GPUs, with a quota of three."""
    mapping = make_legacy_mapping(f"map-{guarded}", guarded, {"name": KEY, "deviceClassName": GPU_DRIVER})
    limit = {"name": "whole-gpus", "match": {"deviceClassName": GPU_DRIVER}, "devices": 3}
    with cluster.api.temporarily(LEGACY_MAPPINGS, mapping):
        create_quota(cluster.api, make_device_quota(guarded, "gpus", limit))
        yield guarded


def _legacy_pod(namespace: str) -> Json:
    """Return a pod as a Deployment makes them: with generateName."""
    pod = make_pod(namespace, "")
    pod["metadata"] = {"namespace": namespace, "generateName": "train-"}
    pod["spec"]["containers"][0]["resources"] = {"limits": {KEY: "2", "cpu": "1"}, "requests": {"cpu": "500m"}}
    return pod


def _is_rewritten(api: Api, namespace: str) -> bool:
    return "resourceClaims" in api.create(PODS, _legacy_pod(namespace), dry_run=True)["spec"]


def _create(cluster: ControlPlane, namespace: str) -> Json:
    """Create the legacy pod with kubectl and return it as stored."""
    done = cluster.kubectl("create", "-f", "-", "-o", "json", manifests=[_legacy_pod(namespace)])
    pod: Json = json.loads(done.stdout)
    return pod


def test_a_legacy_pod_gets_its_devices_by_way_of_template_claim_and_quota(
    cluster: ControlPlane, mapped: str, node: str
) -> None:
    api = cluster.api
    with api.temporarily(CLASSES, make_device_class()):
        wait_for("effect of the mapping", lambda: _is_rewritten(api, mapped))
        pod = _create(cluster, mapped)
        name = pod["metadata"]["name"]

        (reference,) = pod["spec"]["resourceClaims"]
        template_name = reference["resourceClaimTemplateName"]
        assert reference["name"] == "gpu"
        assert pod["spec"]["containers"][0]["resources"] == {
            "limits": {"cpu": "1"},
            "requests": {"cpu": "500m"},
            "claims": [{"name": "gpu"}],
        }
        assert json.loads(pod["metadata"]["annotations"][ORIGINAL]) == {"containers": {"main": {KEY: "2"}}}

        assert cluster.wait_for_pod(mapped, name)["spec"]["nodeName"] == node
        template = api.get(TEMPLATES, template_name, mapped)
        assert template["metadata"]["labels"] == {"drawbridge.dev/generated": "true"}
        (claim,) = api.list_all(CLAIMS, mapped)
        assert claim["spec"] == template["spec"]["spec"]
        devices = {result["device"] for result in claim["status"]["allocation"]["devices"]["results"]}
        assert devices == {"gpu-0", "gpu-1"}
        wait_for("folded charge", lambda: standing(api, mapped, "whole-gpus") == ("2", "0"))

        cluster.run_pod(mapped, name)
        cluster.end_pod(mapped, name)
        wait_for("free quota", lambda: standing(api, mapped, "whole-gpus") == ("0", "0"))
        wait_for("collection of the template", lambda: not api.list_all(TEMPLATES, mapped))


def test_a_pod_that_the_scheduler_serves_itself_is_left_alone_and_charged(
    cluster: ControlPlane, mapped: str, node: str
) -> None:
    api = cluster.api
    with api.temporarily(CLASSES, make_device_class(extended_resource=KEY)):
        wait_for("effect of the class", lambda: "served-by-scheduler" in _warned(api, mapped))
        pod = _create(cluster, mapped)
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
