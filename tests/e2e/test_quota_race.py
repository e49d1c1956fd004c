"""A quota of five devices under sixty creates at once, through replicas that are lost in the middle."""

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.controlplane.api import Api, ApiError
from tests.controlplane.forwarder import TcpForwarder, behind_forwarder
from tests.controlplane.gate import Gate, create_quota, standing
from tests.controlplane.objects import CLAIMS, make_claim_object, make_device_quota, make_exact_request
from tests.controlplane.replicas import Replicas
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e
LIMIT, CREATES, REPEATS = 5, 60, 8


class Burst:
    """Creates of one device each, all at once, by threads of the test's own."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.outcomes: Counter[str] = Counter()
        self.seconds = 0.0
        self._api = api
        self._namespace = namespace
        self._together = threading.Barrier(CREATES + 1)
        self._threads = [threading.Thread(target=self._create, args=(index,)) for index in range(CREATES)]

    def begin(self) -> None:
        """Let all of them go."""
        for thread in self._threads:
            thread.start()
        self._together.wait()
        self._began = time.monotonic()

    def age(self) -> float:
        """How many seconds ago it began."""
        return time.monotonic() - self._began

    def end(self) -> None:
        """Wait for the last answer."""
        for thread in self._threads:
            thread.join()
        self.seconds = self.age()

    def _create(self, index: int) -> None:
        claim = make_claim_object(self._namespace, f"claim-{index}", make_exact_request())
        self._together.wait()
        try:
            self._api.create(CLAIMS, claim)
            outcome = "created"
        except ApiError as error:
            outcome = "over quota" if "exceeded quota" in error.message else error.message
        except (OSError, http.client.HTTPException) as error:
            outcome = repr(error)
        self.outcomes[outcome] += 1


@dataclass(frozen=True, slots=True)
class Scene:
    """Guarded namespaces, each with a quota of five, two replicas, and the forwarders before and behind them."""

    namespaces: list[str]
    replicas: Replicas
    entrance: TcpForwarder
    way: TcpForwarder


@contextmanager
def _scene(gate: Gate, folder: Path, count: int) -> Iterator[Scene]:
    cluster = gate.cluster
    namespaces = [cluster.create_namespace() for _ in range(count)]
    for namespace in namespaces:
        create_quota(cluster.api, make_device_quota(namespace, "gpus", {"name": "all", "devices": LIMIT}))
    with behind_forwarder(gate.installation.serve_kubeconfig, folder / "kubeconfig") as way:
        # They start now, and have read the quotas when they are ready.
        replicas = Replicas(gate, "--kubeconfig", str(folder / "kubeconfig"))
        try:
            with TcpForwarder(*replicas.ports()) as entrance, gate.guarding(namespaces, entrance.port):
                yield Scene(namespaces, replicas, entrance, way)
        finally:
            replicas.end()
    for namespace in namespaces:
        cluster.delete_namespace(namespace)


@pytest.mark.timeout(300)  # with nothing else to do the machine needs three quarters of a minute
@pytest.mark.usefixtures("controller")
def test_t_14_a_replica_killed_in_the_middle_gives_nobody_more_and_takes_nobody_less(
    gate: Gate, tmp_path: Path
) -> None:
    """What a lost replica had charged for claims that were never stored is free again when the reservations end."""
    api = gate.cluster.api
    orphaned = 0
    with _scene(gate, tmp_path, REPEATS) as scene:
        for seed, namespace in enumerate(scene.namespaces):
            chance = random.Random(seed)
            # A slow answer of the API server is what makes a charge outlive the replica that asked for it.
            scene.way.delay = 0.3 if seed % 2 else 0.0
            burst = Burst(api, namespace)
            burst.begin()
            if scene.way.delay:
                wait_for("first charge", partial(_is_charged, api, namespace))
                time.sleep(chance.uniform(0, scene.way.delay / 2))
            else:
                time.sleep(chance.uniform(0, 1))
            moment = burst.age()
            for victim in (0, 1) if seed % 6 == 5 else (chance.randrange(2),):  # one, and now and then both
                scene.replicas.kill(victim)
            burst.end()
            stored, used = _stored(api, namespace), int(standing(api, namespace, "all")[0])
            orphaned += used - stored
            print(f"seed {seed}: killed at {moment:.2f} of {burst.seconds:.2f} s: stored {stored}, used {used}")
            assert burst.outcomes["created"] <= stored <= used <= LIMIT, f"seed {seed}: {burst.outcomes}"
            scene.way.delay = 0.0
            scene.entrance.backends = scene.replicas.ports()
        for namespace in scene.namespaces:
            wait_for("books without what was never stored", partial(_is_settled, api, namespace))
            for index in range(LIMIT - _stored(api, namespace)):
                api.create(CLAIMS, make_claim_object(namespace, f"late-{index}", make_exact_request()))
            with pytest.raises(ApiError, match="exceeded quota"):
                api.create(CLAIMS, make_claim_object(namespace, "one-more", make_exact_request()))
    assert orphaned, "no kill left a charge behind: this shows nothing"


def _stored(api: Api, namespace: str) -> int:
    return len(api.list_all(CLAIMS, namespace))


def _is_charged(api: Api, namespace: str) -> bool:
    return standing(api, namespace, "all") != ("0", "0")


def _is_settled(api: Api, namespace: str) -> bool:
    """Return whether the quota counts what is stored, and nothing else."""
    return standing(api, namespace, "all") == (str(_stored(api, namespace)), "0")
