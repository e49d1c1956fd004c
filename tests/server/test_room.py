"""Who comes in: namespaces take turns, few reviews of one compute at once, and who gives up leaves no hole."""

import asyncio
import json
from collections.abc import Coroutine, Sequence

import pytest

from tests.support.serving import make_review
from webhook.server.app import asked_namespace
from webhook.server.limits import Budget, Limits
from webhook.server.room import NoRoomError, Place, Room
from webhook.server.work import TURN, Work


def inside(room: Room, namespace: str) -> Place:
    place = room.enter_now(namespace)
    assert place is not None
    return place


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def entering(room: Room, namespaces: Sequence[str], entered: list[str]) -> list[asyncio.Task[Place]]:
    async def enter(namespace: str) -> Place:
        place = await room.enter(namespace)
        entered.append(namespace)
        return place

    return [asyncio.create_task(enter(namespace)) for namespace in namespaces]


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(test)


def test_namespaces_take_turns() -> None:
    async def test() -> None:
        room = Room(Limits(deciding=1))
        place, entered = inside(room, "a"), list[str]()
        tasks = entering(room, ["a", "a", "a", "b", "c", "b"], entered)
        await settled()
        assert room.waiting == 6
        for _ in tasks:
            place.leave()
            await settled()
            place = next(task.result() for task in tasks if task.done())
            tasks = [task for task in tasks if not task.done()]
        assert entered == ["a", "b", "c", "a", "b", "a"]

    run(test())


def test_few_reviews_of_a_namespace_compute_at_once_and_others_need_not_wait_for_them() -> None:
    async def test() -> None:
        room = Room(Limits(computing=2))
        first, _ = inside(room, "a"), inside(room, "a")
        assert room.enter_now("a") is None
        inside(room, "b")
        first.rest()  # it waits for the API server
        third = inside(room, "a")
        first.begin()
        third.leave()
        assert room.enter_now("a") is None
        first.leave()
        inside(room, "a")

    run(test())


def test_those_who_wait_for_the_api_server_hold_up_nobody_until_too_many_are_open() -> None:
    async def test() -> None:
        room = Room(Limits(deciding=3, computing_in_all=2))
        first, _ = inside(room, "a"), inside(room, "b")
        assert room.enter_now("c") is None
        first.rest()
        third = inside(room, "c")
        third.rest()
        assert room.enter_now("d") is None
        third.leave()
        inside(room, "d")

    run(test())


def test_a_review_that_goes_on_computing_lets_nobody_in_between() -> None:
    async def test() -> None:
        room, work, entered = Room(Limits(computing=1)), Work(1), list[str]()
        place = inside(room, "a")
        TURN.set(place)
        entering(room, ["a"], entered)
        await settled()
        for _ in range(3):
            await work.run(int)
            assert entered == []
        await asyncio.sleep(0.01)
        assert entered == ["a"]
        work.close()

    run(test())


def test_a_review_that_was_decided_on_the_spot_computes_no_more() -> None:
    async def test() -> None:
        room, work = Room(Limits(computing=1)), Work(1)
        for _ in range(2):
            place = inside(room, "a")
            TURN.set(place)
            await work.run_alike("claim", Budget.left, Budget(float("inf"), lambda: 0.0))
            inside(room, "a").leave()  # the first one waits for the API server
            place.leave()
        work.close()

    run(test())


class SetLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock a test sets forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def test_who_has_waited_long_in_a_queue_that_does_not_end_gets_no_turn_any_more() -> None:
    async def test() -> None:
        limits = Limits(deciding=1, queue_of_one=4, burst_seconds=100.0, fresh_seconds=10.0, wait_seconds=1000.0)
        room, entered = Room(limits), list[str]()
        place = inside(room, "a")
        old = entering(room, ["a"] * 3, entered)
        await settled()
        loop.ahead = 99.0
        place.leave()
        place = await old[0]  # it may still be a burst
        loop.ahead = 101.0
        (young,) = entering(room, ["a"], entered)
        await settled()
        place.leave()
        (await young).leave()
        inside(room, "a").leave()
        assert room.waiting == 2
        loop.ahead = 1001.0
        for task in old[1:]:
            with pytest.raises(NoRoomError, match="wait"):
                await task
        inside(room, "a")
        assert room.waiting == 0

    loop = SetLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(test())


