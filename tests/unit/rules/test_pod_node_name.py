"""Pods with claims that the scheduler never sees."""

from tests.support.build import Raw, claim_object
from tests.support.pods import container, found, mended, of_claim, of_template, pod_object, view_with, workload
from webhook.rules.pod_node_name import check

ALLOCATED = {**claim_object(name="shared-gpu"), "status": {"allocation": {"devices": {"results": []}}}}


def test_a_pod_with_claims_that_is_bound_by_its_author_is_told() -> None:
    pod = pod_object([of_template("gpu")], container("gpu"), nodeName="node-1")
    [finding] = found(check, pod)
    assert (str(finding.path), finding.message) == (
        "spec.nodeName",
        "no devices are allocated to a pod that sets `nodeName`",
    )


def test_the_edit_requires_the_same_node_of_the_scheduler() -> None:
    raw = workload(pod_object([of_template("gpu")], container("gpu"), nodeName="node-1"))
    spec = mended(check, raw)["spec"]["template"]["spec"]
    assert "nodeName" not in spec
    [term] = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}


def test_an_affinity_that_is_there_is_not_overwritten() -> None:
    there: Raw = {"podAntiAffinity": {}}
    pod = pod_object([of_template("gpu")], container("gpu"), nodeName="node-1", affinity=there)
    [finding] = found(check, pod)
    assert finding.fixes[0].edits == ()


def test_a_pod_without_claims_may_be_bound() -> None:
    assert found(check, pod_object([], container(), nodeName="node-1")) == []


def test_a_pod_that_leaves_its_node_to_the_scheduler_is_none_of_our_business() -> None:
    assert found(check, pod_object([of_template("gpu")], container("gpu"))) == []


def test_claims_that_have_their_devices_are_reserved_for_the_pod() -> None:
    view = view_with(ALLOCATED)
    pod = pod_object([of_claim("gpu")], container("gpu"), nodeName="node-1")
    assert found(check, pod, view) == []
    more = pod_object([of_claim("gpu"), of_template("more")], container("gpu", "more"), nodeName="node-1")
    assert len(found(check, more, view)) == 1
