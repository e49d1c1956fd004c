"""What the controller says of quotas beside their numbers: conditions in the status, and drift as an Event."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from structlog.typing import FilteringBoundLogger

from webhook.core.cluster import ClusterView
from webhook.core.conditions import merged
from webhook.core.finding import Finding
from webhook.core.quota_status import Amounts, QuotaStatus
from webhook.core.quotas import DeviceQuota
from webhook.kube.charging import QuotaKey
from webhook.kube.events import About, Events
from webhook.kube.kinds import OWN_GROUP, OWN_VERSION
from webhook.quota.charges import same_supply
from webhook.quota.conditions import conditions_of
from webhook.quota.drift import Folded, drift
from webhook.quota.ledger import Admitted
from webhook.rules import cel, quota_without_effect

DRIFT = "QuotaDrift"


@dataclass(frozen=True, slots=True)
class _Judged:
    quota: DeviceQuota
    view: ClusterView
    flaws: tuple[Finding, ...]


class QuotaTelling:
    """Remembers what was found wrong with a quota's limits, and what it was folded to last."""

    def __init__(self, events: Events, now: Callable[[], datetime], log: FilteringBoundLogger) -> None:
        self._events = events
        self._now = now
        self._log = log
        self._judged: dict[QuotaKey, _Judged] = {}
        self._folded: dict[QuotaKey, Folded] = {}
        self.drifts = 0

    def flaws(self, quota: DeviceQuota, view: ClusterView) -> tuple[Finding, ...]:
        """Return what keeps limits from having an effect: selectors that do not compile, classes that are not there."""
        key = (quota.namespace, quota.name)
        known = self._judged.get(key)
        if (
            known is None
            or (known.quota.uid, known.quota.generation) != (quota.uid, quota.generation)
            or not same_supply(known.view, view)
        ):
            found = (*cel.of_quota(quota, view), *quota_without_effect.findings(quota, view))
            known = self._judged[key] = _Judged(quota, view, found)
        return known.flaws

    def told(self, quota: DeviceQuota, after: QuotaStatus | None, flaws: Sequence[Finding]) -> Admitted:
        """Return what is to be written: the fold, which may change nothing, and the conditions that hold then."""
        status = after or quota.status or QuotaStatus()
        moment = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = tuple(merged(status.conditions, conditions_of(quota, status, flaws), moment))
        if after is None and conditions == status.conditions:
            return Admitted(quota.status, changed=False)
        return Admitted(replace(status, conditions=conditions), changed=True)

    def drifted(self, quota: DeviceQuota) -> tuple[str, ...]:
        return tuple(drift(quota, self._folded.get((quota.namespace, quota.name))))

    async def folded(self, quota: DeviceQuota, resource_version: int, stored: Amounts, drifted: Iterable[str]) -> None:
        """Take note of a fold; what had drifted is counted and told at the quota."""
        key = (quota.namespace, quota.name)
        self._folded[key] = Folded(quota.uid, quota.generation, resource_version, stored)
        about = About(quota.kind, quota.namespace, quota.name, quota.uid, f"{OWN_GROUP}/{OWN_VERSION}")
        for said in drifted:
            self.drifts += 1
            self._log.warning("quota drift", quota=quota.name, namespace=quota.namespace, what=said)
            await self._events.warn(about, DRIFT, f"{said}; put right")

    def forget(self, quotas: Iterable[QuotaKey]) -> None:
        """Forget all quotas but these."""
        kept = set(quotas)
        self._judged = {key: judged for key, judged in self._judged.items() if key in kept}
        self._folded = {key: folded for key, folded in self._folded.items() if key in kept}