def test_a_queue_that_ends_for_a_moment_stands_on() -> None:
    async def test() -> None:
        room = Room(Limits(deciding=1, burst_seconds=100.0, fresh_seconds=10.0, wait_seconds=1000.0))

        async def waits(seconds: float) -> list[bool]:
            """Return which of two get a turn that have waited for so long."""
            place = inside(room, "a")
            first, last = entering(room, ["a", "a"], [])
            await settled()
            loop.ahead += seconds
            place.leave()
            await settled()
            got = [first.done(), last.done()]
            if first.done():
                first.result().leave()
            first.cancel()
            (await last).leave()
            return got

        assert await waits(101.0) == [False, True]
        assert await waits(11.0) == [False, True]
        loop.ahead += 200.0
        assert await waits(11.0) == [True, False]  # another burst

    loop = SetLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(test())


def test_the_last_of_a_queue_is_never_sent_away_from_a_free_place() -> None:
    async def test() -> None:
        room = Room(Limits(deciding=1, burst_seconds=0.0, fresh_seconds=0.0))
        place = inside(room, "a")
        (last,) = entering(room, ["a"], [])
        await asyncio.sleep(0.01)
        place.leave()
        await last

    run(test())


def test_who_comes_late_in_a_turn_of_the_event_loop_waits_for_the_next() -> None:
    async def test() -> None:
        room, entered = Room(Limits(turn_seconds=1.0)), list[str]()
        inside(room, "a").leave()
        loop.ahead = 2.0
        assert room.enter_now("a") is None
        (waiting,) = entering(room, ["a"], entered)
        (await waiting).leave()
        inside(room, "a")

    loop = SetLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(test())


def test_all_namespaces_together_are_bounded() -> None:
    async def test() -> None:
        room = Room(Limits(deciding=0, queue=3))
        entering(room, ["a", "b", "c"], [])
        await settled()
        with pytest.raises(NoRoomError, match="queue"):
            await room.enter("d")

    run(test())


def test_large_bodies_are_read_a_piece_a_turn() -> None:
    async def test() -> None:
        room, turns, read = Room(Limits()), 0, list[int]()

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async def body() -> None:
            for _ in range(3):
                await room.breathe()
                read.append(turns)

        turning = asyncio.create_task(turn())
        await asyncio.gather(*(body() for _ in range(4)))
        turning.cancel()
        assert len(set(read)) == len(read) == 12

    run(test())


def test_who_gives_up_just_as_a_place_becomes_free_breaks_nothing() -> None:
    async def test() -> None:
        room = Room(Limits(deciding=1))
        place = inside(room, "a")
        first, second = entering(room, ["a", "a"], [])
        await asyncio.sleep(0)
        place.leave()
        first.cancel()
        assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], asyncio.CancelledError)
        (await second).leave()
        await settled()
        inside(room, "a")
        assert room.waiting == 0

    run(test())


def test_who_gives_up_with_a_place_in_hand_gives_it_to_the_next() -> None:
    async def test() -> None:
        room = Room(Limits(deciding=1))
        place = inside(room, "a")
        first, second = entering(room, ["a", "a"], [])
        await settled()
        place.leave()
        first.cancel()  # the place is his now, and he has not noticed
        assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], asyncio.CancelledError)
        (await second).leave()
        inside(room, "a")

    run(test())


@pytest.mark.parametrize(
    ("fields", "namespace"),
    [
        ({}, "team-a"),
        ({"namespace": "", "object": {"metadata": {"namespace": "victim"}}}, ""),
        ({"name": '", "namespace":"victim', "namespace": "team-b"}, "team-b"),
    ],
)
def test_whose_turn_it_is_is_what_the_api_server_says(fields: dict[str, object], namespace: str) -> None:
    review = make_review(**fields)
    request = review["request"]
    as_the_api_server = {
        key: request[key] for key in ("uid", "kind", "name", "namespace", "operation", "object") if request.get(key)
    }
    for separators in ((",", ":"), (", ", ": ")):
        raw = json.dumps({**review, "request": as_the_api_server}, separators=separators).encode()
        assert asked_namespace(raw) == namespace


@pytest.mark.parametrize("raw", [b"", b"{}", b" " * 9000 + b'"namespace":"far"', b'"namespace":7'])
def test_what_names_no_namespace_has_one_turn_together(raw: bytes) -> None:
    assert asked_namespace(raw) == ""
