"""The funnel against the real scheduler: a pod fits on exactly the nodes on which the funnel sees enough devices."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.controlplane.api import Api, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.objects import (
    CLAIMS,
    GPU_DRIVER,
    MIG_CLASS,
    MIG_SELECTOR,
    PODS,
    TEMPLATES,
    make_device_class,
    make_gpu,
    make_mig,
    make_node,
    make_pod,
    make_slice,
    make_template,
)
from tests.controlplane.waiting import wait_for
from webhook.bootstrap.live import view_of_live
from webhook.core.claims import parse_claim
from webhook.core.cluster import ClusterView
from webhook.inventory.case import Case
from webhook.inventory.funnel import funnel_of
from webhook.settings import read_settings

pytestmark = pytest.mark.e2e

NAMES = ("funnel-a", "funnel-b", "funnel-c")
NIC = "nic.example.com"
ANY = "any-device"
A = f"device.attributes['{GPU_DRIVER}']"
MEMORY = f"device.capacity['{GPU_DRIVER}'].memory"
PROFILE = f"{A}.profile"
SPEED = f"device.attributes['{NIC}'].speed"
TAINT = {"key": "example.com/broken", "value": "yes", "effect": "NoSchedule"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the pods go, and what Drawbridge sees of the cluster."""

    control_plane: ControlPlane
    namespace: str
    view: ClusterView


def shared_gpu(index: int) -> Json:
    """Return a GPU that several claims may share by memory, from 10 to 40 Gi in steps of 10."""
    policy = {"default": "10Gi", "validRange": {"min": "10Gi", "max": "40Gi", "step": "10Gi"}}
    gpu = make_gpu(index, "NVIDIA L40S", "48Gi")
    gpu["capacity"] = {"memory": {"value": "48Gi", "requestPolicy": policy}}
    return {**gpu, "allowMultipleAllocations": True}


def nic(name: str, speed: int) -> Json:
    return {"name": name, "attributes": {"speed": {"int": speed}, "vendor": {"string": "example"}}}


def slices() -> Iterator[Json]:
    a, b, c = NAMES
    yield make_slice(a, [make_gpu(index) for index in range(4)])
    a100 = [make_gpu(index, "NVIDIA A100-SXM4-40GB", "40Gi") for index in range(2)]
    yield make_slice(b, [*a100, make_mig(0), make_mig(1), make_mig(2, "3g.40gb", "40320Mi")])
    yield make_slice(c, [{**make_gpu(0), "taints": [TAINT]}, make_gpu(1), shared_gpu(2)])
    everywhere = make_slice("fabric", [nic(f"nic-{index}", 100) for index in range(6)], NIC)
    del everywhere["spec"]["nodeName"]
    yield {**everywhere, "spec": {**everywhere["spec"], "allNodes": True}}
    zone = make_slice("zone", [nic(f"fast-{index}", 400) for index in range(4)], NIC)
    del zone["spec"]["nodeName"]
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["x"]}]}
    yield {**zone, "spec": {**zone["spec"], "nodeSelector": {"nodeSelectorTerms": [term]}}}


@pytest.fixture(scope="module")
def devices(cluster: ControlPlane) -> Iterator[Cluster]:
    """Three nodes with whole, partitioned, tainted and shared GPUs, and network cards of all nodes and of a zone."""
    nodes = [make_node(name, {"zone": zone}) for name, zone in zip(NAMES, ("x", "x", "y"), strict=True)]
    classes = [
        make_device_class(),
        make_device_class(MIG_CLASS, MIG_SELECTOR),
        make_device_class(NIC, f"device.driver == '{NIC}'"),
        make_device_class(ANY, f"device.driver in ['{GPU_DRIVER}', '{NIC}']"),
    ]
    namespace = cluster.create_namespace("funnel-")
    with cluster.with_devices(nodes, classes, slices()):
        yield Cluster(cluster, namespace, view_of_live(read_settings({"kubeconfig": cluster.kubeconfig()}, None, {})))
        cluster.delete_namespace(namespace)


def ask(device_class: str, *selectors: str, **fields: Any) -> Json:
    """Return a request's `exactly`."""
    return {
        "deviceClassName": device_class,
        "selectors": [{"cel": {"expression": text}} for text in selectors],
        **fields,
    }


def at_least(amount: str) -> str:
    return f"{MEMORY}.compareTo(quantity('{amount}')) >= 0"


