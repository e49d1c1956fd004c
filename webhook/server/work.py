"""Runs what takes the processor off the event loop, so that probes and other requests go on."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import ParamSpec, Protocol, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Turn(Protocol):
    """Who is told when a thread begins and ends to compute for a review."""

    def begin(self) -> None: ...

    def rest(self) -> None: ...


TURN: ContextVar[Turn | None] = ContextVar("turn", default=None)
"""That of the review which the current task answers; None in background jobs."""


class Work:
    """Some threads, which share one interpreter: more of them let short calls pass long ones, and are no faster."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decide")

    async def run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return the result of the call, made on a thread; its exceptions are raised here."""
        turn = TURN.get()
        if turn is not None:
            turn.begin()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(*args, **kwargs))
        finally:
            if turn is not None:
                turn.rest()

    def close(self) -> None:
        """Let the threads end; calls that have not begun are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
