"""The ledger in `DeviceQuota.status`, by several replicas against one API server that can fail."""

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import count
from random import Random
from typing import Any

import pytest
from aiohttp import web

from tests.kube.fake_api import FakeApi, Json, fake_api, silent, until
from webhook.core.errors import ClusterUnavailableError
from webhook.core.quotas import DeviceQuota, parse_quota
from webhook.kube.books import Books, Patience
from webhook.kube.client import ApiClient
from webhook.kube.ledger import KubeLedger, LedgerSettings
from webhook.kube.ledgers import Charge, Charged, Refused, Wanted
from webhook.quota.ledger import Admitted, Outcome

QUOTAS = "devicequotas"
TEAM = "team-a"
DEFAULTS = LedgerSettings()


def put_quota(api: FakeApi, name: str = "gpus", *, hard: int = 5, mode: str = "Deny", used: int = 0) -> DeviceQuota:
    spec = {"mode": mode, "limits": [{"name": "devices", "devices": hard}]}
    limits = [{"name": "devices", "hard": str(hard), "used": str(used), "reserved": "0"}]
    status = {"observedGeneration": 1, "observedResourceVersion": "1", "limits": limits, "reservations": []}
    return parse_quota(api.put(QUOTAS, name, TEAM, spec=spec, status=status, metadata={"generation": 1}))


def wanted(uid: str, *quotas: DeviceQuota, amount: int = 1) -> Wanted:
    charges = tuple(Charge(quota, {"devices": Fraction(amount)}) for quota in quotas)
    return Wanted(uid, TEAM, f"claim-{uid}", charges)


def status_of(api: FakeApi, name: str = "gpus") -> Json:
    found: Json = api.objects[QUOTAS][TEAM, name]["status"]
    return found


def used(api: FakeApi, name: str = "gpus") -> int:
    return int(status_of(api, name)["limits"][0]["used"])


def make_ledger(client: ApiClient, settings: LedgerSettings = DEFAULTS, seed: int = 1) -> KubeLedger:
    numbers = count()
    return KubeLedger(
        client,
        new_attempt=lambda: f"{seed}-{next(numbers)}",
        now=lambda: datetime(2026, 11, 21, tzinfo=UTC),
        random=Random(seed),
        log=silent(),
        settings=settings,
    )


async def ask(
    ledger: KubeLedger, claim: Wanted, *, dry_run: bool = False, seconds: float = 5.0
) -> Charged | Refused | None:
    """Return the ledger's verdict; None where it cannot give one."""
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        return await ledger.admit(claim, dry_run=dry_run, deadline=deadline)
    except ClusterUnavailableError:
        return None


Play = Callable[[FakeApi, KubeLedger], Coroutine[Any, Any, None]]


def played(play: Play, settings: LedgerSettings = DEFAULTS) -> None:
    async def run() -> None:
        async with fake_api(QUOTAS) as api, api.client() as client:
            ledger = make_ledger(client, settings)
            await play(api, ledger)
            await ledger.close()

    asyncio.run(run())


def test_a_claim_that_fits_is_reserved() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api)
        verdict = await ask(ledger, wanted("u1", quota, amount=2))
        assert isinstance(verdict, Charged)
        assert verdict.quotas[0].standings[0].requested == 2
        assert status_of(api)["limits"] == [{"name": "devices", "hard": "5", "used": "2", "reserved": "2"}]
        (reservation,) = status_of(api)["reservations"]
        assert reservation == {
            "uid": "u1",
            "name": "claim-u1",
            "amounts": {"devices": "2"},
            "attempts": ["1-0"],
            "expires": "2026-11-21T00:01:30Z",
        }

    played(play)


def test_a_claim_at_the_limit_is_admitted_and_the_next_one_refused() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=2)
        assert isinstance(await ask(ledger, wanted("u1", quota, amount=2)), Charged)
        verdict = await ask(ledger, wanted("u2", quota))
        assert isinstance(verdict, Refused)
        (standing,) = verdict.quotas[0].standings
        assert [int(number) for number in (standing.requested, standing.used, standing.hard)] == [1, 2, 2]
        assert used(api) == 2

    played(play)


