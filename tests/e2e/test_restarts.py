"""Replicas are restarted one after another under traffic, as a rollout does: nobody's call fails.

`RESTART_CALLS=30000` makes the traffic a long one.
"""

import itertools
import os
from collections.abc import Callable
from functools import partial

import pytest

from tests.controlplane.api import path_of
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.forwarder import TcpForwarder
from tests.controlplane.gate import Gate, create_quota, denied_by, standing
from tests.controlplane.load import CALLS_A_CREATE, Load, ask
from tests.controlplane.objects import CLAIMS, make_claim_object, make_device_quota, make_exact_request
from tests.controlplane.replicas import Replicas
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import installed_webhooks

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

CALLS = int(os.environ.get("RESTART_CALLS") or 1500)
RESTARTS = 2 * CALLS // 1500
WORKERS = 8
DRAIN_SECONDS = "3"
FORBIDDEN = make_exact_request(1, "forbidden")
LIMITS = (
    {"name": "all", "devices": 1000},
    {"name": "none", "match": {"deviceClassName": "forbidden"}, "devices": 0},
)


class Users:
    """They ask for claims in dry runs, every fifth time for too much; every tenth claim is stored and deleted."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        jobs: list[Callable[[], None]] = [partial(self._work, worker) for worker in range(WORKERS)]
        self.load = Load(jobs)

    def _work(self, worker: int) -> None:
        everything = path_of(CLAIMS, self._namespace)
        with self._cluster.connection() as (connection, headers):
            for turn in itertools.count(1):
                if self.load.over.is_set():
                    return
                name, stored, too_much = f"claim-{worker}-{turn}", turn % 10 == 1, turn % 5 == 0
                request = FORBIDDEN if too_much else make_exact_request(1, "any")
                claim = make_claim_object(self._namespace, name, request)
                said = ask(connection, headers, "POST", everything + ("" if stored else "?dryRun=All"), claim)
                if too_much:
                    self.load.count("" if "exceeded quota" in said else f"not refused: {said}")
                else:
                    self.load.count(said)
                if stored:
                    ask(connection, headers, "DELETE", path_of(CLAIMS, self._namespace, name), None)


@pytest.mark.usefixtures("controller")
def test_fm_25_no_call_fails_while_replicas_are_restarted_one_after_another(gate: Gate, namespace: str) -> None:
    """Every webhook fails closed here, so that no failure is hidden, and late, so that a machine that is busy with
    other things is none. The Service in front is a TCP forwarder, behind which a connection stays where it is, at a
    replica that ends too.
    """
    api = gate.cluster.api
    strict = {"failurePolicy": "Fail", "timeoutSeconds": 10}
    closed = [
        {**manifest, "webhooks": [{**webhook, **strict} for webhook in manifest["webhooks"]]}
        for manifest in gate.installation.webhooks
    ]
    create_quota(api, make_device_quota(namespace, "gpus", *LIMITS))
    replicas = Replicas(gate, "--drain-seconds", DRAIN_SECONDS)
    try:
        with (
            TcpForwarder(*replicas.ports()) as service,
            installed_webhooks(api, closed, f"https://127.0.0.1:{service.port}", gate.ca_file, namespace),
        ):
            forbidden = make_claim_object(namespace, "probe", FORBIDDEN)
            wait_for("effect of the webhooks", lambda: "quota-exceeded" in denied_by(api, forbidden))
            load = Users(gate.cluster, namespace).load
            with load.running():
                for number in range(RESTARTS):
                    load.reach(CALLS / CALLS_A_CREATE * number / RESTARTS)
                    old = replicas.replace(number % 2)
                    service.backends = replicas.ports()
                    assert old.stop() == 0
                load.reach(max(CALLS / CALLS_A_CREATE, load.done + 100))
            assert not load.failures
            assert load.done * CALLS_A_CREATE >= CALLS
            assert min(replicas.answered()) > 0
            wait_for("free quota", lambda: standing(api, namespace, "all") == ("0", "0"))
    finally:
        replicas.end()
    print(f"{load.done * CALLS_A_CREATE} admission calls, {RESTARTS} restarts, 0 failed")
