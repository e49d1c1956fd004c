"""A line in the terminal that tells how far long work is; nothing where standard error is none."""

import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import TextIO, TypeVar

T = TypeVar("T")

MANY_DEVICES = 5_000
"""From so many devices on one request may take a while."""
_SOON = 0.5  # seconds after which work that was thought to be short is told of
_OFTEN = 0.2  # seconds between two looks of the line


class Progress:
    """Tells of work on `total` things called `what`, at once where it is thought to be `long`."""

    def __init__(
        self,
        what: str,
        total: int,
        *,
        long: bool,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._total, self._clock = what, total, clock
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._started = clock()
        self._due = self._started + (0 if long else _SOON)
        self._number = 0
        self._shown = False

    def of(self, items: Iterable[T]) -> Generator[T, None, None]:
        """Yield the items and tell which of them is at work; when they end the line is taken away."""
        try:
            for item in items:
                self._number += 1
                self.tick()
                yield item
        finally:
            if self._shown:
                self._write("\r\x1b[K")

    def tick(self) -> bool:
        """Bring the line up to date, if it is time; the answer is always that there is time left."""
        now = self._clock()
        if self._live and now >= self._due:
            seconds = f", {now - self._started:.0f} s" if now - self._started >= 1 else ""
            self._write(f"\r{self._what} {self._number} of {self._total}{seconds}\x1b[K")
            self._due = now + _OFTEN
            self._shown = True
        return False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
