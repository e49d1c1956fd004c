"""The words in which quotas speak, shared by the rules and the reports."""

from datetime import datetime, timedelta

from webhook.core.finding import Severity
from webhook.core.quota_status import written
from webhook.core.quotas import DeviceQuota, Dimension, Limit, QuotaMode
from webhook.quota.charge import Basis, LimitCharge, Part
from webhook.quota.charges import Holder, Takers
from webhook.quota.ledger import Standing

SEVERITY = {QuotaMode.DENY: Severity.DENY, QuotaMode.WARN: Severity.WARN, QuotaMode.AUDIT: Severity.INFO}


def place_of(quota: DeviceQuota) -> str:
    """Return where a quota holds: in its namespace, or over all that a ClusterDeviceQuota selects."""
    return f"in namespace '{quota.namespace}'" if quota.namespace else f"in cluster quota '{quota.name}'"


def exceeded(quota: DeviceQuota, standing: Standing) -> str:
    """Return the numbers in Kubernetes' own order (messages.md 5)."""
    return f"exceeded quota: '{standing.limit.name}' {place_of(quota)}, {numbers(standing)}"


def numbers(standing: Standing) -> str:
    hard = standing.limit.hard
    return f"requested: {written(standing.requested, hard)}, used: {written(standing.used, hard)}, limited: {hard}"


def reasons(quota: DeviceQuota, charged: LimitCharge | None) -> str:
    """Return for a warning, whose first line must be short, where the quota holds and how the amount comes about."""
    told = explained(charged) if charged else ""
    return f"quota '{quota.name}' {place_of(quota)}" + (f": {told}" if told else "")


def explained(charged: LimitCharge) -> str:
    """Return how an amount comes about, request by request, the largest first; empty where nothing is charged."""
    parts = sorted(charged.parts, key=lambda part: part.weight, reverse=True)
    several = len(parts) > 1
    told = [
        f"'{part.request}' {_told(part, charged.limit)}" if several else _told(part, charged.limit) for part in parts
    ]
    return "; ".join(told[:3]) + (f"; and {len(told) - 3} more requests" if len(told) > 3 else "")


def _told(part: Part, limit: Limit) -> str:
    devices = "1 device" if part.count == 1 else f"{part.count} devices"
    if limit.dimension is Dimension.DEVICES:
        return devices
    if part.each.amount is None:
        return f"{devices} of an amount that cannot be known"
    each = written(part.each.amount, limit.hard)
    if limit.dimension is Dimension.SLICES:
        return f"{devices} of at most {each} compute slice{'' if each == '1' else 's'}"
    asked = "" if part.each.asked is None else written(part.each.asked, limit.hard)
    match part.each.basis:
        case Basis.WHOLE:
            return f"{devices} of at most {each}, for a device that is not shared is taken whole"
        case Basis.ROUNDED:
            return f"{devices} of at most {each}, rounded up from {asked} by the driver's request policy"
        case Basis.DEFAULT:
            return f"{devices} of at most {each}, what the driver gives where no amount is asked"
        case Basis.MINIMUM:
            return f"{devices} of {each}, the least that a share is charged"
        case Basis.UNKNOWN:
            return f"{devices} of {each} as asked, and no known device could serve that"
        case Basis.CONSUMED:
            return f"{devices} of {each} as allocated"
        case _:
            return f"{devices} of at most {each}"


def held(limit: Limit, takers: Takers, now: datetime) -> str:
    """Return who holds most of a limit, and since when; empty where nobody is known to hold anything."""
    told = [
        f"{_name(holder)} {written(holder.amounts[limit.name], limit.hard)}{_since(holder, now)}"
        for holder in takers.largest
    ]
    more = takers.count - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def _since(holder: Holder, now: datetime) -> str:
    age = age_of(holder.claim.metadata.creation_timestamp, now)
    return f" for {age}" if age else ""


def age_of(created: str, now: datetime) -> str | None:
    """Return an age as kubectl writes it, roughly: `45s`, `12m`, `5h`, `3d`; None where it is not known."""
    try:
        since = max(now - datetime.fromisoformat(created), timedelta())
    except (ValueError, TypeError):
        return None
    seconds = int(since.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _name(holder: Holder) -> str:
    metadata = holder.claim.metadata
    owner = metadata.controller()
    of = f" of {owner.kind.lower()} '{owner.name}'" if owner else ""
    return f"'{metadata.namespace}/{metadata.name}'{of}"
