"""Which autoscalers a cluster has, and whether they heed claims."""

from typing import Any

import pytest

from webhook.core.autoscalers import autoscalers, trimmed_autoscaler
from webhook.core.cluster import Node


def _deployment(name: str, labels: dict[str, str] | None = None, **container: Any) -> dict[str, Any]:
    containers = [{"name": "c", "env": [{"name": "TOKEN", "value": "hunter2"}], **container}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels or {}},
        "spec": {"template": {"spec": {"containers": containers}}},
    }


FLAG = "--enable-dynamic-resource-allocation"


@pytest.mark.parametrize(
    ("raw", "kind", "heeds"),
    [
        (_deployment("cluster-autoscaler", image="ca:v1.35.0"), "cluster-autoscaler", True),
        (_deployment("cluster-autoscaler", image="host:5000/ca:v1.34.2"), "cluster-autoscaler", False),
        (_deployment("ca", {"k8s-app": "cluster-autoscaler"}, image="ca:1.9"), "cluster-autoscaler", False),
        (
            _deployment("cluster-autoscaler", image="ca:v1.34.2", command=["./ca", f"{FLAG}=true"]),
            "cluster-autoscaler",
            True,
        ),
        (_deployment("cluster-autoscaler", image="ca:v1.34.2", args=[FLAG]), "cluster-autoscaler", True),
        (_deployment("cluster-autoscaler", image="ca:v1.34.2", args=[f"{FLAG}=false"]), "cluster-autoscaler", False),
        (_deployment("cluster-autoscaler", image="ca@sha256:12"), "cluster-autoscaler", None),
        (
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "cluster-autoscaler-status", "namespace": "kube-system"},
                "data": {"status": "hunter2"},
            },
            "cluster-autoscaler",
            None,
        ),
        (_deployment("karpenter", image="k:1.14.0"), "karpenter", False),
        (_deployment("karpenter", env=[{"name": "IGNORE_DRA_REQUESTS", "value": "false"}]), "karpenter", True),
        (
            {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "gpus"}, "spec": {}},
            "karpenter",
            None,
        ),
    ],
)
def test_an_autoscaler_is_found_whole_or_trimmed(raw: dict[str, Any], kind: str, heeds: bool | None) -> None:
    kept = trimmed_autoscaler(raw)
    assert kept is not None
    assert "hunter2" not in str(kept)
    for one in (raw, kept):
        (found,) = autoscalers([one], {})
        assert (found.kind, found.heeds_claims) == (kind, heeds)


def test_karpenter_is_seen_by_its_nodes_and_told_once() -> None:
    nodes = {"n": Node("n", {"karpenter.sh/nodepool": "gpus"}, {})}
    (found,) = autoscalers([], nodes)
    assert (found.kind, found.heeds_claims) == ("karpenter", None)
    (found,) = autoscalers([_deployment("karpenter")], nodes)
    assert found.heeds_claims is False, "the Deployment tells more than a node"


def test_other_deployments_are_none() -> None:
    assert trimmed_autoscaler(_deployment("karpenter-dashboard")) is None
    assert not autoscalers([_deployment("web")], {"n": Node("n", {}, {})})
