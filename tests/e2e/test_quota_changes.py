"""Books that stay true while quotas, namespaces and claims come, go and come again."""

import json
import ssl
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ServeProcess
from tests.controlplane.gate import Gate, create_quota, denied_by, quota_status, standing
from tests.controlplane.objects import (
    CLAIMS,
    CLUSTER_DEVICE_QUOTAS,
    DEVICE_QUOTAS,
    make_claim_object,
    make_cluster_device_quota,
    make_device_quota,
    make_exact_request,
)
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e
HARD = 3


def make_quota(namespace: str, hard: int = HARD) -> Json:
    return make_device_quota(namespace, "gpus", {"name": "all", "devices": hard})


def make_claim(namespace: str, name: str, count: int = 1) -> Json:
    return make_claim_object(namespace, name, make_exact_request(count, "any"))


@pytest.fixture
def counted(cluster: ControlPlane, guarded: str) -> str:
    """A guarded namespace that may have three devices."""
    create_quota(cluster.api, make_quota(guarded))
    wait_for("known quota", lambda: denied_by(cluster.api, make_claim(guarded, "probe", HARD + 1)))
    return guarded


def wait_for_books(api: Api, namespace: str, used: int) -> None:
    wait_for(f"books of {used}", lambda: standing(api, namespace, "all") == (str(used), "0"))


def test_a_quota_made_again_counts_what_is_stored(cluster: ControlPlane, counted: str) -> None:
    api = cluster.api
    api.create(CLAIMS, make_claim(counted, "before", 2))
    wait_for_books(api, counted, 2)
    api.delete(DEVICE_QUOTAS, "gpus", counted)
    wait_for("freedom", lambda: not denied_by(api, make_claim(counted, "probe", HARD + 1)))
    api.create(CLAIMS, make_claim(counted, "between"))
    create_quota(api, make_quota(counted))
    wait_for_books(api, counted, 3)
    wait_for("refusal", lambda: denied_by(api, make_claim(counted, "after")))
    with pytest.raises(ApiError, match="requested: 1, used: 3, limited: 3"):
        api.create(CLAIMS, make_claim(counted, "after"))


def test_a_limit_lowered_below_use_takes_nothing_away_and_lets_nothing_grow(
    cluster: ControlPlane, counted: str
) -> None:
    api = cluster.api
    for index in range(HARD):
        api.create(CLAIMS, make_claim(counted, f"claim-{index}"))
    wait_for_books(api, counted, HARD)
    api.patch(DEVICE_QUOTAS, "gpus", make_quota(counted, hard=2), counted)
    wait_for("new books", lambda: quota_status(api, counted)["limits"][0]["hard"] == "2")
    assert standing(api, counted, "all") == ("3", "0")
    assert len(api.list_all(CLAIMS, counted)) == HARD
    wait_for("refusal", lambda: denied_by(api, make_claim(counted, "more")))
    for index in range(2):
        with pytest.raises(ApiError, match="exceeded quota"):
            api.create(CLAIMS, make_claim(counted, "more"))
        api.delete(CLAIMS, f"claim-{index}", counted)
        wait_for_books(api, counted, HARD - 1 - index)
    api.create(CLAIMS, make_claim(counted, "more"))


def test_a_claim_made_again_under_its_name_is_counted_once(cluster: ControlPlane, counted: str) -> None:
    api = cluster.api
    for _ in range(4):
        wait_for("room", lambda: not denied_by(api, make_claim(counted, "same", 2)))
        api.create(CLAIMS, make_claim(counted, "same", 2))
        api.delete(CLAIMS, "same", counted)
    wait_for("room", lambda: not denied_by(api, make_claim(counted, "same", 2)))
    api.create(CLAIMS, make_claim(counted, "same", 2))
    wait_for_books(api, counted, 2)


