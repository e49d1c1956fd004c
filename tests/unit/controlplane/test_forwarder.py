"""The forwarder of the fault tests."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.controlplane.forwarder import LOOPBACK, TcpForwarder


@contextmanager
def _speaker(word: bytes) -> Iterator[int]:
    """A server on loopback that answers each connection's first bytes with its word and the bytes."""
    with closing(socket.create_server((LOOPBACK, 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_echo, args=(connection, word), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _echo(connection: socket.socket, word: bytes) -> None:
    with connection:
        while data := connection.recv(100):
            connection.sendall(word + data)


def _connect(forwarder: TcpForwarder) -> socket.socket:
    return socket.create_connection((LOOPBACK, forwarder.port), timeout=5)


def _ask(connection: socket.socket, text: bytes) -> bytes:
    connection.sendall(text)
    return connection.recv(100)


def test_a_new_connection_goes_to_the_new_backend_and_an_open_one_stays() -> None:
    with (
        _speaker(b"old ") as old,
        _speaker(b"new ") as new,
        TcpForwarder(old) as forwarder,
        _connect(forwarder) as first,
    ):
        assert _ask(first, b"a") == b"old a"
        forwarder.backend = new
        with _connect(forwarder) as second:
            assert _ask(second, b"b") == b"new b"
        assert _ask(first, b"c") == b"old c"


def test_of_several_backends_connections_take_turns_and_pass_by_a_dead_one() -> None:
    with _speaker(b"one ") as one, _speaker(b"two ") as two, TcpForwarder(one, two) as forwarder:

        def answers() -> list[bytes]:
            found = []
            for _ in range(4):
                with _connect(forwarder) as connection:
                    found.append(_ask(connection, b"a"))
            return found

        assert answers() == [b"one a", b"two a"] * 2
        with closing(socket.create_server((LOOPBACK, 0))) as closed:
            dead = closed.getsockname()[1]
        forwarder.backends = (dead, two)
        assert answers() == [b"two a"] * 4


def test_a_black_hole_loses_what_is_sent() -> None:
    with _speaker(b"old ") as old, TcpForwarder(old) as forwarder, _connect(forwarder) as connection:
        forwarder.blackhole = True
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            _ask(connection, b"lost")


def test_answers_come_later_by_the_delay() -> None:
    with _speaker(b"old ") as old, TcpForwarder(old) as forwarder, _connect(forwarder) as connection:
        forwarder.delay = 0.1
        began = time.monotonic()
        assert _ask(connection, b"a") == b"old a"
        assert time.monotonic() - began >= 0.1


def test_a_cut_ends_open_connections() -> None:
    with _speaker(b"old ") as old, TcpForwarder(old) as forwarder, _connect(forwarder) as connection:
        assert _ask(connection, b"a") == b"old a"
        forwarder.cut()
        assert connection.recv(100) == b""
