"""What one connection may take: sizes, and the time for each part of a message. Times are shortened here."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator

import pytest

from tests.controlplane.waiting import wait_for
from tests.support.serving import Served, allow, make_review, post, serving
from webhook.core.decision import Allow, Decision
from webhook.core.review import Review
from webhook.server.app import VALIDATE_CLAIMS, VALIDATE_PODS
from webhook.server.limits import KIB, Budget, Limits

SHORT = Limits(head_seconds=1.0, body_seconds=1.0, handshake_seconds=1.0, idle_seconds=3.0, body=100 * KIB)
SOON = 9.0
"""Seconds, of which most are a machine's that is busy with other things; the limits that ship are ten and more."""
HEAD = b"POST /validate/claims HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


async def slow(_: Review, __: Budget) -> Decision:
    await asyncio.sleep(2.5)
    return Allow()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    handlers = {VALIDATE_CLAIMS: allow, VALIDATE_PODS: slow}
    with serving(handlers, tmp_path_factory.mktemp("certs"), limits=SHORT) as running:
        yield running


def everything(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes, which it may do rudely."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except (ConnectionError, ssl.SSLError):
        pass
    return b"".join(parts)


def ended_after(connection: socket.socket) -> float:
    started = time.monotonic()
    everything(connection)
    return time.monotonic() - started


def is_cut(server: Served, connection: socket.socket, reason: str) -> bool:
    """Return whether the server soon ends the connection, for that reason."""
    before = server.metric("drawbridge_connections_cut_total", reason=reason)
    ends = ended_after(connection)
    return ends < SOON and server.metric("drawbridge_connections_cut_total", reason=reason) == before + 1


def test_a_header_over_16_kib_is_431(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall(HEAD + b"X-Long: " + b"a" * 17 * KIB + b"\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 431 ")


def test_many_headers_over_16_kib_are_431(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall(HEAD + b"X-Many: 1\r\n" * 2000 + b"\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 431 ")


def test_a_header_that_never_ends_is_cut(server: Served) -> None:
    with server.raw() as connection:
        sent = 0
        try:
            connection.sendall(HEAD + b"X-Long: ")
            for _ in range(1000):
                connection.sendall(b"a" * KIB)
                sent += KIB
        except (ConnectionError, ssl.SSLError):
            pass
        assert sent < 1000 * KIB or everything(connection).startswith(b"HTTP/1.1 431 ")


def test_an_address_over_16_kib_is_431(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall(b"POST /" + b"a" * 17 * KIB + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 431 ")


def test_a_head_of_15_kib_is_read(server: Served) -> None:
    assert server.post(headers={"X-Long": "a" * 15 * KIB}).status == 200


def test_trailers_without_end_are_cut(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX-Trailer: ")
        sent = 0
        try:
            for _ in range(2000):
                connection.sendall(b"a" * KIB)
                sent += KIB
        except (ConnectionError, ssl.SSLError):
            pass
        everything(connection)
    assert server.metric("drawbridge_connections_cut_total", reason="head-size") >= 1


def test_what_is_no_http_is_400(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 400 ")


def test_a_length_and_chunks_together_are_400(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall(HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 400 ")


def test_a_head_that_comes_too_slowly_ends_the_connection(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall(HEAD)
        assert is_cut(server, connection, "head-time")


def test_t_06_a_head_that_trickles_ends_the_connection(server: Served) -> None:
    with server.raw() as connection:
        started = time.monotonic()
        try:
            for letter in HEAD * 2:
                connection.sendall(bytes([letter]))
                time.sleep(0.1)
        except (ConnectionError, ssl.SSLError):
            pass
        assert time.monotonic() - started < SOON


def test_t_06_a_body_that_comes_too_slowly_ends_the_connection(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        assert is_cut(server, connection, "body-time")


def test_a_refused_body_that_never_ends_ends_the_connection(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall(HEAD.replace(b"application/json", b"text/plain") + b"Content-Length: 100\r\n\r\n{")
        assert is_cut(server, connection, "body-time")


def test_t_06_a_tls_handshake_that_never_comes_ends_the_connection(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        assert 0.5 < ended_after(connection) < SOON


def test_an_idle_connection_is_closed_after_its_time(server: Served) -> None:
    connection = server.connect()
    assert post(connection, VALIDATE_CLAIMS, make_review()).status == 200
    assert 2.5 < ended_after(connection.sock) < SOON
    connection.close()


def test_fm_22_the_api_server_lets_go_first() -> None:
    """Its HTTP client closes what was idle for 90 s; closing first would be a race that it may lose."""
    assert Limits().idle_seconds > 90 + Limits().head_seconds


def test_fm_22_an_idle_connection_is_used_again_before_its_time(server: Served) -> None:
    connection = server.connect()
    for _ in range(3):
        assert post(connection, VALIDATE_CLAIMS, make_review()).status == 200
        time.sleep(1.5)
    connection.close()


def test_a_slow_decision_is_no_slow_caller(server: Served) -> None:
    assert server.post(VALIDATE_PODS).status == 200


def test_pipelined_requests_are_answered_in_order(server: Served) -> None:
    one = HEAD + b"Content-Length: 2\r\n\r\n{}"
    last = HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"
    with server.raw() as connection:
        connection.sendall(one + one + last)
        assert everything(connection).count(b"HTTP/1.1 400 ") == 3


def test_a_flood_of_pipelined_requests_is_cut(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall((HEAD + b"Content-Length: 2\r\n\r\n{}") * 1000)
        assert everything(connection).count(b"HTTP/1.1 ") < 200


def test_t_06_when_there_are_too_many_connections_idle_ones_go(tmp_path_factory: pytest.TempPathFactory) -> None:
    few = Limits(connections=2)
    with serving({VALIDATE_CLAIMS: allow}, tmp_path_factory.mktemp("certs"), limits=few) as crowded:
        connections = [crowded.connect() for _ in range(4)]
        for connection in connections:
            assert post(connection, VALIDATE_CLAIMS, make_review()).status == 200
        for connection in connections[:2]:
            assert ended_after(connection.sock) < SOON
        assert post(connections[3], VALIDATE_CLAIMS, make_review()).status == 200
        for connection in connections:
            connection.close()


def test_fm_23_an_old_connection_is_told_to_close(tmp_path_factory: pytest.TempPathFactory) -> None:
    young = Limits(connection_age_seconds=1.5)
    with serving({VALIDATE_CLAIMS: allow}, tmp_path_factory.mktemp("certs"), limits=young) as running:
        connection = running.connect()
        assert "connection" not in post(connection, VALIDATE_CLAIMS, make_review()).headers
        time.sleep(1.6)
        assert post(connection, VALIDATE_CLAIMS, make_review()).headers["connection"] == "close"
        connection.close()


def test_a_peer_that_never_says_goodbye_is_cut(server: Served) -> None:
    before = server.metric("drawbridge_connections_cut_total", reason="idle")
    connection = server.raw()
    wait_for("end", lambda: server.metric("drawbridge_connections_cut_total", reason="idle") == before + 1, SOON)
    assert ended_after(connection) < SOON
    connection.close()
