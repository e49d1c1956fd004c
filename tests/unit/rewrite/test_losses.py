"""What a pod says and no claim can: the pod is left alone, or it is told what is lost."""

from typing import Any

import pytest

from tests.support.rewriting import NAMESPACE, Raw, make_cluster, mapping_object
from webhook.core.cluster import ClusterView
from webhook.core.finding import Severity
from webhook.core.patch import apply
from webhook.rewrite.derive import derive
from webhook.rewrite.findings import not_said
from webhook.rewrite.original import ANNOTATION, parse_original
from webhook.rewrite.reasons import Code
from webhook.rewrite.refusals import LeftAlone
from webhook.rewrite.rewriting import Rewritten, rewrite

GPU = {"name": "a.b/gpu", "deviceClassName": "gpu.nvidia.com"}


def _view(*entries: Raw) -> ClusterView:
    said = [{"why": "nobody reads it", **entry} for entry in entries]
    return make_cluster(mappings=[mapping_object({"resources": [GPU], "withoutCounterpart": said})])


def _pod(limits: dict[str, str], annotations: dict[str, str] | None = None, **spec: Any) -> Raw:
    containers = [{"name": "main", "resources": {"limits": {"a.b/gpu": "1", **limits}}}]
    return {"metadata": {"annotations": annotations or {}}, "spec": {"containers": containers, **spec}}


def _affinity(operator: str, *values: str) -> Raw:
    expression = {"key": "zone", "operator": operator, "values": list(values)}
    terms = [{"matchExpressions": [expression]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


@pytest.mark.parametrize(
    ("entry", "pod", "said"),
    [
        ({"resource": "a.b/rank"}, _pod({"a.b/rank": "1"}), "limit `a.b/rank` has no counterpart in a claim: nobody"),
        ({"annotation": "a.b/.+"}, _pod({}, {"a.b/type": "x"}), "annotation `a.b/type` has no counterpart"),
        ({"annotation": "mode", "value": "x|y"}, _pod({}, {"mode": "y"}), "annotation `mode` has"),
        ({"nodeLabel": "zone"}, _pod({}, nodeSelector={"zone": "west"}), "node label `zone` has"),
        ({"nodeLabel": "zone", "value": "w.+"}, _pod({}, affinity=_affinity("In", "east", "west")), "node label"),
    ],
)
def test_a_pod_that_says_it_is_left_alone(entry: Raw, pod: Raw, said: str) -> None:
    outcome = rewrite(pod, NAMESPACE, _view(entry))
    assert isinstance(outcome, LeftAlone)
    assert outcome.code is Code.NO_COUNTERPART
    assert outcome.detail.startswith(said)


@pytest.mark.parametrize(
    ("entry", "pod"),
    [
        ({"resource": "a.b/rank"}, _pod({"a.b/ranks": "1"})),
        ({"annotation": "mode", "value": "x|y"}, _pod({}, {"mode": "xy"})),
        ({"nodeLabel": "zone", "value": "w.+"}, _pod({}, nodeSelector={"zone": "east"})),
        ({"nodeLabel": "zone", "value": "w.+"}, _pod({}, affinity=_affinity("NotIn", "west"))),
        ({"nodeLabel": "zone", "action": "Rewrite"}, _pod({}, nodeSelector={"zone": "west"})),
    ],
)
def test_a_pod_that_says_something_else_moves(entry: Raw, pod: Raw) -> None:
    assert isinstance(rewrite(pod, NAMESPACE, _view(entry)), Rewritten)


@pytest.mark.parametrize("ignored", [True, False])
def test_a_limit_that_is_lost_goes_is_recorded_and_told(ignored: bool) -> None:
    view = _view({"resource": "a.b/rank", "action": "LeaveAlone" if ignored else "Rewrite"})
    pod = _pod({"a.b/rank": "1", "memory": "1Gi"})
    outcome = rewrite(pod, NAMESPACE, view, ignored=[Code.NO_COUNTERPART] if ignored else [])
    assert isinstance(outcome, Rewritten)
    assert outcome.pod["spec"]["containers"][0]["resources"]["limits"] == {"memory": "1Gi"}
    original = parse_original(outcome.pod["metadata"]["annotations"][ANNOTATION])
    assert original is not None
    assert original.containers == {"main": {"a.b/gpu": "1", "a.b/rank": "1"}}
    (finding,) = not_said(outcome)
    assert (finding.severity, finding.message) == (Severity.WARN, "limit `a.b/rank` has no counterpart in a claim")
    assert apply(pod, outcome.patch) == outcome.pod
    assert set(derive(outcome.pod, NAMESPACE, view).templates) == {template.name for template in outcome.made()}


def test_a_second_pass_believes_what_the_first_recorded() -> None:
    view = _view({"resource": "a.b/rank", "action": "Rewrite"})
    first = rewrite(_pod({"a.b/rank": "1"}), NAMESPACE, view)
    assert isinstance(first, Rewritten)
    assert rewrite(first.pod, NAMESPACE, view) is None
    sidecar = {"name": "late", "resources": {"limits": {"a.b/gpu": "1"}}}
    spec = {**first.pod["spec"], "containers": [*first.pod["spec"]["containers"], sidecar]}
    second = rewrite({**first.pod, "spec": spec}, NAMESPACE, view)
    assert isinstance(second, Rewritten)
    assert [claim["name"] for claim in second.pod["spec"]["resourceClaims"]] == ["gpu", "gpu-2"]
    original = parse_original(second.pod["metadata"]["annotations"][ANNOTATION])
    assert original is not None
    assert original.containers == {"main": {"a.b/gpu": "1", "a.b/rank": "1"}, "late": {"a.b/gpu": "1"}}


def test_an_annotation_stays_where_the_pod_moves_without_it() -> None:
    outcome = rewrite(_pod({}, {"pack": "yes"}), NAMESPACE, _view({"annotation": "pack", "action": "Rewrite"}))
    assert isinstance(outcome, Rewritten)
    assert outcome.pod["metadata"]["annotations"]["pack"] == "yes"
    assert [str(lost) for lost in outcome.lost] == ["annotation `pack`"]
