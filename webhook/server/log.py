"""Structured logs: one JSON object a line on standard error; never a body, a patch or a secret."""

import logging
import queue
import threading
from collections.abc import Callable
from traceback import extract_tb
from typing import IO, Any

import msgspec
import structlog

Log = structlog.typing.FilteringBoundLogger

_MOST_LINES = 10_000


class LineSink:
    """Writes lines on a thread of its own: a reader that stops reading must not stop the server.

    Lines that find the queue full are dropped and counted.
    """

    def __init__(self, stream: IO[str], dropped: Callable[[], None] = lambda: None) -> None:
        self._stream = stream
        self._dropped = dropped
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST_LINES)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped()

    debug = info = warning = error = critical = msg

    def close(self, seconds: float = 1.0) -> None:
        """Write what is queued, but wait no longer than that."""
        try:
            self._lines.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line + "\n")
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                self._dropped()


def make_log(sink: LineSink) -> Log:
    """Return a logger that writes `ts`, `level`, `msg` and its fields."""
    log: Log = structlog.wrap_logger(
        sink,
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", key="ts"),
            structlog.processors.EventRenamer("msg"),
            _line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    return log


def _line(_: Any, __: str, event: Any) -> str:
    return msgspec.json.encode(event).decode()


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
