"""What a replica holds of a large cluster, and what its callers notice while it lists all claims anew.

    .venv/bin/python -m benchmarks.scale

Every replica is a `drawbridge serve` of its own against a small API server in a process of its own: of an empty
cluster, of one with 50,000 claims, with 100,000 devices that each have an identity of their own, and with both. The
last one is asked reviews by the clock, then while its claims are listed anew, and then 2,000 connections idle on it.
"""

import asyncio
import json
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from benchmarks.claims import CLAIMS, NAMESPACES, Pages, add, fill_claims
from benchmarks.decision import SELECTORS
from benchmarks.inventory import A_NODE, raw_slice
from benchmarks.overload import QUIET, Connection, Server, Tally, by_the_clock, review
from benchmarks.processes import resident_megabytes
from certs.store import Directory, keep_fresh

DEVICES, SHAPES = 100_000, 500
IDLE_CONNECTIONS = 1_950  # with those before it, as many as a server keeps
RATE, SECONDS = 20.0, 6.0
RELISTS = 'drawbridge_cache_relists_total{kind="resourceclaims",reason="expired"}'


async def api_server(claims: int, devices: int) -> None:
    """Be an API server; say the port, and at each line that comes, let all watches end and be too old to go on."""
    api = Pages()
    dra = "resource.k8s.io/v1"
    for number in range(NAMESPACES):
        add(api, "namespaces", "v1", "Namespace", f"team-{number}")
    selector = {"cel": {"expression": "device.driver == 'gpu.example.com'"}}
    add(api, "deviceclasses", dra, "DeviceClass", "gpu.nvidia.com", spec={"selectors": [selector]})
    for node in range(devices // A_NODE):
        spec = raw_slice(node, SHAPES, single=True)["spec"]
        add(api, "resourceslices", dra, "ResourceSlice", f"node-{node}", spec=spec)
    fill_claims(api, claims)
    await api.start()
    print(api.port, flush=True)
    while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        add(api, "namespaces", "v1", "Namespace", f"later-{api.version}")
        api.compact()
        api.end_watches()
    await api.stop()


class Cluster:
    """The API server's process."""

    def __init__(self, claims: int, devices: int) -> None:
        command = [sys.executable, "-m", "benchmarks.scale", str(claims), str(devices)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._word = self._process.stdin
        self.port = int(self._process.stdout.readline())

    def forget(self) -> None:
        self._word.write("forget\n")
        self._word.flush()

    def close(self) -> None:
        self._word.close()
        self._process.wait()


def serve(folder: Path, cluster: Cluster) -> tuple[Server, float]:
    """Return a replica of the cluster that is ready, and how many seconds that took."""
    there = [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{cluster.port}"}}]
    contexts = [{"name": "x", "context": {"cluster": "c", "user": "u"}}]
    config = {"clusters": there, "contexts": contexts, "users": [{"name": "u", "user": {}}], "current-context": "x"}
    (folder / "kubeconfig").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
    keep_fresh(Directory(folder), ["127.0.0.1"], datetime.now(UTC), secrets.token_bytes)
    began = time.monotonic()
    server = Server(folder, "--kubeconfig", folder / "kubeconfig")
    while not server.is_ready():
        time.sleep(0.05)
    return server, time.monotonic() - began


def ordinary() -> bytes:
    return review(QUIET, SELECTORS)


async def relist(server: Server, cluster: Cluster) -> None:
    warm, before, during = Tally(), Tally(), Tally()
    await by_the_clock(server, ordinary, RATE, 2.0, warm)
    await by_the_clock(server, ordinary, RATE, SECONDS, before)
    seen = server.metric(RELISTS)
    cluster.forget()
    await by_the_clock(server, ordinary, RATE, SECONDS, during)
    lists = server.metric(RELISTS) - seen
    print(f"reviews before: {before}\nwhile {CLAIMS} claims are listed anew ({lists:.0f}): {during}")


async def idle(server: Server) -> None:
    await by_the_clock(server, ordinary, RATE, 2.0, Tally())
    before = resident_megabytes(server.process.pid)
    kept: list[Connection] = []
    while len(kept) < IDLE_CONNECTIONS:
        kept += await asyncio.gather(*(server.connect() for _ in range(50)))
    more, tally = resident_megabytes(server.process.pid) - before, Tally()
    await by_the_clock(server, ordinary, RATE, 2.0, tally)
    print(f"{len(kept)} idle connections: {more:.1f} MiB; reviews {tally}")


async def asked(server: Server, cluster: Cluster) -> None:
    await relist(server, cluster)
    print(f"afterwards {resident_megabytes(server.process.pid):.1f} MiB", flush=True)
    await idle(server)


def measure(claims: int, devices: int, *, whole: bool = False) -> float:
    with tempfile.TemporaryDirectory() as folder, closing(Cluster(claims, devices)) as cluster:
        server, ready = serve(Path(folder), cluster)
        try:
            time.sleep(2.0)
            held = resident_megabytes(server.process.pid)
            print(f"{claims:>6} claims, {devices:>6} devices: ready in {ready:4.1f} s, {held:6.1f} MiB", flush=True)
            if whole:
                uvloop.run(asked(server, cluster))
        finally:
            server.end()
    return held


def main() -> None:
    if len(sys.argv) > 1:
        asyncio.run(api_server(int(sys.argv[1]), int(sys.argv[2])))
        return
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    nothing = measure(0, 0)
    for claims, devices in ((CLAIMS, 0), (0, DEVICES)):
        print(f"  {measure(claims, devices) - nothing:.1f} MiB more than of an empty cluster")
    print(f"  {measure(CLAIMS, DEVICES, whole=True) - nothing:.1f} MiB more than of an empty cluster")


if __name__ == "__main__":
    main()
