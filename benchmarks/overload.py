"""What callers get of a server that is asked four times what it can do, and beside reviews that are bombs.

    python -m benchmarks.overload [--seconds 8] [--connections 96]

`drawbridge serve` over examples/cluster is a process of its own, the callers are one here. First as many reviews as the
server decides are sent one after the other on eight connections: its capacity. Then four times as many are wanted by
the clock, nineteen of twenty from one namespace and the rest from a quiet one, on the 96 connections that four API
servers keep, or as many as asked for; what finds none waits at its caller, and a review's time is from when it is sent
to its answer. Last, a quiet namespace sends a fifth of the capacity while another one sends, on eight connections,
claims that take all the time that a review may have: large selectors, each new, and patterns.
"""

import argparse
import asyncio
import json
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count, islice
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.cel import HOSTILE
from benchmarks.processes import processor_seconds, resident_megabytes
from webhook.cel.compile import MOST_BYTES

ROOT = Path(__file__).parents[1]
MUTATE, VALIDATE = "/mutate/claims", "/validate/claims"
CONNECTIONS = 8
TIMES, QUIET_SHARE, ORDINARY_SHARE = 4, 0.05, 0.2
BOMBERS, BOMBS_A_SECOND = 8, 12
NOISY, QUIET = "team-noisy", "team-quiet"
DRIVER = "device.attributes['gpu.nvidia.com']"
SELECTORS = (
    f"{DRIVER}.type == 'gpu'",
    f"{DRIVER}.architecture in ['Ampere', 'Hopper']",
    "device.capacity['gpu.nvidia.com'].memory.compareTo(quantity('40Gi')) >= 0",
)
_numbers = count()


def review(namespace: str, *requests: Sequence[str]) -> bytes:
    """Return the review of a claim with the selectors of each of its requests, of a uid of its own."""
    number = next(_numbers)
    metadata = {"name": f"claim-{number}", "namespace": namespace, "uid": f"0b4cd2c8-{number}"}
    listed = [
        {
            "name": f"gpu-{index}",
            "exactly": {
                "deviceClassName": "gpu.nvidia.com",
                "allocationMode": "ExactCount",
                "count": 1,
                "selectors": [{"cel": {"expression": text}} for text in selectors],
            },
        }
        for index, selectors in enumerate(requests)
    ]
    named = {"group": "resource.k8s.io", "version": "v1"}
    claim = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": metadata}
    request = {
        "uid": f"705ab4f5-{number}",
        "kind": {**named, "kind": "ResourceClaim"},
        "resource": {**named, "resource": "resourceclaims"},
        "name": metadata["name"],
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
        "object": {**claim, "spec": {"devices": {"requests": listed}}},
        "dryRun": False,
    }
    whole = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(whole, separators=(",", ":")).encode()


def ordinary(namespace: str) -> bytes:
    return review(namespace, SELECTORS)


def bombs() -> Iterator[bytes]:
    """Yield claims of some megabytes without end, no selector of which was there before."""
    shapes = [text[: MOST_BYTES - 40] for name, text in HOSTILE.items() if name in ("many chains of optMap", "a sum")]
    shapes.append(HOSTILE["patterns"][: MOST_BYTES - 40])
    for number in count():
        texts = [f"{shapes[number % 3]} // {number}-{index}" for index in range(256)]
        yield review("team-bombs", *(texts[start : start + 8] for start in range(0, 256, 8)))


