"""Watches that the event loop turns: how late it was, how long it stood, and what it was doing meanwhile."""

import asyncio
import sys
import threading
from collections.abc import Callable
from time import monotonic, thread_time

from webhook.server.log import Log, frames
from webhook.server.metrics import Metrics

BLOCKED_SECONDS = 0.05
"""A turn of the loop that takes longer is counted, and told: nobody is answered meanwhile."""

_BEAT_SECONDS = 0.02
_LOOK_SECONDS = 0.03
_WINDOW_SECONDS = 30.0
_TELL_AGAIN_SECONDS = 10.0


class Longest:
    """The longest of what was noted in the last 30 to 60 seconds, so that no scrape misses it."""

    def __init__(self) -> None:
        self._began = self._before = self._now = 0.0

    def note(self, seconds: float, at: float) -> None:
        self.roll(at)
        self._now = max(self._now, seconds)

    def roll(self, at: float) -> float:
        """Return the longest, forgetting what is too old at this time."""
        if at - self._began >= _WINDOW_SECONDS:
            self._before = self._now if at - self._began < 2 * _WINDOW_SECONDS else 0.0
            self._began, self._now = at, 0.0
        return max(self._before, self._now)


class Watchdog:
    """`beat` runs on the loop that is watched, `watch` on another one, which sees what the first is stuck in."""

    def __init__(self, metrics: Metrics, log: Log, clock: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._longest = Longest()
        self._thread = 0
        self._due = clock() + _BEAT_SECONDS
        self._seen: tuple[float, list[str]] = (0.0, [])
        self._told, self._untold = -_TELL_AGAIN_SECONDS, 0
        metrics.loop_lag.set_function(lambda: max(self._longest.roll(clock()), self.late()))

    def late(self) -> float:
        """Return for how long the loop has not come round."""
        return max(0.0, self._clock() - self._due)

    async def beat(self) -> None:
        """Come round fifty times a second, forever."""
        self._thread = threading.get_ident()
        self._due = self._clock() + _BEAT_SECONDS
        while True:
            computed = thread_time()
            await asyncio.sleep(_BEAT_SECONDS)
            self.round(thread_time() - computed)

    def round(self, computed: float) -> None:
        """Note that the loop has come round, having computed for so many seconds since the last time."""
        due, now = self._due, self._clock()
        late = max(0.0, now - due)
        self._due = now + _BEAT_SECONDS
        self._longest.note(late, now)
        if late <= BLOCKED_SECONDS:
            return
        self._metrics.loop_blocks.inc()
        self._untold += 1
        if now - self._told >= _TELL_AGAIN_SECONDS:
            where = self._seen[1] if self._seen[0] == due else []
            self._log.warning(
                "loop-blocked",
                milliseconds=round(late * 1000),
                computed=round(computed * 1000),
                blocks=self._untold,
                where=where,
            )
            self._told, self._untold = now, 0

    async def watch(self) -> None:
        """Look from the side what the loop does while it does not come round, forever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Note once what a loop that is late is doing: the functions, never what they hold."""
        due = self._due
        if self._seen[0] != due and self.late() > BLOCKED_SECONDS:
            frame = sys._current_frames().get(self._thread)  # noqa: SLF001 - documented, in spite of its name
            self._seen = (due, [] if frame is None else frames(frame))
