"""Rewritten pods on the real scheduler: each container gets as many devices as its limit said, and its own.

All pods of a kind are created at once; a test looks at what became of them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.controlplane.api import Api, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess
from tests.controlplane.gate import Gate
from tests.controlplane.objects import (
    CLAIMS,
    CLASSES,
    GPU_DRIVER,
    LEGACY_MAPPINGS,
    MIG_CLASS,
    MIG_SELECTOR,
    NODES,
    PODS,
    TEMPLATES,
    make_device_class,
    make_gpu,
    make_legacy_mapping,
    make_mig,
    make_node,
    make_slice,
)
from tests.controlplane.waiting import wait_for
from tests.support.pod_shapes import (
    GPU,
    MIG,
    MIG_LARGE,
    MIXED,
    SHARED,
    WHOLE_GPUS,
    containers_of,
    of_device_plugin,
    shaped_pod,
)

pytestmark = pytest.mark.e2e
SHARED_CLASS = "shared-gpu.nvidia.com"
SHARED_SELECTOR = f"device.driver == '{GPU_DRIVER}' && device.attributes['{GPU_DRIVER}'].type == 'shared'"
NODE_NAMES = ("shapes-1", "shapes-2", "shapes-3")
PROFILE = f"device.attributes['{GPU_DRIVER}'].profile == '{{profile}}'"
MAPPED: tuple[Json, ...] = (
    {"name": GPU, "deviceClassName": GPU_DRIVER},
    {"pattern": r"nvidia\.com/mig-(?P<profile>.+)", "deviceClassName": MIG_CLASS, "selector": PROFILE},
    {"name": SHARED, "deviceClassName": SHARED_CLASS, "requests": {"memory": "10Gi"}},
)
KINDS = {GPU: "gpu", MIG: "mig", MIG_LARGE: "large", SHARED: "shared"}
"""How the names of the devices begin that serve a resource."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A shape whose pod was bound: the pod as it was stored, and the claims that the scheduler allocated for it."""

    shape: str
    pod: Json
    claims: Mapping[str, Json]

    def held(self) -> dict[str, set[str]]:
        """Return the devices that the kubelet shows to each container: those of the claims that it names."""
        return {
            name: {device for claim in claims for device in _devices(claim)}
            for name, claims in self._claims_by_container()
        }

    def asked(self) -> dict[str, dict[str, int]]:
        """Return how many devices of which class each container gets by the claims that it names."""
        return {
            name: _counted([claim["spec"]["devices"]["requests"][0]["exactly"] for claim in claims])
            for name, claims in self._claims_by_container()
        }

    def _claims_by_container(self) -> Iterator[tuple[str, list[Json]]]:
        names = {status["name"]: status["resourceClaimName"] for status in self.pod["status"]["resourceClaimStatuses"]}
        for container in _containers(self.pod):
            named = container["resources"].get("claims", ())
            yield container["name"], [self.claims[names[claim["name"]]] for claim in named]


def _containers(pod: Json) -> list[Json]:
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def _devices(claim: Json) -> Iterator[str]:
    """Yield the devices, or the shares of devices, of a claim."""
    for result in claim["status"]["allocation"]["devices"]["results"]:
        yield f"{result['device']}/{result['pool']}/{result.get('shareID', '')}"


