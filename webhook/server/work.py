"""Runs what takes the processor off the event loop, so that probes and other requests go on."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import replace
from time import thread_time
from typing import ParamSpec, Protocol, TypeVar

from webhook.server.lane import Lane
from webhook.server.limits import Budget

_P = ParamSpec("_P")
_T = TypeVar("_T")

_QUICK_SECONDS = 0.001
_AT_ONCE_SECONDS = 0.01
_MOST_QUICK = 4_096


class Turn(Protocol):
    """Who is told when what is computed for a review begins and ends."""

    def begin(self) -> None: ...

    def rest(self) -> None: ...


TURN: ContextVar[Turn | None] = ContextVar("turn", default=None)
"""That of the review which the current task answers; None in background jobs."""


class Work:
    """Some threads, which share one interpreter: more of them let short calls pass long ones, and are no faster."""

    def __init__(self, threads: int) -> None:
        self.lane = Lane()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decide")
        self._quick: dict[object, None] = {}

    async def run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return the result of the call, made on a thread; its exceptions are raised here."""
        turn = TURN.get()
        if turn is not None:
            turn.begin()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._called, call, args, kwargs)
        finally:
            _rest()

    async def run_alike(self, terms: object, call: Callable[[Budget], _T], budget: Budget) -> _T:
        """Return the result of a call that ends when its budget does, made at once where it is known to be quick.

        `terms` are what its duration follows from; None is like nothing. What took less than a millisecond under the
        same terms is not sent to a thread: the way there and back costs as much. If it does take longer this time, it
        is stopped, and sent.
        """
        if terms in self._quick:
            soon = thread_time() + min(budget.left(), _AT_ONCE_SECONDS)
            short = replace(budget, deadline=soon, clock=thread_time)
            result = call(short)
            if not short.spent():
                _rest()
                return result
            del self._quick[terms]
        result, seconds = await self.run(_timed, call, budget)
        if terms is not None and seconds < _QUICK_SECONDS and not budget.spent():
            self._quick[terms] = None
            if len(self._quick) > _MOST_QUICK:
                del self._quick[next(iter(self._quick))]
        return result

    def _called(self, call: Callable[..., _T], args: tuple[object, ...], kwargs: dict[str, object]) -> _T:
        with self.lane.call():
            return call(*args, **kwargs)

    def close(self) -> None:
        """Let the threads end; calls that have not begun are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _rest() -> None:
    """Tell that nothing is computed for the current task's review, until it asks for more."""
    turn = TURN.get()
    if turn is not None:
        turn.rest()


def _timed(call: Callable[[Budget], _T], budget: Budget) -> tuple[_T, float]:
    """Return the result of a call and the processor time that it took, in seconds."""
    began = thread_time()
    return call(budget), thread_time() - began
