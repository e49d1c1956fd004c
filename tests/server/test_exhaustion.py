"""What is scarce on a node is taken from `drawbridge serve`, or asked of it in heaps: it stays up, and comes back."""

import json
import re
import resource
import signal
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

import pytest

from tests.controlplane.drawbridge import ServeProcess
from tests.controlplane.programs import Programs
from tests.controlplane.waiting import wait_for
from tests.support.serving import make_review, post
from webhook.server.app import VALIDATE_CLAIMS

MIB = 1024 * 1024
CLUSTER = Path(__file__).parents[2] / "examples" / "cluster"


class Server:
    """`drawbridge serve` over the example cluster, as its callers and the kernel see it."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        options: list[str | Path] = ["--cluster", CLUSTER, "--drain-seconds", "1"]
        self._served = ServeProcess(programs, options, cert_dir=folder)
        self.port = self._served.port
        self.program = self._served.program
        self.pid = self.program.pid
        self.tls = ssl.create_default_context(cafile=folder / "ca.crt")

    def connect(self) -> HTTPSConnection:
        return HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=60)

    def raw(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), 20)
        try:
            return self.tls.wrap_socket(plain, server_hostname="127.0.0.1")
        except OSError:
            plain.close()
            raise

    def status(self, body: bytes | None = None) -> int:
        with closing(self.connect()) as connection:
            return post(connection, VALIDATE_CLAIMS, make_review() if body is None else body).status

    def livez(self) -> int:
        with closing(HTTPConnection("127.0.0.1", self._served.health_port, timeout=20)) as connection:
            connection.request("GET", "/livez")
            return connection.getresponse().status

    def memory(self, what: str = "VmRSS") -> int:
        """Return what the kernel counts (proc(5)), in bytes."""
        found = re.search(rf"^{what}:\s+(\d+) kB$", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def open_files(self) -> int:
        """Return how many there are once those of ended connections are closed."""

        def count() -> int:
            return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

        def at_rest() -> int | None:
            before = count()
            time.sleep(0.3)
            return before if before == count() else None

        return wait_for("rest", at_rest)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("exhaustion")
    with Programs(folder / "logs") as programs:
        yield Server(programs, folder / "certs")


def test_t_06_idle_tls_connections_cost_little_and_hinder_nobody(server: Server) -> None:
    number = 300
    assert server.status() == 200  # the first review takes what all share
    before = server.memory()
    with ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(server.raw())
        assert server.status() == 200
        assert server.memory() - before < number * 60 * 1024
    assert server.status() == 200


def test_without_file_descriptors_who_is_connected_is_served_and_the_others_later(server: Server) -> None:
    with closing(server.connect()) as kept:
        assert post(kept, VALIDATE_CLAIMS, make_review()).status == 200
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (server.open_files() + 3, hard))
        refused = 0
        with ExitStack() as stack:
            for _ in range(12):
                try:
                    stack.enter_context(server.raw())
                except OSError:
                    refused += 1
            assert refused >= 8
            used, began = server.program.processor_seconds(), time.monotonic()
            for _ in range(10):
                assert post(kept, VALIDATE_CLAIMS, make_review()).status == 200
                time.sleep(0.1)
            assert server.program.processor_seconds() - used < (time.monotonic() - began) / 2
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert server.status() == 200


def large_review(values: int) -> bytes:
    """Return a claim of 2.9 MB of which so many values are lists; the rest is one text."""
    spec = {"devices": {"requests": []}, "lists": [[]] * values, "text": "HERE"}
    claim = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "x"}, "spec": spec}
    whole = json.dumps(make_review(object=claim)).encode()
    return whole.replace(b"HERE", b"x" * (2_900_000 - len(whole)))


def status_or_cut(server: Server, body: bytes) -> int:
    """Return the status, or 0 where the connection was cut: on a busy machine some bodies take too long to come."""
    try:
        return server.status(body)
    except (OSError, HTTPException):
        return 0


def test_fm_29_two_hundred_large_reviews_at_once_stay_within_the_memory(server: Server) -> None:
    bodies = [large_review(values) for values in (0, 20_000, 600_000)]
    with ThreadPoolExecutor(200) as pool:
        statuses = Counter(pool.map(lambda number: status_or_cut(server, bodies[number % 3]), range(200)))
    assert set(statuses) <= {0, 200, 413, 503}
    assert statuses[200] > 0
    assert server.memory("VmHWM") < 512 * MIB  # what the chart gives it
    assert server.status() == 200


def test_a_storm_of_signals_ends_nothing_until_one_that_ends(tmp_path: Path) -> None:
    with Programs(tmp_path / "logs") as programs:
        server = Server(programs, tmp_path / "certs")
        for _ in range(50):
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                server.program.send(number)
        assert server.status() == 200
        assert server.livez() == 200
        for _ in range(50):
            server.program.send(signal.SIGTERM)
            server.program.send(signal.SIGINT)
        assert server.program.stop() == 0
        assert "Traceback" not in server.program.output()
