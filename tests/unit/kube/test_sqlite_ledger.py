"""The standalone ledger: one file, several processes, nothing guessed."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.support.build import Raw, claim_object, request
from tests.support.quota import cluster, devices, full_gpu, make_quota
from webhook.core.claims import Claim, parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.quotas import DeviceQuota, QuotaMode
from webhook.kube.folder import Reading
from webhook.kube.ledgers import Charge, Charged, Refused, Wanted
from webhook.kube.manifests import Problem
from webhook.kube.sqlite_ledger import SqliteLedger

QUOTA = make_quota(devices(4, "gpus"))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path / "ledger.db")
    yield opened
    opened.close()


def wanted(uid: str, count: int = 1, name: str = "", *quotas: DeviceQuota) -> Wanted:
    charges = tuple(Charge(quota, {"gpus": Fraction(count)}) for quota in quotas or (QUOTA,))
    return Wanted(uid, "team-a", name or f"claim-{uid}", charges)


def admit(ledger: SqliteLedger, asked: Wanted, *, dry_run: bool = False, seconds: float = 5.0) -> Charged | Refused:
    async def run() -> Charged | Refused:
        return await ledger.admit(asked, dry_run=dry_run, deadline=asyncio.get_running_loop().time() + seconds)

    return asyncio.run(run())


def used(ledger: SqliteLedger, quota: DeviceQuota = QUOTA) -> Fraction:
    key = (quota.namespace, quota.name)
    return sum((entry.amounts.get(key, {}).get("gpus", Fraction(0)) for entry in ledger.entries()), Fraction(0))


def view_with(*claims: Raw, quota: DeviceQuota = QUOTA) -> ClusterView:
    parsed = {(raw["metadata"]["namespace"], raw["metadata"]["name"]): parse_claim(raw) for raw in claims}
    return replace(cluster(full_gpu("a")), claims=parsed, quotas={(quota.namespace, quota.name): quota})


def reading(*claims: Raw, quota: DeviceQuota = QUOTA, broken: bool = False, gone: tuple[Claim, ...] = ()) -> Reading:
    problems = (Problem("broken.yaml", 1, "", "is not YAML"),) if broken else ()
    return Reading(view_with(*claims, quota=quota), problems, gone)


def claim(name: str, count: int = 1, uid: str = "") -> Raw:
    return claim_object(request("gpu", device_class="gpu.nvidia.com", count=count), name=name, uid=uid)


def test_claims_are_admitted_to_the_limit_and_no_further(ledger: SqliteLedger) -> None:
    assert isinstance(admit(ledger, wanted("a", 3)), Charged)
    assert isinstance(admit(ledger, wanted("b", 1)), Charged)
    refused = admit(ledger, wanted("c", 1))
    assert isinstance(refused, Refused)
    [standing] = refused.quotas[0].standings
    assert (standing.requested, standing.used, standing.hard) == (Fraction(1), Fraction(4), Fraction(4))
    assert used(ledger) == 4


def test_the_same_uid_is_charged_once(ledger: SqliteLedger) -> None:
    assert [type(admit(ledger, wanted("a", 3))) for _ in range(3)] == [Charged] * 3
    assert used(ledger) == 3


def test_a_dry_run_is_judged_and_not_charged(ledger: SqliteLedger) -> None:
    assert isinstance(admit(ledger, wanted("a", 4), dry_run=True), Charged)
    assert isinstance(admit(ledger, wanted("b", 5), dry_run=True), Refused)
    assert used(ledger) == 0


def test_a_released_claim_makes_room(ledger: SqliteLedger) -> None:
    admit(ledger, wanted("a", 4))
    assert ledger.release("a")
    assert not ledger.release("a")
    assert isinstance(admit(ledger, wanted("b", 4)), Charged)


def test_a_delete_review_ends_the_charge_of_its_name(ledger: SqliteLedger) -> None:
    admit(ledger, wanted("a", 4, "train"))
    asyncio.run(ledger.release_named("team-a", "other"))
    assert used(ledger) == 4
    asyncio.run(ledger.release_named("team-a", "train"))
    assert used(ledger) == 0


def test_all_quotas_must_admit_and_a_refusal_charges_none(ledger: SqliteLedger) -> None:
    small = make_quota(devices(2, "gpus"), name="small")
    refused = admit(ledger, wanted("a", 3, "", QUOTA, small))
    assert isinstance(refused, Refused)
    assert [entry.quota.name for entry in refused.quotas] == ["small"]
    assert used(ledger) == used(ledger, small) == 0


def test_a_quota_that_only_warns_records_and_says_so(ledger: SqliteLedger) -> None:
    lenient = replace(QUOTA, mode=QuotaMode.WARN)
    answer = admit(ledger, wanted("a", 9, "", lenient))
    assert isinstance(answer, Charged)
    assert not answer.quotas[0].standings[0].fits
    assert used(ledger) == 9


def test_a_charge_that_is_not_binding_is_recorded_over_the_limit(ledger: SqliteLedger) -> None:
    asked = wanted("a", 5)
    assert isinstance(admit(ledger, asked), Refused)
    lowered = replace(asked, charges=tuple(replace(charge, binding=False) for charge in asked.charges))
    assert isinstance(admit(ledger, lowered), Charged)
    assert used(ledger) == 5


def test_charges_survive_a_restart(tmp_path: Path) -> None:
    first = SqliteLedger(tmp_path / "ledger.db")
    admit(first, wanted("a", 4))
    first.close()
    again = SqliteLedger(tmp_path / "ledger.db")
    assert isinstance(admit(again, wanted("b")), Refused)
    again.close()


def test_without_a_file_the_ledger_lives_in_memory() -> None:
    ledger = SqliteLedger()
    assert isinstance(admit(ledger, wanted("a", 4)), Charged)
    assert isinstance(admit(ledger, wanted("b")), Refused)
    ledger.close()


def test_a_claim_of_the_folder_is_charged_though_it_was_never_admitted(ledger: SqliteLedger) -> None:
    ledger.observe(reading(claim("train", 3)))
    assert used(ledger) == 3
    assert isinstance(admit(ledger, wanted("b", 2)), Refused)


def test_an_admitted_claim_that_comes_into_the_folder_is_charged_once(ledger: SqliteLedger) -> None:
    admit(ledger, wanted("a", 3, "train"))
    ledger.observe(reading(claim("train", 3)))
    assert used(ledger) == 3


def test_a_claim_of_the_folder_that_is_then_admitted_is_charged_once(ledger: SqliteLedger) -> None:
    ledger.observe(reading(claim("train", 3)))
    assert isinstance(admit(ledger, wanted("a", 3, "train")), Charged)
    assert used(ledger) == 3
    ledger.observe(reading())
    assert used(ledger) == 0


def test_an_admitted_claim_that_was_never_in_the_folder_keeps_its_charge(ledger: SqliteLedger) -> None:
    admit(ledger, wanted("a", 3))
    ledger.observe(reading(claim("other")))
    ledger.observe(reading())
    assert used(ledger) == 3


def test_a_claim_that_leaves_the_folder_ends_its_charge(ledger: SqliteLedger) -> None:
    admit(ledger, wanted("a", 3, "train"))
    ledger.observe(reading(claim("train", 3)))
    ledger.observe(reading())
    assert used(ledger) == 0


def test_a_claim_that_left_the_folder_while_nobody_watched_ends_its_charge(tmp_path: Path) -> None:
    first = SqliteLedger(tmp_path / "ledger.db")
    first.observe(reading(claim("train", 3)))
    first.close()
    again = SqliteLedger(tmp_path / "ledger.db")
    again.observe(reading())
    assert used(again) == 0
    again.close()


def test_while_a_file_cannot_be_read_only_what_was_seen_going_is_gone(ledger: SqliteLedger) -> None:
    ledger.observe(reading(claim("train", 1), claim("serve", 1)))
    ledger.observe(reading(broken=True, gone=(parse_claim(claim("serve", 1)),)))
    assert [entry.name for entry in ledger.entries()] == ["train"]


def test_a_claim_made_again_under_its_name_does_not_hide_behind_the_old_charge(ledger: SqliteLedger) -> None:
    admit(ledger, wanted("old", 2, "train"))
    admit(ledger, wanted("new", 2, "train"))
    assert used(ledger) == 4


def test_a_file_with_a_uid_replaces_one_without(ledger: SqliteLedger) -> None:
    ledger.observe(reading(claim("train", 2)))
    ledger.observe(reading(claim("train", 2, uid="u-1")))
    assert [entry.uid for entry in ledger.entries()] == ["u-1"]
    assert used(ledger) == 2


def test_folder_claims_are_counted_again_when_the_quota_changes(ledger: SqliteLedger) -> None:
    ledger.observe(reading(claim("train", 3)))
    ledger.observe(reading(claim("train", 3), quota=make_quota(devices(4, "gpus", driver="nic.example.com"))))
    assert used(ledger) == 0


def test_amounts_stay_exact(ledger: SqliteLedger) -> None:
    tenth = Fraction(1, 10**9)
    for number in range(10):
        admit(ledger, replace(wanted(f"u{number}"), charges=(Charge(QUOTA, {"gpus": tenth}),)))
    big = replace(wanted("big"), charges=(Charge(replace(QUOTA, mode=QuotaMode.AUDIT), {"gpus": Fraction(2**80)}),))
    admit(ledger, big)
    assert used(ledger) == 2**80 + Fraction(1, 10**8)


ADMIT = """
import asyncio, itertools, sys
from fractions import Fraction
from pathlib import Path
from webhook.core.quantity import parse_quantity
from webhook.core.quotas import DeviceQuota, Dimension, Limit
from webhook.kube.ledgers import Charge, Charged, Wanted
from webhook.kube.sqlite_ledger import SqliteLedger

