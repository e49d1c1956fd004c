"""How many reviews are decided at once, and how many wait; who finds no room is sent away with Retry-After.

Namespaces take turns, so that who asks much waits for himself. What is scarce is the processor: few reviews of one
namespace compute at a time, and while they wait for the API server they are nobody's hindrance.
"""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass

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
class _Overload:
    """Since when reviews of a namespace have got their turns late, when one last did, and whether it is no burst."""

    began: float
    latest: float
    lasts: bool = False

    def ended(self, now: float, limits: Limits) -> bool:
        """Return whether turns are in time again; those that were passed over must have had the time to come again."""
        return now - self.latest > limits.burst_seconds + (limits.wait_seconds if self.lasts else 0.0)


class Room:
    """Counts reviews and the memory of large ones; belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._queues: dict[str, deque[_Waiting]] = {}  # whose turn is next is first, and in each who came first
        self._overloads: dict[str, _Overload] = {}
        self._computing: Counter[str] = Counter()
        self._held = 0
        self._breath = asyncio.Lock()
        self._looks = False
        self._turn_began: float | None = None
        self.waiting = 0
        self.deciding = 0
        self.computing = 0

    def enter_now(self, namespace: str) -> "Place | None":
        """Return a place if one is free, nobody of the namespace waits, and the event loop has turned lately."""
        if namespace in self._queues or not self._has_place(namespace) or self._turn_is_over():
            return None
        self._take(namespace)
        return Place(self, namespace)

    async def enter(self, namespace: str) -> "Place":
        """Return a place once it is the review's turn; NoRoomError if too many wait, or it waits for too long."""
        entry = self._queued(namespace)
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await entry.turn
        except (TimeoutError, asyncio.CancelledError) as error:
            self._withdraw(namespace, entry)
            if isinstance(error, TimeoutError):
                raise NoRoomError("wait") from None
            raise
        return Place(self, namespace)

    def _queued(self, namespace: str) -> _Waiting:
        """Return a review that waits from now on."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(namespace) or deque()
        if len(queue) >= self._limits.queue_of_one or self.waiting >= self._limits.queue:
            raise NoRoomError("queue")
        self._queues[namespace] = queue
        entry = _Waiting(loop.time(), loop.create_future())
        queue.append(entry)
        self.waiting += 1
        self._look()
        return entry

    def _withdraw(self, namespace: str, entry: _Waiting) -> None:
        """Take back what waits no longer, and the place that it may just have been given."""
        queue = self._queues.get(namespace)
        if queue is not None and entry in queue:
            queue.remove(entry)
            self.waiting -= 1
            if not queue:
                del self._queues[namespace]
        elif not entry.turn.cancelled():
            Place(self, namespace).leave()

    def _has_place(self, namespace: str) -> bool:
        return self._is_open() and self._computing[namespace] < self._limits.computing

    def _is_open(self) -> bool:
        return self.computing < self._limits.computing_in_all and self.deciding < self._limits.deciding

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
        self.computing += 1
        self._computing[namespace] += 1

    def _admit(self) -> None:
        """Give places to those that wait, one namespace after the other."""
        self._looks = False
        while self._is_open() and (turns := [each for each in self._queues if self._has_place(each)]):
            for namespace in turns:
                if self._is_open():
                    self._admit_one(namespace)

    def _admit_one(self, namespace: str) -> None:
        self._pass_over(namespace)
        queue = self._queues.pop(namespace)
        entry = queue.popleft()
        self.waiting -= 1
        if queue:
            self._queues[namespace] = queue  # behind all others
        if not entry.turn.done():
            self._take(namespace)
            entry.turn.set_result(None)

    def _pass_over(self, namespace: str) -> None:
        """Leave those out for whom it is too late while there is too much to do for a namespace, but for the last.

        There is too much where turns have come late for longer than a burst lasts: if all waited for theirs, nobody
        would be answered soon. Those left out hear of it when their time is over: told at once, who does not wait
        before he asks again would cost more than he is refused.
        """
        now, queue, limits = asyncio.get_running_loop().time(), self._queues[namespace], self._limits
        if now - queue[0].since <= limits.fresh_seconds:
            return
        overload = self._overloads.get(namespace)
        if overload is None or overload.ended(now, limits):
            if len(self._overloads) >= _MOST_REMEMBERED:
                self._overloads.clear()
            overload = self._overloads[namespace] = _Overload(now, now)
        overload.latest = now
        overload.lasts = overload.lasts or now - overload.began > limits.burst_seconds
        if overload.lasts:
            while len(queue) > 1 and now - queue[0].since > limits.fresh_seconds:
                queue.popleft()
                self.waiting -= 1

    def compute(self, namespace: str, change: int) -> None:
        """Note that so many reviews more or less compute."""
        self.computing += change
        self._computing[namespace] += change
        if not self._computing[namespace]:
            del self._computing[namespace]
        self._look()

    def leave(self) -> None:
        """Note that a review was answered."""
        self.deciding -= 1
        if self._queues:
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
