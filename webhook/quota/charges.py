"""The charges of a claim on all quotas of its namespace, and who holds what, as a cluster view shows it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from webhook.core.claims import CLAIM, Claim
from webhook.core.cluster import ClusterView
from webhook.core.device import Device
from webhook.core.quota_status import Amounts
from webhook.core.quotas import DeviceQuota
from webhook.inventory.case import never
from webhook.inventory.consumed import arithmetic_of
from webhook.quota.charge import QuotaCharge, Tariff, charge
from webhook.quota.cluster_supply import ClusterSupply, DeviceId
from webhook.quota.drivers import facts_of
from webhook.quota.ledger import Standing

_MOST_COUNTED = 300


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


def holders_of(
    quota: DeviceQuota, view: ClusterView, tariff: Tariff, exempt: Callable[[str], bool] = _none_exempt
) -> Iterator[Holder]:
    """Yield the stored claims that the quota covers and that take something of it; not those of exempt namespaces."""
    for claim in _covered(quota, view, exempt):
        amounts = charge(claim, quota, tariff).amounts()
        if amounts:
            yield Holder(claim, amounts)


def known_holders(quota: DeviceQuota, view: ClusterView, tariff: Tariff, namespace: str) -> tuple[Holder, ...]:
    """Return the holders in a namespace, for a refusal there, which must not tell of objects in other namespaces.

    None where there are so many claims that counting them would hold the refusal up.
    """

    def elsewhere(other: str) -> bool:
        return other != namespace

    claims = tuple(islice(_covered(quota, view, elsewhere), _MOST_COUNTED + 1))
    return () if len(claims) > _MOST_COUNTED else tuple(holders_of(quota, view, tariff, elsewhere))


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
