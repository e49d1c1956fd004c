"""The ledger's steps one by one; all interleavings of them are in tests/property/test_quota_ledger.py."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest

from webhook.core.quantity import parse_quantity
from webhook.core.quota_status import LimitStatus, QuotaStatus, Reservation, parse_status, render_status
from webhook.core.quotas import DeviceQuota, Dimension, Limit, QuotaMode
from webhook.quota.ledger import (
    MOST_RESERVATIONS,
    Admitted,
    Census,
    Exceeded,
    NotReady,
    Observation,
    Outdated,
    Sightings,
    admit,
    due,
    ended,
    fold,
    give_back,
)

MEMORY = Limit("memory", Dimension.CAPACITY, parse_quantity("320Gi"), capacity="memory")
DEVICES = Limit("devices", Dimension.DEVICES, parse_quantity("8"))
GI = Fraction(2**30)


def quota(
    used: Mapping[str, Fraction] | None = None,
    *,
    mode: QuotaMode = QuotaMode.DENY,
    reservations: tuple[Reservation, ...] = (),
    seen: int = 7,
) -> DeviceQuota:
    limits = tuple(
        LimitStatus(
            limit.name,
            limit.hard,
            (used or {}).get(limit.name, Fraction(0)),
            sum((r.amounts.get(limit.name, Fraction(0)) for r in reservations), Fraction(0)),
        )
        for limit in (MEMORY, DEVICES)
    )
    status = QuotaStatus(limits, reservations, 3, seen)
    return DeviceQuota("team-a", "gpus", mode=mode, limits=(MEMORY, DEVICES), generation=3, status=status)


def asking(uid: str = "u1", attempt: str = "a1", **amounts: int | Fraction) -> Reservation:
    return Reservation(uid, f"claim-{uid}", {k: Fraction(v) for k, v in amounts.items()}, "", (attempt,))


def admitted(outcome: object) -> QuotaStatus:
    assert isinstance(outcome, Admitted)
    assert outcome.status is not None
    return outcome.status


def booked(status: QuotaStatus, limit: int) -> tuple[Fraction | int, Fraction | int]:
    """Return what a limit has used and reserved."""
    return status.limits[limit].used, status.limits[limit].reserved


def test_a_claim_that_reaches_the_limit_exactly_is_admitted() -> None:
    status = admitted(admit(quota({"memory": 300 * GI}), asking(memory=20 * GI, devices=1)))
    assert booked(status, 0) == (320 * GI, 20 * GI)
    assert booked(status, 1) == (1, 1)


def test_a_claim_one_byte_over_the_limit_is_refused_with_the_numbers() -> None:
    outcome = admit(quota({"memory": 300 * GI}), asking(memory=20 * GI + 1))
    assert isinstance(outcome, Exceeded)
    assert [(s.limit.name, s.requested, s.used, s.hard) for s in outcome.standings] == [
        ("memory", 20 * GI + 1, 300 * GI, 320 * GI)
    ]
    assert not outcome.undecided


def test_every_limit_in_the_way_is_named() -> None:
    outcome = admit(quota({"memory": 320 * GI, "devices": Fraction(8)}), asking(memory=1, devices=1))
    assert isinstance(outcome, Exceeded)
    assert [standing.limit.name for standing in outcome.standings] == ["memory", "devices"]


def test_a_limit_that_is_asked_nothing_is_not_in_the_way_however_far_it_is_passed() -> None:
    status = admitted(admit(quota({"memory": 900 * GI}), asking(devices=1)))
    assert status.limits[1].used == 1


def test_a_claim_that_is_charged_nothing_leaves_no_trace() -> None:
    before = quota({"memory": 900 * GI})
    outcome = admit(before, asking())
    assert outcome == Admitted(before.status, changed=False)


def test_the_same_uid_is_not_charged_again() -> None:
    once = admitted(admit(quota(), asking(memory=200 * GI)))
    again = admit(replace(quota(), status=once), asking(memory=200 * GI))
    assert again == Admitted(once, changed=False)


def test_a_second_call_for_a_uid_holds_the_charge_too() -> None:
    first = admitted(admit(quota(), asking(memory=200 * GI)))
    both = admitted(admit(replace(quota(), status=first), asking(attempt="a2", memory=200 * GI)))
    assert both.limits[0].used == 200 * GI
    left = give_back(both, "u1", "a1")
    assert left is not None
    assert left.limits[0].used == 200 * GI
    empty = give_back(left, "u1", "a2")
    assert empty is not None
    assert empty.reservations == ()
    assert booked(empty, 0) == (0, 0)


def test_giving_back_twice_or_what_was_folded_changes_nothing() -> None:
    status = admitted(admit(quota(), asking(memory=GI)))
    once = give_back(status, "u1", "a1")
    assert once is not None
    assert give_back(once, "u1", "a1") is None
    assert give_back(status, "u1", "stranger") is None


UNREADY = {
    "no status yet": replace(quota(), status=None),
    "the spec has changed since": replace(quota(), generation=4),
    "a limit without books": replace(quota(), limits=(MEMORY, DEVICES, replace(DEVICES, name="more"))),
}


@pytest.mark.parametrize("unready", UNREADY.values(), ids=UNREADY.keys())
def test_nothing_is_decided_by_a_status_that_does_not_fit(unready: DeviceQuota) -> None:
    assert isinstance(admit(unready, asking(devices=1)), NotReady)


@pytest.mark.parametrize("unready", UNREADY.values(), ids=UNREADY.keys())
def test_a_claim_that_is_charged_nothing_waits_for_no_status(unready: DeviceQuota) -> None:
    assert admit(unready, asking(devices=0)) == Admitted(unready.status, changed=False)


@pytest.mark.parametrize("unready", UNREADY.values(), ids=UNREADY.keys())
@pytest.mark.parametrize("mode", [QuotaMode.WARN, QuotaMode.AUDIT])
def test_a_quota_that_only_warns_makes_nobody_wait(unready: DeviceQuota, mode: QuotaMode) -> None:
    outcome = admit(replace(unready, mode=mode), asking(devices=1))
    assert isinstance(outcome, Admitted)
    assert not outcome.changed


@pytest.mark.parametrize("mode", [QuotaMode.WARN, QuotaMode.AUDIT])
def test_a_quota_that_only_warns_records_what_goes_over_it(mode: QuotaMode) -> None:
    outcome = admit(quota({"devices": Fraction(8)}, mode=mode), asking(devices=2**63))
    assert admitted(outcome).limits[1].used == 8 + 2**63
    assert isinstance(outcome, Admitted)
    assert not outcome.standings[0].fits


def test_a_refusal_for_charges_that_another_quota_may_still_refuse_is_told_apart() -> None:
    open_charge = replace(asking("u0", memory=100 * GI), undecided=True)
    books = quota({"memory": 300 * GI}, reservations=(open_charge,))
    outcome = admit(books, asking(memory=100 * GI))
    assert isinstance(outcome, Exceeded)
    assert outcome.undecided
    sure = admit(books, asking(memory=121 * GI))
    assert isinstance(sure, Exceeded)
    assert not sure.undecided


def test_too_many_open_reservations_are_not_written() -> None:
    many = tuple(asking(f"u{number}", devices=0) for number in range(MOST_RESERVATIONS))
    assert isinstance(admit(quota(reservations=many[1:]), asking("new", devices=1)), Admitted)
    assert isinstance(admit(quota(reservations=many), asking("new", devices=1)), NotReady)


def test_reservations_that_would_not_fit_into_etcd_are_not_written() -> None:
    long_names = tuple(replace(asking(f"u{number}", devices=0), name="n" * 2500) for number in range(500))
    assert isinstance(admit(quota(reservations=long_names), asking("new", devices=1)), NotReady)


def seen(version: int = 8, gone: frozenset[str] = frozenset(), **charges: int) -> Observation:
    return Observation(version, 3, {uid: {"devices": Fraction(count)} for uid, count in charges.items()}, gone)


def test_folding_makes_a_reservation_part_of_what_is_stored() -> None:
    books = quota({"devices": Fraction(3)}, reservations=(asking("u1", devices=2), asking("u2", devices=1)))
    status = fold(books, seen(u1=2))
    assert isinstance(status, QuotaStatus)
    assert booked(status, 1) == (3, 1)
    assert [known.uid for known in status.reservations] == ["u2"]
    assert status.observed_resource_version == 8


def test_folding_ends_the_reservation_of_a_claim_that_came_and_went() -> None:
    books = quota({"devices": Fraction(2)}, reservations=(asking("u1", devices=2),))
    status = fold(books, seen(gone=frozenset({"u1"})))
    assert isinstance(status, QuotaStatus)
    assert status.reservations == ()
    assert booked(status, 1) == (0, 0)


def test_folding_lowers_what_an_allocation_took_less_of() -> None:
    status = fold(quota({"devices": Fraction(5)}), seen(u1=2))
    assert isinstance(status, QuotaStatus)
    assert status.limits[1].used == 2


def test_one_who_has_seen_less_may_not_fold() -> None:
    assert isinstance(fold(quota(seen=9), seen(version=8)), Outdated)


def test_charges_under_another_spec_may_not_be_folded() -> None:
    assert isinstance(fold(quota(), replace(seen(), generation=2)), Outdated)


def test_folding_the_same_again_writes_nothing() -> None:
    books = quota({"devices": Fraction(5)})
    status = fold(books, seen(u1=2))
    assert isinstance(status, QuotaStatus)
    assert fold(replace(books, status=status), seen(version=99, u1=2)) is None


def test_the_first_fold_makes_the_status() -> None:
    status = fold(replace(quota(), status=None), seen(u1=2))
    assert isinstance(status, QuotaStatus)
    assert status.observed_generation == 3
    assert [limit.used for limit in status.limits] == [0, 2]


def test_a_lowered_limit_is_taken_over_and_nothing_is_evicted() -> None:
    lower = replace(DEVICES, hard=parse_quantity("1"))
    status = fold(replace(quota(), limits=(MEMORY, lower)), seen(u1=2))
    assert isinstance(status, QuotaStatus)
    assert str(status.limits[1].hard) == "1"
    assert booked(status, 1) == (2, 0)


def test_a_reservation_ends_only_by_a_list_begun_a_life_after_it_was_seen() -> None:
    sightings = Sightings({}).noted(quota(reservations=(asking("u1"), asking("u2"))).status, 100.0)
    assert not due(sightings, 189.0, 90.0)
    assert due(sightings, 190.0, 90.0)
    assert ended(sightings, Census(189.9, frozenset()), 90.0) == frozenset()
    assert ended(sightings, Census(190.0, frozenset({"u2"})), 90.0) == {"u1"}


def test_sightings_keep_the_first_time_and_forget_what_is_gone() -> None:
    first = Sightings({}).noted(quota(reservations=(asking("u1"), asking("u2"))).status, 1.0)
    later = first.noted(quota(reservations=(asking("u2"), asking("u3"))).status, 2.0)
    assert later.first == {"u2": 1.0, "u3": 2.0}
    assert later.noted(None, 3.0).first == {}


def test_a_status_comes_back_from_json_as_it_was() -> None:
    odd = replace(asking("u1", "a1", memory=GI + 1, devices=2**70), undecided=True, expires="2026-11-21T10:00:00Z")
    status = quota({"memory": Fraction(1, 1000), "devices": Fraction(2**70)}, reservations=(odd,)).status
    assert status is not None
    assert parse_status(render_status(status)) == status


def test_amounts_are_written_in_the_notation_of_the_limit() -> None:
    status = quota({"memory": 300 * GI, "devices": Fraction(4096)}).status
    assert status is not None
    assert [(limit["hard"], limit["used"]) for limit in render_status(status)["limits"]] == [
        ("320Gi", "300Gi"),
        ("8", "4096"),
    ]


def test_warn_at_counts_the_claim_itself() -> None:
    outcome = admit(quota({"devices": Fraction(5)}), asking(devices=1))
    assert isinstance(outcome, Admitted)
    [standing] = outcome.standings
    assert standing.passes(75)
    assert not standing.passes(76)
    assert not standing.passes(None)
