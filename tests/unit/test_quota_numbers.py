"""Metrics that are read from the controller when somebody asks."""

from dataclasses import replace
from fractions import Fraction

from prometheus_client import CollectorRegistry

from tests.support.quota import devices, make_quota
from webhook.bootstrap.quota_numbers import QuotaNumbers
from webhook.core.quota_status import LimitStatus, QuotaStatus
from webhook.core.quotas import DeviceQuota


def quota(name: str, used: int, reserved: int = 0) -> DeviceQuota:
    made = make_quota(devices(8, "gpus"), name=name)
    limit = LimitStatus("gpus", made.limits[0].hard, Fraction(used), Fraction(reserved))
    return replace(made, status=QuotaStatus((limit,)))


def test_every_limit_has_its_numbers() -> None:
    registry = CollectorRegistry()
    registry.register(QuotaNumbers(lambda: [quota("a", 3, 1), make_quota(devices(8), name="new")]))
    labels = {"kind": "DeviceQuota", "namespace": "team-a", "quota": "a", "limit": "gpus"}
    found = {
        name: registry.get_sample_value(f"drawbridge_quota_{name}", labels) for name in ("hard", "used", "reserved")
    }
    assert found == {"hard": 8, "used": 3, "reserved": 1}
    assert registry.get_sample_value("drawbridge_quota_limits_left_out") == 0


def test_where_there_are_too_many_limits_the_fullest_have_numbers() -> None:
    registry = CollectorRegistry()
    quotas = [quota(f"q{number}", number) for number in range(8)]
    registry.register(QuotaNumbers(lambda: quotas, most=2))
    given = [
        sample.labels["quota"]
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "drawbridge_quota_used"
    ]
    assert given == ["q7", "q6"]
    assert registry.get_sample_value("drawbridge_quota_limits_left_out") == 6
