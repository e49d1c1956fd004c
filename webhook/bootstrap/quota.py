"""What `drawbridge quota` reports, fetched: quotas, their use, and what one claim would be charged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from webhook.bootstrap.offline import Offline, offline
from webhook.core.claims import CLAIM, GROUP, TEMPLATE, Claim, parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.errors import SettingsError
from webhook.core.finding import Finding, Severity, in_order
from webhook.core.namespaced import NamespacedName
from webhook.core.quotas import DeviceQuota
from webhook.core.raw import RawObject
from webhook.kube.sqlite_books import Entry
from webhook.kube.sqlite_ledger import SqliteLedger
from webhook.quota.charge import Tariff
from webhook.quota.charges import Holder, charges_of, holders_of, tariff_of
from webhook.quota.ledger import total
from webhook.quota.report import QuotaUse
from webhook.rules import quota_exceeded, quota_unbounded
from webhook.settings import Settings


@dataclass(frozen=True, slots=True)
class QuotaPicture:
    """All quotas with their use; `findings` are what is always refused of the claim that was asked about."""

    uses: tuple[QuotaUse, ...]
    judge: Offline
    raw: RawObject | None = None
    findings: tuple[Finding, ...] = ()


def picture(settings: Settings, documents: Sequence[RawObject] = ()) -> QuotaPicture:
    """Return every quota of the cluster; with documents, what their one claim would be charged.

    A claim that is stored already does not count as used beside itself.
    """
    raw = _the_claim(documents) if documents else None
    judge = offline(settings, documents)
    tariff = tariff_of(judge.view)
    if raw is None:
        return QuotaPicture(_uses(judge, tariff), judge)
    namespace = judge.namespace_of(raw)
    claim = _as_claim(parse_claim(raw), namespace)
    charges = () if judge.rulebook.exempt(namespace) else charges_of(claim, namespace, judge.view, tariff)
    of_quota = {id(charged.quota): charged for charged in charges}
    stored = (namespace, claim.metadata.name) if raw.get("kind") == CLAIM else None
    uses = _uses(judge, tariff, stored)
    found = judge.findings(raw)
    if raw.get("kind") == TEMPLATE:
        found = in_order((*found, *judge.applied(quota_unbounded.findings(charges))))
    return QuotaPicture(
        tuple(replace(use, charged=of_quota.get(id(use.quota))) for use in uses),
        judge,
        raw,
        tuple(one for one in found if one.severity is Severity.DENY and one.rule != quota_exceeded.NAME),
    )


def _the_claim(documents: Sequence[RawObject]) -> RawObject:
    found = [raw for raw in documents if _is_claim(raw)]
    if len(found) != 1:
        raise SettingsError((f"--claim: the file must hold one claim or template, not {len(found)}",))
    return found[0]


def _is_claim(raw: RawObject) -> bool:
    api_version = raw.get("apiVersion")
    in_group = isinstance(api_version, str) and api_version.startswith(f"{GROUP}/")
    return in_group and raw.get("kind") in (CLAIM, TEMPLATE)


def _as_claim(claim: Claim, namespace: str) -> Claim:
    """Return the claim in its namespace; a template as a claim that it would make."""
    return replace(claim, kind=CLAIM, metadata=replace(claim.metadata, namespace=namespace))


def _uses(judge: Offline, tariff: Tariff, without: NamespacedName | None = None) -> tuple[QuotaUse, ...]:
    ledger = judge.settings.ledger
    entries = ledger_entries(ledger) if ledger else None
    quotas = sorted(judge.view.quotas.values(), key=lambda quota: (quota.namespace, quota.name))
    return tuple(_use(quota, judge, tariff, entries, without) for quota in quotas)


def _use(
    quota: DeviceQuota,
    judge: Offline,
    tariff: Tariff,
    entries: Sequence[Entry] | None,
    without: NamespacedName | None,
) -> QuotaUse:
    """Return the use of one quota: by its status, by the standalone ledger, or as the claims in the files come to."""
    holders = tuple(
        holder
        for holder in holders_of(quota, judge.view, tariff, judge.rulebook.exempt)
        if (holder.claim.metadata.namespace, holder.claim.metadata.name) != without
    )
    if entries is not None:
        held = tuple(_held(quota, judge.view, entries, without))
        return QuotaUse(quota, total(holder.amounts for holder in held), {}, held)
    if quota.status is not None and quota.status.observed_generation == quota.generation:
        used = {limit.name: limit.used for limit in quota.status.limits}
        return QuotaUse(quota, used, {limit.name: limit.reserved for limit in quota.status.limits}, holders)
    return QuotaUse(quota, total(holder.amounts for holder in holders), {}, holders)


def _held(
    quota: DeviceQuota, view: ClusterView, entries: Sequence[Entry], without: NamespacedName | None
) -> Iterator[Holder]:
    for entry in entries:
        key = (entry.namespace, entry.name)
        amounts = entry.amounts.get((quota.namespace, quota.name))
        if amounts and key != without:
            named = {"namespace": entry.namespace, "name": entry.name, "uid": entry.uid}
            yield Holder(view.claims.get(key) or parse_claim({"kind": CLAIM, "metadata": named}), amounts)


def ledger_entries(path: Path) -> tuple[Entry, ...]:
    """Return what the standalone ledger holds; SettingsError where there is none."""
    ledger = _existing(path)
    try:
        return ledger.entries()
    finally:
        ledger.close()


def release(path: Path, uid: str) -> bool:
    """End the charge of a claim in the standalone ledger; False where it is not known."""
    ledger = _existing(path)
    try:
        return ledger.release(uid)
    finally:
        ledger.close()


def _existing(path: Path) -> SqliteLedger:
    if not path.exists():
        raise SettingsError((f"--ledger: '{path}' does not exist",))
    return SqliteLedger(path)
