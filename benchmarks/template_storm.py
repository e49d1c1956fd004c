"""How the controller keeps up with 5,000 rewritten pods: when each template is there, memory, and calls to the API.

    .venv/bin/python -m benchmarks.template_storm

The controller is the real program; the API server is the small one of the tests, in this process. Pods come within a
minute, then as many all at once; each is updated three times, as its scheduler and kubelet would.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from tests.kube.fake_api import FakeApi, Json, fake_api, status, until
from webhook.kube.controller import VIEWED
from webhook.rewrite.original import ANNOTATION
from webhook.rewrite.templates import Shape, Template, make_template

PODS, NAMESPACES, WORKLOADS = 5_000, 100, 300
SECONDS = 60.0
GPU, GPU_CLASS = "nvidia.com/gpu", "gpu.nvidia.com"
KINDS = ("pods", "resourceclaims", "resourceclaimtemplates", "legacymappings", "events", "leases", "namespaces")
DRAWBRIDGE = Path(sys.executable).with_name("drawbridge")


def rewritten_pod(workload: int) -> tuple[Json, Template]:
    """Return a pod of a workload as it is after its rewrite, of some 3 kB, and the template that it needs."""
    count = workload % 8 + 1
    template = make_template(Shape(GPU_CLASS), count)
    container = {
        "name": "main",
        "image": "registry.example/cuda:12",
        "env": [{"name": f"VARIABLE_{index}", "value": "x" * 40} for index in range(30)],
        "resources": {"limits": {"cpu": "4"}, "requests": {"cpu": "4"}, "claims": [{"name": "gpu"}]},
    }
    original = {"containers": {"main": {GPU: str(count)}}}
    return {
        "metadata": {"annotations": {ANNOTATION: json.dumps(original)}, "labels": {"app": f"train-{workload}"}},
        "spec": {
            "containers": [container],
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": template.name}],
        },
    }, template


async def storm(api: FakeApi, seconds: float, name: str) -> dict[tuple[str, str], float]:
    """Create the pods, and return when each template was needed first."""
    needed: dict[tuple[str, str], float] = {}
    began = time.monotonic()
    for number in range(PODS):
        workload = number % WORKLOADS
        namespace = f"{name}-{workload % NAMESPACES}"
        pod, template = rewritten_pod(workload)
        needed.setdefault((namespace, template.name), time.monotonic())
        for phase in ("", "Pending", "Pending", "Running"):
            api.put("pods", f"pod-{number}", namespace, **pod, status={"phase": phase})
        await asyncio.sleep(max(0.0, began + seconds * number / PODS - time.monotonic()))
    return needed


def process_figures(pid: int) -> tuple[float, float, float]:
    """Return processor seconds, resident memory and its peak, in MB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    memory = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    resident, peak = (int(memory[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return seconds, resident, peak


async def run(api: FakeApi, seconds: float, name: str, pid: int, made: dict[tuple[str, str], float]) -> None:
    for number in range(NAMESPACES):
        api.put("namespaces", f"{name}-{number}")
    await asyncio.sleep(1)
    before, asked = process_figures(pid), len(api.requests)
    needed = await storm(api, seconds, name)
    await until(lambda: needed.keys() <= made.keys(), 60)
    await asyncio.sleep(2)
    after = process_figures(pid)
    delays = sorted((made[place] - since) * 1000 for place, since in needed.items())
    calls = Counter(method for method, _ in api.requests[asked:])
    print(
        f"{PODS} pods in {seconds:.0f} s, {len(delays)} templates: median {statistics.median(delays):.0f} ms, "
        f"99 % {delays[int(len(delays) * 0.99)]:.0f} ms, most {delays[-1]:.0f} ms; "
        f"processor {after[0] - before[0]:.1f} s; memory {before[1]:.0f} -> {after[1]:.0f} MB (peak {after[2]:.0f}); "
        f"calls {dict(calls)}"
    )


def watched(made: dict[tuple[str, str], float]) -> Callable[[web.Request], Json | None]:
    """Return an observer of requests that notes when each template is asked to be created."""

    async def note(request: web.Request) -> None:
        namespace = request.path.split("/")[5]
        made.setdefault((namespace, (await request.json())["metadata"]["name"]), time.monotonic())

    def observe(request: web.Request) -> Json | None:
        if request.method == "POST" and request.path.endswith("/resourceclaimtemplates"):
            notes.append(asyncio.ensure_future(note(request)))
        return status(404) if request.path in ("/version", "/metrics") else None

    notes: list[asyncio.Future[None]] = []
    return observe


async def main() -> None:
    made: dict[tuple[str, str], float] = {}
    async with fake_api(*KINDS, *(kind.plural for kind in VIEWED)) as api:
        api.faults.append(watched(made))
        api.put("namespaces", "drawbridge-system")
        api.put("legacymappings", "gpus", spec={"resources": [{"name": GPU, "deviceClassName": GPU_CLASS}]})
        with tempfile.TemporaryDirectory() as folder:
            kubeconfig = Path(folder) / "kubeconfig"
            cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{api.port}"}}
            context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
            users = [{"name": "u", "user": {"token": "t"}}]
            config = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "c"}
            kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
            process = await asyncio.create_subprocess_exec(
                str(DRAWBRIDGE), "controller", "--kubeconfig", str(kubeconfig), stderr=asyncio.subprocess.DEVNULL
            )
            try:
                await until(lambda: api.count("POST", "leases") or process.returncode is not None, 30)
                await asyncio.sleep(3)
                await run(api, SECONDS, "minute", process.pid, made)
                await run(api, 0.0, "burst", process.pid, made)
            finally:
                process.terminate()
                await process.wait()


if __name__ == "__main__":
    asyncio.run(main())
