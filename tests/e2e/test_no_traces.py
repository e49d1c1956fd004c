"""What admission leaves behind: nothing of dry runs and of refusals."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.api import ApiError, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ServeProcess
from tests.controlplane.etcd import revision, written_since
from tests.controlplane.gate import create_quota, denied_by, standing
from tests.controlplane.objects import (
    CLAIMS,
    CLASSES,
    GPU_DRIVER,
    LEGACY_MAPPINGS,
    PODS,
    TEMPLATES,
    make_claim_object,
    make_device_class,
    make_device_quota,
    make_exact_request,
    make_legacy_mapping,
    make_pod,
    make_template,
)
from tests.controlplane.storm import Answer, Storm
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e
ROUNDS, REFUSALS = 50, 1_000
HARD = 2
RESOURCE_QUOTAS = "v1/resourcequotas"
PREFIX = "test-"
"""Of the namespaces of all tests."""


@pytest.fixture
def limited(cluster: ControlPlane, guarded: str) -> Iterator[str]:
    """A guarded namespace with a quota and a mapping, before which everything has come to rest."""
    api = cluster.api
    mapping = make_legacy_mapping(f"map-{guarded}", guarded, {"name": "nvidia.com/gpu", "deviceClassName": GPU_DRIVER})
    with api.temporarily(CLASSES, make_device_class()), api.temporarily(LEGACY_MAPPINGS, mapping):
        create_quota(api, make_device_quota(guarded, "gpus", {"name": "all", "devices": HARD}))
        wait_for("known quota", lambda: denied_by(api, too_large(guarded)))
        wait_for("known mapping", lambda: "resourceClaims" in api.create(PODS, legacy(guarded), dry_run=True)["spec"])
        wait_for("rest", lambda: is_at_rest(cluster, guarded))
        yield guarded


def is_at_rest(cluster: ControlPlane, namespace: str) -> bool:
    """Return whether nothing is written for a while: controllers greet a namespace."""
    before = revision(cluster)
    time.sleep(1.5)
    return left_behind(cluster, namespace, before) == []


def left_behind(cluster: ControlPlane, namespace: str, since: str) -> list[str]:
    """Return the keys of what was written since, but for what controllers do to the namespaces of other tests."""

    def is_another_s(key: str) -> bool:
        return any(part.startswith(PREFIX) and part != namespace for part in key.split("/"))

    return [key for key in written_since(cluster, since) if not is_another_s(key)]


def too_large(namespace: str) -> Json:
    return make_claim_object(namespace, "large", make_exact_request(HARD + 1))


def legacy(namespace: str) -> Json:
    return make_pod(namespace, "legacy", nvidia_com__gpu="1")


def test_fm_39_a_storm_of_dry_runs_writes_nothing(cluster: ControlPlane, limited: str) -> None:
    api, fits = cluster.api, make_claim_object(limited, "small", make_exact_request())
    template = make_template(limited, "template", make_exact_request())
    before = revision(cluster)
    for _ in range(ROUNDS):
        for resource, manifest in ((CLAIMS, fits), (TEMPLATES, template), (PODS, legacy(limited))):
            api.create(resource, manifest, dry_run=True)
        assert denied_by(api, too_large(limited)) == {"quota-exceeded"}
    assert left_behind(cluster, limited, before) == []


def test_fm_39_who_is_refused_after_us_gets_its_reservation_back(cluster: ControlPlane, limited: str) -> None:
    """ResourceQuotas of Kubernetes are asked after all webhooks."""
    api, hard = cluster.api, {"count/resourceclaims.resource.k8s.io": "0"}
    metadata = {"namespace": limited, "name": "nothing"}
    manifest = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}
    api.create(RESOURCE_QUOTAS, manifest)
    wait_for("count", lambda: api.get(RESOURCE_QUOTAS, "nothing", limited).get("status", {}).get("used"))
    with pytest.raises(ApiError, match="exceeded quota: nothing"):
        api.create(CLAIMS, make_claim_object(limited, "small", make_exact_request()))
    assert standing(api, limited, "all") == ("1", "1")
    wait_for("end of the reservation", lambda: standing(api, limited, "all") == ("0", "0"), 60)


def test_fm_40_a_thousand_refusals_leave_nothing_behind(
    cluster: ControlPlane, limited: str, replica: ServeProcess
) -> None:
    """What is counted of them does not grow with their number either."""
    _refused(cluster.kubeconfig(), limited, 20)
    before, series = revision(cluster), _series(replica)
    for answer in _refused(cluster.kubeconfig(), limited, REFUSALS):
        assert answer.is_over_quota, answer
    assert left_behind(cluster, limited, before) == []
    assert _series(replica) == series


def _refused(kubeconfig: Path, namespace: str, count: int) -> list[Answer]:
    async def run() -> list[Answer]:
        async with Storm(kubeconfig, at_once=8, seed=0) as storm:
            claims = (make_claim_object(namespace, f"large-{n}", make_exact_request(HARD + 1)) for n in range(count))
            return await asyncio.gather(*(storm.create(claim) for claim in claims))

    return asyncio.run(run())


def _series(replica: ServeProcess) -> set[str]:
    """Return what the replica counts of decisions, without the numbers."""
    lines = replica.probe("/metrics")[1].splitlines()
    return {line.rpartition(" ")[0] for line in lines if line.startswith(("drawbridge_admission_", "drawbridge_find"))}