def test_a_namespace_that_is_deleted_frees_its_part_of_a_pot(gate: Gate, replica: ServeProcess, guarded: str) -> None:
    api = gate.cluster.api
    doomed = gate.cluster.create_namespace()
    pot = make_cluster_device_quota(f"pot-{guarded}", [guarded, doomed], {"name": "all", "devices": HARD})

    def books() -> tuple[str, str] | None:
        limits = api.get(CLUSTER_DEVICE_QUOTAS, f"pot-{guarded}").get("status", {}).get("limits")
        return (limits[0]["used"], limits[0]["reserved"]) if limits else None

    with api.temporarily(CLUSTER_DEVICE_QUOTAS, pot), gate.guarding(doomed, replica.port):
        wait_for("known quota", lambda: denied_by(api, make_claim(doomed, "probe", HARD + 1)))
        held = make_claim(doomed, "held", 2)
        held["metadata"]["finalizers"] = ["example.com/hold"]
        api.create(CLAIMS, held)
        api.create(CLAIMS, make_claim(doomed, "free"))
        wait_for("books of both", lambda: books() == ("3", "0"))
        gate.cluster.delete_namespace(doomed)
        wait_for("books of what the namespace still holds", lambda: books() == ("2", "0"))
        with pytest.raises(ApiError, match="being terminated"):
            api.create(CLAIMS, make_claim(doomed, "late"))
        with pytest.raises(ApiError, match="requested: 2, used: 2, limited: 3"):
            api.create(CLAIMS, make_claim(guarded, "two", 2))
        api.patch(CLAIMS, "held", {"metadata": {"finalizers": None}}, doomed)
        wait_for("empty books", lambda: books() == ("0", "0"))
        api.create(CLAIMS, make_claim(guarded, "two", 2))


def test_t_08_a_review_that_is_sent_again_is_charged_once(gate: Gate, replica: ServeProcess, counted: str) -> None:
    """To another replica too; and a claim that is never stored is free again when its reservation ends."""
    api = gate.cluster.api
    other = gate.serve(name="other")
    wait_for("readiness", other.is_ready)
    try:
        for asked in (replica, replica, other):
            assert admits(gate, asked, make_claim(counted, "twice", 2), "uid-of-the-claim")
        assert standing(api, counted, "all") == ("2", "2")
        assert not admits(gate, other, make_claim(counted, "another", 2), "another-uid")
    finally:
        other.kill()
    wait_for_books(api, counted, 0)


def admits(gate: Gate, replica: ServeProcess, claim: Json, uid: str) -> bool:
    """Ask a replica as the API server does."""
    kind = {"group": "resource.k8s.io", "version": "v1", "kind": "ResourceClaim"}
    resource = {"group": "resource.k8s.io", "version": "v1", "resource": "resourceclaims"}
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": f"review-of-{uid}",
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": claim["metadata"]["name"],
            "namespace": claim["metadata"]["namespace"],
            "operation": "CREATE",
            "userInfo": {"username": "ann"},
            "object": {**claim, "metadata": {**claim["metadata"], "uid": uid}},
            "dryRun": False,
        },
    }
    request = urllib.request.Request(
        f"{replica.url}/validate/claims", json.dumps(review).encode(), {"content-type": "application/json"}
    )
    tls = ssl.create_default_context(cafile=str(gate.ca_file))
    with urllib.request.urlopen(request, timeout=10, context=tls) as answer:
        return bool(json.load(answer)["response"]["allowed"])


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_replica_s_clock_an_hour_off_neither_ends_nor_prolongs_a_reservation(
    cluster: ControlPlane, counted: str, hours: int
) -> None:
    """`expires` is what a replica's clock says; the controller here keeps reservations for four seconds of its own."""
    api = cluster.api
    told = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    quota = api.get(DEVICE_QUOTAS, "gpus", counted)
    held = {"uid": "never-stored", "name": "x", "amounts": {"all": "1"}, "attempts": ["a"], "expires": told}
    limits = [{**quota["status"]["limits"][0], "used": "1", "reserved": "1"}]
    api.replace(
        DEVICE_QUOTAS, {**quota, "status": {**quota["status"], "limits": limits, "reservations": [held]}}, "status"
    )
    api.create(CLAIMS, make_claim(counted, "other"))
    wait_for("fold", lambda: standing(api, counted, "all") == ("2", "1"), 3)  # it is folded around
    wait_for_books(api, counted, 1)
