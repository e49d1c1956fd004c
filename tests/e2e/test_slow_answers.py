"""What calls of the API server meet: connections that stay open, a port that swallows, a replica that stalls.

The API server alone decides how long it waits and which connection it takes.
"""

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.drawbridge import ServeProcess
from tests.controlplane.forwarder import TcpForwarder
from tests.controlplane.gate import Gate
from tests.controlplane.objects import CLAIMS, PODS, make_claim_object, make_exact_request, make_pod
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import installed_webhooks

pytestmark = pytest.mark.e2e

AT_ONCE = 12
API_SERVER_S_END = 30.0
"""Seconds after which it gives up a request by itself; how much earlier an answer comes, the machine says."""
MOST_IF_STALLED = 6
"""Of those who are not to wait: how many could be answered if each took the three seconds of a time-out."""
CONFIG_MAPS = "v1/configmaps"


def _claim(namespace: str) -> Json:
    return make_claim_object(namespace, "new", make_exact_request())


def _tried(api: Api, resource: str, manifest: Json) -> tuple[str, float]:
    """Return the words of a refusal, empty where there is none, and how many seconds the create took."""
    began = time.monotonic()
    try:
        api.create(resource, manifest, dry_run=True)
    except ApiError as error:
        return error.message, time.monotonic() - began
    return "", time.monotonic() - began


def test_fm_22_a_connection_that_was_idle_for_seconds_is_used_again(
    gate: Gate, replica: ServeProcess, namespace: str
) -> None:
    """Servers that close after five seconds, as many do, meet the request that is on its way just then."""
    api = gate.cluster.api

    def all_at_once(pool: ThreadPoolExecutor) -> list[str]:
        return [said for said, _ in pool.map(lambda _: _tried(api, CLAIMS, _claim(namespace)), range(AT_ONCE))]

    with TcpForwarder(replica.port) as way, gate.guarding(namespace, way.port), ThreadPoolExecutor(AT_ONCE) as pool:
        way.delay = 0.025
        assert all_at_once(pool) == [""] * AT_ONCE
        opened = way.open
        time.sleep(5.1)
        assert (opened > 1, way.open) == (True, opened)
        assert all_at_once(pool) == [""] * AT_ONCE


@contextmanager
def swallowing() -> Iterator[int]:
    """A port where connections are made and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


def test_fm_26_a_port_that_cannot_be_reached_costs_its_time_out_and_is_named(gate: Gate, namespace: str) -> None:
    """A cloud's firewall between control plane and nodes drops what is sent to most ports."""
    api = gate.cluster.api
    claims = [
        {**manifest, "webhooks": [each for each in manifest["webhooks"] if each["name"].startswith("claims.validate")]}
        for manifest in gate.installation.webhooks
        if manifest["kind"] == "ValidatingWebhookConfiguration"
    ]

    def refused() -> tuple[str, float] | None:
        tried = _tried(api, CLAIMS, _claim(namespace))
        return tried if tried[0] else None

    with swallowing() as port:
        url = f"https://127.0.0.1:{port}"
        with installed_webhooks(api, claims, url, gate.ca_file, namespace):
            said, seconds = wait_for("effect of the webhook", refused)
    assert 'failed calling webhook "claims.validate.drawbridge.dev"' in said
    assert f"{url}/validate/claims" in said
    assert 4.5 < seconds < API_SERVER_S_END


def test_fm_28_a_replica_that_stalls_costs_its_time_outs_and_nobody_else_anything(
    gate: Gate, replica: ServeProcess, namespace: str
) -> None:
    """Three seconds for the webhooks that mutate, five for those that validate: far from the API server's own end."""
    api = gate.cluster.api
    other: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": namespace}}
    plain, legacy = make_pod(namespace, "plain"), make_pod(namespace, "legacy", nvidia_com__gpu="1")
    with gate.guarding(namespace, replica.port), ThreadPoolExecutor(2) as pool:
        replica.program.send(signal.SIGSTOP)
        try:
            refused = pool.submit(_tried, api, CLAIMS, _claim(namespace))
            created = pool.submit(_tried, api, PODS, legacy)
            others = []
            while not (refused.done() and created.done()):
                others += [_tried(api, CONFIG_MAPS, other), _tried(api, PODS, plain)]
                time.sleep(0.1)
        finally:
            replica.program.send(signal.SIGCONT)
        said, seconds = refused.result()
        assert 'failed calling webhook "claims.validate.drawbridge.dev"' in said
        assert 7.5 < seconds < API_SERVER_S_END
        said, seconds = created.result()
        assert said == "", "pods fail open"
        assert 7.5 < seconds < API_SERVER_S_END
        assert {said for said, _ in others} == {""}
        assert len(others) > MOST_IF_STALLED
        wait_for("the replica", lambda: _tried(api, CLAIMS, _claim(namespace))[0] == "")
