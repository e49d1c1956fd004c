"""HTTP/1.1 over httptools, with the limits that it lacks: a cap on the head, and deadlines on head, body and idling.

Deadlines are checked by a sweep each second over all connections, so that a request costs no timers.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.metrics import Metrics

_STUCK_SECONDS = 60.0
_CHUNK_FRAME = 10  # the size in hex and two line ends
_TOO_LARGE_HEAD = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\nconnection: close\r\n\r\n"
    b"the header block is too large\n"
)


_FORBIDDEN = (
    b"HTTP/1.1 403 Forbidden\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 50\r\nconnection: close\r\n\r\n"
    b"the subject of the client certificate may not ask\n"
)


@dataclass(frozen=True, slots=True)
class Guard:
    """What all connections share."""

    limits: Limits
    lifecycle: Lifecycle
    metrics: Metrics
    client_subjects: frozenset[str] = frozenset()
    """The common names of client certificates that may ask; with none, whoever the TLS context lets in."""


class Reading(Enum):
    """What a connection is waiting to read."""

    NOTHING = "idle"
    HEAD = "head"
    BODY = "body"


class RefusedError(Exception):
    """A limit is passed while a message is parsed; the parser turns it into an error of its own."""


class JoinedTransport(asyncio.Transport):
    """Writes the head of an answer together with its body: one TLS record and one system call in place of two.

    That halves the cost of answering (benchmarks/RESULTS.md). It has what uvicorn's request cycle uses of a transport.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data[:9] == b"HTTP/1.1 " and data[9:12] != b"100":
            self._head = bytes(data)
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write a head that no body followed."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], guard: Guard) -> None:
        super().__init__(config, server_state, app_state)
        self._guard = guard
        self._limits = guard.limits
        self.reading = Reading.NOTHING
        self.since = self._opened = self.loop.time()
        self._overhead = 0
        self._too_large_head = False
        self._asked = False
        self._forbidden = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._joined = JoinedTransport(transport)
        subjects = self._guard.client_subjects
        self._forbidden = bool(subjects) and common_name(transport.get_extra_info("peercert")) not in subjects
        self.since = self._opened = self.loop.time()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._forbidden:
            self._guard.metrics.cut("client-subject")
            self.transport.write(_FORBIDDEN)
            self.transport.close()
            return
        if self.reading is Reading.NOTHING:
            self._begin_head()
        # The parser keeps half a header or trailer to itself, so all that is no body is counted before it sees it.
        self._overhead = max(0, self._overhead) + len(data)
        super().data_received(data)
        if self._overhead > self._limits.head and not self.transport.is_closing():
            self._cut_head()

    def _begin_head(self) -> None:
        self.reading = Reading.HEAD
        self.since = self.loop.time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= self._limits.pipelined:
            raise RefusedError
        if self._overhead > self._limits.head and self._head_size() > self._limits.head:
            self._too_large_head = True
            raise RefusedError
        super().on_headers_complete()
        self.cycle.transport = self._joined
        self._asked = True
        self.reading = Reading.BODY
        self.since = self.loop.time()
        self._overhead = 0
        aged = self.since - self._opened > self._limits.connection_age_seconds
        if aged or self._guard.lifecycle.ending or self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_chunk_header(self) -> None:
        self._overhead -= _CHUNK_FRAME

    def on_body(self, body: bytes) -> None:
        self._overhead -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.reading = Reading.NOTHING
        self.since = self.loop.time()
        self._overhead = 0

    def on_response_complete(self) -> None:
        """Go on with what is pipelined; unlike uvicorn's own, without a timer: the sweep looks after idling."""
        self._joined.flush()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.reading is Reading.NOTHING:
            self.since = self.loop.time()
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def send_400_response(self, msg: str) -> None:
        if self._too_large_head:
            self._cut_head()
        else:
            self._guard.metrics.cut("unreadable")
            super().send_400_response(msg)

    def _cut_head(self) -> None:
        self._guard.metrics.cut("head-size")
        if not self.answering:
            self.transport.write(_TOO_LARGE_HEAD)
        self.transport.close()

    @property
    def answering(self) -> bool:
        """Return whether a request is being decided or answered."""
        return self._asked and not self.cycle.response_complete

    def close_when_answered(self) -> None:
        """Let the answer that is under way be the last; an idle connection stays open for one more."""
        if self.answering:
            self.cycle.keep_alive = False

    def expire(self, now: float) -> None:
        """End the connection if its deadline is over: at once where the caller is late, politely where it is idle."""
        if self.transport.is_closing():
            return
        late = now - self.since
        match self.reading:
            case Reading.HEAD if late > self._limits.head_seconds and not self.flow.read_paused:
                self._abort("head-time")
            case Reading.BODY if late > self._limits.body_seconds and not self.flow.read_paused:
                self._abort("body-time")
            case Reading.NOTHING if self.answering and late > _STUCK_SECONDS:
                self._abort("answer-time")
            case Reading.NOTHING if not self.answering and late > self._limits.idle_seconds:
                self._guard.metrics.cut("idle")
                self.transport.close()

    def _abort(self, reason: str) -> None:
        self._guard.metrics.cut(reason)
        self.transport.abort()


def common_name(certificate: Mapping[str, Any] | None) -> str:
    """Return the common name of a certificate as `ssl.SSLSocket.getpeercert` gives it; empty where it has none."""
    pairs = (pair for names in (certificate or {}).get("subject", ()) for pair in names)
    return next((str(value) for name, value in pairs if name == "commonName"), "")
