"""What one process takes on at most; every number has its reason in docs/decisions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from webhook.server.course import Course

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds.

    `body` holds two objects of the API server's 3 MiB. `idle` exceeds the 90 s after which the API server drops an
    unused connection: the side that waits longer never closes one that is just being used. `work` is what deciding
    may take, `answer` what an answer may take whatever happens. `deciding` reviews are open at once; no more than
    `computing_in_all` compute, `computing` of one namespace, and the others wait for the API server. `queue` wait,
    `queue_of_one` of one namespace, each at most `wait`, and so does who comes when a `turn` of the event loop has been
    computing for that long. Where turns have been later than `fresh` for longer than a `burst`, who has waited longer
    than that gets none any more, but for the last. Bodies beyond `small_body` share `large_reviews`, the memory that
    they take once they are read, so that large reviews can neither fill the memory nor crowd out small ones. `threads`
    are as many as may compute.
    """

    body: int = 8 * MIB
    head: int = 16 * KIB
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    handshake_seconds: float = 10.0
    idle_seconds: float = 120.0
    connection_age_seconds: float = 300.0
    connections: int = 2_000
    pipelined: int = 8
    work_seconds: float = 2.0
    answer_seconds: float = 10.0
    deciding: int = 256
    computing: int = 2
    computing_in_all: int = 64
    queue: int = 512
    queue_of_one: int = 128
    wait_seconds: float = 1.0
    turn_seconds: float = 0.01
    burst_seconds: float = 0.25
    fresh_seconds: float = 0.02
    small_body: int = 32 * KIB
    large_reviews: int = 128 * MIB
    threads: int = 64


@dataclass(frozen=True, slots=True)
class Budget:
    """Until when one review must be decided; what is left then is unjudged (contract 7.5). On the monotonic clock.

    `course` is told what the time is spent on. `give_way` is called with the seconds that are left, wherever a call
    looks whether they are over; it may wait for as long, and tells whether it did.
    """

    deadline: float
    clock: Callable[[], float] = monotonic
    course: Course = field(default_factory=Course)
    give_way: Callable[[float], bool] = lambda _: False

    def left(self) -> float:
        """Return the seconds that are left; negative when the time is over."""
        return self.deadline - self.clock()

    def spent(self) -> bool:
        left = self.left()
        return left <= 0 or (self.give_way(left) and self.left() <= 0)
