"""Folding by the controller: what is stored is used, what never came is given free, and nothing is lost on the way."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from tests.kube.fake_api import FakeApi, Json, fake_api, silent, until
from webhook.kube.claims_seen import STORED_CLAIMS, ClaimsSeen
from webhook.kube.client import ApiClient
from webhook.kube.events import Events
from webhook.kube.fold import Folding, FoldPace
from webhook.kube.kinds import CLUSTER_QUOTAS, DEVICE_CLASSES, QUOTAS, SLICES, Kind
from webhook.kube.quota_telling import QuotaTelling
from webhook.kube.reflector import Pace, Reflector, Sink
from webhook.kube.view import ViewBuilder

TEAM = "team-a"
MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
FAST = Pace(backoff_floor=0.01, backoff_ceiling=0.05)
QUICK = FoldPace(reservation=0.5, gather=0.01, tick=0.05, recount=60)
KINDS = ("devicequotas", "clusterdevicequotas", "resourceclaims", "deviceclasses", "resourceslices", "events")


def put_claim(api: FakeApi, name: str, count: int = 1, namespace: str = TEAM, **status: Any) -> None:
    exactly = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": count}
    spec = {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}
    api.put("resourceclaims", name, namespace, spec=spec, status=status)


def put_quota(api: FakeApi, name: str = "gpus", hard: int = 5, generation: int = 1, **content: Any) -> None:
    spec = {"mode": "Deny", "limits": [{"name": "devices", "devices": hard}]}
    api.put("devicequotas", name, TEAM, spec=spec, metadata={"generation": generation}, **content)


def status_of(api: FakeApi, name: str = "gpus") -> Json:
    found: Json = api.objects["devicequotas"][TEAM, name].get("status", {})
    return found


def books(api: FakeApi, name: str = "gpus") -> tuple[str, str] | None:
    """Return used and reserved; None before there are books."""
    limits = status_of(api, name).get("limits")
    return (limits[0]["used"], limits[0]["reserved"]) if limits else None


def reserve(api: FakeApi, uid: str, amount: int = 1, name: str = "gpus") -> None:
    """Do what a replica does when it admits a claim."""
    status = status_of(api, name)
    limit = status["limits"][0]
    limit = {**limit, "used": str(int(limit["used"]) + amount), "reserved": str(int(limit["reserved"]) + amount)}
    held = {"uid": uid, "name": uid, "amounts": {"devices": str(amount)}, "attempts": ["a"]}
    quota = api.objects["devicequotas"][TEAM, name]
    changed = {**status, "limits": [limit], "reservations": [*status.get("reservations", ()), held]}
    api.put("devicequotas", name, TEAM, spec=quota["spec"], status=changed)


def now() -> datetime:
    return MOMENT


@asynccontextmanager
async def controlling(client: ApiClient, pace: FoldPace = QUICK) -> AsyncIterator[Folding]:
    awake = asyncio.Event()
    claims = ClaimsSeen(awake.set)
    builder = ViewBuilder()
    builder.on_publish(lambda _: awake.set())
    folding = Folding(
        client,
        claims,
        lambda: builder.view,
        telling=QuotaTelling(Events(client, now, silent()), now, silent()),
        is_exempt=lambda namespace: namespace == "kube-system",
        clock=time.monotonic,
        random=Random(1),
        log=silent(),
        pace=pace,
        awake=awake,
    )
    sinks: tuple[tuple[Kind, Sink], ...] = (
        (STORED_CLAIMS, claims),
        *((kind, builder) for kind in (QUOTAS, CLUSTER_QUOTAS, DEVICE_CLASSES, SLICES)),
    )
    reflectors = [
        Reflector(kind, client, sink, clock=time.monotonic, random=Random(1), log=silent(), pace=FAST)
        for kind, sink in sinks
    ]
    tasks = [asyncio.create_task(reflector.run()) for reflector in reflectors]
    await until(lambda: all(reflector.synced for reflector in reflectors))
    tasks.append(asyncio.create_task(folding.run()))
    try:
        yield folding
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def played(play: Callable[[FakeApi], Coroutine[Any, Any, None]], pace: FoldPace = QUICK) -> None:
    async def run() -> None:
        async with fake_api(*KINDS) as api, api.client() as client, controlling(client, pace):
            await play(api)

    asyncio.run(run())


def test_a_new_quota_gets_its_first_status_from_what_is_stored() -> None:
    async def play(api: FakeApi) -> None:
        put_claim(api, "a", 2)
        put_claim(api, "b", 1)
        put_claim(api, "c", 1, namespace="team-b")
        put_quota(api)
        await until(lambda: books(api) == ("3", "0"))
        assert status_of(api)["observedGeneration"] == 1
        assert int(status_of(api)["observedResourceVersion"]) > 0

    played(play)


def test_a_reservation_becomes_use_when_its_claim_is_seen() -> None:
    async def play(api: FakeApi) -> None:
        put_quota(api)
        await until(lambda: books(api) == ("0", "0"))
        reserve(api, "uid-a")
        assert books(api) == ("1", "1")
        put_claim(api, "a")
        await until(lambda: books(api) == ("1", "0"))
        assert status_of(api)["reservations"] == []

    played(play)


def test_a_claim_that_goes_frees_what_it_used() -> None:
    async def play(api: FakeApi) -> None:
        put_claim(api, "a", 2)
        put_quota(api)
        await until(lambda: books(api) == ("2", "0"))
        api.remove("resourceclaims", "a", TEAM)
        await until(lambda: books(api) == ("0", "0"))

    played(play)


def test_a_claim_that_came_and_went_unseen_frees_its_reservation_at_once() -> None:
    async def play(api: FakeApi) -> None:
        put_quota(api)
        await until(lambda: books(api) is not None)
        reserve(api, "uid-a")
        put_claim(api, "a")
        api.remove("resourceclaims", "a", TEAM)
        await until(lambda: books(api) == ("0", "0"), seconds=2)

    played(play, replace(QUICK, reservation=60))


def test_a_reservation_whose_claim_never_comes_ends_after_its_life_and_a_list() -> None:
    async def play(api: FakeApi) -> None:
        put_quota(api)
        await until(lambda: books(api) is not None)
        reserve(api, "uid-never")
        began, lists = time.monotonic(), api.count("GET", "resourceclaims?limit=500")
        await until(lambda: books(api) == ("0", "0"))
        assert time.monotonic() - began >= 0.45
        assert api.count("GET", "resourceclaims?limit=500") > lists

    played(play)


def test_no_reservation_ends_while_claims_cannot_be_listed() -> None:
    async def play(api: FakeApi) -> None:
        put_quota(api)
        await until(lambda: books(api) is not None)
        reserve(api, "uid-never")
        api.fail(503, part="resourceclaims?limit=500", times=3)
        asked = api.count("GET", "resourceclaims?limit=500")
        await until(lambda: api.count("GET", "resourceclaims?limit=500") >= asked + 3)
        assert books(api) == ("1", "1")
        await until(lambda: books(api) == ("0", "0"))

    played(play)


def test_a_changed_limit_is_counted_again_under_the_new_spec() -> None:
    async def play(api: FakeApi) -> None:
        put_claim(api, "a", 3)
        put_quota(api)
        await until(lambda: books(api) == ("3", "0"))
        put_quota(api, hard=1, generation=2, status=status_of(api))
        await until(lambda: status_of(api)["observedGeneration"] == 2)
        assert status_of(api)["limits"] == [{"name": "devices", "hard": "1", "used": "3", "reserved": "0"}]

    played(play)


def test_claims_of_exempt_namespaces_are_charged_to_nobody() -> None:
    async def play(api: FakeApi) -> None:
        put_claim(api, "a", 3, namespace="kube-system")
        put_claim(api, "b", 1)
        spec = {"limits": [{"name": "devices", "devices": 5}]}
        api.put("clusterdevicequotas", "all", spec=spec, metadata={"generation": 1})

        def used() -> object:
            limits = api.objects["clusterdevicequotas"]["", "all"].get("status", {}).get("limits")
            return limits and limits[0]["used"]

        await until(lambda: used() == "1")

    played(play)


def test_what_others_did_to_a_status_is_mended() -> None:
    async def play(api: FakeApi) -> None:
        put_claim(api, "a", 2)
        put_quota(api)
        await until(lambda: books(api) == ("2", "0"))
        wrong = {**status_of(api), "limits": [{"name": "devices", "hard": "5", "used": "0", "reserved": "0"}]}
        put_quota(api, status=wrong)
        await until(lambda: books(api) == ("2", "0"))

    played(play, replace(QUICK, recount=0.2))


def test_an_older_cache_never_folds_over_a_newer_one() -> None:
    async def play(api: FakeApi) -> None:
        ahead = {"observedGeneration": 1, "observedResourceVersion": "999999", "reservations": []}
        limits = [{"name": "devices", "hard": "5", "used": "4", "reserved": "0"}]
        put_quota(api, status={**ahead, "limits": limits})
        put_claim(api, "a", 1)
        await asyncio.sleep(0.3)
        assert books(api) == ("4", "0")
        api.version = 1_000_000
        put_claim(api, "b", 1)
        await until(lambda: books(api) == ("2", "0"))

    played(play)


def test_an_allocated_claim_is_charged_what_it_was_given() -> None:
    async def play(api: FakeApi) -> None:
        put_claim(api, "a", 3)
        put_quota(api)
        await until(lambda: books(api) == ("3", "0"))
        results = [{"request": "gpu", "driver": "d", "pool": "p", "device": f"gpu-{number}"} for number in range(2)]
        put_claim(api, "a", 3, allocation={"devices": {"results": results}})
        await until(lambda: books(api) == ("2", "0"))

    played(play)


@pytest.mark.parametrize("seed", range(3))
def test_two_controllers_and_replicas_at_once_end_with_the_truth(seed: int) -> None:
    async def run() -> None:
        async with fake_api(*KINDS) as api, api.client() as one, api.client() as two:
            put_quota(api, hard=1000)
            async with controlling(one), controlling(two):
                await until(lambda: books(api) is not None)
                random = Random(seed)
                stored: dict[str, int] = {}
                for number in range(60):
                    name, amount = f"c{number}", random.randint(1, 3)
                    reserve(api, f"uid-{name}", amount)
                    if random.random() < 0.7:
                        put_claim(api, name, amount)
                        stored[name] = amount
                    if stored and random.random() < 0.3:
                        gone = random.choice(sorted(stored))
                        api.remove("resourceclaims", gone, TEAM)
                        del stored[gone]
                    await asyncio.sleep(random.random() * 0.02)
                    used = books(api)
                    assert used is not None
                    assert int(used[0]) >= sum(stored.values())
                await until(lambda: books(api) == (str(sum(stored.values())), "0"))

    asyncio.run(run())


def conditions(api: FakeApi, name: str = "gpus") -> dict[str, Json]:
    return {condition["type"]: condition for condition in status_of(api, name).get("conditions", ())}


def test_a_quota_says_that_it_is_counted_and_that_its_limits_are_in_effect() -> None:
    async def play(api: FakeApi) -> None:
        put_quota(api, generation=3)
        await until(lambda: books(api) == ("0", "0"))
        assert {name: found["status"] for name, found in conditions(api).items()} == {
            "Ready": "True",
            "LimitsInEffect": "True",
            "Exceeded": "False",
        }
        assert conditions(api)["Ready"] == {
            "type": "Ready",
            "status": "True",
            "observedGeneration": 3,
            "lastTransitionTime": "2026-11-21T00:00:00Z",
            "reason": "Counted",
            "message": "what the stored claims take is counted",
        }
        assert status_of(api)["summary"] == "devices: 0/5 (0%)"

    played(play)


def test_a_limit_below_use_is_told_and_so_is_the_end_of_it() -> None:
    async def play(api: FakeApi) -> None:
        put_claim(api, "a", 3)
        put_quota(api, hard=5)
        await until(lambda: books(api) == ("3", "0"))
        put_quota(api, hard=2, generation=2, status=status_of(api))
        await until(lambda: conditions(api)["Exceeded"]["status"] == "True")
        assert conditions(api)["Exceeded"]["message"].startswith("'devices' used: 3, limited: 2; nothing is taken")
        api.remove("resourceclaims", "a", TEAM)
        await until(lambda: conditions(api)["Exceeded"]["status"] == "False")

    played(play)


def test_a_selector_that_does_not_compile_is_told_at_the_quota_that_is_stored() -> None:
    async def play(api: FakeApi) -> None:
        limit = {"name": "devices", "match": {"selector": "device.driver = 'x'"}, "devices": 5}
        spec = {"mode": "Deny", "limits": [limit]}
        api.put("devicequotas", "gpus", TEAM, spec=spec, metadata={"generation": 1})
        await until(lambda: "LimitsInEffect" in conditions(api))
        found = conditions(api)["LimitsInEffect"]
        assert (found["status"], found["reason"]) == ("False", "InvalidSelector")
        assert found["message"].startswith("spec.limits[0].match.selector: ")

    played(play)


def test_a_limit_on_a_class_that_is_not_there_says_so_until_it_comes() -> None:
    async def play(api: FakeApi) -> None:
        limit = {"name": "devices", "match": {"deviceClassName": "soon"}, "devices": 5}
        spec = {"mode": "Deny", "limits": [limit]}
        api.put("devicequotas", "gpus", TEAM, spec=spec, metadata={"generation": 1})
        await until(lambda: "LimitsInEffect" in conditions(api))
        assert conditions(api)["LimitsInEffect"]["reason"] == "LimitWithoutEffect"
        api.put("deviceclasses", "soon", spec={"selectors": []})
        await until(lambda: conditions(api)["LimitsInEffect"]["status"] == "True")

    played(play)


def test_what_somebody_else_wrote_into_the_books_is_put_right_and_told() -> None:
    async def play(api: FakeApi) -> None:
        put_claim(api, "a", 2)
        put_quota(api)
        await until(lambda: books(api) == ("2", "0"))
        before = status_of(api)
        forged = {**before, "limits": [{**before["limits"][0], "used": "0"}]}
        quota = api.objects["devicequotas"][TEAM, "gpus"]
        api.put("devicequotas", "gpus", TEAM, spec=quota["spec"], status=forged)
        put_claim(api, "b", 1)
        await until(lambda: books(api) == ("3", "0"))
        await until(lambda: bool(api.objects.get("events")))
        (event,) = api.objects["events"].values()
        assert event["reason"] == "QuotaDrift"
        assert event["involvedObject"] == {
            "apiVersion": "drawbridge.dev/v1alpha1",
            "kind": "DeviceQuota",
            "namespace": TEAM,
            "name": "gpus",
            "uid": "uid-gpus",
        }
        assert event["message"] == (
            "limit 'devices': the status says used 0, reserved 0; "
            "claims and reservations come to used 2, reserved 0; put right"
        )

    played(play)


def test_reservations_and_claims_that_come_and_go_are_no_drift() -> None:
    async def play(api: FakeApi) -> None:
        put_quota(api)
        await until(lambda: books(api) == ("0", "0"))
        reserve(api, "uid-a")
        put_claim(api, "a")
        await until(lambda: books(api) == ("1", "0"))
        reserve(api, "never")
        put_claim(api, "b")
        await until(lambda: books(api) == ("3", "1"))
        api.remove("resourceclaims", "a", TEAM)
        await until(lambda: books(api) == ("1", "0"))
        assert not api.objects.get("events")

    played(play)