@pytest.mark.parametrize(("mode", "binding"), [("Deny", False), ("Warn", True), ("Audit", True)])
def test_a_claim_that_is_admitted_over_the_limit_is_charged(mode: str, binding: bool) -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=2, mode=mode)
        asked = wanted("u1", quota, amount=3)
        (charge,) = asked.charges
        verdict = await ask(ledger, replace(asked, charges=(replace(charge, binding=binding),)))
        assert isinstance(verdict, Charged)
        assert not verdict.quotas[0].standings[0].fits
        assert used(api) == 3
        assert isinstance(await ask(ledger, wanted("u2", quota)), Refused if mode == "Deny" else Charged)

    played(play)


def test_admissions_that_wait_share_a_write() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=100)
        verdicts = await asyncio.gather(*(ask(ledger, wanted(f"u{number}", quota)) for number in range(60)))
        assert all(isinstance(verdict, Charged) for verdict in verdicts)
        assert used(api) == 60
        assert api.count("PUT", "/status") <= 3

    played(play)


def test_those_who_are_answered_together_share_the_next_write_too() -> None:
    """One begins at once, and the others a moment later: they must not fall into two groups for good."""

    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=1_000)
        api.before_write = lambda _: time.sleep(0.02)

        async def user(number: int) -> None:
            for turn in range(10):
                await asyncio.sleep(0.002 * (number % 3))
                assert isinstance(await ask(ledger, wanted(f"u{number}-{turn}", quota)), Charged)

        await asyncio.gather(*map(user, range(12)))
        assert used(api) == 120
        assert api.count("PUT", "/status") <= 15

    played(play)


@pytest.mark.parametrize("seed", range(5))
def test_two_replicas_never_admit_more_than_the_limit(seed: int) -> None:
    async def run() -> None:
        async with fake_api(QUOTAS) as api, api.client() as one, api.client() as other:
            quota = put_quota(api, hard=5)
            ledgers = [make_ledger(one, seed=seed), make_ledger(other, seed=seed + 100)]
            random = Random(seed)

            async def create(number: int) -> Charged | Refused | None:
                await asyncio.sleep(random.random() * 0.05)
                return await ask(random.choice(ledgers), wanted(f"u{number}", quota))

            verdicts = await asyncio.gather(*(create(number) for number in range(60)))
            assert sum(isinstance(verdict, Charged) for verdict in verdicts) == 5
            assert sum(isinstance(verdict, Refused) for verdict in verdicts) == 55
            assert used(api) == 5
            for ledger in ledgers:
                await ledger.close()

    asyncio.run(run())


def test_a_refusal_costs_one_read_and_gives_nothing_back() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=1)
        assert isinstance(await ask(ledger, wanted("u1", quota)), Charged)
        before = list(api.requests)
        assert isinstance(await ask(ledger, wanted("u2", quota)), Refused)
        await ledger.close()
        assert [method for method, _ in api.requests[len(before) :]] == ["GET"]

    played(play)


def test_a_charge_whose_answer_was_lost_is_given_back_where_the_quota_changed_meanwhile() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api)
        answers = [None]

        def lose_the_answer(request: web.Request) -> None:
            if request.method == "PUT" and answers:
                answers.pop()
                put_quota(api, used=1)
                stored = api.objects[QUOTAS][TEAM, "gpus"]
                stored["metadata"]["generation"] = 2
                held = {"uid": "u1", "name": "claim-u1", "amounts": {"devices": "1"}, "attempts": ["1-0"]}
                stored["status"]["reservations"] = [held]
                assert request.transport is not None
                request.transport.close()

        api.before_write = lose_the_answer
        assert await ask(ledger, wanted("u1", quota)) is None
        await ledger.close()
        assert not answers
        assert used(api) == 0
        assert status_of(api)["reservations"] == []

    played(play)


def test_a_refusal_is_never_given_on_a_stale_answer() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=1)
        assert isinstance(await ask(ledger, wanted("u1", quota)), Charged)
        put_quota(api, hard=1)  # the controller has seen the claim gone
        assert isinstance(await ask(ledger, wanted("u2", quota)), Charged)

    played(play)


def test_a_refusal_beside_an_admission_is_confirmed_by_its_write() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=3)
        assert isinstance(await ask(ledger, wanted("u1", quota, amount=2)), Charged)
        reads = api.count("GET", "/gpus")
        verdicts = await asyncio.gather(ask(ledger, wanted("u2", quota)), ask(ledger, wanted("u3", quota, amount=2)))
        assert [type(verdict) for verdict in verdicts] == [Charged, Refused]
        assert api.count("GET", "/gpus") == reads
        put_quota(api, hard=3)  # the controller has seen the claims gone, which makes room for both
        verdicts = await asyncio.gather(ask(ledger, wanted("u4", quota)), ask(ledger, wanted("u5", quota, amount=2)))
        assert [type(verdict) for verdict in verdicts] == [Charged, Charged]

    played(play)


