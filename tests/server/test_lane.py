"""Long calls take turns and let short reviews pass; nobody waits for longer than his own time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from webhook.server import lane as lane_module
from webhook.server.lane import Lane

LONG = 20.0


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def compute_until_told(lane: Lane) -> None:
    """Look as a call does, until it had to wait once."""
    while not lane.give_way(LONG):
        pass


class Holder:
    """A long call whose turn it is until `end`."""

    def __init__(self, lane: Lane, pool: ThreadPoolExecutor) -> None:
        self._has, self._over = threading.Event(), threading.Event()
        self._call = pool.submit(self._hold, lane)
        assert self._has.wait(LONG)

    def _hold(self, lane: Lane) -> None:
        with lane.call():
            compute_until_told(lane)
            self._has.set()
            assert self._over.wait(LONG)

    @property
    def has_turn(self) -> bool:
        return not self._call.done()

    def end(self) -> None:
        self._over.set()
        self._call.result()


def test_what_is_no_call_of_a_thread_never_waits(pool: ThreadPoolExecutor) -> None:
    lane = Lane()
    holder = Holder(lane, pool)
    until = monotonic() + 0.02
    while monotonic() < until:
        assert not lane.give_way(LONG)
    holder.end()


def test_one_long_call_computes_at_a_time_and_each_has_its_turn(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "_TURN_SECONDS", 0.0)
    lane, start, all_had = Lane(), threading.Barrier(3), threading.Event()
    turns: list[int] = []
    passed: list[int] = []

    def call(number: int) -> None:
        with lane.call():
            start.wait(LONG)
            compute_until_told(lane)
            until = monotonic() + LONG
            while not all_had.is_set() and monotonic() < until:
                turns.append(number)
                while not lane.give_way(LONG):
                    if turns[-1] != number:
                        passed.append(number)
                if len(set(turns)) == 3:
                    all_had.set()

    for done in [pool.submit(call, number) for number in range(3)]:
        done.result()
    assert not passed
    assert all_had.is_set()


def test_a_turn_lasts_for_more_than_one_look(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "_TURN_SECONDS", LONG)
    lane = Lane()
    ended = threading.Event()

    def other() -> bool:
        with lane.call():
            compute_until_told(lane)
            return ended.is_set()

    with lane.call():
        compute_until_told(lane)
        waiting = pool.submit(other)
        for _ in range(20):
            compute_until_told(lane)
        ended.set()
    assert waiting.result()


def test_a_long_call_lets_short_reviews_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "_MOST_PASSING_SECONDS", LONG)
    computing = [3, 3, 2, 1]
    lane = Lane(lambda: computing.pop(0))
    with lane.call():
        compute_until_told(lane)
    assert not computing


def test_a_long_call_goes_on_where_short_reviews_never_end() -> None:
    looks = 0

    def computing() -> int:
        nonlocal looks
        looks += 1
        return 2

    lane = Lane(computing)
    with lane.call():
        compute_until_told(lane)
        compute_until_told(lane)
    assert looks > 2


def test_who_waits_for_a_turn_waits_no_longer_than_he_has_time(pool: ThreadPoolExecutor) -> None:
    lane = Lane()
    holder = Holder(lane, pool)
    with lane.call():
        while not lane.give_way(0.01):
            pass
        assert holder.has_turn
    holder.end()


def test_a_call_that_has_ended_is_in_nobodys_way() -> None:
    lane = Lane()
    for _ in range(2):
        with lane.call():
            compute_until_told(lane)
        assert not lane._turns
