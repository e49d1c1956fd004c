"""The status of policies: whether they work, what is odd about them, and which exceptions end soon."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

from tests.kube.fake_api import FakeApi, Json, fake_api, silent, until
from webhook.core.cluster import ClusterView
from webhook.kube.client import ApiClient
from webhook.kube.policy_status import POLICY_SPECS, PolicyStatuses
from webhook.kube.reflector import Pace, Reflector

FAST = Pace(backoff_floor=0.01, backoff_ceiling=0.05)


class Clock:
    """A calendar that is turned by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 15, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def put(api: FakeApi, generation: int = 1, name: str = "p", **spec: Any) -> None:
    api.put("claimpolicies", name, spec=spec, metadata={"generation": generation})


def status(api: FakeApi, name: str = "p") -> Json:
    found: Json = api.objects["claimpolicies"]["", name].get("status", {})
    return found


def condition(api: FakeApi, kind: str) -> Json:
    return next((entry for entry in status(api).get("conditions", ()) if entry["type"] == kind), {})


@asynccontextmanager
async def leading(client: ApiClient, clock: Clock) -> AsyncIterator[None]:
    view = ClusterView(given=True)
    statuses = PolicyStatuses(client, lambda: view, clock, silent(), again_seconds=0.05)
    reflector = Reflector(
        POLICY_SPECS, client, statuses, clock=time.monotonic, random=Random(1), log=silent(), pace=FAST
    )
    tasks = [asyncio.create_task(reflector.run()), asyncio.create_task(statuses.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 20))


def test_a_policy_that_works_is_ready_and_one_that_does_not_says_why() -> None:
    async def scenario() -> None:
        async with fake_api("claimpolicies") as api, api.client() as client, leading(client, Clock()):
            put(api, validations=[{"expression": "claim.worst.devices < 4"}])
            await until(lambda: condition(api, "Ready").get("status") == "True")
            assert status(api)["observedGeneration"] == 1
            assert "typeChecking" not in status(api)
            put(api, 2, validations=[{"expression": "clam.worst.devices < 4"}])
            await until(lambda: condition(api, "Ready").get("status") == "False")
            told = condition(api, "Ready")
            assert told["reason"] == "Invalid"
            assert told["message"] == (
                "spec.validations[0].expression: there is no variable `clam`; did you mean `claim`?"
            )
            assert told["observedGeneration"] == 2

    run(scenario())


def test_what_is_odd_is_told_as_validating_admission_policies_tell_it() -> None:
    async def scenario() -> None:
        async with fake_api("claimpolicies") as api, api.client() as client, leading(client, Clock()):
            put(api, validations=[{"expression": "claim.matching.devices > 0"}])
            await until(lambda: "typeChecking" in status(api))
            [warning] = status(api)["typeChecking"]["expressionWarnings"]
            assert warning["fieldRef"] == "spec.validations[0].expression"
            assert "may be absent" in warning["warning"]
            assert condition(api, "Ready")["status"] == "True"

    run(scenario())


def test_an_exception_is_told_of_two_weeks_before_it_ends_though_nothing_changes() -> None:
    async def scenario() -> None:
        clock = Clock()
        async with fake_api("claimpolicies") as api, api.client() as client, leading(client, clock):
            exceptions = [{"namespaces": ["lab"], "until": "2026-07-01", "reason": "x"}]
            put(api, validations=[{"expression": "true"}], exceptions=exceptions)
            await until(lambda: condition(api, "ExceptionsEnding").get("status") == "False")
            clock.now = datetime(2026, 6, 18, tzinfo=UTC)
            await until(lambda: condition(api, "ExceptionsEnding").get("status") == "True")
            assert "2026-07-01" in condition(api, "ExceptionsEnding")["message"]
            clock.now = datetime(2026, 7, 2, tzinfo=UTC)
            await until(lambda: condition(api, "ExceptionsEnding").get("status") == "False")
            [warning] = status(api)["typeChecking"]["expressionWarnings"]
            assert "ended on 2026-07-01" in warning["warning"]

    run(scenario())
