"""One claim for all pods of a workload."""

from typing import Any

import pytest

from tests.support.build import claim_object
from tests.support.pods import container, found, of_claim, of_template, pod_object, view_with, workload
from webhook.rules.pod_shared_claim import check

POD = pod_object([of_claim("gpu")], container("gpu"))
SHARED = view_with(claim_object(name="shared-gpu"))

SEVERAL: list[tuple[str, dict[str, Any], str]] = [
    ("Deployment", {"replicas": 3}, "3 pods"),
    ("StatefulSet", {"replicas": 2}, "2 pods"),
    ("ReplicaSet", {"replicas": 2}, "2 pods"),
    ("DaemonSet", {}, "the pods of all nodes"),
    ("Job", {"parallelism": 4}, "4 pods"),
    ("Job", {"parallelism": 4, "completions": 2}, "2 pods"),
    ("CronJob", {"parallelism": 2}, "2 pods"),
]
ONE: list[tuple[str, dict[str, Any]]] = [
    ("Deployment", {}),
    ("Deployment", {"replicas": 1}),
    ("Deployment", {"replicas": 0}),
    ("Deployment", {"replicas": "3"}),
    ("Job", {"completions": 9}),
    ("Job", {"parallelism": 9, "completions": 1}),
    ("CronJob", {}),
]


@pytest.mark.parametrize(("kind", "spec", "who"), SEVERAL)
def test_several_pods_that_share_a_claim_are_told(kind: str, spec: dict[str, Any], who: str) -> None:
    [finding] = found(check, workload(POD, kind, **spec), SHARED)
    assert finding.message == f"{who} share the one claim 'shared-gpu'"
    assert str(finding.path).endswith("template.spec.resourceClaims[0].resourceClaimName")


@pytest.mark.parametrize(("kind", "spec"), ONE)
def test_one_pod_at_a_time_may_have_a_claim(kind: str, spec: dict[str, Any]) -> None:
    assert found(check, workload(POD, kind, **spec), SHARED) == []


def test_a_pod_alone_may_have_a_claim() -> None:
    assert found(check, POD, SHARED) == []


def test_templates_are_not_shared() -> None:
    assert found(check, workload(pod_object([of_template("gpu")], container("gpu")), replicas=3)) == []


def test_a_template_that_is_named_like_a_claim_is_told_elsewhere() -> None:
    raw = workload(pod_object([of_claim("gpu", "single-gpu")], container("gpu")), replicas=3)
    assert found(check, raw) == []
