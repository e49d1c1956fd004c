"""A new version is rolled out under traffic: nobody's call fails."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.controlplane.api import Api, ApiError
from tests.controlplane.forwarder import TcpForwarder
from tests.controlplane.gate import Gate, create_quota, denied_by, standing
from tests.controlplane.objects import CLAIMS, make_claim_object, make_device_quota, make_exact_request
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import installed_webhooks

pytestmark = pytest.mark.e2e
SECONDS = 30
WORKERS = 8
FORBIDDEN = make_exact_request(1, "forbidden")


class Traffic:
    """Users who create claims, delete them, and now and then ask for too much, all through the API server."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.outcomes: Counter[str] = Counter()
        self._api = api
        self._namespace = namespace
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(index,)) for index in range(WORKERS)]

    @contextmanager
    def flowing(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def _work(self, worker: int) -> None:
        turn = 0
        while not self._over.is_set():
            turn += 1
            name = f"claim-{worker}-{turn}"
            request = FORBIDDEN if turn % 5 == 0 else make_exact_request(1, "any")
            self.outcomes[self._create(name, request)] += 1
            self._api.delete(CLAIMS, name, self._namespace)

    def _create(self, name: str, request: dict[str, object]) -> str:
        try:
            self._api.create(CLAIMS, make_claim_object(self._namespace, name, request))
        except ApiError as error:
            return "over quota" if "exceeded quota" in error.message else error.message
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        return "created"


@pytest.mark.usefixtures("controller")
def test_no_call_fails_while_a_replica_is_replaced(gate: Gate, namespace: str) -> None:
    """Every webhook fails closed here, so that no failure is hidden; the Service in front is a TCP forwarder."""
    api = gate.cluster.api
    closed = [
        {**manifest, "webhooks": [{**webhook, "failurePolicy": "Fail"} for webhook in manifest["webhooks"]]}
        for manifest in gate.installation.webhooks
    ]
    limits = (
        {"name": "all", "devices": 1000},
        {"name": "none", "match": {"deviceClassName": "forbidden"}, "devices": 0},
    )
    create_quota(api, make_device_quota(namespace, "gpus", *limits))
    old = gate.serve("--drain-seconds", "8", name="old")
    wait_for("readiness", old.is_ready)
    with (
        TcpForwarder(old.port) as service,
        installed_webhooks(api, closed, f"https://127.0.0.1:{service.port}", gate.ca_file, namespace),
    ):
        forbidden = make_claim_object(namespace, "probe", FORBIDDEN)
        wait_for("effect of the webhooks", lambda: "quota-exceeded" in denied_by(api, forbidden))
        traffic = Traffic(api, namespace)
        began = time.monotonic()
        with traffic.flowing():
            new = gate.serve(name="new")
            wait_for("readiness", new.is_ready)
            wait_for("a third of the traffic", lambda: time.monotonic() - began > SECONDS / 3, SECONDS)
            service.backend = new.port
            assert old.stop() == 0
            wait_for("the rest of the traffic", lambda: time.monotonic() - began > SECONDS, SECONDS)
        print(dict(traffic.outcomes))
        assert set(traffic.outcomes) == {"created", "over quota"}
        assert min(old.answered(), new.answered()) > 100
        wait_for("free quota", lambda: standing(api, namespace, "all") == ("0", "0"))
    new.stop()
