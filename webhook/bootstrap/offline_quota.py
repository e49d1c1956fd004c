"""Quotas over files: what `drawbridge check` says of claims that would be charged one after the other."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property

from webhook.core.claims import CLAIM, Claim, parse_metadata
from webhook.core.cluster import ClusterView
from webhook.core.finding import Finding, Severity
from webhook.core.namespaced import NamespacedName
from webhook.core.pods import POD
from webhook.core.quota_status import Amounts
from webhook.core.quotas import DeviceQuota, QuotaMode
from webhook.core.raw import RawObject, Reader
from webhook.endpoints import Pods
from webhook.quota.charge import QuotaCharge, Tariff, charge
from webhook.quota.charges import Holders, charges_of, holders_of, standings_by, standings_in, tariff_of
from webhook.quota.ledger import total
from webhook.rules import Rulebook, quota_exceeded, quota_soft, quota_unbounded, quota_will_wait

_QuotaKey = tuple[str, str]


class OfflineQuotas:
    """Judges claims in the order in which they come; each that is not refused is charged to the next.

    `stored` is the cluster without the documents that are judged, `view` with them.
    """

    def __init__(self, stored: ClusterView, view: ClusterView, rulebook: Rulebook) -> None:
        self._stored = stored
        self._view = view
        self._exempt = rulebook.exempt
        self._may_deny = rulebook.severities.may_deny
        self._charged: dict[NamespacedName, dict[_QuotaKey, Amounts]] = {}
        self._holders: dict[_QuotaKey, Holders] = {}

    def findings(self, claim: Claim) -> tuple[Finding, ...]:
        """Return what the quotas of its namespace say of a claim."""
        namespace = claim.metadata.namespace
        if self._exempt(namespace):
            return ()
        charges = charges_of(claim, namespace, self._view, self._tariff)
        found = [*quota_unbounded.findings(charges), *(f for charged in charges for f in self._said(claim, charged))]
        if not any(finding.severity is Severity.DENY and self._may_deny(finding.rule) for finding in found):
            key = (namespace, claim.metadata.name)
            self._charged[key] = {_key(charged.quota): charged.amounts() for charged in charges}
        return tuple(found)

    def early(self, template: Claim) -> tuple[Finding, ...]:
        """Return what the quotas would say of one claim that is made from a template now."""
        namespace = template.metadata.namespace
        if self._exempt(namespace):
            return ()
        charges = charges_of(replace(template, kind=CLAIM), namespace, self._view, self._tariff)
        found = list(quota_will_wait.unbounded(charges)) if self._may_deny(quota_unbounded.NAME) else []
        if self._may_deny(quota_exceeded.NAME):
            standings = [(charged, standings_in(charged, self._used(charged.quota))) for charged in charges]
            found += quota_will_wait.findings(standings, template.requests_path())
        return tuple(found)

    def of_pods(self, pods: Pods, raw: RawObject) -> tuple[Finding, ...]:
        """Return what the quotas would say of the claims that a pod, or all pods of a workload, make now.

        What its pods hold already does not stand in its own way.
        """
        if self._exempt(pods.case.namespace):
            return ()
        charges = pods.charges(self._tariff)
        found = list(quota_will_wait.unbounded_of_pods(charges)) if self._may_deny(quota_unbounded.NAME) else []
        if self._may_deny(quota_exceeded.NAME):
            own = frozenset(self._made_for(pods, parse_metadata(raw, Reader()).name))
            used = ((charged, self._used(charged.quota, own)) for charged in charges)
            standings = [(charged, standings_by(charged.quota, charged.amounts(), taken)) for charged, taken in used]
            found += quota_will_wait.of_pods(standings)
        return tuple(found)

    def _made_for(self, pods: Pods, name: str) -> Iterator[NamespacedName]:
        """Yield the stored claims of the pods of a workload, by the names that its pods get."""
        for key, claim in self._stored.claims.items() if pods.asked else ():
            owner = claim.metadata.controller()
            if key[0] != pods.case.namespace or owner is None or owner.kind != POD:
                continue
            if owner.name == name or (pods.case.kind != POD and owner.name.startswith(f"{name}-")):
                yield key

    @cached_property
    def _tariff(self) -> Tariff:
        return tariff_of(self._view)

    def _said(self, claim: Claim, charged: QuotaCharge) -> Iterator[Finding]:
        key = (claim.metadata.namespace, claim.metadata.name)
        standings = standings_in(charged, self._used(charged.quota, frozenset({key})))
        over = tuple(standing for standing in standings if not standing.fits)
        path = claim.requests_path()
        if over and charged.quota.mode is QuotaMode.DENY:
            holders = self._holders_of(charged.quota)
            yield from quota_exceeded.findings(charged, over, path, datetime.now(UTC), holders, self._tariff)
        else:
            yield from quota_soft.findings(charged, standings, path)

    def _used(self, quota: DeviceQuota, but: frozenset[NamespacedName] = frozenset()) -> Amounts:
        """Return what is used of a quota without some claims, and with what was judged before."""
        judged = [
            amounts[_key(quota)] for key, amounts in self._charged.items() if key not in but and _key(quota) in amounts
        ]
        replaced = self._charged.keys() | but
        if quota.status is not None and quota.status.observed_generation == quota.generation:
            booked = {limit.name: limit.used for limit in quota.status.limits}
            known = [claim for key in replaced if (claim := self._stored.claims.get(key)) is not None]
            own = (charge(claim, quota, self._tariff).amounts() for claim in known if self._covers(quota, claim))
            less = ({name: -amount for name, amount in amounts.items()} for amounts in own)
            return total((booked, *less, *judged))
        held = (holder for holder in self._holders_of(quota) if holder.place not in replaced)
        return total((*(holder.amounts for holder in held), *judged))

    def _covers(self, quota: DeviceQuota, claim: Claim) -> bool:
        return self._stored.covers(quota, claim.metadata.namespace)

    def _holders_of(self, quota: DeviceQuota) -> Holders:
        key = _key(quota)
        if key not in self._holders:
            self._holders[key] = Holders(holders_of(quota, self._stored, self._tariff, self._exempt))
        return self._holders[key]


def _key(quota: DeviceQuota) -> _QuotaKey:
    return quota.namespace, quota.name
