"""The ledger on a real API server: processes of their own against one quota, one of them killed in the middle."""

import json
import sys
import time
from itertools import count

import pytest

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installation import Installation
from tests.controlplane.programs import Program
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e
QUOTAS = "drawbridge.dev/v1alpha1/devicequotas"
LIMIT = 5
_runs = count()


def create_quota(cluster: ControlPlane, namespace: str, hard: int = LIMIT) -> None:
    """Create a quota with empty books, as a controller would have written them."""
    manifest = {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "DeviceQuota",
        "metadata": {"name": "gpus", "namespace": namespace},
        "spec": {"limits": [{"name": "devices", "devices": hard}]},
    }
    generation = cluster.api.create(QUOTAS, manifest)["metadata"]["generation"]
    limits = [{"name": "devices", "hard": str(hard), "used": "0", "reserved": "0"}]
    status = {"observedGeneration": generation, "observedResourceVersion": "1", "limits": limits, "reservations": []}
    cluster.api.patch(QUOTAS, "gpus", {"status": status}, namespace, "status")


def status_of(cluster: ControlPlane, namespace: str) -> Json:
    found: Json = cluster.api.get(QUOTAS, "gpus", namespace)["status"]
    return found


def start_replica(
    cluster: ControlPlane, installation: Installation, namespace: str, first: int, claims: int, seed: int, begin: int
) -> Program:
    """Start a replica under the rights of the serving service account; it admits from a moment on."""
    arguments = [namespace, "gpus", *map(str, (first, claims, seed, begin))]
    command = [sys.executable, "-m", "tests.e2e.ledger_replica", str(installation.serve_kubeconfig), *arguments]
    return cluster.programs.start(f"replica-{next(_runs)}", command)


def verdicts_of(replica: Program) -> dict[str, str]:
    found: dict[str, str] = json.loads(replica.wait_for_output(r"^\{.*\}$", 60)[0])
    return found


@pytest.mark.parametrize("seed", range(3))
def test_two_processes_admit_exactly_the_limit(
    cluster: ControlPlane, installation: Installation, namespace: str, seed: int
) -> None:
    create_quota(cluster, namespace)
    begin = round(time.time()) + 3
    replicas = [start_replica(cluster, installation, namespace, 30 * n, 30, seed * 10 + n, begin) for n in range(2)]
    verdicts: dict[str, str] = {}
    for replica in replicas:
        verdicts |= verdicts_of(replica)
    charged = {uid for uid, verdict in verdicts.items() if verdict == "charged"}
    assert len(charged) == LIMIT
    assert set(verdicts.values()) == {"charged", "refused"}
    status = status_of(cluster, namespace)
    assert status["limits"] == [{"name": "devices", "hard": "5", "used": "5", "reserved": "5"}]
    assert {reservation["uid"] for reservation in status["reservations"]} == charged


@pytest.mark.parametrize("moment", [1, 5, 15])
def test_a_killed_process_never_leaves_more_admitted_than_the_limit(
    cluster: ControlPlane, installation: Installation, namespace: str, moment: int
) -> None:
    """`moment` is how many claims are charged when the process is killed."""
    create_quota(cluster, namespace, hard=20)
    begin = round(time.time()) + 3
    victim = start_replica(cluster, installation, namespace, 0, 60, moment, begin)
    survivor = start_replica(cluster, installation, namespace, 100, 60, moment + 1, begin)
    wait_for("charges", lambda: len(status_of(cluster, namespace)["reservations"]) >= moment)
    victim.kill()
    verdicts = verdicts_of(survivor)
    charged = {uid for uid, verdict in verdicts.items() if verdict == "charged"}
    status = status_of(cluster, namespace)
    held = {reservation["uid"] for reservation in status["reservations"]}
    assert len(held) == int(status["limits"][0]["used"]) <= 20
    assert charged <= held
