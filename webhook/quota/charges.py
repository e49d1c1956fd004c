"""The charges of a claim on all quotas of its namespace, and who holds what, as a cluster view shows it."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from heapq import nsmallest

from webhook.core.claims import CLAIM, Claim
from webhook.core.cluster import ClusterView
from webhook.core.device import Device
from webhook.core.namespaced import NamespacedName
from webhook.core.quota_status import Amounts
from webhook.core.quotas import DeviceQuota
from webhook.inventory.case import never
from webhook.inventory.consumed import arithmetic_of
from webhook.quota.charge import QuotaCharge, Tariff, charge
from webhook.quota.cluster_supply import ClusterSupply, DeviceId, charged_shape
from webhook.quota.drivers import facts_of
from webhook.quota.ledger import Standing, total

MOST_NAMED = 5
_MOST_COUNTED = 5_000
_MOST_UNLIKE = 300


def _none_exempt(namespace: str) -> bool:  # noqa: ARG001 - the answer for every namespace
    return False


def tariff_of(
    view: ClusterView,
    *,
    gone: Mapping[DeviceId, Device] | None = None,
    expired: Callable[[], bool] = never,
) -> Tariff:
    """Return by what claims are charged in the cluster of a view; see ClusterSupply for the options."""
    facts = facts_of(view.catalogue)
    return Tariff(ClusterSupply(view, facts, gone=gone, expired=expired), facts, arithmetic_of(view.server))


def charges_of(claim: Claim, namespace: str, view: ClusterView, tariff: Tariff) -> tuple[QuotaCharge, ...]:
    """Return what the claim takes of each quota of the namespace, in the order in which they are asked."""
    if claim.kind != CLAIM:
        return ()
    return tuple(charge(claim, quota, tariff) for quota in view.quotas_of(namespace))


@dataclass(frozen=True, slots=True)
class Holder:
    """A stored claim and what it takes of a quota, limit by limit."""

    claim: Claim
    amounts: Amounts

    @property
    def place(self) -> NamespacedName:
        return self.claim.metadata.namespace, self.claim.metadata.name

    def rank(self, limit: str) -> tuple[Fraction, NamespacedName]:
        """Return what sorts those who hold something of a limit, the largest first."""
        return -self.amounts[limit], self.place


@dataclass(frozen=True, slots=True)
class Takers:
    """What is held of one limit in all, by how many claims, and the claims that hold most."""

    total: Fraction
    count: int
    largest: tuple[Holder, ...]


class Holders:
    """Who holds something of a quota. Each limit is looked at once: of a full quota many are told the same."""

    def __init__(self, each: Iterable[Holder] = ()) -> None:
        self._each = tuple(each)
        self._takers: dict[str, Takers] = {}

    def __iter__(self) -> Iterator[Holder]:
        return iter(self._each)

    def of(self, limit: str) -> Takers:
        known = self._takers.get(limit)
        if known is None:
            taking = [holder for holder in self._each if holder.amounts.get(limit)]
            largest = nsmallest(MOST_NAMED, taking, key=lambda holder: holder.rank(limit))
            taken = total(holder.amounts for holder in taking).get(limit, Fraction(0))
            known = self._takers[limit] = Takers(taken, len(taking), tuple(largest))
        return known


def holders_of(
    quota: DeviceQuota, view: ClusterView, tariff: Tariff, exempt: Callable[[str], bool] = _none_exempt
) -> Iterator[Holder]:
    """Yield the stored claims that the quota covers and that take something of it; not those of exempt namespaces."""
    return _holders(quota, _covered(quota, view, exempt), tariff)


def known_holders(quota: DeviceQuota, view: ClusterView, tariff: Tariff, namespace: str) -> Holders:
    """Return the holders in a namespace, for a refusal there, which must not tell of objects in other namespaces.

    None where there are so many claims that counting them would hold the refusal up.
    """
    return _LATEST.of(quota, view, tariff, namespace)


def _holders(quota: DeviceQuota, claims: Iterable[Claim], tariff: Tariff) -> Iterator[Holder]:
    """Yield who holds something; of claims that are alike one is charged."""
    alike: dict[object, Amounts] = {}
    for claim in claims:
        terms = charge_terms(claim, quota, tariff)
        amounts = alike.get(terms)
        if amounts is None:
            amounts = alike[terms] = charge(claim, quota, tariff).amounts()
        if amounts:
            yield Holder(claim, amounts)


def charge_terms(claim: Claim, quota: DeviceQuota, tariff: Tariff) -> object:
    """Return all that a claim's charge follows from under one quota and tariff, as long as the claim is kept.

    Claims that are kept share the requests of one spec. Of a device that is allocated only its shape matters, unless a
    limit's selector may look at more of it.
    """
    if claim.allocated is None:
        return id(claim.requests)
    whole = any(limit.match.selector for limit in quota.limits)
    results = []
    for result in claim.allocated:
        device = tariff.supply.device(result.driver, result.pool, result.device)
        shape = device if device is None or whole else charged_shape(device)
        taken = None if result.consumed is None else frozenset(result.consumed.items())
        results.append((result.request, result.driver, result.admin_access, taken, id(shape) if whole else shape))
    return id(claim.requests), tuple(results)


class _Latest:
    """The holders counted last: who is refused asks again, and mostly nothing has changed in the namespace."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counted: OrderedDict[tuple[str, str, str], tuple[object, tuple[object, ...], Holders]] = OrderedDict()

    def of(self, quota: DeviceQuota, view: ClusterView, tariff: Tariff, namespace: str) -> Holders:
        claims = view.claims_in(namespace)
        by = (claims, *_supply(view))
        spec = quota.limits, quota.count_admin_access, view.server
        key = quota.namespace, quota.name, namespace
        kept = self._counted.get(key)
        if kept is None or kept[0] != spec or not _identical(kept[1], by):
            many = len(claims) > _MOST_COUNTED or len({id(claim.requests) for claim in claims.values()}) > _MOST_UNLIKE
            kept = spec, by, Holders(() if many else _holders(quota, claims.values(), tariff))
            self._counted[key] = kept
            while len(self._counted) > self._most:
                self._counted.popitem(last=False)
        return kept[2]


_LATEST = _Latest(16)


def same_supply(one: ClusterView, other: ClusterView) -> bool:
    """Return whether the same claims are charged the same under both views."""
    return _identical(_supply(one), _supply(other)) and one.server == other.server


def _supply(view: ClusterView) -> tuple[object, ...]:
    """Return what charges follow from beside the server's version and gates, which is shared as long as it stays."""
    return view.slices, view.inventories, view.device_classes, view.nodes


def _identical(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    return all(one is other for one, other in zip(some, others, strict=True))


def _covered(quota: DeviceQuota, view: ClusterView, exempt: Callable[[str], bool]) -> Iterator[Claim]:
    covered: dict[str, bool] = {}
    for (namespace, _), claim in view.claims.items():
        if namespace not in covered:
            covered[namespace] = view.covers(quota, namespace) and not exempt(namespace)
        if covered[namespace]:
            yield claim


def standings_in(charged: QuotaCharge, used: Amounts) -> tuple[Standing, ...]:
    """Return how the limits stand that a claim concerns, by what is used without it."""
    return standings_by(charged.quota, charged.amounts(), used)


def standings_by(quota: DeviceQuota, amounts: Amounts, used: Amounts) -> tuple[Standing, ...]:
    """Return how the limits stand of which something is asked."""
    return tuple(
        Standing(limit, amounts[limit.name], used.get(limit.name, Fraction(0)))
        for limit in quota.limits
        if limit.name in amounts
    )