TOLERATION = {"key": TAINT["key"], "operator": "Exists", "effect": "NoSchedule"}
CLAIMS_ASKED = {
    "one of a class": ask(GPU_DRIVER),
    "two of a class": ask(GPU_DRIVER, count=2),
    "three of a class": ask(GPU_DRIVER, count=3),
    "four of a class": ask(GPU_DRIVER, count=4),
    "five of a class": ask(GPU_DRIVER, count=5),
    "all of a class": ask(GPU_DRIVER, allocationMode="All"),
    "a model": ask(GPU_DRIVER, f"{A}.productName == 'NVIDIA H100 80GB HBM3'"),
    "two of a model": ask(GPU_DRIVER, f"{A}.productName == 'NVIDIA H100 80GB HBM3'", count=2),
    "another model": ask(GPU_DRIVER, f"{A}.productName.startsWith('NVIDIA A100')"),
    "no such model": ask(GPU_DRIVER, f"{A}.productName == 'NVIDIA H200'"),
    "one of several models": ask(GPU_DRIVER, f"{A}.productName in ['NVIDIA L40S', 'NVIDIA H200']"),
    "an amount of memory": ask(GPU_DRIVER, at_least("60Gi")),
    "an amount that is just there": ask(GPU_DRIVER, at_least("81559Mi")),
    "an amount that nothing has": ask(GPU_DRIVER, at_least("96Gi")),
    "two clauses": ask(GPU_DRIVER, f"{at_least('20Gi')} && {A}.productName.contains('A100')"),
    "two clauses that nothing has both of": ask(GPU_DRIVER, f"{at_least('60Gi')} && {A}.productName.contains('A100')"),
    "two selectors": ask(GPU_DRIVER, at_least("60Gi"), f"{A}.architecture == 'Hopper'", count=2),
    "a version": ask(GPU_DRIVER, f"{A}.cudaComputeCapability.isGreaterThan(semver('8.9.0'))"),
    "a version that is not above itself": ask(GPU_DRIVER, f"{A}.cudaComputeCapability.isGreaterThan(semver('9.0.0'))"),
    "a profile": ask(MIG_CLASS, f"{PROFILE} == '1g.10gb'", count=2),
    "more of a profile than there are": ask(MIG_CLASS, f"{PROFILE} == '1g.10gb'", count=3),
    "a profile, guarded": ask(ANY, f"has({PROFILE}) && {PROFILE} == '3g.40gb'"),
    "a taint tolerated": ask(GPU_DRIVER, at_least("60Gi"), count=2, tolerations=[TOLERATION]),
    "another taint tolerated": ask(
        GPU_DRIVER, at_least("60Gi"), count=2, tolerations=[{**TOLERATION, "key": "example.com/other"}]
    ),
    "a share of memory": ask(GPU_DRIVER, "device.allowMultipleAllocations", capacity={"requests": {"memory": "15Gi"}}),
    "a share above the range": ask(
        GPU_DRIVER, "device.allowMultipleAllocations", capacity={"requests": {"memory": "45Gi"}}
    ),
    "memory of devices that are not shared": ask(GPU_DRIVER, capacity={"requests": {"memory": "60Gi"}}),
    "a capacity that nothing has": ask(GPU_DRIVER, capacity={"requests": {"shares": "1"}}),
    "cards of every node": ask(NIC, f"{SPEED} == 100", count=2),
    "cards of a zone": ask(NIC, f"{SPEED} > 100", count=1),
    "cards, alternatives of drivers": ask(ANY, f"device.driver == '{NIC}' && {SPEED} == 400 || false"),
    "an error on every device": ask(MIG_CLASS, f"{A}.uuid == 'GPU-0'"),
}


@pytest.mark.parametrize("name", CLAIMS_ASKED)
def test_the_scheduler_allocates_where_the_funnel_says(devices: Cluster, name: str) -> None:
    api, namespace = devices.control_plane.api, devices.namespace
    template = make_template(namespace, "asked", {"name": "gpu", "exactly": CLAIMS_ASKED[name]})
    claim = parse_claim(template)
    case = Case(claim, namespace, devices.view)
    funnel = funnel_of(case, next(claim.alternatives()))
    assert funnel is not None
    fits = {node for node, count in funnel.nodes if node in NAMES and funnel.fits(count)}
    with api.temporarily(TEMPLATES, template):
        for node in NAMES:
            pod = make_pod(namespace, f"on-{node}", "asked")
            api.create(PODS, {**pod, "spec": {**pod["spec"], "nodeSelector": {"kubernetes.io/hostname": node}}})
        try:
            bound = {node for node in NAMES if wait_for("verdict", partial(verdict, api, namespace, node)) == "bound"}
        finally:
            for node in NAMES:
                devices.control_plane.end_pod(namespace, f"on-{node}")
            wait_for("end of the claims", lambda: not api.list_all(CLAIMS, namespace))
    assert bound == fits


def verdict(api: Api, namespace: str, node: str) -> str:
    """Return what the scheduler has made of the pod for a node; empty while it has not tried with its claim."""
    pod = api.get(PODS, f"on-{node}", namespace)
    if pod["spec"].get("nodeName"):
        return "bound"
    conditions = pod.get("status", {}).get("conditions", ())
    said = " ".join(each.get("message", "") for each in conditions if each["type"] == "PodScheduled")
    refusals = ("cannot allocate all claims", "selector", "exceeds the claim limit")
    return "refused" if any(words in said for words in refusals) else ""
