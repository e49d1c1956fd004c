"""Structured logs: one JSON object a line on standard error; never a body, a patch or a secret."""

import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from traceback import FrameSummary, extract_stack, extract_tb
from types import FrameType
from typing import IO, Any, cast

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


class JsonLogger(structlog.BoundLoggerBase):
    """Writes `ts`, `level`, `msg` and the fields; bound fields come with every line, debug lines go nowhere.

    One step instead of structlog's chain of processors, because a line is written for each decision.
    """

    _logger: LineSink

    def debug(self, msg: str, **fields: Any) -> None:
        """Write nothing."""

    def info(self, msg: str, **fields: Any) -> None:
        self._line("info", msg, fields)

    def warning(self, msg: str, **fields: Any) -> None:
        self._line("warning", msg, fields)

    def error(self, msg: str, **fields: Any) -> None:
        self._line("error", msg, fields)

    def exception(self, msg: str, **fields: Any) -> None:
        """Write an error with the frames of the exception that is handled, without its text."""
        error = sys.exc_info()[1]
        traced = {} if error is None else {"error": type(error).__name__, "where": where(error)}
        self._line("error", msg, {**traced, **fields})

    def _line(self, level: str, msg: str, fields: Mapping[str, Any]) -> None:
        entry = {"ts": datetime.now(UTC), "level": level, "msg": msg, **self._context, **fields}
        try:
            line = _encode(entry).decode()
        except (TypeError, UnicodeEncodeError):  # a field of a type of its own, or half a surrogate pair
            line = json.dumps(entry, default=str)
        if not line.isprintable():  # JSON allows line breaks of Unicode and terminals' control characters above ASCII
            line = json.dumps(json.loads(line)).replace("\x7f", "\\u007f")
        self._logger.msg(line)


def make_log(sink: LineSink) -> Log:
    """Return a logger that writes to the sink."""
    return cast(Log, JsonLogger(sink, [], {}))


def where(error: BaseException) -> list[str]:
    """Return the frames of a traceback without the exception's text, which may hold what a user sent."""
    return _written(extract_tb(error.__traceback__))


def frames(frame: FrameType) -> list[str]:
    """Return where a thread is, outermost first."""
    return _written(extract_stack(frame))


def _written(stack: Iterable[FrameSummary]) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in stack]


class ForwardHandler(logging.Handler):
    """Carries errors of the server library into our log, without their arguments' text."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.ERROR)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        fields = {"error": type(error).__name__, "where": where(error)} if error else {}
        self._log.error("server", source=record.name, what=str(record.msg).strip(), **fields)
