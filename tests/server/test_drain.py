"""The end of a server: told once it drains without losing a request, told twice it ends at once."""

import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from tests.controlplane.forwarder import TcpForwarder
from tests.controlplane.waiting import wait_for
from tests.support.calling import Caller
from tests.support.serving import Door, allow, make_review, post, serving
from webhook.server.app import VALIDATE_CLAIMS, VALIDATE_PODS

SERVER = """
import secrets, sys
from datetime import UTC, datetime
from pathlib import Path
from certs.store import Directory, keep_fresh
from tests.support.serving import allow
from webhook.server.app import Needs, VALIDATE_CLAIMS
from webhook.server.log import LineSink, make_log
from webhook.server.metrics import Metrics
from webhook.server.run import Listen, make_edge, run
from webhook.server.tls import MinimumVersion, ServingCertificate
from webhook.server.work import Work

certs, drain = Path(sys.argv[1]), float(sys.argv[2])
keep_fresh(Directory(certs), ["127.0.0.1"], datetime.now(UTC), secrets.token_bytes)
metrics, log = Metrics(), make_log(LineSink(sys.stderr))
needs = Needs({VALIDATE_CLAIMS: allow}, metrics, log, Work(2))
certificate = ServingCertificate(certs, MinimumVersion.TLS_1_3, lambda: datetime.now(UTC), metrics, log)
edge = make_edge(needs, Listen("127.0.0.1", 0, 0, drain), certificate)
sys.exit(run(edge, lambda line: print(line, flush=True)))
"""
ROOT = Path(__file__).parents[2]


@contextmanager
def process(certs: Path, drain_seconds: float) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """Start a server of its own; yield it with its two ports."""
    command = [sys.executable, "-c", SERVER, str(certs), str(drain_seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline().split()
            assert line[:3] == ["drawbridge:", "serving", "on"]
            yield server, int(line[3].rstrip(",").rpartition(":")[2]), int(line[6].rpartition(":")[2])
        finally:
            if server.poll() is None:
                server.kill()


def test_fm_23_while_draining_it_is_not_ready_and_serves_on_with_connection_close(tmp_path: Path) -> None:
    with serving({VALIDATE_CLAIMS: allow}, tmp_path, drain_seconds=4) as server:
        kept = server.connect()
        assert "connection" not in post(kept, VALIDATE_CLAIMS, make_review()).headers
        assert server.probe("/readyz").status == 200
        assert server.metric("drawbridge_ready") == 1
        server.tell()
        wait_for("drain", lambda: server.metric("drawbridge_draining") == 1)
        answer = server.probe("/readyz")
        assert server.metric("drawbridge_ready") == 0
        assert (answer.status, answer.body) == (503, b"[-] serving: draining\nnot ready\n")
        assert server.probe("/livez").status == 200
        last = post(kept, VALIDATE_CLAIMS, make_review())
        assert (last.status, last.headers["connection"]) == (200, "close")
        new = server.post()
        assert (new.status, new.headers["connection"]) == (200, "close")
        kept.close()


def test_fm_23_an_answer_under_way_when_the_drain_begins_says_close_too(tmp_path: Path) -> None:
    door = Door()
    with serving({VALIDATE_PODS: door.decide}, tmp_path, drain_seconds=0.1) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.post, VALIDATE_PODS)
        try:
            assert door.knocked.wait(20)
            server.tell()
            wait_for("drain", lambda: server.metric("drawbridge_draining") == 1)
        finally:
            door.opened.set()
        answer = asked.result()
        assert (answer.status, answer.headers["connection"]) == (200, "close")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0_after_the_drain(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path, 1.0) as (server, _, __):
        started = time.monotonic()
        server.send_signal(number)
        assert server.wait(20) == 0
        assert time.monotonic() - started > 0.9


def readiness(health_port: int) -> int:
    with closing(HTTPConnection("127.0.0.1", health_port, timeout=20)) as connection:
        connection.request("GET", "/readyz")
        return connection.getresponse().status


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with process(tmp_path, 60.0) as (server, port, health_port):
        context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
        with closing(HTTPSConnection("127.0.0.1", port, context=context, timeout=20)) as kept:
            assert post(kept, VALIDATE_CLAIMS, make_review()).status == 200
            server.terminate()
            wait_for("drain", lambda: readiness(health_port) == 503)
            server.terminate()
            assert server.wait(20) == 0


def takes(number: signal.Signals, pid: int) -> bool:
    """Return whether a process has a handler for a signal (proc(5), `SigCgt`)."""
    [mask] = re.findall(r"^SigCgt:\s+(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize(
    "arguments",
    [("serve", "--cluster", "examples/cluster", "--port", "0", "--health-port", "0"), ("controller",)],
    ids=lambda arguments: arguments[0],
)
def test_fm_25_a_signal_ends_it_while_it_still_starts(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """As the first process of a container it would not even be told without a handler of its own."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "none")}
    command = [sys.executable, "-m", "webhook", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as starting:
        assert starting.stdout is not None
        while not takes(signal.SIGTERM, starting.pid):
            assert starting.poll() is None
            time.sleep(0.005)
        starting.terminate()
        assert starting.wait(20) == 128 + signal.SIGTERM
        assert starting.stdout.read() == ""


def test_fm_25_no_request_is_lost_while_the_server_is_replaced(tmp_path: Path) -> None:
    """Three replacements under traffic on kept connections, each old server ending while the new one serves."""
    with ExitStack() as stack:
        old, port, _ = stack.enter_context(process(tmp_path, 1.0))
        forwarder = stack.enter_context(TcpForwarder(port))
        context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
        callers = [Caller(forwarder.port, context, pause) for pause in (0.002, 0.01, 0.3)]
        for caller in callers:
            stack.callback(caller.end)
            caller.start()
        for _ in range(3):
            new, forwarder.backend, _ = stack.enter_context(process(tmp_path, 1.0))
            time.sleep(0.2)
            old.terminate()
            assert old.wait(20) == 0
            old = new
        for caller in callers:
            caller.end()
    assert [caller.lost for caller in callers] == [[], [], []]
    assert sum(caller.answered for caller in callers) > 30
