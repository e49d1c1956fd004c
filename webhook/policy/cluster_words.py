"""`quotas` and `inventory`: what is known of the cluster beside the object."""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

from webhook.cel.device import make_device
from webhook.cel.values import Value
from webhook.core.cluster import ClusterView
from webhook.core.quantity import Quantity
from webhook.core.quotas import DeviceQuota
from webhook.inventory.inventory import Inventory, inventory_of
from webhook.policy.case import PolicyCase
from webhook.quota.charges import holders_of, tariff_of


def quotas(case: PolicyCase) -> Value:
    """Return the quotas of the namespace by name; of two of one name the namespace's own counts."""
    if not case.namespace:
        return {}
    found: dict[str, Value] = {}
    for quota in case.view.quotas_of(case.namespace):
        if quota.namespace or quota.name not in found:
            found[quota.name] = _quota(case, quota)
    return found


def _quota(case: PolicyCase, quota: DeviceQuota) -> Value:
    used = _used(case, quota)
    return {
        "used": {limit.name: Quantity(used.get(limit.name, Fraction(0)), limit.hard.format) for limit in quota.limits},
        "hard": {limit.name: limit.hard for limit in quota.limits},
    }


def _used(case: PolicyCase, quota: DeviceQuota) -> Mapping[str, Fraction]:
    """Return what is taken by the books; where nobody keeps them, by the claims that are stored."""
    if quota.status is not None:
        return {limit.name: limit.used for limit in quota.status.limits}
    total: dict[str, Fraction] = {}
    for holder in holders_of(quota, case.view, tariff_of(case.view, expired=case.expired)):
        for name, amount in holder.amounts.items():
            total[name] = total.get(name, Fraction(0)) + amount
    return total


def inventory(view: ClusterView) -> Value:
    """Return the published devices by driver."""
    return _devices(inventory_of(view))


@lru_cache(maxsize=2)
def _devices(known: Inventory) -> Value:
    """Return the devices of an inventory; it is made anew whenever slices change."""
    by_driver: dict[str, list[Value]] = {}
    for device, place in zip(known.devices[: known.live], known.places, strict=True):
        capacity = {name: held.value for name, held in device.capacity.items()}
        seen = make_device(device.driver, device.attributes, capacity, device.allow_multiple_allocations)
        by_driver.setdefault(device.driver, []).append(
            {
                "driver": device.driver,
                "pool": place.pool,
                "name": device.name,
                "node": place.reach.node_name,
                "attributes": seen.attributes,
                "capacity": seen.capacity,
                "allowMultipleAllocations": device.allow_multiple_allocations,
            }
        )
    return {"drivers": sorted(by_driver), "byDriver": by_driver}
