"""Replicas that do not see the API server: not yet, not now, or not what another replica sees."""

import http.client
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.controlplane.api import Json
from tests.controlplane.drawbridge import ServeProcess
from tests.controlplane.forwarder import TcpForwarder, behind_forwarder
from tests.controlplane.gate import Gate
from tests.controlplane.objects import (
    CLAIM_POLICIES,
    CLASSES,
    make_claim_object,
    make_device_class,
    make_exact_request,
)
from tests.controlplane.waiting import wait_for
from tests.support.policies import policy_object
from tests.support.serving import Answer, post
from tests.support.standalone import review

pytestmark = pytest.mark.e2e
OUTAGE = 10.0
"""Seconds; what a minute would be is shown by the reflector's pauses in `tests/kube/test_reflector.py`."""
CLAIM = make_claim_object("team-a", "train", make_exact_request(1, "any"))
BACK = 90.0
"""Seconds within which a replica sees again: the longest pause between its tries, and a busy machine."""


def asked(gate: Gate, replica: ServeProcess, manifest: Json) -> Answer:
    """Return what a replica answers, asked as the API server asks it."""
    tls = ssl.create_default_context(cafile=str(gate.ca_file))
    connection = http.client.HTTPSConnection("127.0.0.1", replica.port, timeout=20, context=tls)
    try:
        return post(connection, "/validate/claims", review(manifest, "CREATE", dry_run=False))
    finally:
        connection.close()


@contextmanager
def behind(gate: Gate, folder: Path, delay: float = 0.0) -> Iterator[tuple[ServeProcess, TcpForwarder]]:
    """A replica with a forwarder of its own before the API server, which does not wait until it is ready."""
    kubeconfig = folder / "kubeconfig"
    with behind_forwarder(gate.installation.serve_kubeconfig, kubeconfig) as way:
        way.delay = delay
        replica = gate.serve("--kubeconfig", str(kubeconfig), "--drain-seconds", "0", name="far")
        try:
            yield replica, way
        finally:
            replica.stop()


def test_fm_32_without_an_api_server_replicas_stay_alive_and_ready_and_ask_for_it_calmly(
    gate: Gate, replica: ServeProcess
) -> None:
    classes = 'drawbridge_cache_objects{kind="deviceclasses"}'
    computed, known = replica.program.processor_seconds(), replica.metric(classes)
    gate.cluster.kill_apiserver()
    try:
        ends = time.monotonic() + OUTAGE
        probed = set()
        while time.monotonic() < ends:
            probed |= {replica.probe("/livez")[0], replica.probe("/readyz")[0]}
            time.sleep(0.5)
        assert probed == {200}
        assert asked(gate, replica, CLAIM).response["allowed"]
        assert replica.program.processor_seconds() - computed < OUTAGE / 3
        assert 1 <= replica.program.output().count('"kind":"deviceclasses","outcome":"lost"') <= 12
    finally:
        gate.cluster.start_apiserver()
    with gate.cluster.api.temporarily(CLASSES, make_device_class("after-the-outage")):
        wait_for("the new class", lambda: replica.metric(classes) == (known or 0.0) + 1, BACK)


def test_fm_44_before_every_list_has_come_a_replica_is_not_ready_and_allows_nothing(gate: Gate, tmp_path: Path) -> None:
    with behind(gate, tmp_path, delay=3.0) as (late, way):
        status, text = late.probe("/readyz")
        assert (status, "[-] cluster: not listed yet: " in text) == (503, True)
        assert late.probe("/livez")[0] == 200
        answer = asked(gate, late, CLAIM)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        way.delay = 0.0
        wait_for("readiness", late.is_ready, BACK)
        assert asked(gate, late, CLAIM).response["allowed"]


def refusing() -> Json:
    """Return a policy that refuses the claim."""
    match = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "team-a"}}, "resources": ["claims"]}
    return policy_object("nothing", match=match, validations=[{"expression": "false", "message": "nothing here"}])


def generation_of(policy: Json) -> str:
    return f'drawbridge_policy_generation{{policy="{policy["metadata"]["name"]}"}}'


def test_fm_48_a_version_of_a_policy_that_does_not_compile_replaces_none_that_works(
    gate: Gate, replica: ServeProcess
) -> None:
    """No webhook of ours looks at the write."""
    api, policy = gate.cluster.api, refusing()
    broken = 'drawbridge_policies_broken{instead="earlier version"}'
    with api.temporarily(CLAIM_POLICIES, policy):
        wait_for("the policy", lambda: replica.metric(generation_of(policy)) == 1, BACK)
        change = {"spec": {"validations": [{"expression": "clam.x"}]}}
        stored = api.patch(CLAIM_POLICIES, policy["metadata"]["name"], change)
        assert stored["metadata"]["generation"] == 2
        wait_for("the broken version to be told", lambda: replica.metric(broken) == 1)
        assert replica.metric(generation_of(policy)) == 1
        answer = asked(gate, replica, CLAIM)
        assert "[policy/nothing]" in answer.response["status"]["message"]
    wait_for("its end", lambda: replica.metric(broken) == 0)


def test_fm_49_replicas_that_judge_by_different_versions_of_a_policy_are_seen(
    gate: Gate, replica: ServeProcess, tmp_path: Path
) -> None:
    api, policy = gate.cluster.api, refusing()
    name, series = policy["metadata"]["name"], generation_of(policy)
    with behind(gate, tmp_path) as (far, way):
        wait_for("readiness", far.is_ready)
        with api.temporarily(CLAIM_POLICIES, policy):
            wait_for("the policy", lambda: [one.metric(series) for one in (replica, far)] == [1, 1], BACK)
            way.blackhole = True
            api.patch(CLAIM_POLICIES, name, {"spec": {"mode": "Audit"}})
            wait_for("the difference", lambda: [one.metric(series) for one in (replica, far)] == [2, 1])
            answers = [asked(gate, one, CLAIM).response for one in (replica, far)]
            told = [answer["auditAnnotations"]["policy-generations"] for answer in answers]
            assert told == [f"{name}=2", f"{name}=1"]
            assert [answer["allowed"] for answer in answers] == [True, False]
            way.blackhole = False
            way.cut()
            wait_for("one version again", lambda: far.metric(series) == 2, BACK)