async def admit(ledger, uid, hard="4"):
    quota = DeviceQuota("team-a", "gpus", limits=(Limit("gpus", Dimension.DEVICES, parse_quantity(hard)),))
    wanted = Wanted(uid, "team-a", uid, (Charge(quota, {"gpus": Fraction(1)}),))
    return await ledger.admit(wanted, dry_run=False, deadline=asyncio.get_running_loop().time() + 10)

ledger = SqliteLedger(Path(sys.argv[1]))
"""
ADMIT_SIX = f"""{ADMIT}
answers = [asyncio.run(admit(ledger, sys.argv[2] + str(number))) for number in range(6)]
print(sum(isinstance(answer, Charged) for answer in answers))
ledger.close()
"""
ADMIT_ON = f"""{ADMIT}
for number in itertools.count():
    asyncio.run(admit(ledger, str(number), "1M"))
    print(number, flush=True)
"""


def test_processes_share_one_file_and_never_exceed_the_limit(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    command = [sys.executable, "-c", ADMIT_SIX, path]
    processes = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True) for number in range(3)]
    admitted = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(admitted) == 4


def test_a_process_killed_while_it_admits_leaves_every_charge_that_it_told_of(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    command = [sys.executable, "-c", ADMIT_ON, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        told = [process.stdout.readline() for _ in range(20)]
        process.kill()
        told += process.stdout.readlines()
    ledger = SqliteLedger(path)
    held = {entry.uid for entry in ledger.entries()}
    ledger.close()
    assert len(told) <= len(held) <= len(told) + 1
    assert {line.strip() for line in told} <= held


def _damaged(path: Path) -> None:
    path.write_bytes(b"this is no database, and long enough to be looked at\n" * 100)


def _newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "not a database": (_damaged, "not a database"),
    "a folder": (Path.mkdir, "unable to open"),
    "of a newer version": (_newer, "format 99"),
}


@pytest.mark.parametrize(("make", "said"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_file_that_cannot_be_used_is_said_at_start(make: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(SettingsError, match=said) as raised:
        SqliteLedger(path)
    assert str(path) in str(raised.value)
    assert "name another file, or put a copy of it back" in str(raised.value)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_file_that_breaks_while_serving_admits_nobody(ledger: SqliteLedger, tmp_path: Path) -> None:
    admit(ledger, wanted("a"))
    other = sqlite3.connect(tmp_path / "ledger.db")
    other.execute("DROP TABLE totals")
    other.close()
    with pytest.raises(ClusterUnavailableError, match=r"quota ledger .*ledger\.db"):
        admit(ledger, wanted("b"))


def _admit_all(ledger: SqliteLedger, many: list[Wanted]) -> None:
    for one in many:
        admit(ledger, one)


def test_a_full_disk_admits_nobody_and_keeps_what_was_charged(ledger: SqliteLedger) -> None:
    roomy = replace(QUOTA, mode=QuotaMode.AUDIT)
    admit(ledger, wanted("first", 1, "", roomy))
    ask = ledger._thread.submit
    [(pages,)] = ask(lambda: ledger._connection.execute("PRAGMA page_count").fetchall()).result()
    ask(lambda: ledger._connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()).result()
    many = [wanted(f"{number}", 1, "n" * 200, roomy) for number in range(1000)]
    with pytest.raises(ClusterUnavailableError, match="full"):
        _admit_all(ledger, many)
    admitted = len(ledger.entries())
    assert admitted >= 1
    ask(lambda: ledger._connection.execute("PRAGMA max_page_count = 100000").fetchall()).result()
    assert isinstance(admit(ledger, wanted("last", 1, "", roomy)), Charged)
    assert used(ledger) == admitted + 1


def test_many_at_once_share_transactions_and_stay_exact(ledger: SqliteLedger) -> None:
    async def run() -> list[Charged | Refused]:
        deadline = asyncio.get_running_loop().time() + 5
        asked = (wanted(f"u{number}") for number in range(60))
        return await asyncio.gather(*(ledger.admit(one, dry_run=False, deadline=deadline) for one in asked))

    answers = asyncio.run(run())
    assert sum(isinstance(answer, Charged) for answer in answers) == 4
    assert used(ledger) == 4


def test_an_answer_that_comes_too_late_is_none(ledger: SqliteLedger) -> None:
    with pytest.raises(ClusterUnavailableError, match="in time"):
        admit(ledger, wanted("a"), seconds=-1)
    assert used(ledger) == 0


def test_a_file_that_another_process_holds_is_not_waited_for_beyond_the_deadline(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(ClusterUnavailableError, match="locked"):
        admit(ledger, wanted("a"), seconds=0.2)
    assert time.monotonic() - started < 3
    other.execute("ROLLBACK")
    other.close()
    ledger.close()
