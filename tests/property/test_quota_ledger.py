"""The quota ledger under every interleaving: never over the limit, no leak, and tests that notice a broken part."""

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.ledger_simulation import BrokenError, Protocol, Step, World
from webhook.core.quota_status import QuotaStatus, Reservation
from webhook.core.quotas import DeviceQuota
from webhook.quota import ledger

# Two bytes a step. Lists of steps would be drawn with seven steps on average, which is over before anything meets; the
# short ones are what a failure shrinks to.
SCHEDULES = st.one_of(st.binary(max_size=120), st.binary(min_size=120, max_size=480))


def steps(schedule: bytes) -> list[Step]:
    return list(zip(schedule[::2], schedule[1::2], strict=False))


@settings(max_examples=examples(100), deadline=None)
@given(SCHEDULES)
def test_stored_claims_never_exceed_the_limit_and_no_charge_leaks(schedule: bytes) -> None:
    World(Protocol()).run(steps(schedule))


def schedules(count: int, length: int) -> list[list[Step]]:
    """Return schedules that are the same in every run."""
    source = random.Random(20261121)
    return [[(source.randrange(32), source.randrange(256)) for _ in range(length)] for _ in range(count)]


def test_long_schedules_end_with_true_books() -> None:
    worlds = [World(Protocol()) for _ in range(100)]
    for world, schedule in zip(worlds, schedules(count=100, length=200), strict=True):
        world.run(schedule)
    # A schedule in which nothing is stored, or nobody refused, tries nothing.
    assert sum(bool(world.history) for world in worlds) > 90
    assert sum(any(request.refused for request in world.requests) for world in worlds) > 50


def gives_everything_back(status: QuotaStatus, uid: str, attempt: str) -> QuotaStatus | None:
    """Takes a reservation away although another call holds it too."""
    known = status.reservation(uid)
    if known is None:
        return None
    return ledger.give_back(
        replace(status, reservations=tuple(replace(r, attempts=(attempt,)) for r in status.reservations)), uid, attempt
    )


def gives_nothing_back(status: QuotaStatus, uid: str, attempt: str) -> QuotaStatus | None:
    del status, uid, attempt
    return None


def charges_nothing(quota: DeviceQuota, wanted: Reservation) -> ledger.Outcome:
    outcome = ledger.admit(quota, wanted)
    return replace(outcome, changed=False) if isinstance(outcome, ledger.Admitted) else outcome


def folds_what_it_has_not_seen(
    quota: DeviceQuota, seen: ledger.Observation, over: frozenset[str] = frozenset()
) -> QuotaStatus | ledger.Outdated | None:
    """Folds from a cache that is older than the status."""
    quota = quota if quota.status is None else replace(quota, status=replace(quota.status, observed_resource_version=0))
    return ledger.fold(quota, seen, over)


def folds_without_reservations(
    quota: DeviceQuota, seen: ledger.Observation, over: frozenset[str] = frozenset()
) -> QuotaStatus | ledger.Outdated | None:
    del over
    everything = frozenset(r.uid for r in quota.status.reservations) if quota.status else frozenset[str]()
    return ledger.fold(quota, seen, everything)


def folds_twice(
    quota: DeviceQuota, seen: ledger.Observation, over: frozenset[str] = frozenset()
) -> QuotaStatus | ledger.Outdated | None:
    """Keeps the reservations of claims that it has counted as stored."""
    status = quota.status or QuotaStatus()
    renamed = tuple(replace(r, uid=f"kept-{r.uid}") for r in status.reservations)
    return ledger.fold(replace(quota, status=replace(status, reservations=renamed)), seen, over)


def ends_by_the_clock_alone(sightings: ledger.Sightings, census: ledger.Census, life: float) -> frozenset[str]:
    """Does not ask whether the claim is stored after all."""
    return ledger.ended(sightings, replace(census, uids=frozenset()), life)


def ends_by_an_early_list(sightings: ledger.Sightings, census: ledger.Census, life: float) -> frozenset[str]:
    """Believes a list that was begun while the claim could still be stored."""
    return ledger.ended(sightings, replace(census, begun=census.begun + life), life)


def never_ends(sightings: ledger.Sightings, census: ledger.Census, life: float) -> frozenset[str]:
    del sightings, census, life
    return frozenset()


MUTATIONS: Mapping[str, Protocol] = {
    "status is written without comparing": Protocol(compares=False),
    "a reservation ends before the request can": Protocol(life=1.0),
    "a reservation ends although its claim is stored": Protocol(ended=ends_by_the_clock_alone),
    "a reservation ends by a list that is too early": Protocol(ended=ends_by_an_early_list),
    "reservations never end": Protocol(ended=never_ends),
    "an old cache is folded": Protocol(fold=folds_what_it_has_not_seen),
    "folding forgets what is not stored yet": Protocol(fold=folds_without_reservations),
    "folding counts a claim twice": Protocol(fold=folds_twice),
    "give-back takes what another call holds": Protocol(give_back=gives_everything_back),
    "give-back does nothing": Protocol(give_back=gives_nothing_back),
    "admission is not recorded": Protocol(admit=charges_nothing),
}


@pytest.mark.parametrize("broken", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_broken_part_of_the_protocol_is_noticed(broken: Protocol) -> None:
    assert any(_is_noticed(broken, schedule) for schedule in schedules(count=1000, length=200))


def _is_noticed(broken: Protocol, schedule: list[Step]) -> bool:
    try:
        World(broken).run(schedule)
    except BrokenError:
        return True
    return False
