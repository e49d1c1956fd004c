"""Pods and workloads as the endpoints judge them: wiring, legacy limits, and the quotas of all their pods."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.build import Raw, request
from tests.support.pods import container, of_claim, of_template, pod_object, template_object, workload
from tests.support.quota import devices, make_quota
from tests.support.rewriting import NAMESPACE, make_cluster, mapping_object
from webhook.core.cluster import ClusterView
from webhook.core.patch import apply
from webhook.core.quotas import DeviceQuota
from webhook.core.review import Resource, Review
from webhook.endpoints import Pods, pods_in, pods_of_review
from webhook.inventory.case import never
from webhook.quota.charges import tariff_of
from webhook.rewrite.decide import decide_pod
from webhook.rules import Rulebook

GPU = {"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}
MAPPING = mapping_object({"resources": [GPU]})
TEMPLATE = template_object(request("gpu", device_class="gpu.nvidia.com", count=2))
POD = pod_object([of_template("gpu")], container("gpu"))
LEGACY = pod_object([], container(limits={"nvidia.com/gpu": 2}))


def judged(raw: Raw, view: ClusterView) -> Pods:
    pods = pods_in(raw, NAMESPACE, view)
    assert pods is not None
    return pods


def cluster(*objects: Raw, quotas: tuple[DeviceQuota, ...] = (), **fields: Any) -> ClusterView:
    view = make_cluster(TEMPLATE, *objects, **fields)
    return replace(view, quotas={(quota.namespace, quota.name): quota for quota in quotas})


def taken(raw: Raw, view: ClusterView, before: Raw | None = None) -> dict[str, int]:
    """Return what the pods would take of the one quota."""
    earlier = None if before is None else judged(before, view)
    [found] = judged(raw, view).charges(tariff_of(view), earlier) or [None]
    return {} if found is None else {name: int(amount) for name, amount in found.amounts().items()}


LIMITED = cluster(quotas=(make_quota(devices(8, "gpus", deviceClassName="gpu.nvidia.com")),), mappings=[MAPPING])


@pytest.mark.parametrize(
    ("raw", "amount"),
    [
        (POD, 2),
        (workload(POD, replicas=3), 6),
        (workload(POD, "Job", parallelism=4, completions=3), 6),
        (workload(POD, "CronJob", parallelism=4), 8),
        (workload(POD, "DaemonSet"), 2),
        (workload(pod_object([of_template("a"), of_template("b")], container("a", "b")), replicas=2), 8),
        (workload(LEGACY, replicas=3), 6),
        (LEGACY, 2),
    ],
)
def test_the_claims_of_all_pods_are_charged(raw: Raw, amount: int) -> None:
    assert taken(raw, LIMITED) == {"gpus": amount}


def test_claims_that_are_there_are_charged_already() -> None:
    assert judged(pod_object([of_claim("gpu", "x")], container("gpu")), LIMITED).charges(tariff_of(LIMITED)) == ()


def test_a_workload_without_pods_takes_nothing() -> None:
    assert taken(workload(POD, replicas=0), LIMITED) == {}


def test_of_a_change_only_what_is_more_counts() -> None:
    assert taken(workload(POD, replicas=5), LIMITED, workload(POD, replicas=3)) == {"gpus": 4}
    assert taken(workload(POD, replicas=2), LIMITED, workload(POD, replicas=3)) == {}


def test_limits_that_will_be_rewritten_are_no_second_stack() -> None:
    both = pod_object([of_template("gpu")], container("gpu", limits={"nvidia.com/gpu": 1}))
    assert [finding.rule for finding in judged(both, LIMITED).findings] == []
    assert [finding.rule for finding in judged(both, cluster()).findings] == ["pod-mixed-stacks"]


def test_templates_that_follow_from_what_a_rewritten_pod_recorded_are_not_missed() -> None:
    view = cluster(mappings=[MAPPING])
    pod = Resource("", "v1", "Pod")
    review = Review("u", "CREATE", pod, pod, namespace=NAMESPACE, object=LEGACY)
    decision = decide_pod(review, view).decision
    rewritten = apply(LEGACY, decision.patch)  # type: ignore[union-attr]  # it is allowed
    assert "drawbridge-" in str(rewritten["spec"]["resourceClaims"])
    assert judged(rewritten, view).findings == ()

    rewritten["metadata"]["annotations"] = {}
    [finding] = judged(rewritten, view).findings
    assert finding.rule == "pod-unknown-template"


def review(raw: Raw, operation: str = "CREATE", **fields: Any) -> Review:
    group = raw["apiVersion"].rpartition("/")[0]
    kind = Resource(group, "v1", raw["kind"])
    return Review("u", operation, kind, kind, **{"namespace": NAMESPACE, "object": raw, **fields})


@pytest.mark.parametrize(
    ("asked", "is_judged"),
    [
        (review(POD), True),
        (review(POD, "UPDATE", old_object=LEGACY), False),
        (review(POD, sub_resource="ephemeralcontainers"), False),
        (review(POD, namespace="kube-system"), False),
        (review(POD, "DELETE", object=None), False),
        (review(workload(POD)), True),
        (review(workload(POD), "UPDATE", old_object=workload(POD)), False),
        (review(workload(POD), "UPDATE", old_object=workload(POD, replicas=2)), True),
        (review(workload(POD, "CronJob")), True),
    ],
)
def test_what_is_judged(asked: Review, is_judged: bool) -> None:
    assert (pods_of_review(asked, LIMITED, Rulebook(), never) is not None) is is_judged


def test_a_pod_that_comes_to_be_validated_has_been_rewritten_or_was_left_alone_before() -> None:
    pods = pods_of_review(review(LEGACY), LIMITED, Rulebook(), never)
    assert pods is not None
    assert (pods.findings, pods.asked) == ((), ())
