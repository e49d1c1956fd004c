"""Leader election: one leader at a time, whatever the clocks say."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.kube.fake_api import FakeApi, Json, fake_api, silent, until
from webhook.kube.client import ApiClient
from webhook.kube.lease import Election, LeaseName, LeasePace

NAMESPACE = "drawbridge-system"
QUICK = LeasePace(lasting=1.0, giving_up=0.6, trying=0.05)


class Candidate:
    """One process that stands for election, with a wall clock of its own."""

    def __init__(self, client: ApiClient, identity: str, *, skew: timedelta = timedelta(0)) -> None:
        self.election = Election(
            client,
            LeaseName(NAMESPACE, "drawbridge-controller", identity),
            clock=time.monotonic,
            now=lambda: datetime.now(UTC) + skew,
            random=Random(identity),
            log=silent(),
            pace=QUICK,
        )
        self.working = False
        self.terms = 0
        self.task = asyncio.create_task(self.election.run(self._work))

    async def _work(self) -> None:
        self.working = True
        self.terms += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.working = False

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def lease(api: FakeApi) -> Json:
    found: Json = api.objects["leases"][NAMESPACE, "drawbridge-controller"]["spec"]
    return found


@asynccontextmanager
async def electing(*skews: timedelta) -> AsyncIterator[tuple[FakeApi, list[Candidate]]]:
    async with fake_api("leases") as api, api.client() as client:
        candidates = [Candidate(client, f"c{number}", skew=skew) for number, skew in enumerate(skews)]
        try:
            yield api, candidates
        finally:
            for candidate in candidates:
                await candidate.stop()


def played(play: Callable[[FakeApi, list[Candidate]], Any], *skews: timedelta) -> None:
    async def run() -> None:
        async with electing(*skews) as (api, candidates):
            await play(api, candidates)

    asyncio.run(run())


NONE = timedelta(0)
HOUR = timedelta(hours=1)


def test_one_of_three_leads() -> None:
    async def play(api: FakeApi, candidates: list[Candidate]) -> None:
        await until(lambda: any(candidate.working for candidate in candidates))
        for _ in range(20):
            await asyncio.sleep(0.05)
            assert sum(candidate.working for candidate in candidates) == 1
        assert lease(api)["leaseTransitions"] == 0

    played(play, NONE, NONE, NONE)


def test_the_lease_is_released_at_the_end_and_the_next_takes_over_at_once() -> None:
    async def play(api: FakeApi, candidates: list[Candidate]) -> None:
        await until(lambda: any(candidate.working for candidate in candidates))
        leader = next(candidate for candidate in candidates if candidate.working)
        other = next(candidate for candidate in candidates if not candidate.working)
        held_by = lease(api)["holderIdentity"]
        await leader.stop()
        assert lease(api)["holderIdentity"] != held_by, "nobody waits until it has run out"
        await until(lambda: other.working)
        assert lease(api)["leaseTransitions"] == 1

    played(play, NONE, NONE)


def test_a_leader_that_vanishes_is_followed_when_its_lease_has_run_out_on_our_own_clock() -> None:
    async def run() -> None:
        async with fake_api("leases") as api, api.client() as client:
            yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
            held = {"holderIdentity": "gone", "leaseDurationSeconds": 1, "renewTime": yesterday, "leaseTransitions": 4}
            api.put("leases", "drawbridge-controller", NAMESPACE, spec=held)
            began = time.monotonic()
            late = Candidate(client, "late")
            await until(lambda: late.working)
            assert time.monotonic() - began >= 0.95
            assert lease(api)["leaseTransitions"] == 5
            await late.stop()

    asyncio.run(run())


def test_clocks_an_hour_apart_change_nothing() -> None:
    async def play(api: FakeApi, candidates: list[Candidate]) -> None:
        await until(lambda: any(candidate.working for candidate in candidates))
        for _ in range(30):
            await asyncio.sleep(0.05)
            assert sum(candidate.working for candidate in candidates) == 1
        assert sum(candidate.terms for candidate in candidates) == 1
        assert lease(api)["leaseTransitions"] == 0

    played(play, HOUR, -HOUR, NONE)


def test_a_leader_that_cannot_renew_stops_before_others_may_begin() -> None:
    async def run() -> None:
        async with fake_api("leases") as api, api.client() as client:
            leader = Candidate(client, "leader")
            await until(lambda: leader.working)
            api.fail(503, part="leases", times=10_000)
            began = time.monotonic()
            await until(lambda: not leader.working)
            assert time.monotonic() - began < QUICK.lasting
            api.faults.clear()
            await until(lambda: leader.working)
            assert leader.terms == 2
            await leader.stop()

    asyncio.run(run())


def test_a_leader_whose_lease_was_taken_stops() -> None:
    async def play(api: FakeApi, candidates: list[Candidate]) -> None:
        (leader,) = candidates
        await until(lambda: leader.working)
        api.put("leases", "drawbridge-controller", NAMESPACE, spec={**lease(api), "holderIdentity": "thief"})
        await until(lambda: not leader.working)

    played(play, NONE)


def test_work_that_fails_ends_the_candidate_and_frees_the_lease() -> None:
    async def run() -> None:
        async with fake_api("leases") as api, api.client() as client:

            async def fail() -> None:
                raise ZeroDivisionError

            name = LeaseName(NAMESPACE, "drawbridge-controller", "c")
            now: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731  # the type is the point
            election = Election(client, name, clock=time.monotonic, now=now, random=Random(1), log=silent(), pace=QUICK)
            ended = await asyncio.gather(election.run(fail), return_exceptions=True)
            assert isinstance(ended[0], ZeroDivisionError)
            assert lease(api)["holderIdentity"] == ""

    asyncio.run(run())