class Connection(asyncio.Protocol):
    """One kept connection; a request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answered: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(0)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length and self._answered is not None:
            self._buffer = b""
            self._answered.set_result(int(head[9:12]))

    async def post(self, path: str, body: bytes) -> int:
        """Return the status; 0 where the connection broke."""
        self._answered = asyncio.get_running_loop().create_future()
        head = (
            f"POST {path}?timeout=10s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: application/json\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        return await self._answered


@dataclass
class Tally:
    """What became of the reviews of one sender."""

    statuses: Counter[int] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)

    def note(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        if status == 200:
            self.accepted.append(seconds)

    @property
    def share(self) -> float:
        return self.statuses[200] / max(1, self.statuses.total())

    def percentile(self, part: float) -> float:
        """Return milliseconds."""
        ranked = sorted(self.accepted)
        return ranked[min(len(ranked) - 1, int(len(ranked) * part))] * 1000 if ranked else 0.0

    def __str__(self) -> str:
        others = {status: number for status, number in self.statuses.items() if status not in (200, 503)}
        return (
            f"{self.statuses.total()} reviews, {self.share:.0%} accepted, {self.statuses[503]} told to come again, "
            f"others {others or 'none'}; accepted p50 {self.percentile(0.5):.1f} ms p99 {self.percentile(0.99):.1f} ms"
        )


class Server:
    """`drawbridge serve`, and kept connections to it; certificates are in the folder, or made there."""

    def __init__(self, folder: Path, *options: str | Path, connections: int = 96) -> None:
        ports = ["--host", "127.0.0.1", "--port", "0", "--health-port", "0", "--drain-seconds", "0"]
        command = [sys.executable, "-m", "webhook", "serve", *ports, "--cert-dir", str(folder), *map(str, options)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.process = process
        assert process.stdout is not None
        words = process.stdout.readline().split()
        self._port, self._health = int(words[3].rstrip(",").rpartition(":")[2]), words[6]
        self._context = ssl.create_default_context(cafile=folder / "ca.crt")
        self._free: deque[Connection] = deque()
        self.connections = connections
        self._places = asyncio.Semaphore(connections)

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        made = await loop.create_connection(Connection, "127.0.0.1", self._port, ssl=self._context)
        return made[1]

    async def open(self, number: int) -> None:
        """Have so many connections that are free."""
        while len(self._free) < number:
            self._free.append(await self.connect())

    async def send(self, path: str, body: bytes, tally: Tally) -> None:
        """Post on a connection that is free, or on a new one; noted is the time from then on."""
        async with self._places:
            connection = self._free.pop() if self._free else await self.connect()
            sent = asyncio.get_running_loop().time()
            status = await connection.post(path, body)
            tally.note(status, asyncio.get_running_loop().time() - sent)
            if status:
                self._free.append(connection)

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"{self._health}/metrics") as answer:
            found = re.search(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._health}/readyz") as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


async def one_after_the_other(server: Server, path: str, body: Callable[[], bytes], until: float, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    connection = await server.connect()
    while loop.time() < until:
        whole, sent = body(), loop.time()
        tally.note(await connection.post(path, whole), loop.time() - sent)


async def by_the_clock(server: Server, body: Callable[[], bytes], rate: float, seconds: float, *tallies: Tally) -> None:
    """Send so many reviews a second, whatever becomes of those before; the first second goes to the first tally."""
    loop = asyncio.get_running_loop()
    pending: set[asyncio.Task[None]] = set()
    started = loop.time()
    for number in range(int(rate * seconds)):
        due = started + number / rate
        if due > loop.time():
            await asyncio.sleep(due - loop.time())
        tally = tallies[0 if number < rate else -1]
        task = asyncio.create_task(server.send(VALIDATE, body(), tally))
        pending.add(task)
        task.add_done_callback(pending.discard)
    await asyncio.gather(*pending)


async def flat_out(server: Server, seconds: float, tally: Tally) -> None:
    """Send one review after the other on a few connections."""
    until = asyncio.get_running_loop().time() + seconds
    reviews = (
        one_after_the_other(server, VALIDATE, partial(ordinary, NOISY), until, tally) for _ in range(CONNECTIONS)
    )
    await asyncio.gather(*reviews)


async def measure(seconds: float, server: Server) -> None:
    loop = asyncio.get_running_loop()
    pid = server.process.pid
    warm, alone = Tally(), Tally()
    await flat_out(server, 1.0, warm)
    before = processor_seconds(pid)
    await flat_out(server, seconds, alone)
    used = (processor_seconds(pid) - before) / max(1, alone.statuses[200])
    capacity = alone.statuses[200] / seconds
    print(f"capacity: {capacity:.0f} a second, {used * 1e6:.0f} us of processor each; {alone}")

    await server.open(server.connections)
    onset, noisy, quiet = Tally(), Tally(), Tally()
    rate = capacity * TIMES
    began = loop.time()
    await asyncio.gather(
        by_the_clock(server, partial(ordinary, NOISY), rate * (1 - QUIET_SHARE), seconds, onset, noisy),
        by_the_clock(server, partial(ordinary, QUIET), rate * QUIET_SHARE, seconds, onset, quiet),
    )
    took = loop.time() - began
    answered = sum(len(each.accepted) for each in (onset, noisy, quiet))
    print(f"{TIMES} times capacity for {seconds:g} s, answered in {took:.0f}: {answered / took:.0f} accepted a second")
    print(f"  the first second: {onset}\n  then noisy: {noisy}\n  and quiet: {quiet}")

    without_end = bombs()
    made = list(islice(without_end, int(seconds * BOMBS_A_SECOND)))  # before: that takes long
    texts = chain(made, without_end)
    calm, bombed, until = Tally(), Tally(), loop.time() + seconds
    await asyncio.gather(
        by_the_clock(server, partial(ordinary, QUIET), capacity * ORDINARY_SHARE, seconds, calm),
        *(one_after_the_other(server, MUTATE, lambda: next(texts), until, bombed) for _ in range(BOMBERS)),
    )
    print(f"beside bombs: ordinary {calm}\n  bombs: {bombed}")
    print(
        f"longest block of the loop {server.metric('drawbridge_event_loop_lag_seconds') * 1000:.0f} ms, "
        f"{server.metric('drawbridge_event_loop_blocks_total'):.0f} over 50 ms; {resident_megabytes(pid):.0f} MiB"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--connections", type=int, default=96)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), "--cluster", ROOT / "examples/cluster", connections=given.connections)
        try:
            uvloop.run(measure(given.seconds, server))
        finally:
            server.end()


if __name__ == "__main__":
    main()
