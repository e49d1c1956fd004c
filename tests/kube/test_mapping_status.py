"""The status of mappings: the spec before the last change, whoever watched it come, and who fights whom."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

from tests.kube.fake_api import FakeApi, Json, fake_api, silent, until
from webhook.core.cluster import ClusterView, Namespace
from webhook.kube.client import ApiClient
from webhook.kube.mapping_status import MAPPING_SPECS, MappingStatuses
from webhook.kube.reflector import Pace, Reflector

GPU = {"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}
NAMESPACES = {"team-a": Namespace("team-a", {"team": "a"})}
FAST = Pace(backoff_floor=0.01, backoff_ceiling=0.05)


def put_mapping(api: FakeApi, spec: Json, generation: int, name: str = "m") -> None:
    known = api.objects["legacymappings"].get(("", name), {})
    status = {"status": known["status"]} if "status" in known else {}
    api.put("legacymappings", name, spec=spec, metadata={"generation": generation}, **status)


def status(api: FakeApi, name: str = "m") -> Json:
    """Return a mapping's status but for its conditions."""
    found: Json = api.objects["legacymappings"]["", name].get("status", {})
    return {key: value for key, value in found.items() if key != "conditions"}


def condition(api: FakeApi, kind: str, name: str = "m") -> Json:
    found = api.objects["legacymappings"]["", name].get("status", {}).get("conditions", [])
    return next((entry for entry in found if entry["type"] == kind), {})


def standing(api: FakeApi, name: str) -> tuple[str, str]:
    """Return the status of the conditions Ready and Conflict."""
    return condition(api, "Ready", name).get("status", ""), condition(api, "Conflict", name).get("status", "")


