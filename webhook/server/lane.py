"""Long calls on threads take turns, one at a time, and let short reviews pass.

All threads share one interpreter, so that each that computes makes every step of the event loop wait. A call that has
computed for a while is long: wherever it looks whether its time is over, it waits for its turn. On its turn it lets
reviews that are not long pass first, but not for ever.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep

_SLICE_SECONDS = 0.002
_MOST_PASSING_SECONDS = 0.02
_LOOK_SECONDS = 0.001


class _Seat(threading.local):
    """What the current thread computes: since when; None where it may not be made to wait."""

    since: float | None = None


class Lane:
    """`computing` tells how many reviews compute now, the long ones among them."""

    def __init__(self, computing: Callable[[], int] = lambda: 0) -> None:
        self.computing = computing
        self._seat = _Seat()
        self._turns: deque[int] = deque()
        self._moved = threading.Condition()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Let the current thread's call be one that may become long."""
        self._seat.since = monotonic()
        try:
            yield
        finally:
            self._seat.since = None
            self._leave()

    def give_way(self, seconds: float) -> bool:
        """Return whether the current call had to wait for its turn, or for so many seconds if that is sooner."""
        since = self._seat.since
        if since is None or monotonic() - since < _SLICE_SECONDS:
            return False
        if self._next_turn(seconds):
            self._let_pass(seconds)
        self._seat.since = monotonic()
        return True

    def _next_turn(self, seconds: float) -> bool:
        """Go to the end of the queue; return whether it is this thread's turn within that time."""
        me = threading.get_ident()
        with self._moved:
            if self._turns and self._turns[0] == me:
                self._turns.rotate(-1)
                self._moved.notify_all()
            elif me not in self._turns:
                self._turns.append(me)
            return self._moved.wait_for(lambda: self._turns[0] == me, seconds)

    def _let_pass(self, seconds: float) -> None:
        until = monotonic() + min(seconds, _MOST_PASSING_SECONDS)
        while self.computing() > len(self._turns) and monotonic() < until:
            sleep(_LOOK_SECONDS)

    def _leave(self) -> None:
        me = threading.get_ident()
        with self._moved:
            if me in self._turns:
                self._turns.remove(me)
                self._moved.notify_all()
