"""What the words say of claims, templates, pods and the cluster: the same in every version of the API."""

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest

from tests.support.build import CLASS, claim_object, class_object, device, make_slice, make_view, request
from tests.support.nvidia import MIG, nvidia_view, partition
from tests.support.pods import container, of_claim, of_template, pod_object, template_object, workload
from tests.support.policies import TODAY, claim_case, compiled
from tests.support.quota import devices, quota_object
from webhook.core.claims import parse_claim
from webhook.core.cluster import ClusterView, Namespace
from webhook.core.devices import parse_device_class
from webhook.core.finding import Finding, Severity
from webhook.core.policies import PolicyResource
from webhook.core.quotas import parse_quota
from webhook.inventory.case import Case
from webhook.inventory.pod_case import pod_case
from webhook.policy.case import PolicyCase, Requester
from webhook.policy.cases import asked_of_file, of_dra, of_pods
from webhook.policy.judge import judge
from webhook.policy.words import Words
from webhook.server.exact_json import OPAQUE

Json = dict[str, Any]
ASK: Json = {
    "deviceClassName": CLASS,
    "count": 2,
    "adminAccess": True,
    "selectors": [{"cel": {"expression": "device.driver == 'x'"}}],
    "capacity": {"requests": {"gpu.example.com/memory": "10Gi", "memory": "20Gi"}},
    "tolerations": [{"key": "lab", "operator": "Exists", "effect": "NoSchedule"}],
}
CONFIG = [{"requests": ["gpu"], "opaque": {"driver": "d", "parameters": {"apiVersion": "v", "kind": "K", "n": 1}}}]
VIEW = make_view(
    make_slice(*(device(f"gpu-{number}", {"memory": "80Gi"}) for number in range(4)), node="node-1"),
    namespaces=("lab",),
)


def _versions(ask: Json) -> list[Any]:
    nested, flat = {"name": "gpu", "exactly": ask}, {"name": "gpu", **ask}
    made = []
    for version, asked in (("v1", nested), ("v1beta2", nested), ("v1beta1", flat)):
        devices_ = {"requests": [asked], "config": CONFIG, "constraints": [{"matchAttribute": "a/b"}]}
        body = {"apiVersion": f"resource.k8s.io/{version}", "metadata": {"name": "x"}}
        claim = {**body, "kind": "ResourceClaim", "spec": {"devices": devices_}}
        template = {**body, "kind": "ResourceClaimTemplate", "spec": {"spec": {"devices": devices_}}}
        made += [pytest.param(claim, id=version), pytest.param(template, id=f"{version} template")]
    return made


def holds(expression: str, case: PolicyCase) -> bool:
    """Return whether the expression is true of the object; an error is none."""
    policy = compiled(expression)
    assert policy.works, policy.flaws
    findings = judge([policy], case).findings
    assert not any("could not be evaluated" in finding.message for finding in findings), findings
    return not findings


@pytest.mark.parametrize("raw", _versions(ASK))
@pytest.mark.parametrize(
    "expression",
    [
        "claim.requests.map(r, r.name) == ['gpu']",
        f"claim.requests[0].deviceClassName == '{CLASS}' && claim.requests[0].count == 2",
        "claim.requests[0].adminAccess && !claim.requests[0].all",
        "claim.requests[0].selectors == [\"device.driver == 'x'\"]",
        "claim.requests[0].capacity['memory'].compareTo(quantity('20Gi')) == 0",
        "claim.requests[0].tolerations[0].key == 'lab' && claim.requests[0].tolerations[0].effect == 'NoSchedule'",
        "claim.requests[0].configs[0].parameters.n == 1 && claim.configs[0].kind == 'K'",
        "claim.alternatives.size() == 1 && claim.alternatives[0].request == 'gpu'",
        "claim.constraints[0].matchAttribute == 'a/b'",
        "claim.worst.devices == 2",
        "has(claim.requests[0].drivers) && claim.requests[0].drivers == ['gpu.example.com']",
        "claim.fromTemplate == (request.kind.kind == 'ResourceClaimTemplate')",
    ],
)
def test_claims_read_alike_in_every_version(raw: Json, expression: str) -> None:
    case = Case(parse_claim(raw), "lab", VIEW, raw=raw)
    assert holds(expression, of_dra(case, asked_of_file(raw, TODAY)))


