"""What a quota's status says beside the numbers, and when its books are not what they must be."""

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.support.quota import capacity, devices, make_quota, quota_object
from webhook.core.quota_status import LimitStatus, QuotaStatus, Reservation
from webhook.core.quotas import DeviceQuota, parse_quota
from webhook.quota.conditions import conditions_of
from webhook.quota.drift import Folded, drift

QUOTA = replace(make_quota(devices(5, "gpus")), uid="q", generation=2)
GIB = 2**30


def booked(quota: DeviceQuota, used: int, reserved: int = 0, **amounts: int) -> DeviceQuota:
    """Return the quota with books; `amounts` are its open reservations by uid."""
    limit = quota.limits[0]
    status = QuotaStatus(
        (LimitStatus(limit.name, limit.hard, Fraction(used), Fraction(reserved)),),
        tuple(Reservation(uid, uid, {limit.name: Fraction(amount)}) for uid, amount in amounts.items()),
        quota.generation,
        10,
    )
    return replace(quota, status=status)


def told(quota: DeviceQuota) -> dict[str, tuple[bool, str, str]]:
    assert quota.status is not None
    found = conditions_of(quota, quota.status, ())
    assert {one["observedGeneration"] for one in found} == {quota.generation}
    return {one["type"]: (one["status"] == "True", one["reason"], one["message"]) for one in found}


def test_a_limit_that_is_reached_is_not_exceeded() -> None:
    assert told(booked(QUOTA, 5))["Exceeded"] == (False, "WithinLimits", "no limit is exceeded")


@pytest.mark.parametrize(
    ("mode", "follows"),
    [
        ("Deny", "nothing is taken from anybody, and what takes more is refused"),
        ("Warn", "nothing is refused"),
        ("Audit", "nothing is refused"),
    ],
)
def test_a_limit_below_use_is_exceeded(mode: str, follows: str) -> None:
    quota = make_quota(capacity("320Gi", name="memory"), mode=mode)
    message = f"'memory' used: 400Gi, limited: 320Gi; {follows}"
    assert told(booked(quota, 400 * GIB))["Exceeded"] == (True, "OverLimit", message)


def test_a_limit_that_cannot_be_read_is_not_enforced_and_told() -> None:
    quota = parse_quota(quota_object({"name": "broken"}, devices(5, "gpus")))
    holds, reason, message = told(booked(quota, 0))["Ready"]
    assert (holds, reason) == (False, "Unreadable")
    assert message.startswith("what cannot be read is not enforced: spec.limits[0]: must have exactly one of")


FOLDED = Folded("q", 2, 10, {"gpus": Fraction(3)})


@pytest.mark.parametrize(
    ("quota", "last"),
    [
        pytest.param(booked(QUOTA, 3), FOLDED, id="as folded"),
        pytest.param(booked(QUOTA, 5, 2, a=1, b=1), FOLDED, id="reservations since"),
        pytest.param(booked(QUOTA, 4), None, id="a new process knows of no fold"),
        pytest.param(booked(QUOTA, 4), replace(FOLDED, resource_version=9), id="another has folded since"),
        pytest.param(booked(QUOTA, 4), replace(FOLDED, generation=1), id="another spec"),
        pytest.param(booked(QUOTA, 4), replace(FOLDED, uid="p"), id="another quota of that name"),
        pytest.param(QUOTA, FOLDED, id="no status"),
    ],
)
def test_what_the_protocol_brings_about_is_no_drift(quota: DeviceQuota, last: Folded | None) -> None:
    assert list(drift(quota, last)) == []


@pytest.mark.parametrize(
    ("quota", "last", "said", "true"),
    [
        (booked(QUOTA, 2), FOLDED, "used 2, reserved 0", "used 3, reserved 0"),
        (booked(QUOTA, 4, 0, a=1), FOLDED, "used 4, reserved 0", "used 4, reserved 1"),
        (booked(QUOTA, 4, 1), None, "used 4, reserved 1", "used 3, reserved 0"),
    ],
)
def test_books_that_nobody_should_have_written_are_told(
    quota: DeviceQuota, last: Folded | None, said: str, true: str
) -> None:
    assert list(drift(quota, last)) == [f"limit 'gpus': the status says {said}; claims and reservations come to {true}"]
