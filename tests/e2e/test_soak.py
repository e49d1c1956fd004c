"""Mixed traffic for a while, and all that Drawbridge watches changes meanwhile: nothing leaks, and the books are exact.

The control plane is one of its own, because the certificates' controller keeps the configurations of one name.
`make soak` takes ten minutes, `SOAK_SECONDS` says otherwise; memory is judged from five minutes on.
"""

import itertools
import os
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import Any, Self

import pytest

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE, ControllerProcess, ServeProcess
from tests.controlplane.forwarder import TcpForwarder
from tests.controlplane.gate import create_quota, denied_by, standing
from tests.controlplane.installation import NAMESPACE, Installation, install
from tests.controlplane.mixed_traffic import KINDS, LEGACY, MixedTraffic, make_policy
from tests.controlplane.objects import (
    CLAIM_POLICIES,
    CLAIMS,
    CLUSTER_DEVICE_QUOTAS,
    DEVICE_QUOTAS,
    GPU_DRIVER,
    LEGACY_MAPPINGS,
    SLICES,
    TEMPLATES,
    make_claim_object,
    make_cluster_device_quota,
    make_device_class,
    make_device_quota,
    make_exact_request,
    make_gpu,
    make_legacy_mapping,
    make_node,
    make_slice,
    make_template,
)
from tests.controlplane.upkeep import Sample, Upkeep, growth, least
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import RESOURCES, point_at

SECONDS = float(os.environ.get("SOAK_SECONDS") or 20)
LONG = 300.0
"""Seconds from which on memory is judged: before, what is seen is the interpreter's warming up."""
USERS = 4
MOST_GROWTH = 6.0
"""MiB over the last two thirds: what a leak of 200 bytes a request would make of 30,000 requests."""
MORE_FILES, MORE_THREADS = 16, 1
"""By how many the last third may have more open than the second: the API server opens connections as it needs them."""
HARD = 40
CLOSED: Json = {"failurePolicy": "Fail", "timeoutSeconds": 20}
"""No failure is hidden; and a machine that is busy with other things is none."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(SECONDS * 2 + 280)]


class Installed:
    """Two replicas behind one address, the controller and the certificates' controller, under deploy/'s rights."""

    def __init__(self, cluster: ControlPlane, installation: Installation, exits: ExitStack) -> None:
        self.cluster, self.api = cluster, cluster.api
        certs_kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, "drawbridge-certs")
        look = ["--certificates", "--settle-seconds", "2", "--look-seconds", "0.5"]
        self.certs = ControllerProcess(cluster.programs, certs_kubeconfig, look, "certs")
        serve = ["--kubeconfig", str(installation.serve_kubeconfig), "--cert-secret", "drawbridge-tls"]
        self.replicas = [ServeProcess(cluster.programs, serve, f"serve-{number}") for number in range(2)]
        waiting = ["--reservation-seconds", "10", "--template-grace-seconds", "5"]
        self.controller = ControllerProcess(cluster.programs, installation.controller_kubeconfig, waiting)
        for replica in self.replicas:
            wait_for("readiness", replica.is_ready)
        entrance = exits.enter_context(TcpForwarder(*(replica.port for replica in self.replicas)))
        for manifest in installation.webhooks:
            closed = [{**webhook, **CLOSED} for webhook in manifest["webhooks"]]
            pointed = point_at({**manifest, "webhooks": closed}, f"https://127.0.0.1:{entrance.port}", b"")
            self.api.create(RESOURCES[manifest["kind"]], pointed)
        wait_for("a bundle that verifies", lambda: self.certificates("verify").returncode == 0)
        programs = [self.certs.program, self.controller.program, *(replica.program for replica in self.replicas)]
        self.programs = {program.name: program for program in programs}

    def certificates(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `drawbridge certs` as an administrator does."""
        command = [str(DRAWBRIDGE), "certs", *arguments, "--kubeconfig", str(self.cluster.kubeconfig())]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def faults(self) -> set[str]:
        """Return the statuses of answers that were no decision."""
        codes: set[str] = set()
        for replica in self.replicas:
            with urllib.request.urlopen(f"{replica.health_url}/metrics", timeout=5) as answer:
                said = answer.read().decode()
            codes |= set(re.findall(r'^drawbridge_faults_total\{.*code="(\d+)".*\} [1-9]', said, re.MULTILINE))
        return codes

    def milliseconds(self) -> list[float]:
        """Return how long each decision took, the longest last."""
        said = "".join(replica.program.output() for replica in self.replicas)
        return sorted(float(taken) for taken in re.findall(r'"milliseconds":([0-9.]+)', said))

    def complaints(self) -> list[str]:
        """Return what the programs wrote of errors."""
        lines = [line for program in self.programs.values() for line in program.output().splitlines()]
        return [line for line in lines if "Traceback" in line or '"level":"error"' in line]


@pytest.fixture(scope="module")
def installed(cluster: ControlPlane) -> Iterator[Installed]:  # noqa: ARG001 - it skips where there is no control plane
    with ExitStack() as exits:
        own = exits.enter_context(ControlPlane())
        yield Installed(own, install(own), exits)


