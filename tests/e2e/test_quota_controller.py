"""A controller that is lost, frozen or cut off, while claims come and go: the books are true when one is back."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.controlplane.api import Api, Json
from tests.controlplane.drawbridge import ServeProcess
from tests.controlplane.etcd import compact
from tests.controlplane.forwarder import behind_forwarder
from tests.controlplane.gate import Gate, create_quota, denied_by, standing
from tests.controlplane.objects import CLAIMS, make_claim_object, make_device_quota, make_exact_request
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e
HARD = 6


def make_claim(namespace: str, name: str) -> Json:
    return make_claim_object(namespace, name, make_exact_request(1, "any"))


@pytest.fixture
def guarded(gate: Gate, replica: ServeProcess, namespace: str) -> Iterator[str]:
    """A namespace that the replica guards; its quota and the controller are each test's own."""
    with gate.guarding(namespace, replica.port):
        yield namespace


def begin(api: Api, namespace: str) -> None:
    """Limit the namespace and store two claims, as the running controller sees them."""
    create_quota(api, make_device_quota(namespace, "gpus", {"name": "all", "devices": HARD}))
    too_many = make_claim_object(namespace, "probe", make_exact_request(HARD + 1, "any"))
    wait_for("known quota", lambda: denied_by(api, too_many))
    for name in ("kept", "deleted"):
        api.create(CLAIMS, make_claim(namespace, name))
    wait_for("books of two", lambda: standing(api, namespace, "all") == ("2", "0"))


def change(api: Api, namespace: str) -> None:
    """One goes, two come, and one comes and goes, unseen by any controller."""
    api.delete(CLAIMS, "deleted", namespace)
    for name in ("new-0", "new-1", "brief"):
        api.create(CLAIMS, make_claim(namespace, name))
    api.delete(CLAIMS, "brief", namespace)
    assert standing(api, namespace, "all") == ("5", "3")  # too high, never too low


def wait_for_the_truth(api: Api, namespace: str) -> None:
    """A lease must run out first, or a reflector's longest pause between tries be over: half a minute in all."""
    wait_for("books of three", lambda: standing(api, namespace, "all") == ("3", "0"), 120)


def test_a_controller_killed_is_followed_by_one_that_heals_the_books(gate: Gate, guarded: str) -> None:
    api = gate.cluster.api
    with ExitStack() as exits:
        first = gate.controller()
        exits.callback(first.stop)
        begin(api, guarded)
        first.kill()
        change(api, guarded)
        second = gate.controller()
        exits.callback(second.stop)
        wait_for_the_truth(api, guarded)


def test_a_controller_that_wakes_up_beside_the_next_spoils_nothing(gate: Gate, guarded: str) -> None:
    """It was frozen for longer than its lease lasts, and still believes that it leads, and what it saw then."""
    api = gate.cluster.api
    with ExitStack() as exits:
        frozen = gate.controller()
        exits.callback(frozen.stop)
        begin(api, guarded)
        frozen.program.send(signal.SIGSTOP)
        change(api, guarded)
        second = gate.controller(name="controller-2")
        exits.callback(second.stop)
        wait_for_the_truth(api, guarded)
        api.delete(CLAIMS, "kept", guarded)
        for name in ("late-0", "late-1"):
            api.create(CLAIMS, make_claim(guarded, name))
        frozen.program.send(signal.SIGCONT)
        for _ in range(20):
            stored = len(api.list_all(CLAIMS, guarded))
            assert int(standing(api, guarded, "all")[0]) >= stored == 4
            time.sleep(0.1)
        wait_for("books of four", lambda: standing(api, guarded, "all") == ("4", "0"))


def test_fm_47_a_controller_cut_off_while_etcd_forgets_lists_again(gate: Gate, guarded: str, tmp_path: Path) -> None:
    """The deletions between are not in any watch: they are seen by what the new list lacks."""
    cluster, api = gate.cluster, gate.cluster.api
    kubeconfig = tmp_path / "kubeconfig"
    with ExitStack() as exits:
        way = exits.enter_context(behind_forwarder(gate.installation.controller_kubeconfig, kubeconfig))
        exits.callback(gate.controller("--kubeconfig", str(kubeconfig)).stop)
        begin(api, guarded)
        way.backend, backend = 1, way.backend  # nobody listens there
        way.cut()
        change(api, guarded)
        cluster.kill_apiserver()
        compact(cluster)
        cluster.start_apiserver()
        way.backend = backend
        wait_for_the_truth(api, guarded)
