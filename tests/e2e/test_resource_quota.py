"""A DeviceQuota on the devices of a class beside Kubernetes' own ResourceQuota on the same: where they agree."""

import asyncio
from collections.abc import Iterator
from random import Random

import pytest

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.forwarder import TcpForwarder
from tests.controlplane.gate import Gate, create_quota, denied_by, quota_status, standing
from tests.controlplane.objects import (
    CLAIMS,
    PODS,
    make_claim_object,
    make_device_class,
    make_device_quota,
    make_exact_request,
    make_node,
    make_slice,
)
from tests.controlplane.replicas import Replicas
from tests.controlplane.storm import Answer, create_all
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e
BIG, LITTLE = "big", "little"
RESOURCE_QUOTAS = "v1/resourcequotas"
CREATES, HARD, KEPT = 1_000, 600, 520


def key_of(device_class: str) -> str:
    """The resource that a ResourceQuota limits (KEP-4381)."""
    return f"{device_class}.deviceclass.resource.k8s.io/devices"


def make_resource_quota(namespace: str, hard: int) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"namespace": namespace, "name": "gpus"},
        "spec": {"hard": {key_of(each): str(hard) for each in (BIG, LITTLE)}},
    }


def limits(hard: int) -> tuple[Json, ...]:
    """The same as limits of a DeviceQuota."""
    return tuple({"name": each, "match": {"deviceClassName": each}, "devices": hard} for each in (BIG, LITTLE))


def create_resource_quota(api: Api, namespace: str, hard: int) -> None:
    api.create(RESOURCE_QUOTAS, make_resource_quota(namespace, hard))
    wait_for("use of the ResourceQuota", lambda: counted_by_kubernetes(api, namespace) == (0, 0))


def counted_by_kubernetes(api: Api, namespace: str) -> tuple[int, int] | None:
    """How many devices of each class the ResourceQuota counts."""
    used = api.get(RESOURCE_QUOTAS, "gpus", namespace).get("status", {}).get("used")
    return (int(used[key_of(BIG)]), int(used[key_of(LITTLE)])) if used else None


def counted(api: Api, namespace: str) -> tuple[int, int]:
    """How many the DeviceQuota counts."""
    used = {limit["name"]: int(limit["used"]) for limit in quota_status(api, namespace)["limits"]}
    return used[BIG], used[LITTLE]


@pytest.fixture
def classes(cluster: ControlPlane) -> Iterator[None]:
    """Two classes of a driver, with two devices and one on one node."""
    sizes = {BIG: ["big-0", "big-1"], LITTLE: ["little-0"]}
    devices = [
        {"name": name, "attributes": {"size": {"string": size}}} for size, names in sizes.items() for name in names
    ]
    driver = "device.driver == 'cards.example.com'"
    expression = f"{driver} && device.attributes['cards.example.com'].size == '{{}}'".format
    made = [make_device_class(name, expression(name)) for name in (BIG, LITTLE)]
    with cluster.with_devices([make_node("cards")], made, [make_slice("cards", devices, "cards.example.com")]):
        yield


def make_pod_of(claim: Json) -> Json:
    container = {"name": "main", "image": "example.com/train:1", "resources": {"claims": [{"name": "gpu"}]}}
    uses = [{"name": "gpu", "resourceClaimName": claim["metadata"]["name"]}]
    spec = {"containers": [container], "resourceClaims": uses}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": claim["metadata"], "spec": spec}


EXACT: Json = {"deviceClassName": BIG, "count": 2}
ALTERNATIVES = [{"name": "big", **EXACT}, {"name": "little", "deviceClassName": LITTLE, "count": 1}]


