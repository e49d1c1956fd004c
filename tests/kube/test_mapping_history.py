"""The history of mappings: `status.previous` is the spec before the last change, whoever watched it come."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from tests.kube.fake_api import FakeApi, Json, fake_api, silent, until
from webhook.kube.client import ApiClient
from webhook.kube.mapping_history import MAPPING_SPECS, MappingHistory
from webhook.kube.reflector import Pace, Reflector

FAST = Pace(backoff_floor=0.01, backoff_ceiling=0.05)


def put_mapping(api: FakeApi, spec: Json, generation: int) -> None:
    known = api.objects["legacymappings"].get(("", "m"), {})
    status = {"status": known["status"]} if "status" in known else {}
    api.put("legacymappings", "m", spec=spec, metadata={"generation": generation}, **status)


def status(api: FakeApi) -> Json:
    found: Json = api.objects["legacymappings"]["", "m"].get("status", {})
    return found


@asynccontextmanager
async def watching(client: ApiClient) -> AsyncIterator[MappingHistory]:
    """Remember mappings without leading."""
    history = MappingHistory(client, silent(), again_seconds=0.05)
    reflector = Reflector(
        MAPPING_SPECS, client, history, clock=time.monotonic, random=Random(1), log=silent(), pace=FAST
    )
    task = asyncio.create_task(reflector.run())
    await until(lambda: reflector.synced)
    try:
        yield history
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def played(play: Callable[[FakeApi, MappingHistory], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with fake_api("legacymappings") as api, api.client() as client, watching(client) as history:
            await play(api, history)

    asyncio.run(run())


@asynccontextmanager
async def leading(history: MappingHistory) -> AsyncIterator[None]:
    task = asyncio.create_task(history.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_new_mapping_is_observed_and_has_no_previous() -> None:
    async def play(api: FakeApi, history: MappingHistory) -> None:
        async with leading(history):
            put_mapping(api, {"mode": "Report"}, 1)
            await until(lambda: status(api) == {"observedGeneration": 1})

    played(play)


def test_a_change_records_the_spec_before_it() -> None:
    async def play(api: FakeApi, history: MappingHistory) -> None:
        async with leading(history):
            put_mapping(api, {"mode": "Report"}, 1)
            await until(lambda: status(api).get("observedGeneration") == 1)
            put_mapping(api, {"mode": "Rewrite"}, 2)
            await until(lambda: status(api) == {"observedGeneration": 2, "previous": {"mode": "Report"}})
            put_mapping(api, {"mode": "Deny"}, 3)
            await until(lambda: status(api) == {"observedGeneration": 3, "previous": {"mode": "Rewrite"}})

    played(play)


def test_one_that_only_watched_a_change_writes_it_when_it_leads() -> None:
    async def play(api: FakeApi, history: MappingHistory) -> None:
        put_mapping(api, {"mode": "Report"}, 1)
        put_mapping(api, {"mode": "Rewrite"}, 2)
        await until(lambda: history.count(MAPPING_SPECS) == 1)
        await asyncio.sleep(0.05)
        async with leading(history):
            await until(lambda: status(api) == {"observedGeneration": 2, "previous": {"mode": "Report"}})

    played(play)


def test_what_another_controller_has_written_is_left() -> None:
    async def play(api: FakeApi, history: MappingHistory) -> None:
        put_mapping(api, {"mode": "Report"}, 1)
        put_mapping(api, {"mode": "Rewrite"}, 2)
        written = {"observedGeneration": 2, "previous": {"mode": "Off"}}
        api.put("legacymappings", "m", spec={"mode": "Rewrite"}, metadata={"generation": 2}, status=written)
        await until(lambda: history.count(MAPPING_SPECS) == 1)
        async with leading(history):
            await asyncio.sleep(0.2)
            assert status(api) == written

    played(play)


def test_a_status_that_cannot_be_written_is_tried_again() -> None:
    async def play(api: FakeApi, history: MappingHistory) -> None:
        api.fail(503, method="PUT", times=2)
        async with leading(history):
            put_mapping(api, {"mode": "Report"}, 1)
            await until(lambda: status(api) == {"observedGeneration": 1})

    played(play)
