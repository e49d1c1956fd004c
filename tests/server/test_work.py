"""What is known to be quick is done on the spot, everything else on a thread."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from time import monotonic, thread_time
from typing import Any

from webhook.server.limits import Budget
from webhook.server.work import Work


def played(play: Callable[[Work], Coroutine[Any, Any, None]]) -> None:
    work = Work(1)
    try:
        asyncio.run(play(work))
    finally:
        work.close()


def quick(budget: Budget) -> int:  # noqa: ARG001 - needs none
    return threading.get_ident()


def long(budget: Budget) -> int:  # noqa: ARG001 - takes what it takes
    begun = thread_time()
    while thread_time() < begun + 0.002:
        pass
    return threading.get_ident()


def test_what_was_quick_is_done_at_once_under_the_same_terms() -> None:
    async def play(work: Work) -> None:
        here, budget = threading.get_ident(), Budget(float("inf"), lambda: 0.0)
        assert await work.run_alike("claim", quick, budget) != here
        assert await work.run_alike("claim", quick, budget) == here
        assert await work.run_alike("another", quick, budget) != here

    played(play)


def test_what_took_long_is_done_on_a_thread_again() -> None:
    async def play(work: Work) -> None:
        for _ in range(2):
            assert await work.run_alike("claim", long, Budget(float("inf"))) != threading.get_ident()

    played(play)


def test_what_is_like_nothing_is_done_on_a_thread() -> None:
    async def play(work: Work) -> None:
        for _ in range(2):
            assert await work.run_alike(None, quick, Budget(float("inf"))) != threading.get_ident()

    played(play)


def test_what_was_quick_because_its_time_was_over_is_done_on_a_thread_again() -> None:
    async def play(work: Work) -> None:
        for deadline in (1.0, 9.0):
            assert await work.run_alike("claim", quick, Budget(deadline, lambda: 2.0)) != threading.get_ident()

    played(play)


def test_what_takes_longer_than_before_is_stopped_and_done_on_a_thread_with_all_its_time() -> None:
    async def play(work: Work) -> None:
        budget = Budget(2.0, lambda: 0.0)
        asked = []

        def call(given: Budget) -> int:
            asked.append((given.deadline == 2.0, threading.get_ident() == here))
            while len(asked) == 2 and not given.spent():
                pass
            return len(asked)

        here = threading.get_ident()
        answers = [await work.run_alike("claim", call, budget) for _ in range(3)]
        assert answers == [1, 3, 4]
        assert asked == [(True, False), (False, True), (True, False), (False, True)]

    played(play)


def test_a_call_on_a_thread_that_becomes_long_gives_way() -> None:
    async def play(work: Work) -> None:
        asked = [0, 2]
        work.lane.computing = asked.pop

        def call(given: Budget) -> None:
            until = monotonic() + 20.0
            while asked and monotonic() < until:
                given.spent()
            assert not asked

        await work.run_alike("claim", call, Budget(float("inf"), give_way=work.lane.give_way))

    played(play)
