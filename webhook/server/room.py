"""How many reviews are decided at once, and how many wait; who finds no room is sent away with Retry-After."""

import asyncio
from collections import deque

from webhook.server.limits import Limits


class NoRoomError(Exception):
    """The process is overloaded; `reason` is `queue`, `wait` or `memory`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Room:
    """Counts reviews and the memory of large ones; belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._held = 0
        self.deciding = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def enter_now(self) -> bool:
        """Take a place if one is free."""
        if self.deciding >= self._limits.deciding:
            return False
        self.deciding += 1
        return True

    async def enter(self) -> None:
        """Wait for a place, first come, first served; NoRoomError if the queue is full or too slow."""
        if len(self._waiting) >= self._limits.queue:
            raise NoRoomError("queue")
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled():
                self.leave()
            elif turn in self._waiting:  # else `leave` has passed it by already, in the moment since it was cancelled
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise NoRoomError("wait") from None
            raise

    def leave(self) -> None:
        """Give the place to the next that waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.deciding -= 1

    def hold(self, size: int) -> None:
        """Account for the memory of a large review; NoRoomError where there is too much, but one alone always fits."""
        if self._held and self._held + size > self._limits.large_reviews:
            raise NoRoomError("memory")
        self._held += size

    def release(self, size: int) -> None:
        self._held -= size
