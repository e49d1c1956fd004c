"""The mappings that Drawbridge ships can be read whole, and what they yield compiles."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.rewriting import NAMESPACE, Raw, make_cluster, shipped
from webhook.cel.compile import Verdict
from webhook.core.cluster import ClusterView
from webhook.core.mappings import LABEL_VALUE, MainResource, parse_mapping
from webhook.core.versions import ServerTruth
from webhook.inventory.case import compiled_new
from webhook.rewrite.plan import PlannedClaim
from webhook.rewrite.reasons import Code
from webhook.rewrite.refusals import LeftAlone
from webhook.rewrite.rewriting import Rewritten, rewrite
from webhook.rewrite.supply import devices_for

NAMES = sorted(path.stem for path in (Path(__file__).parents[3] / "policies" / "mappings").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_mapping_is_whole_and_named_like_its_file(name: str) -> None:
    mapping = parse_mapping(shipped(name))
    assert not mapping.misfits
    assert mapping.name == name
    assert not mapping.namespace_selector.requirements


@pytest.mark.parametrize("name", NAMES)
def test_its_selectors_compile(name: str) -> None:
    for resource in parse_mapping(shipped(name)).resources:
        if isinstance(resource, MainResource) and resource.selector is not None:
            groups = resource.pattern.groups() if resource.pattern else ()
            expression = resource.selector.filled(dict.fromkeys(groups, "1g.10gb"))
            assert compiled_new(expression, ServerTruth()).verdict is Verdict.OK
    for label in parse_mapping(shipped(name)).node_labels:
        expression = label.selector.filled({LABEL_VALUE: "A100"})
        assert compiled_new(expression, ServerTruth()).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("mapping", "limits", "device_class", "capacity"),
    [
        ("amd", {"amd.com/gpu": "1"}, "gpu.amd.com", ()),
        ("amd", {"amd.com/cpx_nps4": "2"}, "gpu.amd.com", (("partitions", "1"),)),
        ("nvidia", {"nvidia.com/gpu.shared": "1"}, "gpu.nvidia.com", (("shares", "1"),)),
        ("intel", {"gpu.intel.com/xe": "1"}, "gpu.intel.com", ()),
        ("tpu", {"google.com/tpu": "4"}, "tpu.google.com", ()),
        (
            "hami",
            {"nvidia.com/gpu": "1", "nvidia.com/gpumem": "3000", "nvidia.com/gpucores": "30"},
            "hami-core-gpu.project-hami.io",
            (("cores", "30"), ("memory", "3000Mi")),
        ),
    ],
)
def test_what_a_vendors_limits_become(
    mapping: str, limits: dict[str, str], device_class: str, capacity: tuple[tuple[str, str], ...]
) -> None:
    view = make_cluster(
        {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": device_class}},
        mappings=[shipped(mapping)],
    )
    pod = {"spec": {"containers": [{"name": "main", "resources": {"limits": limits}}]}}
    outcome = rewrite(pod, NAMESPACE, view)
    assert isinstance(outcome, Rewritten)
    (claim,) = outcome.plan.claims
    assert (claim.shape.device_class_name, claim.shape.capacity) == (device_class, capacity)


NVIDIA = {
    "type": {"string": "gpu"},
    "productName": {"string": "NVIDIA A100 80GB PCIe"},
    "architecture": {"string": "Ada Lovelace"},
    "cudaComputeCapability": {"version": "8.9.0"},
}
TPU = {"accelerator": {"string": "tpu-v5-lite-podslice"}, "topology": {"string": "2x4"}}


def _cluster(mapping: str, driver: str, attributes: Raw) -> ClusterView:
    """Return a cluster with one device; these drivers have a class of their own name."""
    return make_cluster(
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "DeviceClass",
            "metadata": {"name": driver},
            "spec": {"selectors": [{"cel": {"expression": f"device.driver == '{driver}'"}}]},
        },
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceSlice",
            "metadata": {"name": "s"},
            "spec": {
                "driver": driver,
                "nodeName": "node-1",
                "pool": {"name": "node-1", "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": "d-0", "attributes": attributes}],
            },
        },
        mappings=[shipped(mapping)],
    )


@pytest.mark.parametrize(
    ("mapping", "driver", "resource", "attributes", "label", "value", "other"),
    [
        (
            "nvidia",
            "gpu.nvidia.com",
            "nvidia.com/gpu",
            NVIDIA,
            "nvidia.com/gpu.product",
            "NVIDIA-A100-80GB-PCIe",
            "NVIDIA-A100",
        ),
        ("nvidia", "gpu.nvidia.com", "nvidia.com/gpu", NVIDIA, "nvidia.com/gpu.family", "ada-lovelace", "hopper"),
        ("nvidia", "gpu.nvidia.com", "nvidia.com/gpu", NVIDIA, "nvidia.com/gpu.compute.major", "8", "9"),
        ("nvidia", "gpu.nvidia.com", "nvidia.com/gpu", NVIDIA, "nvidia.com/gpu.compute.minor", "9", "0"),
        ("tpu", "tpu.google.com", "google.com/tpu", TPU, "cloud.google.com/gke-tpu-topology", "2x4", "4x4"),
        (
            "tpu",
            "tpu.google.com",
            "google.com/tpu",
            TPU,
            "cloud.google.com/gke-tpu-accelerator",
            "tpu-v5-lite-podslice",
            "tpu-v6e-slice",
        ),
        ("tpu", "tpu.google.com", "google.com/tpu", {}, "tpu.google.com/topology", "", "2x4"),
    ],
)
def test_a_translated_label_means_the_device_that_the_label_means(
    mapping: str, driver: str, resource: str, attributes: Raw, label: str, value: str, other: str
) -> None:
    view = _cluster(mapping, driver, attributes)
    for demanded, meant in ((value, bool(value)), (other, False)):
        claim = _claim(view, {label: demanded}, {resource: "1"})
        assert bool(devices_for(view, claim.shape.device_class_name, claim.shape.selectors)) is meant


def _claim(view: ClusterView, node_selector: dict[str, str], limits: dict[str, str]) -> PlannedClaim:
    outcome = rewrite(_pod(limits, nodeSelector=node_selector), NAMESPACE, view)
    assert isinstance(outcome, Rewritten), outcome
    (claim,) = outcome.plan.claims
    assert claim.shape.selectors
    return claim


def _pod(limits: dict[str, str], annotations: dict[str, str] | None = None, **spec: Any) -> Raw:
    containers = [{"name": "main", "resources": {"limits": limits}}]
    return {"metadata": {"annotations": annotations or {}}, "spec": {"containers": containers, **spec}}


@pytest.mark.parametrize(
    ("mapping", "pod"),
    [
        ("hami", _pod({"nvidia.com/gpu": "1", "nvidia.com/priority": "1"})),
        ("hami", _pod({"nvidia.com/gpu": "1"}, {"nvidia.com/use-gputype": "A100"})),
        ("hami", _pod({"nvidia.com/gpu": "1"}, {"nvidia.com/nouse-gpuuuid": "GPU-1"})),
        ("hami", _pod({"nvidia.com/gpu": "1"}, {"nvidia.com/vgpu-mode": "mig"})),
        ("intel", _pod({"gpu.intel.com/i915": "1", "gpu.intel.com/millicores": "500"})),
        ("nvidia", _pod({"nvidia.com/mig-1g.10gb.shared": "1"})),
        ("nvidia", _pod({"nvidia.com/gpu": "1"}, nodeSelector={"nvidia.com/gpu.product": "Tesla-T4-SHARED"})),
        ("nvidia", _pod({"nvidia.com/gpu": "1"}, nodeSelector={"nvidia.com/gpu.product": "A100-MIG-1g.5gb"})),
        ("nvidia", _pod({"nvidia.com/gpu": "1"}, nodeSelector={"nvidia.com/mig.strategy": "single"})),
    ],
)
def test_what_no_claim_can_say_leaves_the_pod_alone(mapping: str, pod: Raw) -> None:
    view = make_cluster(mappings=[shipped(mapping)])
    outcome = rewrite(pod, NAMESPACE, view)
    assert isinstance(outcome, LeftAlone)
    assert outcome.code is Code.NO_COUNTERPART


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("nvidia.com/gpu.memory", "81920"),
        ("nvidia.com/gpu.family", "ampere"),
        ("nvidia.com/gpu.count", "8"),
        ("nvidia.com/mig.strategy", "mixed"),
        ("nvidia.com/mig-1g.10gb.count", "7"),
        ("nvidia.com/cuda.driver.major", "570"),
        ("feature.node.kubernetes.io/pci-10de.present", "true"),
        ("feature.node.kubernetes.io/pci-0302_10de.present", "true"),
    ],
)
def test_a_label_that_says_something_else_stays_and_is_told(label: str, value: str) -> None:
    view = make_cluster(mappings=[shipped("nvidia")])
    outcome = rewrite(_pod({"nvidia.com/gpu": "1"}, nodeSelector={label: value}), NAMESPACE, view)
    assert isinstance(outcome, Rewritten)
    assert [condition.label for condition in outcome.kept] == [label]
    assert not outcome.plan.claims[0].shape.selectors
    assert outcome.pod["spec"]["nodeSelector"] == {label: value}