def test_the_same_uid_again_is_not_charged_again() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=1)
        for _ in range(3):
            assert isinstance(await ask(ledger, wanted("u1", quota)), Charged)
        assert used(api) == 1
        assert len(status_of(api)["reservations"][0]["attempts"]) == 3

    played(play)


def test_a_dry_run_is_judged_and_never_written() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=1)
        version = api.version
        assert isinstance(await ask(ledger, wanted("u1", quota), dry_run=True), Charged)
        assert isinstance(await ask(ledger, wanted("u1", quota, amount=2), dry_run=True), Refused)
        assert api.version == version

    played(play)


def test_what_one_quota_admitted_is_given_back_when_another_refuses() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        wide, narrow = put_quota(api, "a-wide", hard=9), put_quota(api, "b-narrow", hard=0)
        verdict = await ask(ledger, wanted("u1", narrow, wide))
        assert isinstance(verdict, Refused)
        assert [refusing.quota.name for refusing in verdict.quotas] == ["b-narrow"]
        await ledger.close()
        assert used(api, "a-wide") == 0
        assert status_of(api, "a-wide")["reservations"] == []

    played(play)


def test_a_refusal_names_every_quota_that_is_in_the_way() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quotas = [put_quota(api, name, hard=hard) for name, hard in (("a", 0), ("b", 9), ("c", 0))]
        verdict = await ask(ledger, wanted("u1", *quotas))
        assert isinstance(verdict, Refused)
        assert [refusing.quota.name for refusing in verdict.quotas] == ["a", "c"]

    played(play)


def test_a_claim_that_all_quotas_admitted_is_undecided_nowhere() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quotas = [put_quota(api, name) for name in ("a", "b")]
        assert isinstance(await ask(ledger, wanted("u1", *quotas)), Charged)
        await ledger.close()
        for name in ("a", "b"):
            assert "undecided" not in status_of(api, name)["reservations"][0]

    played(play)


def test_a_refusal_that_rests_on_undecided_charges_is_sought_again() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=1, used=1)
        open_charge = {"uid": "other", "name": "o", "amounts": {"devices": "1"}, "attempts": ["x"], "undecided": True}
        api.objects[QUOTAS][TEAM, "gpus"]["status"]["reservations"] = [open_charge]
        asking = asyncio.create_task(ask(ledger, wanted("u1", quota)))
        await until(lambda: api.count("GET", QUOTAS) >= 3)
        put_quota(api, hard=1)  # the other replica has given back
        assert isinstance(await asking, Charged)

    played(play)


def test_an_undecided_charge_that_stays_is_a_refusal_in_the_end() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=1, used=1)
        open_charge = {"uid": "other", "name": "o", "amounts": {"devices": "1"}, "attempts": ["x"], "undecided": True}
        api.objects[QUOTAS][TEAM, "gpus"]["status"]["reservations"] = [open_charge]
        assert isinstance(await ask(ledger, wanted("u1", quota)), Refused)

    played(play, LedgerSettings(undecided_seconds=0.05))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"status": None}, id="no status yet"),
        pytest.param({"metadata": {"generation": 2}}, id="the spec was changed since"),
        pytest.param({"metadata": {"uid": "another"}}, id="the quota was made anew"),
    ],
)
def test_what_cannot_be_decided_is_neither_admitted_nor_refused(change: Mapping[str, Any]) -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api)
        stored = api.objects[QUOTAS][TEAM, "gpus"]
        for key, value in change.items():
            if value is None:
                del stored[key]
            else:
                stored[key].update(value)
        assert await ask(ledger, wanted("u1", quota)) is None
        assert await ask(ledger, wanted("u1", quota), dry_run=True) is None

    played(play)


def test_a_quota_that_is_gone_limits_nothing() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=0)
        api.remove(QUOTAS, "gpus", TEAM)
        assert isinstance(await ask(ledger, wanted("u1", quota)), Charged)

    played(play)


def test_a_quota_made_again_limits_again() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        gone = put_quota(api)
        api.remove(QUOTAS, "gpus", TEAM)
        assert isinstance(await ask(ledger, wanted("u1", gone)), Charged)
        again = put_quota(api, hard=1)
        assert isinstance(await ask(ledger, wanted("u2", again, amount=2)), Refused)

    played(play)


