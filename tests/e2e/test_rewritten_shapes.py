"""Rewritten pods on the real scheduler: each container gets as many devices as its limit said, and its own."""

from collections.abc import Iterator

import pytest

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.objects import (
    CLAIMS,
    CLASSES,
    GPU_DRIVER,
    LEGACY_MAPPINGS,
    NODES,
    PODS,
    SLICES,
    make_device_class,
    make_gpu,
    make_legacy_mapping,
    make_node,
    make_pod,
    make_slice,
)
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e
KEY = "nvidia.com/gpu"
GPUS = 6


@pytest.fixture
def mapped(cluster: ControlPlane, guarded: str) -> Iterator[str]:
    """A guarded namespace with a mapping, and a node with six GPUs."""
    node = f"node-{guarded}"
    cluster.add_node(make_node(node))
    mapping = make_legacy_mapping(f"map-{guarded}", guarded, {"name": KEY, "deviceClassName": GPU_DRIVER})
    with (
        cluster.api.temporarily(SLICES, make_slice(node, [make_gpu(index) for index in range(GPUS)])),
        cluster.api.temporarily(LEGACY_MAPPINGS, mapping),
        cluster.api.temporarily(CLASSES, make_device_class()),
    ):
        wait_for("effect of the mapping", lambda: "resourceClaims" in _dry_run(cluster, guarded)["spec"])
        yield guarded
    cluster.api.delete(NODES, node)


def _dry_run(cluster: ControlPlane, namespace: str) -> Json:
    return cluster.api.create(PODS, _pod(namespace, {"main": 1}), dry_run=True)


def _container(name: str, count: int) -> Json:
    sidecar = {"restartPolicy": "Always"} if name.startswith("sidecar") else {}
    resources = {"limits": {KEY: str(count)}} if count else {}
    return {"name": name, "image": "example.com/train:1", "resources": resources, **sidecar}


def _pod(namespace: str, counts: dict[str, int]) -> Json:
    """Return a pod with so many GPUs for each container; names begin with init, sidecar or anything else."""
    pod = make_pod(namespace, "shape")
    containers = [_container(name, count) for name, count in counts.items()]
    early = [container for container in containers if container["name"].startswith(("init", "sidecar"))]
    pod["spec"]["initContainers"] = early
    pod["spec"]["containers"] = [container for container in containers if container not in early]
    return pod


@pytest.mark.parametrize(
    ("counts", "devices"),
    [
        pytest.param({"main": 2}, 2, id="one container"),
        pytest.param({"a": 1, "b": 2, "idle": 0}, 3, id="each container has its own"),
        pytest.param({"init": 3, "a": 2, "b": 1}, 3, id="an init container reuses what comes later"),
        pytest.param({"init": 4, "a": 1}, 4, id="an init container that asks more gets the rest besides"),
        pytest.param({"init-1": 2, "init-2": 4, "a": 1}, 4, id="init containers share the rest"),
        pytest.param({"sidecar": 1, "init": 3, "a": 1, "b": 1}, 4, id="a sidecar keeps its own"),
        pytest.param({"init": 1, "sidecar": 1, "idle": 0}, 1, id="a sidecar that starts later is reused"),
    ],
)
def test_each_container_gets_its_devices(
    cluster: ControlPlane, mapped: str, counts: dict[str, int], devices: int
) -> None:
    cluster.api.create(PODS, _pod(mapped, counts))
    pod = cluster.wait_for_pod(mapped, "shape")
    held = _devices_by_container(cluster, pod)
    long_lived = [name for name in counts if not name.startswith("init")]
    for name, count in counts.items():
        assert len(held[name]) == count if name in long_lived else len(held[name]) >= count, name
    own = [device for name in long_lived for device in held[name]]
    assert len(own) == len(set(own)), "no two containers that run together share a device"
    assert len(set().union(*held.values())) == devices, "the pod holds what the device plugin would have given"


def _devices_by_container(cluster: ControlPlane, pod: Json) -> dict[str, set[str]]:
    """Return the devices that the kubelet would show to each container: those of the claims that it names."""
    claims = {claim["metadata"]["name"]: claim for claim in cluster.api.list_all(CLAIMS, pod["metadata"]["namespace"])}
    made = {status["name"]: claims[status["resourceClaimName"]] for status in pod["status"]["resourceClaimStatuses"]}
    allocated = {
        name: {result["device"] for result in claim["status"]["allocation"]["devices"]["results"]}
        for name, claim in made.items()
    }
    containers = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    return {
        container["name"]: set().union(
            *(allocated[claim["name"]] for claim in container["resources"].get("claims", ())), set()
        )
        for container in containers
    }