@asynccontextmanager
async def watching(client: ApiClient) -> AsyncIterator[MappingStatuses]:
    """Remember mappings without leading."""
    view = ClusterView(given=True, namespaces=NAMESPACES)
    moments = iter(datetime(2026, 11, 21, hour, minute, tzinfo=UTC) for hour in range(24) for minute in range(60))
    statuses = MappingStatuses(client, lambda: view, lambda: next(moments), silent(), again_seconds=0.05)
    reflector = Reflector(
        MAPPING_SPECS, client, statuses, clock=time.monotonic, random=Random(1), log=silent(), pace=FAST
    )
    task = asyncio.create_task(reflector.run())
    await until(lambda: reflector.synced)
    try:
        yield statuses
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def played(play: Callable[[FakeApi, MappingStatuses], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with fake_api("legacymappings") as api, api.client() as client, watching(client) as statuses:
            await play(api, statuses)

    asyncio.run(run())


@asynccontextmanager
async def leading(statuses: MappingStatuses) -> AsyncIterator[None]:
    task = asyncio.create_task(statuses.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_new_mapping_is_observed_and_has_no_previous() -> None:
    async def play(api: FakeApi, statuses: MappingStatuses) -> None:
        async with leading(statuses):
            put_mapping(api, {"mode": "Report"}, 1)
            await until(lambda: status(api) == {"observedGeneration": 1})

    played(play)


def test_a_change_records_the_spec_before_it() -> None:
    async def play(api: FakeApi, statuses: MappingStatuses) -> None:
        async with leading(statuses):
            put_mapping(api, {"mode": "Report"}, 1)
            await until(lambda: status(api).get("observedGeneration") == 1)
            put_mapping(api, {"mode": "Rewrite"}, 2)
            await until(lambda: status(api) == {"observedGeneration": 2, "previous": {"mode": "Report"}})
            put_mapping(api, {"mode": "Deny"}, 3)
            await until(lambda: status(api) == {"observedGeneration": 3, "previous": {"mode": "Rewrite"}})

    played(play)


def test_one_that_only_watched_a_change_writes_it_when_it_leads() -> None:
    async def play(api: FakeApi, statuses: MappingStatuses) -> None:
        put_mapping(api, {"mode": "Report"}, 1)
        put_mapping(api, {"mode": "Rewrite"}, 2)
        await until(lambda: statuses.count(MAPPING_SPECS) == 1)
        await asyncio.sleep(0.05)
        async with leading(statuses):
            await until(lambda: status(api) == {"observedGeneration": 2, "previous": {"mode": "Report"}})

    played(play)


def test_what_another_controller_has_written_is_left() -> None:
    async def play(api: FakeApi, statuses: MappingStatuses) -> None:
        put_mapping(api, {"mode": "Report"}, 1)
        put_mapping(api, {"mode": "Rewrite"}, 2)
        written = {"observedGeneration": 2, "previous": {"mode": "Off"}}
        api.put("legacymappings", "m", spec={"mode": "Rewrite"}, metadata={"generation": 2}, status=written)
        await until(lambda: statuses.count(MAPPING_SPECS) == 1)
        async with leading(statuses):
            await asyncio.sleep(0.2)
            assert status(api) == written

    played(play)


def test_a_status_that_cannot_be_written_is_tried_again() -> None:
    async def play(api: FakeApi, statuses: MappingStatuses) -> None:
        api.fail(503, method="PUT", times=2)
        async with leading(statuses):
            put_mapping(api, {"mode": "Report"}, 1)
            await until(lambda: status(api) == {"observedGeneration": 1})

    played(play)


def test_a_mapping_that_serves_is_ready() -> None:
    async def play(api: FakeApi, statuses: MappingStatuses) -> None:
        async with leading(statuses):
            put_mapping(api, {"resources": [GPU]}, 7)
            await until(lambda: standing(api, "m") == ("True", "False"))
            assert condition(api, "Ready")["observedGeneration"] == 7

    played(play)


def test_two_that_fight_both_say_so_until_a_priority_decides() -> None:
    async def play(api: FakeApi, statuses: MappingStatuses) -> None:
        async with leading(statuses):
            put_mapping(api, {"resources": [GPU]}, 1)
            await until(lambda: standing(api, "m") == ("True", "False"))
            since = condition(api, "Ready")["lastTransitionTime"]
            put_mapping(api, {"resources": [GPU]}, 1, "other")
            await until(lambda: standing(api, "m") == standing(api, "other") == ("False", "True"))
            assert condition(api, "Ready")["reason"] == "Conflict"
            assert condition(api, "Ready")["lastTransitionTime"] > since
            assert condition(api, "Conflict")["message"] == (
                "spec.resources[0]: mapping 'other' serves 'nvidia.com/gpu' with the same priority 0;"
                " give one of them a higher `priority`, or namespace selectors that do not meet"
            )
            put_mapping(api, {"resources": [GPU], "priority": 1}, 2, "other")
            await until(lambda: standing(api, "m") == standing(api, "other") == ("True", "False"))
            api.remove("legacymappings", "other")

    played(play)


def test_a_mapping_that_cannot_be_used_is_not_ready_and_says_why() -> None:
    async def play(api: FakeApi, statuses: MappingStatuses) -> None:
        async with leading(statuses):
            put_mapping(api, {"resources": [{**GPU, "selector": "device.driver ="}]}, 1)
            await until(lambda: standing(api, "m") == ("False", "False"))
            assert condition(api, "Ready")["reason"] == "Invalid"
            assert condition(api, "Ready")["message"].startswith("spec.resources[0].selector: ")

    played(play)


def test_conditions_of_others_and_the_time_of_the_last_change_are_kept() -> None:
    async def play(api: FakeApi, statuses: MappingStatuses) -> None:
        foreign = {"type": "Reviewed", "status": "True", "reason": "ByHand", "message": "", "lastTransitionTime": "x"}
        ours = {"type": "Ready", "status": "True", "reason": "Valid", "message": "", "lastTransitionTime": "y"}
        written = {"observedGeneration": 1, "conditions": [foreign, ours]}
        api.put("legacymappings", "m", spec={"resources": [GPU]}, metadata={"generation": 2}, status=written)
        async with leading(statuses):
            await until(lambda: status(api) == {"observedGeneration": 2})
            assert condition(api, "Reviewed") == foreign
            assert condition(api, "Ready")["lastTransitionTime"] == "y"
            assert condition(api, "Ready")["observedGeneration"] == 2
            writes = api.count("PUT", "legacymappings")
            await asyncio.sleep(0.3)
            assert api.count("PUT", "legacymappings") == writes

    played(play)
