"""One request on its way through the server: how its time is spent, for metrics and traces, and how it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from time import monotonic
from typing import NamedTuple

from webhook.core.decision import Decision
from webhook.core.review import Review


class Stage(StrEnum):
    """`read` the body, `wait` for a place, `parse` the review, `judge` it, ask the `ledger`, `write` the answer."""

    READ = "read"
    WAIT = "wait"
    PARSE = "parse"
    JUDGE = "judge"
    LEDGER = "ledger"
    WRITE = "write"


class Spent(NamedTuple):
    """A stretch of one stage, in seconds of the monotonic clock. Made six times a request: a tuple costs half."""

    stage: Stage
    since: float
    until: float


class Course:
    """A stopwatch that starts in the first stage; a request is in one stage at a time, in some more than once.

    `review` and `decision` are there as soon as they are known. `status` is that of the answer, 0 where there is none.
    """

    __slots__ = ("_clock", "_since", "_stage", "decision", "review", "spent", "started", "status")

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._stage = Stage.READ
        self.started = self._since = clock()
        self.spent: list[Spent] = []
        self.review: Review | None = None
        self.decision: Decision | None = None
        self.status = 0

    def enter(self, stage: Stage) -> None:
        """End the stage before, and begin this one."""
        now = self._clock()
        self.spent.append(Spent(self._stage, self._since, now))
        self._stage, self._since = stage, now

    @contextmanager
    def within(self, stage: Stage) -> Iterator[None]:
        """Be in the stage until the block ends, then again in the one before."""
        before = self._stage
        self.enter(stage)
        try:
            yield
        finally:
            self.enter(before)

    def end(self) -> None:
        """Note the last stage; nothing is counted after it."""
        self.enter(self._stage)