ALL = claim_object({"name": "gpu", "exactly": {"deviceClassName": CLASS, "allocationMode": "All"}})
FIRST = claim_object(
    {
        "name": "gpu",
        "firstAvailable": [
            {"name": "big", "deviceClassName": CLASS, "count": 1},
            {"name": "small", "deviceClassName": CLASS, "count": 3},
        ],
    }
)
ONE = claim_object(request("gpu"))


@pytest.mark.parametrize(
    ("raw", "expression"),
    [
        pytest.param(ALL, "claim.requests[0].all && claim.requests[0].count == 0", id="all devices"),
        pytest.param(ALL, "claim.worst.devices == 4", id="the worst case of all devices"),
        pytest.param(FIRST, "!has(claim.requests[0].deviceClassName)", id="a request with alternatives has none"),
        pytest.param(FIRST, "claim.alternatives.map(a, a.name) == ['gpu/big', 'gpu/small']", id="all alternatives"),
        pytest.param(FIRST, "claim.worst.devices == 3", id="the worst case of alternatives"),
        pytest.param(ONE, "claim.worst.capacity['memory'].compareTo(quantity('80Gi')) == 0", id="a capacity at worst"),
        pytest.param(
            ONE, "has(claim.matching) && claim.matching.devices == 4 && claim.matching.nodes == 1", id="today"
        ),
        pytest.param(ONE, "claim.migProfiles == [] && claim.missing == []", id="no profiles, nothing missing"),
        pytest.param(ONE, "!has(pod.name) && !has(pod.owner)", id="no pod"),
        pytest.param(ONE, "object.kind == 'ResourceClaim' && oldObject == null", id="the object itself"),
        pytest.param(ONE, "inventory.drivers == ['gpu.example.com']", id="drivers"),
        pytest.param(
            ONE,
            "inventory.devices('gpu.example.com').all(d, d.node == 'node-1' && "
            "d.capacity['gpu.example.com'].memory.compareTo(quantity('80Gi')) == 0)",
            id="devices",
        ),
        pytest.param(ONE, "inventory.devices('nope').size() == 0", id="devices of an unknown driver"),
        pytest.param(ONE, "namespaceObject.metadata.labels['kubernetes.io/metadata.name'] == 'lab'", id="namespace"),
        pytest.param(ONE, "request.userInfo.username == '' && !request.dryRun", id="nobody in particular"),
    ],
)
def test_a_claim(raw: Json, expression: str) -> None:
    assert holds(expression, claim_case(raw, VIEW))


def test_nothing_matches_where_no_devices_are_known() -> None:
    assert holds("!has(claim.matching) && inventory.drivers == []", claim_case(ONE, ClusterView()))


def test_a_capacity_that_nothing_bounds_is_absent_at_worst() -> None:
    assert holds("!('memory' in claim.worst.capacity) && claim.worst.devices == 1", claim_case(ONE, ClusterView()))


def test_mig_profiles_are_those_that_selectors_ask_for() -> None:
    mig = nvidia_view(partition("mig-0", "1g.10gb"))
    asked = "device.attributes['gpu.nvidia.com'].profile in ['1g.10gb', '2g.20gb']"
    raw = claim_object(request("mig", asked, deviceClassName=MIG))
    assert holds("claim.migProfiles == ['1g.10gb', '2g.20gb']", claim_case(raw, mig))
    raw = claim_object(request("mig", deviceClassName=MIG))
    assert holds("claim.migProfiles == []", claim_case(raw, mig))


def test_findings_of_the_rules_are_told() -> None:
    found = Finding("request-count", Severity.WARN, parse_claim(ONE).requests_path(), "too many")
    said = "claim.findings.exists(f, f.rule == 'request-count' && f.severity == 'warn' && f.message == 'too many')"
    assert holds(said, replace(claim_case(ONE, VIEW), findings=(found,)))


def test_quotas_are_told_by_the_names_of_their_limits() -> None:
    quota = parse_quota(quota_object(devices(8, "gpus"), namespace="lab", name="team"))
    stored = claim_object(request("gpu", count=3), name="old", namespace="lab", uid="1")
    view = replace(VIEW, quotas={("lab", "team"): quota}, claims={("lab", "old"): parse_claim(stored)})
    case = claim_case(ONE, view)
    assert holds("quota('team').hard['gpus'].compareTo(quantity('8')) == 0", case)
    assert holds("quota('team').used['gpus'].compareTo(quantity('3')) == 0", case)
    assert holds("!('other' in quotas)", case)


