"""Limits of a device plugin beside claims for the same kind of device."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.build import Raw, make_class, make_slice, request
from tests.support.pods import case_of, container, found, of_template, pod_object, template_object, view_with, workload
from tests.support.rewriting import mapping_object
from webhook.core.cluster import ClusterView, Node
from webhook.core.mappings import parse_mapping
from webhook.core.quantity import parse_quantity
from webhook.rules.pod_mixed_stacks import check


def cluster(device_class: str = "gpu.nvidia.com", **fields: Any) -> ClusterView:
    return view_with(template_object(request(device_class=device_class)), **fields)


def limited(name: str, amount: Any = 1) -> Raw:
    return pod_object([of_template("gpu")], container("gpu", limits={name: amount}))


@pytest.mark.parametrize(
    ("name", "device_class"),
    [
        ("nvidia.com/gpu", "gpu.nvidia.com"),
        ("nvidia.com/gpu.shared", "gpu.nvidia.com"),
        ("nvidia.com/mig-1g.10gb", "gpu.nvidia.com"),
        ("nvidia.com/mig-1g.10gb", "mig.nvidia.com"),
        ("amd.com/gpu", "gpu.amd.com"),
        ("gpu.intel.com/i915", "gpu.intel.com"),
        ("google.com/tpu", "tpu.google.com"),
    ],
)
def test_a_plugin_and_a_driver_of_one_kind_of_device_are_told(name: str, device_class: str) -> None:
    [finding] = found(check, limited(name), cluster(device_class))
    assert str(finding.path) == f"spec.containers[0].resources.limits[{name}]"
    assert finding.message == "claim 'gpu' asks for such devices as well"


@pytest.mark.parametrize(
    ("name", "amount", "device_class"),
    [
        ("nvidia.com/gpu", 1, "compute-domain-default-channel.nvidia.com"),
        ("nvidia.com/gpu", 0, "gpu.nvidia.com"),
        ("nvidia.com/gpu", "many", "gpu.nvidia.com"),
        ("example.com/fpga", 1, "gpu.nvidia.com"),
        ("cpu", 1, "gpu.nvidia.com"),
        ("deviceclass.resource.kubernetes.io/gpu.nvidia.com", 1, "gpu.nvidia.com"),
    ],
)
def test_what_is_no_device_of_that_kind_may_stand_beside_the_claim(name: str, amount: Any, device_class: str) -> None:
    assert found(check, limited(name, amount), cluster(device_class)) == []


def test_the_driver_counts_and_not_the_name_of_its_class() -> None:
    gold = make_class("gold", "device.driver == 'gpu.nvidia.com'")
    published = [make_slice({"name": "gpu-0"}, driver="gpu.nvidia.com")]
    assert len(found(check, limited("nvidia.com/gpu"), cluster("gold", classes=[gold], slices=published))) == 1
    assert found(check, limited("nvidia.com/gpu"), cluster("gold", classes=[gold])) == []


def test_a_mapping_says_what_a_name_stands_for() -> None:
    mapping = parse_mapping(
        mapping_object({"mode": "Off", "resources": [{"name": "example.com/fpga", "deviceClassName": "gold"}]})
    )
    view = replace(cluster("gold"), mappings={"m": mapping})
    assert len(found(check, limited("example.com/fpga"), view)) == 1


def test_limits_that_are_about_to_become_claims_are_none_of_a_plugins() -> None:
    case = case_of(limited("nvidia.com/gpu"), cluster(), moving=["nvidia.com/gpu"])
    assert list(check(case)) == []


def test_what_the_scheduler_serves_is_no_plugins_unless_a_node_offers_it() -> None:
    served = make_class("gpu.nvidia.com", "true", extendedResourceName="nvidia.com/gpu")
    view = cluster(classes=[served])
    assert found(check, limited("nvidia.com/gpu"), view) == []
    offering = Node("n", {}, {"nvidia.com/gpu": parse_quantity("8")})
    assert len(found(check, limited("nvidia.com/gpu"), replace(view, nodes={"n": offering}))) == 1
    gone = Node("n", {}, {"nvidia.com/gpu": parse_quantity("0")})
    assert found(check, limited("nvidia.com/gpu"), replace(view, nodes={"n": gone})) == []


def test_each_name_is_told_once_for_all_containers() -> None:
    limits = {"nvidia.com/gpu": 1}
    containers = [container(name="a", limits=limits), container("gpu", name="b", limits=limits)]
    raw = workload(pod_object([of_template("gpu")], *containers), replicas=2)
    [finding] = found(check, raw, cluster())
    assert str(finding.path) == "spec.template.spec.containers[0].resources.limits[nvidia.com/gpu]"


def test_a_pod_without_claims_has_one_stack() -> None:
    assert found(check, pod_object([], container(limits={"nvidia.com/gpu": 1})), cluster()) == []
