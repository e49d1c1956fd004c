"""Long calls on threads take turns, one at a time, and let short reviews pass.

All threads share one interpreter, so that each that computes makes every step of the event loop wait. A call that has
computed for a while is long: wherever it looks whether its time is over, it waits for its turn, which it keeps until
others have waited for a while, so that what several calls need is computed once. During its turn it lets reviews that
are not long pass, but not for ever.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep, thread_time

_SLICE_SECONDS = 0.001
_TURN_SECONDS = 0.25
_MOST_PASSING_SECONDS = 0.02
_LOOK_SECONDS = 0.001


class _Seat(threading.local):
    """The current thread's call: the processor time since when it computes without a pause; None where it never waits.

    `turn_ends` is when it must let the next long call go on.
    """

    since: float | None = None
    turn_ends = 0.0


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
        self._seat.since = thread_time()
        try:
            yield
        finally:
            self._seat.since = None
            self._leave()

    def give_way(self, seconds: float) -> bool:
        """Return whether the current call is long, after it has waited for its turn, for so many seconds at most."""
        since = self._seat.since
        if since is None or thread_time() - since < _SLICE_SECONDS:
            return False
        until = monotonic() + min(seconds, threading.TIMEOUT_MAX)
        if self._has_turn(until):
            self._let_pass(until)
        self._seat.since = thread_time()
        return True

    def _has_turn(self, until: float) -> bool:
        """Return whether it is this thread's turn, or becomes it before that time."""
        me, now = threading.get_ident(), monotonic()
        with self._moved:
            if self._turns and self._turns[0] == me:
                if now < self._seat.turn_ends:
                    return True
                self._turns.rotate(-1)
                self._moved.notify_all()
            elif me not in self._turns:
                self._turns.append(me)
            if not self._moved.wait_for(lambda: self._turns[0] == me, until - now):
                return False
        self._seat.turn_ends = monotonic() + _TURN_SECONDS
        return True

    def _let_pass(self, until: float) -> None:
        until = min(until, monotonic() + _MOST_PASSING_SECONDS)
        while self.computing() > len(self._turns) and monotonic() < until:
            sleep(_LOOK_SECONDS)

    def _leave(self) -> None:
        me = threading.get_ident()
        with self._moved:
            if me in self._turns:
                self._turns.remove(me)
                self._moved.notify_all()
