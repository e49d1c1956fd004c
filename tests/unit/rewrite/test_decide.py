"""What /mutate/pods answers, by the mode of the mapping."""

import json
from typing import Any

import pytest

from tests.support.rewriting import NAMESPACE, Raw, make_cluster, mapping_object
from webhook.core.cluster import ClusterView
from webhook.core.decision import Allow, Deny
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Severity
from webhook.core.render import warnings
from webhook.core.review import Resource, Review
from webhook.rewrite.decide import PodDecision, decide_pod
from webhook.rewrite.findings import left_alone
from webhook.rewrite.original import ANNOTATION
from webhook.rewrite.reasons import Code
from webhook.rewrite.refusals import LeftAlone
from webhook.rewrite.rewriting import Rewritten

GPU = {"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}
PODS = Resource("", "v1", "pods")


def _view(*objects: Raw, **spec: Any) -> ClusterView:
    return make_cluster(*objects, mappings=[mapping_object({"resources": [GPU], **spec})])


def _pod(quantity: str = "2", **spec: Any) -> Raw:
    limits = {"nvidia.com/gpu": quantity}
    return {
        "metadata": {"generateName": "p-"},
        "spec": {"containers": [{"name": "main", "resources": {"limits": limits}}], **spec},
    }


def _decide(pod: Raw, view: ClusterView, operation: str = "CREATE", **fields: Any) -> PodDecision:
    review = Review("u", operation, Resource("", "v1", "Pod"), PODS, namespace=NAMESPACE, object=pod)
    return decide_pod(review, view, **fields)


def test_a_rewritten_pod_is_allowed_with_a_patch_and_told_in_the_audit_log() -> None:
    made = _decide(_pod(), _view())
    assert isinstance(made.decision, Allow)
    assert made.decision.patch
    assert not made.decision.findings
    told = json.loads(made.decision.audit["rewrite"])
    assert told["original"] == {"main": {"nvidia.com/gpu": "2"}}
    assert told["claims"]["gpu"] == {"template": made.templates[0].name, "resource": "nvidia.com/gpu", "count": 2}


def test_t_10_a_patch_touches_nothing_but_what_a_rewrite_owns() -> None:
    made = _decide(_pod(), _view())
    assert isinstance(made.decision, Allow)
    assert [operation.path for operation in made.decision.patch] == [
        "/metadata/annotations",
        "/spec/resourceClaims",
        "/spec/tolerations",
        "/spec/containers/0/resources/claims",
        "/spec/containers/0/resources/limits/nvidia.com~1gpu",
    ]


@pytest.mark.parametrize("mode", ["Off", "Report", "Deny"])
def test_no_other_mode_gives_a_patch(mode: str) -> None:
    decision = _decide(_pod(), _view(mode=mode)).decision
    assert isinstance(decision, Deny) or not decision.patch


def test_report_says_what_the_pod_would_become() -> None:
    decision = _decide(_pod(), _view(mode="Report")).decision
    assert warnings(decision.findings) == (
        "containers[0]: would claim 2 of 'gpu.nvidia.com'; try `drawbridge migrate` [legacy-report]",
    )


def test_report_says_that_a_pod_would_be_left_alone() -> None:
    decision = _decide(_pod(schedulerName="volcano"), _view(mode="Report")).decision
    assert warnings(decision.findings) == (
        "containers[0]: would be left alone: other-scheduler; use 'default-scheduler' [legacy-report]",
    )


def test_deny_refuses_and_names_the_replacement() -> None:
    decision = _decide(_pod(), _view(mode="Deny")).decision
    assert isinstance(decision, Deny)
    (finding,) = decision.findings
    assert str(finding.path) == "spec.containers[0].resources.limits[nvidia.com/gpu]"
    assert not finding.permitted
    assert finding.fixes[0].message == (
        "name a claim of class 'gpu.nvidia.com' instead: `drawbridge migrate` rewrites the manifest"
    )


def test_an_opt_out_does_not_open_a_closed_door() -> None:
    pod = _pod()
    pod["metadata"]["annotations"] = {"drawbridge.dev/rewrite": "off"}
    assert isinstance(_decide(pod, _view(mode="Deny")).decision, Deny)


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(_pod("0"), id="a limit of 0 asks for nothing"),
        pytest.param(
            {**_pod(), "metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}},
            id="a mirror pod runs already",
        ),
        pytest.param({"spec": {"containers": [{"name": "main"}]}}, id="no legacy limit"),
    ],
)
def test_deny_lets_pass(pod: Raw) -> None:
    assert isinstance(_decide(pod, _view(mode="Deny")).decision, Allow)


def test_deny_refuses_each_container_in_one_answer() -> None:
    pod = _pod()
    pod["spec"]["containers"].append({"name": "b", "resources": {"limits": {"nvidia.com/gpu": "x"}}})
    decision = _decide(pod, _view(mode="Deny")).decision
    assert [str(finding.path)[:18] for finding in decision.findings] == ["spec.containers[0]", "spec.containers[1]"]


