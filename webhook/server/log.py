"""Structured logs: one JSON object a line on standard error; never a body, a patch or a secret."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from traceback import extract_tb
from typing import IO, Any

import msgspec
import structlog

Log = structlog.typing.FilteringBoundLogger

_MOST_LINES = 10_000
_BATCH_SECONDS = 0.02
_encode = msgspec.json.Encoder().encode


class LineSink:
    """Writes lines on a thread of its own, a batch at a time: a reader that stops reading must not stop the server.

    Lines that find the queue full are dropped and counted.
    """

    def __init__(self, stream: IO[str], dropped: Callable[[], None] = lambda: None) -> None:
        self._stream = stream
        self._dropped = dropped
        self._lines: deque[str] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        if len(self._lines) >= _MOST_LINES:
            self._dropped()
            return
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    debug = info = warning = error = critical = msg

    def close(self, seconds: float = 1.0) -> None:
        """Write what is queued, but wait no longer than that."""
        self._closing = True
        self._wake.set()
        self._thread.join(seconds)

    def _write(self) -> None:
        while not (self._closing and not self._lines):
            self._wake.wait()
            if not self._closing:
                time.sleep(_BATCH_SECONDS)
            self._wake.clear()
            batch = [self._lines.popleft() for _ in range(len(self._lines))]
            if batch:
                self._write_batch("\n".join(batch) + "\n")

    def _write_batch(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._dropped()


def make_log(sink: LineSink) -> Log:
    """Return a logger that writes `ts`, `level`, `msg` and its fields."""
    log: Log = structlog.wrap_logger(
        sink, processors=[_line], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO)
    ).bind()  # bound once: an unbound logger is put together again at each line
    return log


def _line(_: LineSink, level: str, event: MutableMapping[str, Any]) -> str:
    """Return one JSON object; one step in place of structlog's four, because this runs for each decision."""
    return _encode({"ts": datetime.now(UTC), "level": level, "msg": event.pop("event"), **event}).decode()


def where(error: BaseException) -> list[str]:
    """Return the frames of a traceback without the exception's text, which may hold what a user sent."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)]


class ForwardHandler(logging.Handler):
    """Carries errors of the server library into our log, without their arguments' text."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.ERROR)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        fields = {"error": type(error).__name__, "where": where(error)} if error else {}
        self._log.error("server", source=record.name, what=str(record.msg).strip(), **fields)
