"""Who comes in: namespaces take turns, few reviews of one compute at once, and who gives up leaves no hole."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace

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
        room = Room(Limits(deciding=1, turn_seconds=1e6))
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
        room = Room(Limits(computing=2, turn_seconds=1e6))
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
        room = Room(Limits(deciding=3, computing_in_all=2, turn_seconds=1e6))
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
        room, work, entered = Room(Limits(computing=1, turn_seconds=1e6)), Work(1), list[str]()
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
        room, work = Room(Limits(computing=1, turn_seconds=1e6)), Work(1)
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


CALM = Limits(deciding=1, turn_seconds=1e6, burst_seconds=100.0, fresh_seconds=10.0, wait_seconds=1000.0)


async def who_gets_a_turn(room: Room, loop: SetLoop, seconds: float) -> list[bool]:
    """Return which of two that have waited for so long get a turn when a place becomes free."""
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
    await settled()
    return got


def with_set_clock(test: Callable[[SetLoop], Coroutine[None, None, None]]) -> None:
    loop = SetLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(test(loop))


def test_who_comes_too_late_gets_no_turn_once_turns_have_been_late_for_longer_than_a_burst() -> None:
    async def test(loop: SetLoop) -> None:
        room = Room(CALM)
        turns = [await who_gets_a_turn(room, loop, 40.0) for _ in range(5)]
        assert turns == [[True, False]] * 3 + [[False, True]] * 2
        assert room.waiting == 0

    with_set_clock(test)


def test_who_was_passed_over_hears_of_it_when_his_time_is_over_and_is_in_nobodys_way() -> None:
    async def test(loop: SetLoop) -> None:
        room = Room(replace(CALM, burst_seconds=-1.0, queue=2))
        place = inside(room, "a")
        first, last = entering(room, ["a", "a"], [])
        await settled()
        loop.ahead += 11.0
        place.leave()
        (await last).leave()
        assert room.waiting == 0
        assert not first.done()
        loop.ahead += 1000.0
        with pytest.raises(NoRoomError, match="wait"):
            await first
        inside(room, "a")

    with_set_clock(test)


def test_places_that_were_held_for_long_are_no_overload() -> None:
    async def test(loop: SetLoop) -> None:
        room = Room(CALM)
        assert await who_gets_a_turn(room, loop, 500.0) == [True, False]

    with_set_clock(test)


def test_after_a_while_without_late_turns_there_may_be_another_burst() -> None:
    async def test(loop: SetLoop) -> None:
        room = Room(CALM)
        for _ in range(4):
            await who_gets_a_turn(room, loop, 40.0)
        for _ in range(230):
            assert await who_gets_a_turn(room, loop, 5.0) == [True, False]
        assert await who_gets_a_turn(room, loop, 40.0) == [True, False]

    with_set_clock(test)


def test_the_last_of_a_queue_is_never_passed_over() -> None:
    async def test(loop: SetLoop) -> None:
        room = Room(replace(CALM, burst_seconds=-1.0))
        place = inside(room, "a")
        (last,) = entering(room, ["a"], [])
        await settled()
        loop.ahead += 50.0
        place.leave()
        await last

    with_set_clock(test)


def test_who_comes_late_in_a_turn_of_the_event_loop_waits_for_the_next() -> None:
    async def test(loop: SetLoop) -> None:
        room, entered = Room(replace(CALM, turn_seconds=1000.0)), list[str]()
        inside(room, "a").leave()
        loop.ahead = 2000.0
        assert room.enter_now("a") is None
        (waiting,) = entering(room, ["a"], entered)
        (await waiting).leave()
        inside(room, "a")

    with_set_clock(test)


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
        room = Room(Limits(deciding=1, turn_seconds=1e6))
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
        room = Room(Limits(deciding=1, turn_seconds=1e6))
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
