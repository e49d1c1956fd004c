"""What all stored claims are charged, counted again only where something has changed."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.device import Device
from webhook.core.quota_status import Amounts
from webhook.core.quotas import DeviceQuota
from webhook.inventory.consumed import arithmetic_of
from webhook.inventory.inventory import inventory_of
from webhook.quota.charge import QuotaCharge, Tariff, charge
from webhook.quota.charges import charge_terms, same_supply
from webhook.quota.cluster_supply import ClusterSupply, DeviceId
from webhook.quota.drivers import facts_of

_SLICE_SECONDS = 0.005
QuotaKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Known:
    claim: Claim
    amounts: Amounts


@dataclass(slots=True)
class _Book:
    """The charges of one quota under one spec and one tariff.

    `alike` are the charges by `charge_terms`; it holds the requests too, so that they stay alive.
    """

    quota: DeviceQuota
    tariff: Tariff
    known: dict[str, _Known] = field(default_factory=dict)
    alike: dict[object, tuple[Claim, Amounts]] = field(default_factory=dict)

    def amounts(self, claim: Claim, before: _Known | None) -> Amounts:
        """Return what a claim is charged; where nothing bounds a part of it, at least what it was charged before."""
        terms = charge_terms(claim, self.quota, self.tariff)
        known = self.alike.get(terms)
        if known is not None:
            return known[1]
        counted = charge(claim, self.quota, self.tariff)
        amounts = counted.amounts()
        if any(limit.unbounded for limit in counted.limits):
            return _kept_up(counted, amounts, before)
        self.alike[terms] = (claim, amounts)
        return amounts


class Charging:
    """Remembers charges by claim; those of a claim whose shapes are gone stay what they were (contract 5.5)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._books: dict[QuotaKey, _Book] = {}
        self._view: ClusterView | None = None
        self._tariff: Tariff | None = None
        self._gone: dict[DeviceId, Device] = {}

    async def charges(self, quota: DeviceQuota, claims: Iterable[Claim], view: ClusterView) -> Mapping[str, Amounts]:
        """Return the charges of claims by uid, letting others run every few milliseconds."""
        tariff = self._tariff_of(view)
        before = self._books.get((quota.namespace, quota.name))
        same = before is not None and before.tariff is tariff and _same_spec(before.quota, quota)
        book = _Book(quota, tariff, alike=before.alike if same and before else {})
        amounts: dict[str, Amounts] = {}
        await asyncio.sleep(0)
        began = self._clock()
        for claim in claims:
            uid = claim.metadata.uid
            known = before.known.get(uid) if before else None
            if known is None or known.claim is not claim or not same:
                known = _Known(claim, book.amounts(claim, known))
            book.known[uid] = known
            amounts[uid] = known.amounts
            if self._clock() - began > _SLICE_SECONDS:
                await asyncio.sleep(0)
                began = self._clock()
        self._books[quota.namespace, quota.name] = book
        return amounts

    def forget(self, quotas: Iterable[QuotaKey]) -> None:
        """Forget all quotas but these."""
        kept = set(quotas)
        self._books = {key: book for key, book in self._books.items() if key in kept}

    def _tariff_of(self, view: ClusterView) -> Tariff:
        if self._tariff is None or self._view is None or not same_supply(self._view, view):
            self._remember_gone(view)
            facts = facts_of(view.catalogue)
            supply = ClusterSupply(view, facts, gone=dict(self._gone))
            self._tariff = Tariff(supply, facts, arithmetic_of(view.server))
            self._view = view
        return self._tariff

    def _remember_gone(self, view: ClusterView) -> None:
        """Keep the last known shape of devices that claims hold and that are not published any more."""
        held = {
            (result.driver, result.pool, result.device)
            for book in self._books.values()
            for known in book.known.values()
            for result in known.claim.allocated or ()
        }
        known = {**self._gone, **(_published(self._view) if self._view else {})}
        now = _published(view)
        self._gone = {place: known[place] for place in held if place in known and place not in now}


def _same_spec(one: DeviceQuota, other: DeviceQuota) -> bool:
    return (one.uid, one.generation) == (other.uid, other.generation)


def _kept_up(counted: QuotaCharge, amounts: Amounts, before: _Known | None) -> Amounts:
    if before is None:
        return amounts
    unbounded = {limit.limit.name: limit.amount for limit in counted.limits if limit.unbounded}
    kept = {name: max(amount, before.amounts.get(name, amount)) for name, amount in unbounded.items()}
    return {**amounts, **{name: amount for name, amount in kept.items() if amount > 0}}


def _published(view: ClusterView) -> Mapping[DeviceId, Device]:
    inventory = inventory_of(view)
    published = zip(inventory.devices, inventory.places, strict=False)
    return {(device.driver, place.pool, device.name): device for device, place in published}
