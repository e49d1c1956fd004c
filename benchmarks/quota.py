"""Creates of claims a second under a DeviceQuota and under Kubernetes' own ResourceQuota, on a real control plane.

    .venv/bin/python -m benchmarks.quota [--rounds 5] [--at-once 24]

A thousand claims of one device each, 600 are allowed, by so many users at once, in a new namespace each time: under a
ResourceQuota on the devices of the class; under a DeviceQuota that says the same, with the webhooks as they are
installed; behind the webhooks without any quota; and with nothing. All sides take turns. Beside it, the processor time
of each program for a create, for that is what the difference consists of.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import processor_seconds
from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import issue_certificates
from tests.controlplane.gate import Gate, create_quota, denied_by
from tests.controlplane.installation import install
from tests.controlplane.objects import (
    CLASSES,
    GPU_DRIVER,
    SLICES,
    make_claim_object,
    make_device_class,
    make_device_quota,
    make_exact_request,
    make_gpu,
    make_node,
    make_slice,
)
from tests.controlplane.storm import create_all
from tests.controlplane.waiting import wait_for

CREATES, HARD = 1_000, 600
RESOURCE_QUOTAS = "v1/resourcequotas"
KEY = f"{GPU_DRIVER}.deviceclass.resource.k8s.io/devices"
BASE = "ResourceQuota"
SIDES = (BASE, "DeviceQuota", "webhooks alone", "nothing")


@dataclass(frozen=True, slots=True)
class Run:
    """Creates a second, and the milliseconds of processor time that each program spent on one."""

    rate: float
    spent: Mapping[str, float]


class Bench:
    """A control plane, one replica, one controller, and a class with eight GPUs."""

    def __init__(self, exits: ExitStack, at_once: int) -> None:
        self._at_once = at_once
        self._cluster = exits.enter_context(ControlPlane())
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        issue_certificates(folder)
        self._gate = Gate(self._cluster, install(self._cluster), folder)
        self._cluster.add_node(make_node("node"))
        self._cluster.api.create(CLASSES, make_device_class())
        self._cluster.api.create(SLICES, make_slice("node", [make_gpu(index) for index in range(8)]))
        controller = self._gate.controller()
        self._replica = self._gate.serve()
        wait_for("readiness", self._replica.is_ready)
        self._pids = {name: self._cluster.programs.running(name).pid for name in ("kube-apiserver", "etcd")}
        self._pids |= {"serve": self._replica.program.pid, "controller": controller.program.pid, "users": os.getpid()}

    def run(self, side: str) -> Run:
        """Create all claims on one side, in a namespace of its own."""
        namespace = self._cluster.create_namespace()
        claims = [make_claim_object(namespace, f"claim-{index}", make_exact_request()) for index in range(CREATES)]
        with self._prepared(side, namespace):
            before = self._spent()
            answers, seconds = asyncio.run(create_all(self._cluster.kubeconfig(), claims, self._at_once))
            spent = {name: (now - before[name]) * 1000 / CREATES for name, now in self._spent().items()}
        stored = sum(not answer.refusal for answer in answers)
        lost = sum(len(answer.lost) for answer in answers)
        print(f"{side}: {seconds:.2f} s, {stored} stored, {lost} tries lost", flush=True)
        expected = HARD if side.endswith("Quota") else CREATES
        assert expected - lost <= stored <= expected
        # Deleting a thousand claims is work for all programs here, and no part of the next side's.
        self._cluster.delete_namespace(namespace)
        wait_for(
            "end of the namespace", lambda: self._cluster.api.find("v1/namespaces", namespace) is None, seconds=120
        )
        return Run(CREATES / seconds, spent)

    @contextmanager
    def _prepared(self, side: str, namespace: str) -> Iterator[None]:
        api = self._cluster.api
        if side == BASE:
            metadata = {"namespace": namespace, "name": "gpus"}
            quota: Json = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata}
            api.create(RESOURCE_QUOTAS, {**quota, "spec": {"hard": {KEY: str(HARD)}}})
            wait_for("its use", lambda: api.get(RESOURCE_QUOTAS, "gpus", namespace).get("status", {}).get("used"))
        if side == "DeviceQuota":
            limit = {"name": "gpus", "match": {"deviceClassName": GPU_DRIVER}, "devices": HARD}
            create_quota(api, make_device_quota(namespace, "gpus", limit))
        if side in (BASE, "nothing"):
            yield
            return
        with self._gate.guarding(namespace, self._replica.port):
            if side == "DeviceQuota":
                too_many = make_claim_object(namespace, "probe", make_exact_request(HARD + 1))
                wait_for("known quota", lambda: denied_by(api, too_many))
            yield

    def _spent(self) -> dict[str, float]:
        return {name: processor_seconds(pid) for name, pid in self._pids.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=24)
    options = parser.parse_args()
    runs: dict[str, list[Run]] = defaultdict(list)
    with ExitStack() as exits:
        bench = Bench(exits, options.at_once)
        for round_ in range(options.rounds + 1):
            for side in SIDES:
                run = bench.run(side)
                if round_:  # the first warms up
                    runs[side].append(run)
    programs = runs[BASE][0].spent
    print(f"\n| | creates a second | ratio | processor | {' | '.join(programs)} |")
    print(f"|---|---|---|---|{'---|' * len(programs)}")
    for side, found in runs.items():
        ratio = statistics.median(run.rate / base.rate for run, base in zip(found, runs[BASE], strict=True))
        spent = [statistics.median(run.spent[name] for run in found) for name in programs]
        rate = statistics.median(run.rate for run in found)
        parts = " | ".join(f"{each:.2f}" for each in spent)
        print(f"| {side} | {rate:.0f} | {ratio:.2f} | {sum(spent):.1f} ms | {parts} |")


if __name__ == "__main__":
    main()
