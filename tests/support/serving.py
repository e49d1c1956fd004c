"""A Drawbridge edge with handlers of the test's own, over real TLS on loopback, in a thread."""

import asyncio
import io
import json
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from types import MappingProxyType
from typing import Any

import uvloop

from certs.store import Directory, keep_fresh
from webhook.core.decision import Allow, Decision
from webhook.core.review import Review
from webhook.server.app import VALIDATE_CLAIMS, Handler, Needs
from webhook.server.edge import Edge
from webhook.server.limits import Budget, Limits
from webhook.server.log import LineSink, make_log
from webhook.server.metrics import Metrics
from webhook.server.probes import Check
from webhook.server.run import Listen, make_edge
from webhook.server.tls import MinimumVersion, ServingCertificate
from webhook.server.tracing import tracing
from webhook.server.work import Work


async def allow(_: Review, __: Budget) -> Decision:
    return Allow()


class Door:
    """A handler that decides nothing until the test opens it."""

    def __init__(self) -> None:
        self.knocked, self.opened = threading.Event(), threading.Event()

    async def decide(self, _: Review, __: Budget) -> Decision:
        self.knocked.set()
        await asyncio.to_thread(self.opened.wait, 20)
        return Allow()


def make_review(**fields: Any) -> dict[str, Any]:
    """Return an AdmissionReview for the CREATE of an empty claim; `fields` replace those of its request."""
    request = {
        "uid": "0b4cd2c8",
        "kind": {"group": "resource.k8s.io", "version": "v1", "kind": "ResourceClaim"},
        "resource": {"group": "resource.k8s.io", "version": "v1", "resource": "resourceclaims"},
        "namespace": "team-a",
        "operation": "CREATE",
        "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
        "object": {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaim",
            "metadata": {"name": "x"},
            "spec": {},
        },
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {**request, **fields}}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def response(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["response"]
        return found


def read_answer(response: HTTPResponse) -> Answer:
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


class Served:
    """A running server, as a client sees it."""

    def __init__(
        self, edge: Edge, loop: asyncio.AbstractEventLoop, certs: Path, needs: Needs, log: io.StringIO
    ) -> None:
        self._edge = edge
        self._loop = loop
        self._log = log
        self.certs = certs
        self.needs = needs
        admission, health = edge.addresses
        self.port = int(admission.rpartition(":")[2])
        self.health_port = int(health.rpartition(":")[2])

    @property
    def trusts_proxies(self) -> bool:
        """Return whether headers may replace the address of who asks."""
        return self._edge.admission.config.proxy_headers

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certs / "ca.crt")

    def connect(self, seconds: float = 20.0) -> HTTPSConnection:
        return HTTPSConnection("127.0.0.1", self.port, timeout=seconds, context=self.trust())

    def raw(self, seconds: float = 20.0, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """Return a TLS connection on which a test writes bytes of its own."""
        plain = socket.create_connection(("127.0.0.1", self.port), seconds)
        try:
            return (context or self.trust()).wrap_socket(plain, server_hostname="127.0.0.1")
        except OSError:
            plain.close()
            raise

    def post(self, path: str = VALIDATE_CLAIMS, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a review (or raw bytes) on a connection of its own."""
        connection = self.connect()
        try:
            return post(connection, path, make_review() if body is None else body, headers)
        finally:
            connection.close()

    def probe(self, path: str, method: str = "GET") -> Answer:
        connection = HTTPConnection("127.0.0.1", self.health_port, timeout=20)
        try:
            connection.request(method, path)
            return read_answer(connection.getresponse())
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        return self.needs.metrics.registry.get_sample_value(name, labels) or 0.0

    def tell(self) -> None:
        """Do what a signal does."""
        self._loop.call_soon_threadsafe(self._edge.tell)

    def log_text(self) -> str:
        return self._log.getvalue()

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_text().splitlines()]

    def logged(self, **fields: str) -> dict[str, Any]:
        """Wait for a line with these fields and return it: lines are written a moment after the answer."""
        until = time.monotonic() + 10
        while True:
            for line in self.log_lines():
                if fields.items() <= line.items():
                    return line
            assert time.monotonic() < until, f"no such line: {fields}"
            time.sleep(0.02)


def post(connection: HTTPConnection, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Send a review (or raw bytes) on an open connection."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, raw, {"Content-Type": "application/json", **(headers or {})})
    return read_answer(connection.getresponse())


@contextmanager
def serving(
    handlers: Mapping[str, Handler],
    certs: Path,
    *,
    limits: Limits | None = None,
    drain_seconds: float = 0.2,
    minimum: MinimumVersion = MinimumVersion.TLS_1_3,
    checks: tuple[Check, ...] = (),
    client_ca: Path | None = None,
    client_subjects: frozenset[str] = frozenset(),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Served]:
    """Serve the handlers until the block ends; the environment may ask for traces."""
    limits = limits or Limits()
    keep_fresh(Directory(certs), ["127.0.0.1"], datetime.now(UTC), secrets.token_bytes)
    metrics = Metrics("test")
    text = io.StringIO()
    sink = LineSink(text)
    log = make_log(sink)
    traces = tracing(environment, "test", log)
    needs = Needs(
        handlers, metrics, log, Work(limits.threads), limits=limits, trace=None if traces is None else traces.trace
    )
    certificate = ServingCertificate(certs, minimum, lambda: datetime.now(UTC), metrics, needs.log, client_ca)
    listen = Listen("127.0.0.1", 0, 0, drain_seconds)
    started = threading.Event()
    served: list[Served] = []

    async def main() -> None:
        edge = make_edge(needs, listen, certificate, checks=lambda: checks, client_subjects=client_subjects)
        served.append(Served(edge, asyncio.get_running_loop(), certs, needs, text))
        await edge.serve(lambda _: started.set())

    thread = threading.Thread(target=uvloop.run, args=(main(),), name="edge")
    thread.start()
    try:
        assert started.wait(20), "the server did not start"
        yield served[0]
    finally:
        if served and thread.is_alive():
            served[0].tell()
            thread.join(drain_seconds + 20)
        if traces is not None:
            traces.close()
        sink.close()
        assert not thread.is_alive(), "the server did not end"
