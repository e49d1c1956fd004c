"""How many reviews are decided at once, and how many wait; who finds no room is sent away with Retry-After.

Namespaces take turns, so that who asks much waits for himself. What is scarce is the processor: few reviews of one
namespace compute at a time, and while they wait for the API server they are nobody's hindrance.
"""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field

from webhook.server.limits import Limits


class NoRoomError(Exception):
    """The process is overloaded; `reason` is `queue`, `wait` or `memory`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class _Queue:
    """The reviews of a namespace that wait, oldest first; `since` is when the first of an unbroken queue came."""

    since: float
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Room:
    """Counts reviews and the memory of large ones; belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._queues: dict[str, _Queue] = {}  # whose turn is next is first; none is empty
        self._computing: Counter[str] = Counter()
        self._held = 0
        self._breath = asyncio.Lock()
        self._looks = False
        self.waiting = 0
        self.deciding = 0

    @property
    def computing(self) -> int:
        """How many reviews compute."""
        return self._computing.total()

    def enter_now(self, namespace: str) -> "Place | None":
        """Return a place if one is free and nobody of the namespace waits."""
        if namespace in self._queues or not self._has_place(namespace):
            return None
        self._take(namespace)
        return Place(self, namespace)

    async def enter(self, namespace: str) -> "Place":
        """Return a place once it is the review's turn; NoRoomError if too many wait, or it waits for too long."""
        turn = self._queued(namespace)
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            self._withdraw(namespace, turn)
            if isinstance(error, TimeoutError):
                raise NoRoomError("wait") from None
            raise
        return Place(self, namespace)

    def _queued(self, namespace: str) -> asyncio.Future[None]:
        """Return what is done when it is the turn of a review that waits from now on.

        A queue that does not end for a while is no burst but too much: then few may wait, so that they wait shortly.
        """
        loop = asyncio.get_running_loop()
        queue = self._queues.get(namespace) or _Queue(loop.time())
        most = self._limits.queue_of_one
        if loop.time() - queue.since > self._limits.burst_seconds:
            most = min(most, self._limits.queue_standing)
        if len(queue.waiting) >= most or self.waiting >= self._limits.queue:
            raise NoRoomError("queue")
        self._queues[namespace] = queue
        turn: asyncio.Future[None] = loop.create_future()
        queue.waiting.append(turn)
        self.waiting += 1
        return turn

    def _withdraw(self, namespace: str, turn: asyncio.Future[None]) -> None:
        """Take back what waits no longer, and the place that it may just have been given."""
        queue = self._queues.get(namespace)
        if queue is not None and turn in queue.waiting:
            queue.waiting.remove(turn)
            self.waiting -= 1
            if not queue.waiting:
                del self._queues[namespace]
        elif not turn.cancelled():
            Place(self, namespace).leave()

    def _has_place(self, namespace: str) -> bool:
        limits = self._limits
        computing = self._computing[namespace] < limits.computing and self.computing < limits.computing_in_all
        return computing and self.deciding < limits.deciding

    def _take(self, namespace: str) -> None:
        self.deciding += 1
        self._computing[namespace] += 1

    def _admit(self) -> None:
        """Give places to those that wait, one namespace after the other."""
        self._looks = False
        while turns := [namespace for namespace in self._queues if self._has_place(namespace)]:
            for namespace in turns:
                if self._has_place(namespace):
                    self._admit_one(namespace)

    def _admit_one(self, namespace: str) -> None:
        queue = self._queues.pop(namespace)
        turn = queue.waiting.popleft()
        self.waiting -= 1
        if queue.waiting:
            self._queues[namespace] = queue  # behind all others
        if not turn.done():
            self._take(namespace)
            turn.set_result(None)

    def compute(self, namespace: str, change: int) -> None:
        """Note that so many reviews more or less compute."""
        self._computing[namespace] += change
        if not self._computing[namespace]:
            del self._computing[namespace]
        self._look()

    def leave(self) -> None:
        """Note that a review was answered."""
        self.deciding -= 1
        self._look()

    def _look(self) -> None:
        """See to those that wait, once the review that is running now had the chance to go on."""
        if self._queues and not self._looks:
            self._looks = True
            asyncio.get_running_loop().call_soon(self._admit)

    async def breathe(self) -> None:
        """Wait until the event loop has turned, and once more for each that breathes already.

        Large bodies are read a piece a turn, however many come at once: what else was sent is read in between.
        """
        async with self._breath:
            await asyncio.sleep(0)

    def hold(self, size: int) -> None:
        """Account for the memory of a large review; NoRoomError where there is too much, but one alone always fits."""
        if self._held and self._held + size > self._limits.large_reviews:
            raise NoRoomError("memory")
        self._held += size

    def release(self, size: int) -> None:
        self._held -= size


class Place:
    """Where one review is decided. It counts as computing until its first wait, and whenever a thread works on it."""

    __slots__ = ("_computes", "_namespace", "_room")

    def __init__(self, room: Room, namespace: str) -> None:
        self._room = room
        self._namespace = namespace
        self._computes = True

    def begin(self) -> None:
        """Note that a thread is asked to compute."""
        if not self._computes:
            self._computes = True
            self._room.compute(self._namespace, 1)

    def rest(self) -> None:
        """Note that it has; somebody else may, unless this review goes on at once."""
        if self._computes:
            self._computes = False
            self._room.compute(self._namespace, -1)

    def leave(self) -> None:
        """Note that the review was answered."""
        self.rest()
        self._room.leave()