def test_who_asks_is_told() -> None:
    who = Requester("ann", ("ops",), "u-1", {"scope": ("a", "b")})
    case = replace(claim_case(ONE, VIEW), requester=who, dry_run=True, operation="UPDATE", name="x")
    assert holds("request.userInfo.username == 'ann' && 'ops' in request.userInfo.groups", case)
    assert holds("request.userInfo.extra['scope'] == ['a', 'b'] && request.userInfo.uid == 'u-1'", case)
    assert holds("request.dryRun && request.operation == 'UPDATE' && request.name == 'x'", case)


def test_namespaces_are_told_with_labels_and_annotations() -> None:
    known = replace(VIEW, namespaces={"lab": Namespace("lab", {"team": "red"}, {"owner": "ann"})})
    assert holds(
        "namespaceObject.metadata.labels['team'] == 'red' && namespaceObject.metadata.annotations['owner'] == 'ann'",
        claim_case(ONE, known),
    )


def test_a_device_class_has_no_namespace() -> None:
    raw = class_object()
    case = of_dra(Case(parse_device_class(raw), "", VIEW, raw=raw), asked_of_file(raw, TODAY))
    assert case.resource is PolicyResource.DEVICE_CLASSES
    assert holds("namespaceObject == null && object.kind == 'DeviceClass' && claim.requests == []", case)


def _pods(raw: Json) -> list[PolicyCase]:
    stored = {("team-a", "single-gpu"): parse_claim(template_object(request("gpu", count=2)))}
    claims = {("team-a", "mine"): parse_claim(claim_object(request("gpu"), name="mine"))}
    found = pod_case(raw, "team-a", replace(VIEW, templates=stored, claims=claims))
    assert found is not None
    return list(of_pods(found, raw, asked_of_file(raw, TODAY)))


POD = pod_object([of_template("a"), of_claim("b", "mine"), of_template("c", "nowhere")], container("a", "b", "c"))


def test_a_pod_has_all_its_claims() -> None:
    [case] = _pods(POD)
    assert case.resource is PolicyResource.PODS
    assert holds("claim.requests.map(r, r.podClaim) == ['a', 'b'] && claim.missing == ['c']", case)
    assert holds("claim.worst.devices == 3 && !claim.fromTemplate && !has(pod.owner)", case)


def test_a_pod_tells_the_workload_that_makes_it() -> None:
    owners = [{"apiVersion": "batch/v1", "kind": "Job", "name": "train-1", "uid": "1", "controller": True}]
    [case] = _pods({**POD, "metadata": {**POD["metadata"], "ownerReferences": owners, "labels": {"app": "x"}}})
    assert holds("has(pod.owner) && pod.owner.kind == 'Job' && pod.owner.name == 'train-1'", case)
    assert holds("has(pod.labels) && pod.labels['app'] == 'x'", case)


def test_a_workload_is_judged_itself_and_as_the_pods_that_it_makes() -> None:
    own, pods = _pods(workload(POD, "Deployment", replicas=3))
    assert (own.resource, pods.resource) == (PolicyResource.WORKLOADS, PolicyResource.PODS)
    assert holds("object.kind == 'Deployment'", own)
    assert holds("object.kind == 'Pod' && object.spec.containers.size() == 1", pods)
    assert holds("has(pod.owner) && pod.owner.kind == 'Deployment' && has(pod.replicas) && pod.replicas == 3", pods)
    told = judge([compiled(validations=[{"expression": "false", "field": "spec.resourceClaims"}])], pods).findings
    assert [str(finding.path) for finding in told] == ["spec.template.spec.resourceClaims"]


def test_what_is_nested_too_deep_or_no_number_of_json_is_not_there() -> None:
    raw = {**ONE, "metadata": {**ONE["metadata"], "annotations": OPAQUE, "generation": 2**70}}
    assert holds("!has(object.metadata.annotations) && !has(object.metadata.generation)", claim_case(raw, VIEW))


def test_words_do_not_refer_to_themselves_and_are_gone_with_the_review() -> None:
    """They hold the view of the cluster, and the server's garbage collector seldom looks at what is old."""
    raw = claim_object(request())
    gc.disable()
    try:
        words = Words(claim_case(raw, VIEW))
        for name in ("object", "oldObject", "request", "namespaceObject", "claim", "quotas", "inventory"):
            assert words.variables[name] is not words
        assert words.extent
        gone = weakref.ref(words)
        del words
        assert gone() is None
    finally:
        gc.enable()
