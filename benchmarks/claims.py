"""What 50,000 claims take of a controller: memory above the idle process, and how long it counts after a relist.

    .venv/bin/python -m benchmarks.claims

The controller runs in a process of its own, against a small API server in this one: 50 namespaces with a quota each and
one over all of them, 10,000 devices that are shared, half of the claims allocated. Printed are the memory with and
without claims, the time from the end of the second list to the last fold, and the longest time that one turn of the
event loop took while listing and counting: of the processor, which other work on the machine does not lengthen, and by
the clock.
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import uvloop
from aiohttp import web

from tests.kube.fake_api import FakeApi, silent, until
from webhook.kube.access import Access
from webhook.kube.client import ApiClient
from webhook.kube.controller import Controller, Paces, Surroundings
from webhook.kube.view import Told
from webhook.server.run import spare_the_collector

Json = dict[str, Any]

CLAIMS = 50_000
NAMESPACES = 50
TEMPLATES = 20
NODES, PER_NODE = 1_250, 8
DRIVER = "gpu.example.com"
_PATIENCE = 300.0
KINDS = (
    *("deviceclasses", "resourceslices", "deviceinventories", "namespaces", "nodes", "devicequotas"),
    *("clusterdevicequotas", "legacymappings", "resourceclaims", "resourceclaimtemplates", "pods", "leases", "events"),
)


class Pages(FakeApi):
    """Lists many objects quickly, so that the figures are the reader's: they are written once, and never change."""

    def __init__(self) -> None:
        super().__init__()
        self.objects = {plural: {} for plural in KINDS}
        self.many: dict[str, list[bytes]] = {"resourceclaims": [], "resourceslices": []}

    def _list(self, request: web.Request, plural: str) -> web.Response:
        if plural not in self.many:
            return super()._list(request, plural)
        written = self.many[plural]
        if not written:
            written += [msgspec.json.encode(one) for _, one in sorted(self.objects[plural].items())]
        start = int(request.query.get("continue", "0"))
        end = start + int(request.query["limit"])
        metadata = {"resourceVersion": str(self.version), **({"continue": str(end)} if end < len(written) else {})}
        items = b",".join(written[start:end])
        head = msgspec.json.encode({"kind": "List", "metadata": metadata})[:-1]
        return web.Response(body=head + b',"items":[' + items + b"]}", content_type="application/json")


def add(api: FakeApi, plural: str, api_version: str, kind: str, name: str, namespace: str = "", **content: Any) -> None:
    """Store an object that is listed, and of which no watch is told."""
    api.version += 1
    metadata = {"name": name, "uid": f"0f9c-{plural}-{namespace}-{name}", "resourceVersion": str(api.version)}
    if namespace:
        metadata["namespace"] = namespace
    stored = {"apiVersion": api_version, "kind": kind, "metadata": {**metadata, **content.pop("metadata", {})}}
    api.objects[plural][namespace, name] = {**stored, **content}


def fill(api: FakeApi, claims: int) -> None:
    dra, own = "resource.k8s.io/v1", "drawbridge.dev/v1alpha1"
    selector = {"cel": {"expression": f"device.driver == '{DRIVER}'"}}
    add(api, "deviceclasses", dra, "DeviceClass", "gpu", spec={"selectors": [selector]})
    for node in range(NODES):
        spec = {"driver": DRIVER, "nodeName": f"node-{node}", "pool": _pool(node), "devices": _devices()}
        add(api, "resourceslices", dra, "ResourceSlice", f"node-{node}", spec=spec)
    limits = [
        {"name": "devices", "match": {"driver": DRIVER}, "devices": 1_000_000},
        {"name": "memory", "match": {"driver": DRIVER}, "capacity": {"name": "memory", "quantity": "10Pi"}},
    ]
    for number in range(NAMESPACES):
        add(api, "namespaces", "v1", "Namespace", f"team-{number}")
        quota = {"metadata": {"generation": 1}, "spec": {"limits": limits}}
        add(api, "devicequotas", own, "DeviceQuota", "gpus", f"team-{number}", **quota)
    add(api, "namespaces", "v1", "Namespace", "drawbridge-system")
    all_of_them = {"limits": limits, "namespaceSelector": {}}
    add(api, "clusterdevicequotas", own, "ClusterDeviceQuota", "pot", metadata={"generation": 1}, spec=all_of_them)
    fill_claims(api, claims)


