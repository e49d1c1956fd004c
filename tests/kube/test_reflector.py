"""The reflector against an API server that fails when told to (operations.md FM-44 to FM-47)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any

import pytest

from tests.kube.fake_api import Copy, FakeApi, fake_api, silent, status, until
from webhook.core.raw import RawObject, Reader
from webhook.kube.client import ApiClient
from webhook.kube.kinds import DEVICE_CLASSES, Key
from webhook.kube.reflector import Backoff, Pace, Reflector, State

CLASSES = "deviceclasses"
FAST = Pace(page=2, watch=60, silence=5.0, backoff_floor=0.01, backoff_ceiling=0.05)


@dataclass
class Running:
    api: FakeApi
    reflector: Reflector
    copy: Copy

    def names(self) -> set[Key]:
        return set(self.copy.objects)

    def watching(self) -> bool:
        return bool(self.api.watches)


@asynccontextmanager
async def reflecting(api: FakeApi, client: ApiClient, pace: Pace = FAST) -> AsyncIterator[Running]:
    copy = Copy()
    reflector = Reflector(DEVICE_CLASSES, client, copy, clock=time.monotonic, random=Random(1), log=silent(), pace=pace)
    task = asyncio.create_task(reflector.run())
    try:
        yield Running(api, reflector, copy)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def played(play: Callable[[Running], Coroutine[Any, Any, None]], pace: Pace = FAST, *, objects: int = 5) -> None:
    """Run a play on a reflector of a cluster with so many classes."""

    async def run() -> None:
        async with fake_api(CLASSES) as api:
            for number in range(objects):
                api.put(CLASSES, f"c{number}", spec={})
            async with api.client() as client, reflecting(api, client, pace) as running:
                await play(running)

    asyncio.run(run())


def test_all_pages_of_a_list_are_read_and_then_watched() -> None:
    async def play(running: Running) -> None:
        await until(running.watching)
        assert running.names() == {"c0", "c1", "c2", "c3", "c4"}
        assert running.api.count("GET", "limit=2") == 3
        running.api.put(CLASSES, "c9", spec={})
        running.api.remove(CLASSES, "c0")
        await until(lambda: running.names() == {"c1", "c2", "c3", "c4", "c9"})
        assert running.reflector.objects == 5
        assert running.reflector.synced
        assert not running.reflector.relists

    played(play)


def test_an_ended_watch_goes_on_from_where_it_was_without_a_relist() -> None:
    async def play(running: Running) -> None:
        await until(running.watching)
        running.api.put(CLASSES, "seen", spec={})
        await until(lambda: "seen" in running.names())
        running.api.end_watches()
        running.api.put(CLASSES, "between", spec={})
        await until(lambda: "between" in running.names())
        assert running.copy.lists == 1

    played(play)


def test_bookmarks_carry_the_resource_version_forward() -> None:
    async def play(running: Running) -> None:
        await until(running.watching)
        running.api.bookmark(CLASSES)
        await until(lambda: running.copy.version == str(running.api.version))
        running.api.compact()
        running.api.end_watches()
        running.api.put(CLASSES, "later", spec={})
        await until(lambda: "later" in running.names())
        assert running.copy.lists == 1

    played(play)


def test_fm_47_a_version_that_has_expired_is_relisted_once() -> None:
    async def play(running: Running) -> None:
        await until(running.watching)
        running.api.version += 1
        running.api.compact()
        del running.api.objects[CLASSES]["", "c0"]
        running.api.end_watches()
        await until(lambda: running.copy.lists == 2)
        assert running.names() == {"c1", "c2", "c3", "c4"}
        assert running.reflector.relists == {"expired": 1}

    played(play)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"{not json\n", "garbled", id="a line that is not JSON"),
        pytest.param(b'{"type": "ADDED", "object": 3}\n', "garbled", id="an event without an object"),
        pytest.param(b'{"type": "ADDED", "object": {}}\n', "garbled", id="an object without a resourceVersion"),
        pytest.param(b'{"type": "ERROR", "object": {"code": 410}}\n', "expired", id="410 in the middle of a watch"),
        pytest.param(b'{"type": "ERROR", "object": {"code": 403}}\n', "refused", id="403 in the middle of a watch"),
    ],
)
def test_what_cannot_be_gone_on_from_is_relisted(line: bytes, reason: str) -> None:
    async def play(running: Running) -> None:
        await until(running.watching)
        running.api.say(CLASSES, line)
        await until(lambda: running.copy.lists == 2)
        assert running.reflector.relists == {reason: 1}

    played(play)


def test_an_overloaded_server_is_asked_again_without_a_relist() -> None:
    async def play(running: Running) -> None:
        await until(running.watching)
        running.api.fail(429, part="watch=true", times=3)
        running.api.end_watches()
        await until(lambda: not running.watching())
        running.api.put(CLASSES, "new", spec={})
        await until(lambda: "new" in running.names())
        assert running.copy.lists == 1

    played(play)


def test_a_kind_that_is_not_served_is_empty_and_looked_for_again() -> None:
    async def play(running: Running) -> None:
        running.api.served = {"v1alpha9"}
        await until(lambda: running.reflector.synced)
        assert running.names() == set()
        began, before = time.monotonic(), running.reflector.attempts
        await until(lambda: running.reflector.attempts > before + 1)
        # An answer is no silence: DeviceTaintRules are served nowhere unless somebody turns them on.
        assert running.reflector.last_event_age() <= time.monotonic() - began
        running.api.served = {"v1beta1"}
        await until(lambda: running.names() == {"c0", "c1", "c2", "c3", "c4"})
        assert running.api.count("GET", "/v1beta1/deviceclasses?limit") > 0

    async def run() -> None:
        async with fake_api(CLASSES) as api:
            api.served = {"v1alpha9"}
            for number in range(5):
                api.put(CLASSES, f"c{number}", spec={})
            async with api.client() as client, reflecting(api, client) as running:
                await play(running)

    asyncio.run(run())


def test_fm_44_a_list_that_is_refused_is_never_taken_for_synced() -> None:
    async def run() -> None:
        async with fake_api(CLASSES) as api:
            api.fail(403, part=CLASSES, times=3)
            async with api.client() as client, reflecting(api, client) as running:
                await until(lambda: running.reflector.attempts >= 3)
                assert not running.reflector.synced
                await until(lambda: running.reflector.synced)

    asyncio.run(run())


def test_fm_45_a_silent_connection_is_given_up() -> None:
    async def play(running: Running) -> None:
        await until(running.watching)
        before = running.reflector.attempts
        await until(lambda: running.reflector.attempts > before + 1, seconds=3)
        assert running.copy.lists == 1

    played(play, Pace(silence=0.2, backoff_floor=0.01, backoff_ceiling=0.05))


def test_fm_46_a_server_that_is_down_is_not_hammered_and_found_again() -> None:
    async def play(running: Running) -> None:
        await until(running.watching)
        await running.api.stop()
        before = running.reflector.attempts
        await asyncio.sleep(0.6)
        assert running.reflector.attempts - before <= 20
        running.api.put(CLASSES, "while-away", spec={})
        await running.api.start()
        await until(lambda: "while-away" in running.names())
        assert running.reflector.last_event_age() < 1.0
        assert running.copy.lists == 1

    played(play, Pace(backoff_floor=0.05, backoff_ceiling=0.3))


def test_fm_46_pauses_grow_to_the_ceiling_and_differ() -> None:
    backoff = Backoff(0.8, 30.0, Random(7))
    pauses = [backoff.pause() for _ in range(40)]
    assert all(0.8 <= pause <= 30.0 for pause in pauses)
    assert len(set(pauses)) > 20
    minute = 0.0
    attempts = 0
    backoff.reset()
    while minute < 60:
        minute += backoff.pause()
        attempts += 1
    assert attempts <= 20


def test_lists_let_others_run_while_they_project() -> None:
    """By a clock on which each object takes two milliseconds: how busy the machine is does not matter."""
    milliseconds = count(step=2)
    kept = 0

    def keep(raw: RawObject, reader: Reader) -> object:
        nonlocal kept
        kept += 1
        return DEVICE_CLASSES.keep(raw, reader)

    async def run() -> None:
        async with fake_api(CLASSES) as api, api.client() as client:
            for number in range(300):
                api.put(CLASSES, f"c{number}", spec={})
            copy = Copy()
            reflector = Reflector(
                replace(DEVICE_CLASSES, keep=keep),
                client,
                copy,
                clock=lambda: next(milliseconds) / 1000,
                random=Random(1),
                log=silent(),
                pace=replace(FAST, page=300),
            )
            task = asyncio.create_task(reflector.run())
            most = before = 0
            while not reflector.synced:
                await asyncio.sleep(0)
                most, before = max(most, kept - before), kept
            task.cancel()
            assert len(copy.objects) == 300
            assert most <= 5

    asyncio.run(run())


def test_cancelling_closes_the_watch() -> None:
    async def run() -> None:
        async with fake_api(CLASSES) as api, api.client() as client:
            async with reflecting(api, client) as running:
                await until(running.watching)
                assert running.reflector.state is State.WATCHING
            await until(lambda: not api.watches or _ended(api))

    def _ended(api: FakeApi) -> bool:
        api.end_watches()
        return not api.watches

    asyncio.run(run())


def test_an_expired_continuation_begins_the_list_again() -> None:
    async def run() -> None:
        async with fake_api(CLASSES) as api:
            for number in range(5):
                api.put(CLASSES, f"c{number}", spec={})
            api.faults.append(_once(lambda path: "continue=2" in path, status(410, "Expired")))
            async with api.client() as client, reflecting(api, client) as running:
                await until(lambda: running.reflector.synced)
                assert len(running.names()) == 5

    asyncio.run(run())


def _once(matches: Callable[[str], bool], answer: dict[str, Any]) -> Callable[[Any], dict[str, Any] | None]:
    left = [answer]

    def fault(request: Any) -> dict[str, Any] | None:
        return left.pop() if left and matches(request.path_qs) else None

    return fault