class Churn:
    """Changes all that is watched, in turns; one that ends by an exception is seen at the end."""

    def __init__(self, installed: Installed, namespace: str) -> None:
        self.rounds = 0
        self.rotations = 0
        self._installed, self._api, self._namespace = installed, installed.api, namespace
        self._over = threading.Event()
        jobs: list[Callable[[], None]] = [
            partial(self._again, self._change, 0.3),
            partial(self._again, self._rotate, 8),
        ]
        self._threads = [threading.Thread(target=job) for job in jobs]
        self._broken: list[Exception] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._broken:
            raise self._broken[0]

    def _again(self, job: Callable[[int], None], seconds: float) -> None:
        try:
            for number in itertools.count():
                job(number)
                if self._over.wait(seconds):
                    return
        except Exception as error:  # noqa: BLE001 - it is raised where the test sees it
            self._broken.append(error)

    def _change(self, number: int) -> None:
        api, namespace = self._api, self._namespace
        gpus = [make_gpu(16 + index) for index in range(4 + number % 5)]
        published = api.get(SLICES, f"second-{GPU_DRIVER}")
        published["spec"] |= {"devices": gpus, "pool": {**published["spec"]["pool"], "generation": number + 2}}
        api.replace(SLICES, published)
        # Of few contents: what is compiled of each is kept up to a bound, which is reached in days and not in minutes.
        policy = make_policy("passing", f"claim.requests.size() < {9 + number % 5}", f"round {number % 5}")
        with api.temporarily(CLAIM_POLICIES, policy):
            limits = [{"name": "all", "devices": HARD + number % 7}]
            api.patch(DEVICE_QUOTAS, "gpus", {"spec": {"limits": limits}}, namespace)
            create_quota(api, make_device_quota(namespace, f"passing-{number % 3}", {"name": "all", "devices": 400}))
            api.delete(DEVICE_QUOTAS, f"passing-{number % 3}", namespace)
        self.rounds += 1

    def _rotate(self, number: int) -> None:
        done = self._installed.certificates("rotate", *(["--ca"] if number % 3 == 2 else []))
        assert done.returncode == 0, done.stderr
        self.rotations += 1


def test_after_a_soak_nothing_has_leaked_and_the_books_are_exact(installed: Installed) -> None:
    api, cluster = installed.api, installed.cluster
    namespace = cluster.create_namespace()
    with cluster.with_devices(
        [make_node("first"), make_node("second")],
        [make_device_class()],
        [make_slice("first", [make_gpu(number) for number in range(16)]), make_slice("second", [make_gpu(16)])],
    ):
        mapping = make_legacy_mapping("gpus", namespace, {"name": LEGACY, "deviceClassName": GPU_DRIVER})
        api.create(LEGACY_MAPPINGS, mapping)
        api.create(TEMPLATES, make_template(namespace, "shared", make_exact_request()))
        limit = {"name": "all", "devices": HARD}
        create_quota(api, make_device_quota(namespace, "gpus", limit))
        api.create(
            CLUSTER_DEVICE_QUOTAS, make_cluster_device_quota("pot", [namespace], {"name": "pot", "devices": 999})
        )
        too_many = make_claim_object(namespace, "probe", make_exact_request(32))
        wait_for("effect of the webhooks", lambda: denied_by(api, {**too_many, "spec": _uncompilable()}))

        traffic = MixedTraffic(cluster, namespace, USERS)
        with Upkeep(installed.programs) as upkeep, traffic.load.running(), Churn(installed, namespace) as churn:
            time.sleep(SECONDS)
        print(f"{traffic.load.done} requests, {churn.rounds} rounds of changes, {churn.rotations} rotations")
        taken = installed.milliseconds()
        print(
            f"{len(taken)} decisions, half within {median(taken)} ms, 99 of 100 within {taken[-len(taken) // 100]} ms"
        )
        print(dict(sorted(traffic.outcomes.items())))
        for name, samples in upkeep.samples.items():
            print(_told(name, samples))

        for failure, times in traffic.load.failures.items():
            print(f"{times} times: {failure}")

        assert not traffic.load.failures
        assert len({outcome.partition(":")[0] for outcome in traffic.outcomes}) == KINDS
        wait_for("books of what is stored", lambda: _books(api, namespace) == _stored(api, namespace), 60)
        assert installed.faults() <= {"503"}
        assert installed.complaints() == []
        for samples in upkeep.samples.values():
            _holds(samples)


def _uncompilable() -> Json:
    return make_claim_object("", "", make_exact_request(1, "any", "device.nothing"))["spec"]  # type: ignore[no-any-return]


def _stored(api: Any, namespace: str) -> tuple[int, int]:
    """Count the devices of what is stored; nothing is reserved when all is quiet."""
    requests = [
        request for claim in api.list_all(CLAIMS, namespace) for request in claim["spec"]["devices"]["requests"]
    ]
    return sum(request["exactly"]["count"] for request in requests), 0


def _books(api: Any, namespace: str) -> tuple[int, int]:
    """Return what both quotas say is used and reserved; they must say the same."""
    [pot] = api.get(CLUSTER_DEVICE_QUOTAS, "pot")["status"]["limits"]
    used, reserved = standing(api, namespace, "all")
    return (int(used), int(reserved)) if (used, reserved) == (pot["used"], pot["reserved"]) else (-1, -1)


def _thirds(samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    third = len(samples) // 3
    return samples[third : 2 * third], samples[2 * third :]


def _told(name: str, samples: list[Sample]) -> str:
    second, last = _thirds(samples)
    return (
        f"{name}: {samples[0].resident:.0f} MiB, then {second[0].resident:.0f}, at last {last[-1].resident:.0f}, "
        f"growth {growth([*second, *last]):+.2f} MiB; files and threads {least(second)}, then {least(last)}"
    )


def _holds(samples: list[Sample]) -> None:
    second, last = _thirds(samples)
    (files, threads), (files_at_last, threads_at_last) = least(second), least(last)
    assert files_at_last <= files + MORE_FILES
    assert threads_at_last <= threads + MORE_THREADS
    if SECONDS >= LONG:
        assert growth([*second, *last]) <= MOST_GROWTH
