"""How the controller keeps up with 5,000 legacy pods on a real control plane: when templates are there, and the cost.

    .venv/bin/python -m benchmarks.template_storm [--at-once 16]

Pods of 3 kB go through the API server and the webhook, which rewrites them, as fast as both take them; the scheduler
and the claim controller do their part beside it. The time is from the API server's answer to the first pod that needs a
template until a watch shows the template.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import processor_seconds, resident_megabytes
from tests.controlplane.api import Json, path_of
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import issue_certificates
from tests.controlplane.gate import Gate
from tests.controlplane.installation import install
from tests.controlplane.objects import CLASSES, LEGACY_MAPPINGS, PODS, TEMPLATES, make_device_class, make_legacy_mapping
from tests.controlplane.waiting import wait_for
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient

STORM, NAMESPACES, WORKLOADS = 5_000, 20, 300
MOST_DEVICES = 8
GPU, GPU_CLASS = "nvidia.com/gpu", "gpu.nvidia.com"
Place = tuple[str, str]
"""Namespace and name of a template."""


def make_workload_pod(namespace: str, number: int) -> Json:
    """Return a legacy pod of one of the workloads, of some 3 kB."""
    workload = number % WORKLOADS
    container = {
        "name": "main",
        "image": "registry.example/cuda:12",
        "env": [{"name": f"VARIABLE_{index}", "value": "x" * 40} for index in range(30)],
        "resources": {"limits": {GPU: str(workload // NAMESPACES % MOST_DEVICES + 1)}},
    }
    metadata = {"namespace": namespace, "name": f"pod-{number}", "labels": {"app": f"train-{workload}"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


@dataclass(slots=True)
class Seen:
    """When each template was needed first, and when it was there, in monotonic seconds."""

    needed: dict[Place, float] = field(default_factory=dict)
    made: dict[Place, float] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def delays(self) -> list[float]:
        """Return the milliseconds that each template took; one that was there before its pod's answer took none."""
        return sorted(max(0.0, self.made[place] - since) * 1000 for place, since in self.needed.items())


async def create_pods(api: ApiClient, namespaces: list[str], at_once: int, seen: Seen) -> None:
    room = asyncio.Semaphore(at_once)

    async def create(number: int) -> None:
        pod = make_workload_pod(namespaces[number % WORKLOADS % NAMESPACES], number)
        async with room:
            stored = await api.create(path_of(PODS, pod["metadata"]["namespace"]), pod)
        [claim] = stored["spec"]["resourceClaims"]
        place = (pod["metadata"]["namespace"], claim["resourceClaimTemplateName"])
        seen.needed.setdefault(place, time.monotonic())

    await asyncio.gather(*(create(number) for number in range(STORM)))


async def follow_templates(api: ApiClient, seen: Seen) -> None:
    path = path_of(TEMPLATES)
    version = (await api.page(path, limit=1)).resource_version
    async for event in api.watch(path, version, lasting_seconds=1_800, silent_seconds=300):
        metadata = event.object["metadata"]
        seen.made.setdefault((metadata["namespace"], metadata["name"]), time.monotonic())
        seen.news.set()


async def storm(kubeconfig: Path, namespaces: list[str], at_once: int) -> tuple[Seen, float]:
    """Create all pods and wait for all templates; return what was seen and how many seconds the pods took."""
    seen = Seen()
    async with ApiClient(load_access(kubeconfig), timeout_seconds=60) as api:
        following = asyncio.create_task(follow_templates(api, seen))
        began = time.monotonic()
        await create_pods(api, namespaces, at_once, seen)
        lasted = time.monotonic() - began
        async with asyncio.timeout(120):
            while not seen.needed.keys() <= seen.made.keys():
                seen.news.clear()
                await seen.news.wait()
        following.cancel()
    return seen, lasted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at-once", type=int, default=16)
    options = parser.parse_args()
    with ExitStack() as exits:
        cluster = exits.enter_context(ControlPlane())
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        issue_certificates(folder)
        gate = Gate(cluster, install(cluster), folder)
        cluster.api.create(CLASSES, make_device_class(GPU_CLASS))
        namespaces = [cluster.create_namespace("storm-") for _ in range(NAMESPACES)]
        mapping = make_legacy_mapping("gpus", "", {"name": GPU, "deviceClassName": GPU_CLASS})
        mapping["spec"]["namespaceSelector"] = {}
        cluster.api.create(LEGACY_MAPPINGS, mapping)
        controller = gate.controller()
        replica = gate.serve()
        wait_for("readiness", replica.is_ready)
        pids = {"controller": controller.program.pid, "serve": replica.program.pid}
        pids |= {name: cluster.programs.running(name).pid for name in ("kube-apiserver", "etcd")}
        exits.enter_context(gate.guarding(namespaces, replica.port))
        spent = {name: processor_seconds(pid) for name, pid in pids.items()}
        memory = resident_megabytes(pids["controller"])
        seen, lasted = asyncio.run(storm(cluster.kubeconfig(), namespaces, options.at_once))
        delays = seen.delays()
        print(
            f"{STORM} pods in {lasted:.0f} s, {len(delays)} templates: median {statistics.median(delays):.0f} ms, "
            f"99 % {delays[int(len(delays) * 0.99)]:.0f} ms, most {delays[-1]:.0f} ms; processor seconds "
            + ", ".join(f"{name} {processor_seconds(pid) - spent[name]:.1f}" for name, pid in pids.items())
            + f"; controller's memory {memory:.0f} -> {resident_megabytes(pids['controller']):.0f} MB"
        )


if __name__ == "__main__":
    main()