@pytest.mark.parametrize("operation", ["UPDATE", "DELETE", "CONNECT"])
def test_only_creations_are_rewritten(operation: str) -> None:
    assert _decide(_pod(), _view(), operation).decision == Allow()


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("text", id="a spec that is text"),
        pytest.param({"containers": "text"}, id="containers that are text"),
        pytest.param({"containers": [1]}, id="a container that is a number"),
        pytest.param({"containers": [{"name": 1, "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}, id="a name"),
        pytest.param({"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}, "claims": {}}}]}, id="claims"),
        pytest.param({"containers": [{"resources": {"limits": ["nvidia.com/gpu"]}}]}, id="limits that are a list"),
    ],
)
def test_what_the_api_server_cannot_read_is_left_to_it(spec: Any) -> None:
    assert _decide({"metadata": {}, "spec": spec}, _view()).decision == Allow()


@pytest.mark.parametrize("code", Code)
def test_every_reason_fits_into_one_warning_with_what_to_do(code: Code) -> None:
    outcome = LeftAlone(code, "detail", ROOT.child("spec", "initContainers").index(99))
    (warning,) = warnings([left_alone(outcome)])
    assert len(warning) <= 120
    assert code.value in warning
    assert code.advice in warning


def test_one_warning_names_the_template_that_nobody_makes() -> None:
    pod = _pod()
    pod["spec"]["containers"].append({"name": "b", "resources": {"limits": {"nvidia.com/gpu": "9"}}})
    made = _decide(pod, _view(), templates_are_made=False)
    first = made.templates[0].name
    assert warnings(made.decision.findings) == (
        f"spec: template '{first}' and 1 more are missing; run `drawbridge migrate` [pod-unknown-template]",
    )


def test_a_template_that_the_folder_has_is_not_missed() -> None:
    template = _decide(_pod(), _view()).templates[0].manifest(NAMESPACE)
    made = _decide(_pod(), _view(template), templates_are_made=False)
    assert not made.decision.findings


def test_labels_that_have_no_counterpart_are_told() -> None:
    terms = [{"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    view = _view(nodeLabels=[{"label": "gpu", "selector": "device.driver == '{value}'"}])
    decision = _decide(_pod(affinity={"nodeAffinity": required}), view).decision
    (finding,) = decision.findings
    assert finding.severity is Severity.INFO
    assert finding.message == "the demand Exists on node label `gpu` stays on the node alone"


def test_a_pod_with_a_thousand_containers_is_told_briefly_in_the_audit_log() -> None:
    limits = {"nvidia.com/gpu": "1"}
    containers = [{"name": f"c-{number}", "resources": {"limits": limits}} for number in range(1000)]
    made = _decide({"metadata": {}, "spec": {"containers": containers}}, _view())
    assert isinstance(made.decision, Allow)
    assert json.loads(made.decision.audit["rewrite"]) == {"claims": 1000, "containers": 1000}
    assert len(made.templates) == 1


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param([{f"nvidia.com/mig-{number}": "1" for number in range(60_000)}], id="60,000 names"),
        pytest.param([{"nvidia.com/gpu": "1"}] * 10_000, id="10,000 containers"),
    ],
)
def test_a_pod_beyond_all_measure_costs_next_to_nothing(limits: list[dict[str, str]]) -> None:
    mig = {"pattern": "nvidia.com/mig-(?P<profile>.+)", "deviceClassName": "mig.nvidia.com"}
    containers = [{"name": f"c-{number}", "resources": {"limits": asked}} for number, asked in enumerate(limits)]
    pod: Raw = {"metadata": {}, "spec": {"containers": containers}}
    left = _decide(pod, _view(resources=[GPU, mig])).decision
    assert [finding.message for finding in left.findings] == ["left alone: too-many-devices"]
    denied = _decide(pod, _view(resources=[GPU, mig], mode="Deny")).decision
    assert len(denied.findings) == 256


def test_a_hostile_annotation_of_256_kib_is_replaced_and_a_thousand_forged_references_are_left() -> None:
    recorded = {f"c-{number}": {f"nvidia.com/mig-{number}-{'x' * 215}": "32"} for number in range(1000)}
    pod = _pod("1")
    pod["metadata"]["annotations"] = {
        ANNOTATION: json.dumps({"containers": {**recorded, "main": {"nvidia.com/gpu": "9"}}})
    }
    assert len(pod["metadata"]["annotations"][ANNOTATION]) > 250_000
    pod["spec"]["containers"] += [{"name": name} for name in recorded]
    references = [{"name": f"r-{n}", "resourceClaimTemplateName": f"drawbridge-{n:016x}"} for n in range(1000)]
    pod["spec"]["resourceClaims"] = references
    mig = {"pattern": "nvidia.com/mig-(?P<profile>.+)", "deviceClassName": "mig.nvidia.com"}
    made = _decide(pod, _view(resources=[GPU, mig]))
    assert isinstance(made.outcome, Rewritten)
    assert json.loads(made.outcome.pod["metadata"]["annotations"][ANNOTATION]) == {
        "containers": {"main": {"nvidia.com/gpu": "1"}}
    }
    assert made.outcome.pod["spec"]["resourceClaims"][:-1] == references
    assert [claim.count for claim in made.outcome.plan.claims] == [1]
