"""What would fit: smaller devices that exist."""

from fractions import Fraction

from webhook.core.device import Device
from webhook.core.quota_status import written
from webhook.core.quotas import Dimension
from webhook.quota.charge import Part, Tariff, whole_charge
from webhook.quota.drivers import profile_of
from webhook.quota.ledger import Standing

_MOST_NAMED = 3


def smaller(standing: Standing, largest: Part, tariff: Tariff) -> tuple[str, ...]:
    """Return devices that could stand for those of the largest request and fit, the largest first, with their charge.

    Only devices that are not shared, and that have a name people ask for: a MIG profile or a product. None where the
    limit goes by the class: what a class holds by another name would not be charged at all.
    """
    limit = standing.limit
    room = standing.hard - standing.used - (standing.requested - (largest.amount or 0))
    if limit.dimension is Dimension.DEVICES or limit.match.device_class_name:
        return ()
    found: dict[str, Fraction] = {}
    for device in tariff.supply.shapes():
        amount = whole_charge(limit, device, tariff)
        name = _name_of(device)
        if name and amount and amount * largest.count <= room and not device.allow_multiple_allocations:
            found[name] = max(amount, found.get(name, amount))
    best = sorted(found, key=lambda name: (-found[name], name))[:_MOST_NAMED]
    return tuple(f"{name} ({written(found[name], limit.hard)})" for name in best)


def _name_of(device: Device) -> str:
    profile = profile_of(device)
    if profile:
        return f"MIG profile '{profile}'"
    product = device.attribute(f"{device.driver}/productName")
    return f"'{product}'" if isinstance(product, str) else ""