@pytest.mark.usefixtures("classes")
@pytest.mark.parametrize(
    ("request_", "kubernetes", "ours", "allocated"),
    [
        pytest.param({"exactly": EXACT}, (2, 0), (2, 0), (2, 0), id="ExactCount"),
        pytest.param({"exactly": {"deviceClassName": BIG, "allocationMode": "All"}}, (32, 0), (2, 0), (2, 0), id="All"),
        pytest.param({"exactly": {**EXACT, "adminAccess": True}}, (2, 0), (0, 0), (0, 0), id="adminAccess"),
        pytest.param({"firstAvailable": ALTERNATIVES}, (2, 1), (2, 1), (2, 0), id="firstAvailable"),
    ],
)
def test_fm_43_what_a_claim_counts_in_both(
    cluster: ControlPlane,
    guarded: str,
    request_: Json,
    kubernetes: tuple[int, int],
    ours: tuple[int, int],
    allocated: tuple[int, int],
) -> None:
    """The table of docs/explanation/quota-races.md."""
    api = cluster.api
    labels = {"resource.kubernetes.io/admin-access": "true"}
    api.patch("v1/namespaces", guarded, {"metadata": {"labels": labels}})
    create_resource_quota(api, guarded, 100)
    create_quota(api, make_device_quota(guarded, "gpus", *limits(100)))
    wait_for("known quota", lambda: denied_by(api, make_claim_object(guarded, "probe", make_exact_request(101, BIG))))
    claim = make_claim_object(guarded, "claim", {"name": "gpu", **request_})
    api.create(CLAIMS, claim)
    assert (counted_by_kubernetes(api, guarded), counted(api, guarded)) == (kubernetes, ours)
    api.create(PODS, make_pod_of(claim))
    cluster.wait_for_pod(guarded, "claim")
    wait_for("the allocation in our books", lambda: counted(api, guarded) == allocated)
    assert counted_by_kubernetes(api, guarded) == kubernetes


@pytest.mark.usefixtures("classes", "controller")
def test_the_same_creates_are_admitted_by_both(gate: Gate) -> None:
    """One after the other claim by claim, and a thousand at once as many."""
    cluster, api = gate.cluster, gate.cluster.api
    theirs, ours = namespaces = [cluster.create_namespace() for _ in range(2)]
    create_resource_quota(api, theirs, HARD)
    create_quota(api, make_device_quota(ours, "gpus", *limits(HARD)))
    replicas = Replicas(gate)
    try:
        with TcpForwarder(*replicas.ports()) as entrance, gate.guarding(ours, entrance.port):
            outcomes = [asyncio.run(storm(cluster, namespace)) for namespace in namespaces]
            for namespace, answers in zip(namespaces, outcomes, strict=True):
                stored = sum(not answer.refusal for answer in answers)
                lost = sum(len(answer.lost) for answer in answers)
                print(f"{namespace}: {stored} stored, {len(answers) - stored} refused, {lost} tries lost")
                assert {answer.is_over_quota for answer in answers if answer.refusal} == {True}
                assert HARD - lost <= stored <= HARD
            assert min(replicas.answered()) > CREATES // 4
            wait_for("books of what is stored", lambda: standing(api, ours, BIG)[1] == "0")
            for namespace in namespaces:
                for claim in api.list_all(CLAIMS, namespace)[KEPT:]:
                    api.delete(CLAIMS, claim["metadata"]["name"], namespace)
            wait_for("room", lambda: counted(api, ours) == counted_by_kubernetes(api, theirs) == (KEPT, 0))
            verdicts = [one_after_the_other(api, namespace) for namespace in namespaces]
            assert verdicts[0] == verdicts[1]
            assert set(verdicts[0]) == {"stored", "exceeded quota"}
    finally:
        replicas.end()
    for namespace in namespaces:
        cluster.delete_namespace(namespace)


async def storm(cluster: ControlPlane, namespace: str) -> list[Answer]:
    claims = [make_claim_object(namespace, f"claim-{index}", make_exact_request(1, BIG)) for index in range(CREATES)]
    answers, _ = await create_all(cluster.kubeconfig(), claims, 64)
    return answers


def one_after_the_other(api: Api, namespace: str) -> list[str]:
    """What becomes of each of some claims of other sizes."""
    chance = Random(7)
    verdicts = []
    for index in range(40):
        claim = make_claim_object(namespace, f"later-{index}", make_exact_request(chance.randint(1, 9), BIG))
        try:
            api.create(CLAIMS, claim)
        except ApiError as error:
            verdicts.append("exceeded quota" if "exceeded quota" in error.message else error.message)
        else:
            verdicts.append("stored")
    return verdicts
