"""The control plane itself, without Drawbridge: what the other tests build upon."""

import pytest

from tests.controlplane.api import ApiError
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.objects import (
    CLAIMS,
    CLASSES,
    NODES,
    PODS,
    SLICES,
    TEMPLATES,
    make_claim_object,
    make_device_class,
    make_exact_request,
    make_gpu,
    make_node,
    make_pod,
    make_slice,
    make_template,
)
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e


def test_a_pod_with_a_template_reference_gets_its_devices_and_a_node(cluster: ControlPlane, namespace: str) -> None:
    api, node = cluster.api, f"node-{namespace}"
    cluster.add_node(make_node(node))
    with (
        api.temporarily(CLASSES, make_device_class()),
        api.temporarily(SLICES, make_slice(node, [make_gpu(0), make_gpu(1)])),
    ):
        api.create(TEMPLATES, make_template(namespace, "two-gpus", make_exact_request(2)))
        api.create(PODS, make_pod(namespace, "train", "two-gpus"))
        pod = cluster.wait_for_pod(namespace, "train")
        assert pod["spec"]["nodeName"] == node
        (claim,) = api.list_all(CLAIMS, namespace)
        devices = {result["device"] for result in claim["status"]["allocation"]["devices"]["results"]}
        assert devices == {"gpu-0", "gpu-1"}
        cluster.run_pod(namespace, "train")
        cluster.end_pod(namespace, "train")
        wait_for("end of the claim", lambda: not api.list_all(CLAIMS, namespace))
    api.delete(NODES, node)


def test_an_ordinary_user_may_do_what_is_granted_and_nothing_else(cluster: ControlPlane, namespace: str) -> None:
    claim = make_claim_object(namespace, "one", make_exact_request())
    with pytest.raises(ApiError, match="cannot create resource") as refusal:
        cluster.api_as("alice").create(CLAIMS, claim)
    assert refusal.value.code == 403
    cluster.grant("alice", namespace)
    assert cluster.api_as("alice").create(CLAIMS, claim)["metadata"]["uid"]
    assert "one" in cluster.kubectl("get", "resourceclaims", "-n", namespace, user="alice").stdout


def test_the_api_server_comes_back_with_what_it_stored(cluster: ControlPlane, namespace: str) -> None:
    cluster.api.create(CLAIMS, make_claim_object(namespace, "one", make_exact_request()))
    cluster.kill_apiserver()
    with pytest.raises(ConnectionError):
        cluster.api.list_all(CLAIMS, namespace)
    cluster.start_apiserver()
    assert [claim["metadata"]["name"] for claim in cluster.api.list_all(CLAIMS, namespace)] == ["one"]
