"""What the edge costs: one review answered over TLS by the whole edge, by the framework alone, by a bare ASGI app.

All run on the same server and protocol class and read, parse and answer the same review; the bare app is measured on
uvicorn's h11 class as well, and behind a plain FastAPI with its middleware. All servers run at once and are asked in
turn, a burst each, so that a busy machine disturbs them alike. The figures are the server process's own time on the
processor and requests a second, medians of the bursts.

    python -m benchmarks.edge [--burst 400] [--rounds 30]
"""

import argparse
import asyncio
import json
import secrets
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop

VARIANTS = ("bare", "framework", "edge", "plain FastAPI")
CONNECTIONS = 8
REVIEW = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "resource.k8s.io", "version": "v1", "kind": "ResourceClaim"},
        "resource": {"group": "resource.k8s.io", "version": "v1", "resource": "resourceclaims"},
        "requestKind": {"group": "resource.k8s.io", "version": "v1", "kind": "ResourceClaim"},
        "requestResource": {"group": "resource.k8s.io", "version": "v1", "resource": "resourceclaims"},
        "name": "trainer",
        "namespace": "team-a",
        "operation": "CREATE",
        "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
        "dryRun": False,
        "object": {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaim",
            "metadata": {"name": "trainer", "namespace": "team-a", "uid": "9d1c0c7e", "labels": {"app": "trainer"}},
            "spec": {
                "devices": {
                    "requests": [
                        {
                            "name": "gpu",
                            "exactly": {
                                "deviceClassName": "gpu.nvidia.com",
                                "allocationMode": "ExactCount",
                                "count": 2,
                                "selectors": [
                                    {"cel": {"expression": "device.attributes['gpu.nvidia.com'].type == 'gpu'"}}
                                ],
                            },
                        }
                    ]
                }
            },
        },
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    },
}
PATH = "/validate/claims"


def serve(variant: str, protocol: str, certs: Path) -> None:
    """Serve one variant until SIGTERM; what is not measured is imported by nobody else."""
    from fastapi import FastAPI
    from starlette.routing import Route
    from starlette.types import Receive, Scope, Send
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from webhook.core.decision import Allow, Decision
    from webhook.core.review import Review
    from webhook.server.app import AdmissionApp, Needs
    from webhook.server.edge import EdgeServer
    from webhook.server.limits import Budget
    from webhook.server.log import LineSink, make_log
    from webhook.server.metrics import Metrics
    from webhook.server.run import Listen, make_edge, run
    from webhook.server.tls import MinimumVersion, ServingCertificate
    from webhook.server.wire import parse_review, render_answer
    from webhook.server.work import Work

    async def allow(_: Review, __: Budget) -> Decision:
        return Allow()

    class Bare:
        async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
            body = b""
            while True:
                message = await receive()
                body += message["body"]
                if not message.get("more_body"):
                    break
            answer = render_answer(parse_review(body), Allow(), mutating=False)
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": answer})

    metrics, log = Metrics(), make_log(LineSink(sys.stderr))
    needs = Needs({PATH: allow}, metrics, log, Work(1))
    certificate = ServingCertificate(certs, MinimumVersion.TLS_1_3, lambda: datetime.now(UTC), metrics, log)
    edge = make_edge(needs, Listen("127.0.0.1", 0, 0, 0.0), certificate)
    admission: EdgeServer = edge.admission
    if variant != "edge":
        bare = Bare()
        admission.config.app = bare
        if variant == "framework":
            admission.config.app = AdmissionApp({PATH: bare}, bare)
        elif variant == "plain FastAPI":
            app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
            app.router.routes.append(Route(PATH, bare))
            admission.config.app = app
    if protocol == "h11":
        admission.connection = lambda: H11Protocol(admission.config, admission.server_state, {})  # type: ignore[method-assign]
    run(edge, lambda line: print(line, flush=True))


def request_bytes() -> bytes:
    """Return the request as the API server sends it."""
    body = json.dumps(REVIEW, separators=(",", ":")).encode()
    head = (
        f"POST {PATH}?timeout=10s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: kube-apiserver-admission\r\n"
        f"Content-Length: {len(body)}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n"
        "Accept-Encoding: gzip\r\n\r\n"
    )
    return head.encode() + body


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Variant:
    """One server process and the kept connections to it."""

    def __init__(self, name: str, protocol: str, certs: Path) -> None:
        self.name, self.protocol = name, protocol
        self.figures: list[tuple[float, float]] = []
        command = [sys.executable, "-m", "benchmarks.edge", "--serve", name, "--protocol", protocol]
        self._process = subprocess.Popen(
            [*command, "--certs", str(certs)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline().split()[3].rstrip(",").rpartition(":")[2])
        self._context = ssl.create_default_context(cafile=certs / "ca.crt")
        self._connections: list[Connection] = []

    async def connect(self) -> None:
        for _ in range(CONNECTIONS):
            self._connections.append(await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context))

    async def burst(self, requests: int) -> None:
        """Post the review that often, and note microseconds of processor a request, and requests a second."""
        before, started = self._processor_nanoseconds(), time.perf_counter()
        await asyncio.gather(*(call(one, requests // CONNECTIONS) for one in self._connections))
        wall, used = time.perf_counter() - started, self._processor_nanoseconds() - before
        self.figures.append((used / requests / 1000, requests / wall))

    def _processor_nanoseconds(self) -> int:
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()

    def medians(self) -> tuple[float, float]:
        return statistics.median(cpu for cpu, _ in self.figures), statistics.median(rate for _, rate in self.figures)


async def call(connection: Connection, number: int) -> None:
    reader, writer = connection
    request = request_bytes()
    for _ in range(number):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(head.decode())
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))


async def measure(variants: Sequence[Variant], burst: int, rounds: int) -> None:
    for variant in variants:
        await variant.connect()
        await variant.burst(burst)
        variant.figures.clear()
    for _ in range(rounds):
        for variant in variants:
            await variant.burst(burst)


def report(burst: int, rounds: int) -> None:
    from certs.store import Directory, keep_fresh

    with tempfile.TemporaryDirectory() as folder:
        certs = Path(folder)
        keep_fresh(Directory(certs), (), datetime.now(UTC), secrets.token_bytes)
        rows = [(name, "httptools") for name in VARIANTS] + [("bare", "h11")]
        variants = [Variant(name, protocol, certs) for name, protocol in rows]
        try:
            uvloop.run(measure(variants, burst, rounds))
        finally:
            for variant in variants:
                variant.end()
    base = variants[0].medians()[0]
    print("| app | protocol | processor a request | more than bare | requests a second |\n|---|---|---|---|---|")
    for variant in variants:
        cpu, rate = variant.medians()
        print(f"| {variant.name} | {variant.protocol} | {cpu:.0f} us | {cpu / base - 1:+.0%} | {rate:.0f} |")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--burst", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--serve", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--protocol", choices=("httptools", "h11"), default="httptools", help=argparse.SUPPRESS)
    parser.add_argument("--certs", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        serve(given.serve, given.protocol, given.certs)
    else:
        report(given.burst, given.rounds)


if __name__ == "__main__":
    main()