def _counted(requests: Sequence[Json]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for exactly in requests:
        counts[exactly["deviceClassName"]] = counts.get(exactly["deviceClassName"], 0) + exactly["count"]
    return counts


def _node_devices() -> list[Json]:
    large = [{**make_mig(index, "3g.40gb"), "name": f"large-{index}"} for index in range(4)]
    shared = []
    for index in range(4):
        device = {**make_gpu(index), "name": f"shared-{index}", "allowMultipleAllocations": True}
        device["attributes"] = {**device["attributes"], "type": {"string": "shared"}}
        shared.append(device)
    return [
        *(make_gpu(index) for index in range(60)),
        *(make_mig(index) for index in range(16)),
        *large,
        *shared,
    ]


@pytest.fixture(scope="module")
def mapped(cluster: ControlPlane, gate: Gate, replica: ServeProcess, controller: ControllerProcess) -> Iterator[str]:
    """A guarded namespace with a mapping, and three nodes with GPUs, MIG devices and GPUs that are shared."""
    del controller  # it only has to run
    api, namespace = cluster.api, cluster.create_namespace()
    with ExitStack() as exits:
        exits.callback(cluster.delete_namespace, namespace)
        exits.enter_context(gate.guarding(namespace, replica.port))
        classes = [
            make_device_class(),
            make_device_class(MIG_CLASS, MIG_SELECTOR),
            make_device_class(SHARED_CLASS, SHARED_SELECTOR),
        ]
        slices = [make_slice(name, _node_devices()) for name in NODE_NAMES]
        exits.enter_context(cluster.with_devices([make_node(name) for name in NODE_NAMES], classes, slices))
        exits.enter_context(api.temporarily(LEGACY_MAPPINGS, make_legacy_mapping(namespace, namespace, *MAPPED)))
        probe = shaped_pod(namespace, "probe", "a=1g+1m+1s")
        wait_for("effect of the mapping", lambda: "resourceClaims" in api.create(PODS, probe, dry_run=True)["spec"])
        yield namespace


@contextmanager
def bound(cluster: ControlPlane, namespace: str, shapes: Sequence[str]) -> Iterator[list[Bound]]:
    """Create the pods of all shapes at once; they are bound, with their claims, and deleted at the end of the block."""
    api = cluster.api
    names = {f"shape-{number}": shape for number, shape in enumerate(shapes)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: api.create(PODS, shaped_pod(namespace, name, names[name])), names))
        wait_for("node for each pod", lambda: not _waiting(api, namespace), 90)
        claims = {claim["metadata"]["name"]: claim for claim in api.list_all(CLAIMS, namespace)}
        pods = api.list_all(PODS, namespace)
        try:
            yield [Bound(names[pod["metadata"]["name"]], pod, claims) for pod in pods]
        finally:
            list(pool.map(lambda name: cluster.end_pod(namespace, name), names))


def _waiting(api: Api, namespace: str) -> list[str]:
    return [pod["metadata"]["name"] for pod in api.list_all(PODS, namespace) if not pod["spec"].get("nodeName")]


@pytest.fixture(scope="module")
def rewritten(cluster: ControlPlane, mapped: str) -> list[Bound]:
    """All shapes, rewritten and bound; the pods have ended since."""
    with bound(cluster, mapped, (*WHOLE_GPUS, *MIXED)) as found:
        return found


def _failing(found: Sequence[Bound], law: Callable[[Bound], bool]) -> list[str]:
    return [each.shape for each in found if not law(each)]


def test_fm_36_every_shape_is_bound(rewritten: list[Bound]) -> None:
    assert len(rewritten) == len(WHOLE_GPUS) + len(MIXED) >= 40


def test_a_container_that_lives_as_long_as_its_pod_gets_what_its_limits_said(rewritten: list[Bound]) -> None:
    def law(each: Bound) -> bool:
        held = each.held()
        return all(
            _of_kind(held[container.name], resource) == container.amounts.get(resource, 0)
            for container in containers_of(each.shape)
            if not container.is_init
            for resource in KINDS
        )

    assert _failing(rewritten, law) == []


def _of_kind(devices: set[str], resource: str) -> int:
    return sum(device.startswith(f"{KINDS[resource]}-") for device in devices)


def test_no_two_containers_that_run_together_share_a_device(rewritten: list[Bound]) -> None:
    everywhere: list[str] = []

    def law(each: Bound) -> bool:
        held = each.held()
        own = [device for c in containers_of(each.shape) if not c.is_init for device in held[c.name]]
        everywhere.extend(set().union(*held.values(), set()))
        return len(own) == len(set(own))

    assert _failing(rewritten, law) == []
    assert len(everywhere) == len(set(everywhere)), "nor do two pods"


def test_an_init_container_gets_enough_of_what_later_containers_hold_and_the_pod_no_more_than_it_must(
    rewritten: list[Bound],
) -> None:
    def law(each: Bound) -> bool:
        held = each.held()
        whole = set().union(*held.values(), set())
        enough = all(
            _of_kind(held[container.name], resource) >= count
            for container in containers_of(each.shape)
            for resource, count in container.amounts.items()
        )
        return enough and all(_of_kind(whole, resource) == of_device_plugin(each.shape, resource) for resource in KINDS)

    assert _failing(rewritten, law) == []


