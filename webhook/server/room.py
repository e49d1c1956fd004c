"""How many reviews are decided at once, and how many wait; who finds no room is sent away with Retry-After.

Namespaces take turns, so that who asks much waits for himself. What is scarce is the processor: few reviews of one
namespace compute at a time, and while they wait for the API server they are nobody's hindrance.
"""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from math import inf

from webhook.server.limits import Limits

_MOST_REMEMBERED = 1_000


class NoRoomError(Exception):
    """The process is overloaded; `reason` is `queue`, `wait` or `memory`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A review that waits: since when, and what is done when it is its turn."""

    since: float
    turn: asyncio.Future[None]


@dataclass(slots=True)
class _Queue:
    """The reviews of a namespace that wait, oldest first; `since` is when the first of an unbroken queue came."""

    since: float
    waiting: deque[_Waiting] = field(default_factory=deque)


class Room:
    """Counts reviews and the memory of large ones; belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._queues: dict[str, _Queue] = {}  # whose turn is next is first; none is empty
        self._computing: Counter[str] = Counter()
        self._held = 0
        self._breath = asyncio.Lock()
        self._looks = False
        self._stood: dict[str, float] = {}  # when a namespace's queue ended that stood
        self._turn_began: float | None = None
        self.waiting = 0
        self.deciding = 0

    @property
    def computing(self) -> int:
        """How many reviews compute."""
        return self._computing.total()

    def enter_now(self, namespace: str) -> "Place | None":
        """Return a place if one is free, nobody of the namespace waits, and the event loop has turned lately."""
        if namespace in self._queues or not self._has_place(namespace) or self._turn_is_over():
            return None
        self._take(namespace)
        return Place(self, namespace)

    async def enter(self, namespace: str) -> "Place":
        """Return a place once it is the review's turn; NoRoomError if too many wait, or it waits for too long."""
        entry = self._queued(namespace)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await entry.turn
        except (TimeoutError, asyncio.CancelledError) as error:
            self._withdraw(namespace, entry)
            if isinstance(error, TimeoutError):
                raise NoRoomError("wait") from None
            raise
        finally:
            self.waiting -= 1
        return Place(self, namespace)

    def _queued(self, namespace: str) -> _Waiting:
        """Return a review that waits from now on."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(namespace) or self._new_queue(namespace)
        if len(queue.waiting) >= self._limits.queue_of_one or self.waiting >= self._limits.queue:
            raise NoRoomError("queue")
        self._queues[namespace] = queue
        entry = _Waiting(loop.time(), loop.create_future())
        queue.waiting.append(entry)
        self._look()
        return entry

    def _new_queue(self, namespace: str) -> _Queue:
        """Return a queue that goes on standing where another one has just ended that stood."""
        now = asyncio.get_running_loop().time()
        stood = now - self._stood.get(namespace, -inf) <= self._limits.burst_seconds
        return _Queue(-inf if stood else now)

    def _end_queue(self, namespace: str, queue: _Queue) -> None:
        del self._queues[namespace]
        now = asyncio.get_running_loop().time()
        if self._stands(queue, now):
            if len(self._stood) >= _MOST_REMEMBERED:
                self._stood.clear()
            self._stood[namespace] = now

    def _stands(self, queue: _Queue, now: float) -> bool:
        """Return whether a queue has not ended for a while: it is no burst but too much."""
        return now - queue.since > self._limits.burst_seconds

    def _withdraw(self, namespace: str, entry: _Waiting) -> None:
        """Take back what waits no longer, and the place that it may just have been given."""
        queue = self._queues.get(namespace)
        if queue is not None and entry in queue.waiting:
            queue.waiting.remove(entry)
            if not queue.waiting:
                self._end_queue(namespace, queue)
        elif not entry.turn.cancelled():
            Place(self, namespace).leave()

    def _has_place(self, namespace: str) -> bool:
        limits = self._limits
        computing = self._computing[namespace] < limits.computing and self.computing < limits.computing_in_all
        return computing and self.deciding < limits.deciding

    def _turn_is_over(self) -> bool:
        """Return whether reviews have been computing for long since the event loop last came round.

        It answers whatever it has read before it reads again: what has come meanwhile would wait unseen.
        """
        loop = asyncio.get_running_loop()
        if self._turn_began is None:
            self._turn_began = loop.time()
            loop.call_soon(self._end_turn)
        return loop.time() - self._turn_began > self._limits.turn_seconds

    def _end_turn(self) -> None:
        self._turn_began = None

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
        queue = self._queues[namespace]
        self._pass_over(queue)
        entry = queue.waiting.popleft()
        if queue.waiting:
            self._queues[namespace] = self._queues.pop(namespace)  # behind all others
        else:
            self._end_queue(namespace, queue)
        if not entry.turn.done():
            self._take(namespace)
            entry.turn.set_result(None)

    def _pass_over(self, queue: _Queue) -> None:
        """Leave those out for whom it is too late in a queue that stands, but for the last.

        If all waited for their turn, nobody would be answered soon. They hear of it when their time is over: told at
        once, who does not wait before he asks again would cost more than he is refused.
        """
        now = asyncio.get_running_loop().time()
        if self._stands(queue, now):
            while len(queue.waiting) > 1 and now - queue.waiting[0].since > self._limits.fresh_seconds:
                queue.waiting.popleft()

    def compute(self, namespace: str, change: int) -> None:
        """Note that so many reviews more or less compute."""
        self._computing[namespace] += change
        if not self._computing[namespace]:
            del self._computing[namespace]
        self._look()

    def leave(self) -> None:
        """Note that a review was answered."""
        self.deciding -= 1
        self._admit()

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