def test_what_was_read_of_many_quotas_is_not_kept_and_admissions_stay_exact() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quotas = [put_quota(api, f"q-{number}", hard=3) for number in range(6)]
        asked = [ask(ledger, wanted(f"u-{turn}-{q.name}", q)) for turn in range(4) for q in quotas]
        verdicts = await asyncio.gather(*asked)
        assert sum(isinstance(verdict, Charged) for verdict in verdicts) == 18
        assert [used(api, quota.name) for quota in quotas] == [3] * 6
        for number in range(50):  # until nobody waits for those that were asked first
            await ask(ledger, wanted("later", put_quota(api, f"later-{number}")))
        gc.collect()
        assert sum(isinstance(one, Books) and one._api is ledger._api for one in gc.get_objects()) <= 4

    played(play, LedgerSettings(most_books=2))


def test_a_quota_that_refuses_from_now_on_does_so_at_once() -> None:
    """A replica that held the quota as it was may not admit by that."""

    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        lenient = put_quota(api, mode="Warn", hard=1)
        assert isinstance(await ask(ledger, wanted("u1", lenient)), Charged)
        strict = api.objects[QUOTAS][TEAM, "gpus"]
        spec = {**strict["spec"], "mode": "Deny"}
        status = {**strict["status"], "observedGeneration": 2}
        metadata = {"generation": 2, "uid": strict["metadata"]["uid"]}
        changed = parse_quota(api.put(QUOTAS, "gpus", TEAM, spec=spec, status=status, metadata=metadata))
        assert isinstance(await ask(ledger, wanted("u2", changed)), Refused)

    played(play)


def test_a_quota_that_only_warns_records_and_refuses_nothing() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api, hard=1, mode="Warn")
        verdict = await ask(ledger, wanted("u1", quota, amount=3))
        assert isinstance(verdict, Charged)
        assert not verdict.quotas[0].standings[0].fits
        assert used(api) == 3

    played(play)


@pytest.mark.parametrize(
    ("code", "times", "verdict"),
    [
        pytest.param(503, 2, Charged, id="a server that recovers is asked again"),
        pytest.param(503, 99, type(None), id="a server that stays away decides nothing"),
        pytest.param(409, 3, Charged, id="a conflict is decided anew"),
        pytest.param(409, 99, type(None), id="conflicts without end decide nothing"),
        pytest.param(403, 1, type(None), id="a write that is not allowed admits nobody"),
    ],
)
def test_writes_are_tried_again_but_not_for_ever(code: int, times: int, verdict: type) -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api)
        api.fail(code, method="PUT", times=times)
        assert isinstance(await ask(ledger, wanted("u1", quota)), verdict)
        assert used(api) == (1 if verdict is Charged else 0)

    played(play)


def test_a_write_whose_answer_was_lost_is_charged_once() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api)
        lost = [True]

        def lose_answer(request: web.Request) -> None:
            if request.method == "PUT" and lost:
                lost.pop()
                put_quota(api, used=1)
                held = {"uid": "u1", "name": "claim-u1", "amounts": {"devices": "1"}, "attempts": ["1-0"]}
                api.objects[QUOTAS][TEAM, "gpus"]["status"]["reservations"] = [held]
                assert request.transport is not None
                request.transport.close()

        api.before_write = lose_answer
        assert isinstance(await ask(ledger, wanted("u1", quota)), Charged)
        assert used(api) == 1

    played(play)


def test_an_answer_after_the_deadline_is_none_and_its_charge_is_given_back() -> None:
    async def play(api: FakeApi, ledger: KubeLedger) -> None:
        quota = put_quota(api)
        assert await ask(ledger, wanted("u1", quota), seconds=0.0) is None
        await ledger.close()
        assert used(api) == 0
        assert status_of(api)["reservations"] == []

    played(play)


def test_a_bug_in_a_step_reaches_whoever_waits_and_spoils_nothing_for_the_next() -> None:
    async def run() -> None:
        async with fake_api(QUOTAS) as api, api.client() as client:
            quota = put_quota(api)
            books = Books(client, TEAM, "gpus", random=Random(1), log=silent(), patience=Patience())

            def broken(_: DeviceQuota) -> Outcome:
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await books.apply(broken)
            outcome = await books.apply(lambda held: Admitted(held.status, changed=False))
            assert outcome == Admitted(quota.status, changed=False)

    asyncio.run(run())
