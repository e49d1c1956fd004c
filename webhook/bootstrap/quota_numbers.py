"""Metrics of the limits of quotas, read from what the controller has seen when somebody asks."""

from collections.abc import Callable, Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from webhook.core.quota_status import percent
from webhook.core.quotas import DeviceQuota

MOST_LIMITS = 500


class QuotaNumbers(Collector):
    """How the limits of quotas stand, for as many as fit; the fullest first, and how many are left out."""

    def __init__(self, quotas: Callable[[], Iterable[DeviceQuota]], most: int = MOST_LIMITS) -> None:
        self._quotas = quotas
        self._most = most

    def collect(self) -> Iterable[Metric]:
        families = {
            name: GaugeMetricFamily(f"drawbridge_quota_{name}", text, labels=["kind", "namespace", "quota", "limit"])
            for name, text in (
                ("hard", "What a limit allows: devices, compute slices, or units of a capacity."),
                ("used", "All that counts against a limit."),
                ("reserved", "The part of it whose claims have not been seen stored."),
            )
        }
        limits = [
            ([quota.kind, quota.namespace, quota.name, limit.name], limit)
            for quota in self._quotas()
            for limit in (quota.status.limits if quota.status else ())
        ]
        limits.sort(key=lambda entry: (-percent(entry[1].used, entry[1].hard), entry[0]))
        for labels, limit in limits[: self._most]:
            families["hard"].add_metric(labels, float(limit.hard.amount))
            families["used"].add_metric(labels, float(limit.used))
            families["reserved"].add_metric(labels, float(limit.reserved))
        yield from families.values()
        left_out = max(0, len(limits) - self._most)
        yield GaugeMetricFamily("drawbridge_quota_limits_left_out", "Limits that have no numbers here.", left_out)
