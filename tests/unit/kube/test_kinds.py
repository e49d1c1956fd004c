"""What is kept of each kind."""

from typing import Any

import pytest

from webhook.core.cluster import LimitRange, Node, NodeTaint, ResourceQuota
from webhook.core.device import Taint
from webhook.core.devices import TaintRule
from webhook.core.quantity import parse_quantity
from webhook.kube.kinds import KINDS, kind_of, projected


def kept(raw: dict[str, Any]) -> Any:
    kind = kind_of(raw)
    assert kind is not None
    found = projected(raw, kind)
    assert found.misfits == ()
    return found.value


def make(kind: str, name: str = "x", namespace: str = "", version: str = "v1", **content: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def test_of_a_node_its_labels_allocatable_and_taints_are_kept() -> None:
    taints = [{"key": "gpu", "value": "a", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:00Z"}]
    raw = make("Node", spec={"taints": taints}, status={"allocatable": {"nvidia.com/gpu": "8"}, "images": [{}]})
    assert kept(raw) == Node("x", {}, {"nvidia.com/gpu": parse_quantity("8")}, (NodeTaint("gpu", "a", "NoSchedule"),))


@pytest.mark.parametrize(
    ("spec", "scoped"),
    [
        pytest.param({}, False, id="no scopes"),
        pytest.param({"scopes": []}, False, id="an empty list of scopes"),
        pytest.param({"scopes": ["BestEffort"]}, True, id="a scope"),
        pytest.param({"scopeSelector": {"matchExpressions": []}}, True, id="a scope selector"),
    ],
)
def test_a_resource_quota_is_scoped_where_scopes_narrow_it(spec: dict[str, Any], scoped: bool) -> None:
    raw = make("ResourceQuota", namespace="n", spec={"hard": {"requests.nvidia.com/gpu": "4"}, **spec})
    assert kept(raw) == ResourceQuota("n", "x", {"requests.nvidia.com/gpu": parse_quantity("4")}, scoped)


def test_of_a_limit_range_all_names_for_containers_and_pods_are_kept() -> None:
    limits = [
        {"type": "Container", "max": {"a": "1"}, "default": {"b": "1"}, "defaultRequest": {"c": "1"}},
        {"type": "Pod", "min": {"d": "1"}, "maxLimitRequestRatio": {"e": "2"}},
        {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}},
    ]
    assert kept(make("LimitRange", namespace="n", spec={"limits": limits})) == LimitRange("n", "x", frozenset("abcde"))


def test_of_a_taint_rule_the_taint_and_what_it_is_on_are_kept() -> None:
    taint = {"key": "example.com/drained", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}
    selector = {"driver": "gpu.example.com", "pool": "node-1", "device": "gpu-0"}
    raw = make("DeviceTaintRule", version="resource.k8s.io/v1beta2", spec={"deviceSelector": selector, "taint": taint})
    drained = Taint("example.com/drained", "", "NoExecute")
    assert kept(raw) == TaintRule("x", drained, driver="gpu.example.com", pool="node-1", device="gpu-0")


def test_a_cluster_quota_is_kept_beside_the_others_without_a_namespace() -> None:
    raw = make("ClusterDeviceQuota", version="drawbridge.dev/v1alpha1", spec={"limits": []})
    kind = kind_of(raw)
    assert kind is not None
    assert (kind.field, projected(raw, kind).key) == ("quotas", ("", "x"))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"apiVersion": 1, "kind": "Node"}, id="an apiVersion that is no text"),
        pytest.param(make("Node", version="example.com/v1"), id="a kind of the same name in another group"),
        pytest.param(make("Secret"), id="a kind that is none of ours"),
    ],
)
def test_other_kinds_are_none_of_ours(raw: dict[str, Any]) -> None:
    assert kind_of(raw) is None


def test_every_kind_lands_in_a_field_of_the_view_of_its_own() -> None:
    fields = [kind.field for kind in KINDS]
    assert len(set(fields)) == len(fields) - 1  # quotas of both kinds share one