def test_the_scheduler_gives_each_container_the_same_where_a_class_serves_the_name(
    cluster: ControlPlane, mapped: str, rewritten: list[Bound]
) -> None:
    """KEP-5004: the claim that the scheduler makes itself, of the same pods, is our oracle."""
    ours = {each.shape: each.asked() for each in rewritten}
    cluster.api.patch(CLASSES, GPU_DRIVER, {"spec": {"extendedResourceName": GPU}})
    try:
        _wait_until_left_alone(cluster.api, mapped, "served-by-scheduler")
        with bound(cluster, mapped, WHOLE_GPUS) as found:
            theirs = {each.shape: _asked_by_scheduler(each) for each in found}
            assert not any("resourceClaims" in each.pod["spec"] for each in found)
    finally:
        cluster.api.patch(CLASSES, GPU_DRIVER, {"spec": {"extendedResourceName": None}})
    assert len(theirs) == len(WHOLE_GPUS) >= 15
    assert {shape: ours[shape] for shape in theirs} == theirs


def _asked_by_scheduler(each: Bound) -> dict[str, dict[str, int]]:
    """Return how many devices of which class each container gets by the scheduler's own claim."""
    status = each.pod["status"]["extendedResourceClaimStatus"]
    requests = {
        request["name"]: request["exactly"]
        for request in each.claims[status["resourceClaimName"]]["spec"]["devices"]["requests"]
    }
    found: dict[str, list[Json]] = {container["name"]: [] for container in _containers(each.pod)}
    for mapping in status["requestMappings"]:
        found[mapping["containerName"]].append(requests[mapping["requestName"]])
    return {name: _counted(exactly) for name, exactly in found.items()}


def _wait_until_left_alone(api: Api, namespace: str, code: str) -> None:
    def warned() -> bool:
        path = f"/api/v1/namespaces/{namespace}/pods"
        told = api.send("POST", path, shaped_pod(namespace, "probe", "a=1g"), query={"dryRun": "All"}).warnings
        return any(code in warning for warning in told)

    wait_for(f"pods left alone: {code}", warned)


def test_the_same_pods_stay_legacy_on_a_node_with_a_device_plugin(
    cluster: ControlPlane, mapped: str, rewritten: list[Bound]
) -> None:
    del rewritten  # the pods that were rewritten have ended before
    plugin = {GPU: "500"}
    cluster.api.patch(NODES, NODE_NAMES[1], {"status": {"capacity": plugin, "allocatable": plugin}}, None, "status")
    try:
        _wait_until_left_alone(cluster.api, mapped, "device-plugin-present")
        with bound(cluster, mapped, WHOLE_GPUS) as found:
            for each in found:
                assert each.pod["spec"]["nodeName"] == NODE_NAMES[1], each.shape
                assert "resourceClaims" not in each.pod["spec"], each.shape
                assert _limits(each.pod) == _limits(shaped_pod(mapped, "", each.shape)), each.shape
    finally:
        gone = {GPU: None}
        cluster.api.patch(NODES, NODE_NAMES[1], {"status": {"capacity": gone, "allocatable": gone}}, None, "status")


def _limits(pod: Json) -> list[Json]:
    return [container["resources"].get("limits", {}) for container in _containers(pod)]


def test_nothing_of_ours_is_left_when_all_pods_are_gone(
    cluster: ControlPlane, mapped: str, rewritten: list[Bound]
) -> None:
    del rewritten
    wait_for("end of the pods", lambda: not cluster.api.list_all(PODS, mapped))
    wait_for("end of the claims", lambda: not cluster.api.list_all(CLAIMS, mapped))
    wait_for("collection of the templates", lambda: not cluster.api.list_all(TEMPLATES, mapped))
    everything = cluster.kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").stdout.split()
    kinds = ",".join(kind for kind in everything if not kind.startswith("events"))
    left = json.loads(cluster.kubectl("get", kinds, "-n", mapped, "-o", "json").stdout)["items"]
    assert [each["kind"] for each in left if "drawbridge" in json.dumps(each)] == []
