"""What a quota counts in a cluster: what is really stored, once, and only as long as it is there."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess
from tests.controlplane.gate import Gate, create_quota, denied_by, quota_status, standing
from tests.controlplane.objects import (
    CLAIMS,
    CLUSTER_DEVICE_QUOTAS,
    GPU_DRIVER,
    MIG_CLASS,
    MIG_SELECTOR,
    PODS,
    TEMPLATES,
    make_claim_object,
    make_device_class,
    make_device_quota,
    make_exact_request,
    make_gpu,
    make_mig,
    make_node,
    make_pod,
    make_slice,
    make_template,
)
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e
LIMITS: tuple[Json, ...] = (
    {"name": "whole-gpus", "match": {"deviceClassName": GPU_DRIVER}, "devices": 2},
    {"name": "gpu-memory", "match": {"driver": GPU_DRIVER}, "capacity": {"name": "memory", "quantity": "320Gi"}},
    {"name": "mig-1g", "match": {"driver": GPU_DRIVER, "migProfile": "1g.10gb"}, "devices": 1},
)


@pytest.fixture
def counted(cluster: ControlPlane, guarded: str) -> Iterator[str]:
    """A guarded namespace with a quota of two whole GPUs, a node that has three, and a MIG device."""
    api, node = cluster.api, f"node-{guarded}"
    classes = [make_device_class(), make_device_class(MIG_CLASS, MIG_SELECTOR)]
    devices = [make_gpu(0), make_gpu(1), make_gpu(2), make_mig(0)]
    with cluster.with_devices([make_node(node)], classes, [make_slice(node, devices)]):
        create_quota(api, make_device_quota(guarded, "gpus", *LIMITS))
        too_many = make_claim_object(guarded, "probe", make_exact_request(3))
        wait_for("known quota", lambda: denied_by(api, too_many))
        yield guarded


def _used(api: Api, namespace: str) -> dict[str, str]:
    """What is used of each limit; reservations count."""
    return {limit["name"]: limit["used"] for limit in quota_status(api, namespace)["limits"]}


def _settled(api: Api, namespace: str) -> dict[str, str] | None:
    """What is used of each limit, once nothing is reserved any more."""
    limits = quota_status(api, namespace)["limits"]
    return None if any(limit["reserved"] != "0" for limit in limits) else _used(api, namespace)


NOTHING = {"whole-gpus": "0", "gpu-memory": "0", "mig-1g": "0"}
ONE_GPU = {"whole-gpus": "1", "gpu-memory": "81559Mi", "mig-1g": "0"}
ONE_MIG = {"whole-gpus": "0", "gpu-memory": "9856Mi", "mig-1g": "1"}


def test_fm_39_a_dry_run_is_judged_and_charges_nothing(cluster: ControlPlane, counted: str) -> None:
    claim = make_claim_object(counted, "one", make_exact_request())
    before = quota_status(cluster.api, counted)
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", manifests=[claim])
    assert done.stdout == "resourceclaim.resource.k8s.io/one created (server dry run)\n"
    claim = make_claim_object(counted, "three", make_exact_request(3))
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", manifests=[claim], check=False)
    assert "exceeded quota: 'whole-gpus'" in done.stderr
    assert quota_status(cluster.api, counted) == before


def test_a_charge_counts_at_once_and_goes_when_the_claim_is_gone(cluster: ControlPlane, counted: str) -> None:
    api = cluster.api
    api.create(CLAIMS, make_claim_object(counted, "one", make_exact_request()))
    assert _used(api, counted) == ONE_GPU  # before any controller has seen the claim
    wait_for("folded charge", lambda: _settled(api, counted) == ONE_GPU)

    api.patch(CLAIMS, "one", {"metadata": {"finalizers": ["example.com/hold"]}}, counted)
    api.delete(CLAIMS, "one", counted)
    assert api.get(CLAIMS, "one", counted)["metadata"]["deletionTimestamp"]
    api.create(CLAIMS, make_claim_object(counted, "two", make_exact_request()))
    with pytest.raises(ApiError, match="requested: 1, used: 2, limited: 2"):
        api.create(CLAIMS, make_claim_object(counted, "three", make_exact_request()))
    api.patch(CLAIMS, "one", {"metadata": {"finalizers": None}}, counted)
    wait_for("charge of the other alone", lambda: _settled(api, counted) == ONE_GPU)


def test_a_mig_device_is_counted_by_its_profile_and_its_memory(cluster: ControlPlane, counted: str) -> None:
    api = cluster.api
    api.create(CLAIMS, make_claim_object(counted, "slice", make_exact_request(1, MIG_CLASS)))
    assert _used(api, counted) == ONE_MIG
    with pytest.raises(ApiError, match=r"exceeded quota: 'mig-1g' .*requested: 1, used: 1, limited: 1"):
        api.create(CLAIMS, make_claim_object(counted, "another", make_exact_request(1, MIG_CLASS)))


@pytest.mark.parametrize("version", ["v1", "v1beta2", "v1beta1"])
def test_a_claim_is_charged_alike_in_every_version(cluster: ControlPlane, counted: str, version: str) -> None:
    claim = make_claim_object(counted, "one", make_exact_request())
    claim["apiVersion"] = f"resource.k8s.io/{version}"
    if version == "v1beta1":
        claim["spec"]["devices"]["requests"] = [{"name": "gpu", "deviceClassName": GPU_DRIVER, "count": 1}]
    cluster.api.create(f"resource.k8s.io/{version}/resourceclaims", claim)
    assert _used(cluster.api, counted) == ONE_GPU
    wait_for("folded charge", lambda: _settled(cluster.api, counted) == ONE_GPU)


def test_fm_42_a_claim_made_from_a_template_is_charged_once_and_what_is_allocated_replaces_the_worst_case(
    cluster: ControlPlane, counted: str
) -> None:
    api = cluster.api
    api.create(TEMPLATES, make_template(counted, "one-gpu", make_exact_request()))
    assert _used(api, counted) == NOTHING  # a template holds nothing
    api.create(PODS, make_pod(counted, "train", "one-gpu"))
    cluster.wait_for_pod(counted, "train")
    wait_for("folded charge", lambda: _settled(api, counted) == ONE_GPU)
    cluster.end_pod(counted, "train")
    wait_for("free quota", lambda: _settled(api, counted) == NOTHING)


WHO = ("alice", "system:serviceaccount:kube-system:resource-claim-controller", "system:kube-scheduler")


def test_fm_42_a_claim_is_judged_and_charged_alike_whoever_creates_it(cluster: ControlPlane, counted: str) -> None:
    cluster.grant("alice", counted)
    for number, who in enumerate(WHO[:2], 1):
        claim = make_claim_object(counted, f"claim-{number}", make_exact_request())
        cluster.kubectl("create", "-f", "-", "--as", who, manifests=[claim])
        assert _used(cluster.api, counted)["whole-gpus"] == str(number)
    misspelt = make_exact_request(1, GPU_DRIVER, f"device.attributes['{GPU_DRIVER}'].productname == 'H100'")
    for request, rule in ((make_exact_request(), "quota-exceeded"), (misspelt, "selector-unknown-attribute")):
        claim = make_claim_object(counted, "one-more", request)
        told = [cluster.kubectl("create", "-f", "-", "--as", who, manifests=[claim], check=False).stderr for who in WHO]
        said = [text.partition("\n  why")[0] for text in told]  # who holds the quota, for how long
        assert f"[{rule}]" in said[0]
        assert said == said[:1] * len(WHO)


def test_a_pod_whose_claim_the_quota_refuses_says_why_and_starts_when_there_is_room(
    cluster: ControlPlane, counted: str
) -> None:
    """The claim controller tries again and again: a refusal charges nothing."""
    api = cluster.api
    api.create(TEMPLATES, make_template(counted, "two-gpus", make_exact_request(2)))
    api.create(CLAIMS, make_claim_object(counted, "standalone", make_exact_request()))
    api.create(PODS, make_pod(counted, "train", "two-gpus"))
    event = wait_for("event on the pod", lambda: _refusal_event(api, counted))
    assert "exceeded quota: 'whole-gpus'" in event
    assert standing(api, counted, "whole-gpus")[0] == "1"
    api.delete(CLAIMS, "standalone", counted)
    cluster.wait_for_pod(counted, "train", seconds=60)
    wait_for("folded charge", lambda: standing(api, counted, "whole-gpus") == ("2", "0"))


def test_a_claim_applied_together_with_its_quota_is_created_and_counted(cluster: ControlPlane, guarded: str) -> None:
    """As GitOps does it: while the quota has no books yet, the API server is told to ask again."""
    claims = [make_claim_object(guarded, f"claim-{index}", make_exact_request()) for index in range(2)]
    quota = make_device_quota(guarded, "gpus", {"name": "all", "devices": 2})
    cluster.kubectl("apply", "-f", "-", manifests=[quota, *claims])
    wait_for("books of the quota", lambda: quota_status(cluster.api, guarded).get("limits"))
    wait_for("both charges", lambda: standing(cluster.api, guarded, "all") == ("2", "0"))


def test_a_cluster_quota_is_one_pot_for_its_namespaces(
    gate: Gate,
    replica: ServeProcess,
    controller: ControllerProcess,  # noqa: ARG001 - it only has to run
) -> None:
    api = gate.cluster.api
    first, second = namespaces = [gate.cluster.create_namespace() for _ in range(2)]
    selected = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces}
    quota = {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "ClusterDeviceQuota",
        "metadata": {"name": f"pot-{first}"},
        "spec": {
            "namespaceSelector": {"matchExpressions": [selected]},
            "limits": [{"name": "all", "devices": 2}],
        },
    }
    with gate.guarding(namespaces, replica.port), api.temporarily(CLUSTER_DEVICE_QUOTAS, quota):
        for namespace in namespaces:
            too_many = make_claim_object(namespace, "probe", make_exact_request(3))
            wait_for("known quota", partial(denied_by, api, too_many))
            api.create(CLAIMS, make_claim_object(namespace, "one", make_exact_request()))
        for namespace in namespaces:
            with pytest.raises(ApiError, match="requested: 1, used: 2, limited: 2"):
                api.create(CLAIMS, make_claim_object(namespace, "two", make_exact_request()))
        api.delete(CLAIMS, "one", first)
        freed = make_claim_object(second, "two", make_exact_request())
        wait_for("room", lambda: not denied_by(api, freed))
        api.create(CLAIMS, freed)
    for namespace in namespaces:
        gate.cluster.delete_namespace(namespace)


def _refusal_event(api: Api, namespace: str) -> str:
    events = api.list_all("v1/events", namespace)
    return next((each["message"] for each in events if each["reason"] == "FailedResourceClaimCreation"), "")