def fill_claims(api: FakeApi, claims: int) -> None:
    for number in range(claims):
        namespace, name = f"team-{number % NAMESPACES}", f"training-{number}-gpu"
        exactly = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}
        exactly["capacity"] = {"requests": {"memory": f"{number % TEMPLATES + 1}Gi"}}
        owner = {"apiVersion": "v1", "kind": "Pod", "name": f"training-{number}", "uid": f"p{number}"}
        add(
            *(api, "resourceclaims", "resource.k8s.io/v1", "ResourceClaim", name, namespace),
            metadata={
                "ownerReferences": [{**owner, "controller": True}],
                "creationTimestamp": f"2026-11-{number % 28 + 1:02}T{number % 24:02}:{number % 60:02}:00Z",
            },
            spec={"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}},
            status=_allocated(number) if number % 2 else {},
        )


def _pool(node: int) -> Json:
    return {"name": f"node-{node}", "generation": 1, "resourceSliceCount": 1}


def _devices() -> list[Json]:
    memory = {"value": "80Gi", "requestPolicy": {"default": "80Gi", "validRange": {"min": "1Gi", "max": "80Gi"}}}
    return [
        {"name": f"gpu-{index}", "allowMultipleAllocations": True, "capacity": {"memory": memory}}
        for index in range(PER_NODE)
    ]


def _allocated(number: int) -> Json:
    place = {"driver": DRIVER, "pool": f"node-{number % NODES}", "device": f"gpu-{number // NODES % PER_NODE}"}
    result = {"request": "gpu", **place, "consumedCapacity": {"memory": f"{number % TEMPLATES + 1}Gi"}}
    return {"allocation": {"devices": {"results": [result]}}}


class Turns:
    """The longest turn of an event loop: a callback that comes again in each of them looks at the clocks."""

    def __init__(self) -> None:
        self.on_turn: Callable[[], None] = lambda: None
        self.begin()

    def begin(self) -> None:
        self.processor = self.clock = 0.0
        self._processor, self._clock = time.thread_time(), time.perf_counter()

    def turn(self) -> None:
        processor, clock = time.thread_time(), time.perf_counter()
        self.processor = max(self.processor, processor - self._processor)
        self.clock = max(self.clock, clock - self._clock)
        self.on_turn()
        self._processor, self._clock = time.thread_time(), time.perf_counter()
        asyncio.get_running_loop().call_soon(self.turn)


def resident() -> float:
    """Return the resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def controlled(port: int, quotas: int) -> None:
    """Be the controller: tell what the first list takes, wait for a word, tell what the second takes."""
    world = Surroundings(time.monotonic, lambda: datetime.now(UTC), Random(1), silent(), lambda _: False)
    async with ApiClient(Access(f"http://127.0.0.1:{port}", dict)) as api:
        controller = Controller(api, world, lease_namespace="drawbridge-system", told=Told("1.37"), paces=Paces())
        claims = next(one for one in controller.reflectors if one.kind.plural == "resourceclaims")
        running = asyncio.create_task(controller.run(spare_the_collector))
        await until(lambda: controller.figures().folds >= quotas, _PATIENCE)
        await asyncio.sleep(1.0)
        gc.collect()
        print(json.dumps({"memory": resident(), "claims": claims.objects}), flush=True)
        if not await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            running.cancel()
            return
        told = await _recounted(controller, quotas)
        print(json.dumps(told), flush=True)
        running.cancel()


async def _recounted(controller: Controller, quotas: int) -> Json:
    claims = next(one for one in controller.reflectors if one.kind.plural == "resourceclaims")
    lists, folds = sum(claims.relists.values()), controller.figures().folds
    turns, listed, counted = Turns(), asyncio.Event(), asyncio.Event()
    began = ended = time.perf_counter()

    def look() -> None:
        nonlocal began, ended, folds
        if not listed.is_set() and sum(claims.relists.values()) > lists and claims.state.value == "watching":
            began, folds = time.perf_counter(), controller.figures().folds
            listed.set()
        if listed.is_set() and not counted.is_set() and controller.figures().folds >= folds + quotas:
            ended = time.perf_counter()
            counted.set()

    turns.on_turn = look
    turns.turn()
    print("{}", flush=True)
    await counted.wait()
    return {"recount": ended - began, "processor": turns.processor, "clock": turns.clock}


async def asked(claims: int) -> Json:
    """Return what a controller tells of so many claims."""
    api = Pages()
    for path in ("/version", "/metrics"):
        api.fail(404, part=path, times=1_000)
    fill(api, claims)
    await api.start()
    command = [sys.executable, "-m", "benchmarks.claims", str(api.port), str(NAMESPACES + 1)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    told: Json = json.loads(await process.stdout.readline())
    if claims:
        process.stdin.write(b"go on\n")
        await process.stdout.readline()
        api.compact()
        api.end_watches()
        told |= json.loads(await process.stdout.readline())
    process.stdin.close()
    await process.wait()
    await api.stop()
    return told


def main() -> None:
    if len(sys.argv) > 1:
        uvloop.run(controlled(int(sys.argv[1]), int(sys.argv[2])))
        return
    idle, full = asyncio.run(asked(0)), asyncio.run(asked(CLAIMS))
    print(f"controller with no claims:       {idle['memory']:6.1f} MB")
    more = full["memory"] - idle["memory"]
    print(f"controller with {full['claims']} claims:    {full['memory']:6.1f} MB   {more:.1f} MB more")
    print(f"recount of {NAMESPACES + 1} quotas after a list: {full['recount']:5.2f} s")
    turn = f"{full['processor'] * 1000:6.1f} ms of processor, {full['clock'] * 1000:.1f} ms by the clock"
    print(f"longest turn of the loop:        {turn}")


if __name__ == "__main__":
    main()
