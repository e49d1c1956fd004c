"""Where the books of a quota say what the protocol does not bring about: somebody else has written them."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from webhook.core.quota_status import Amounts, LimitStatus, QuotaStatus, written
from webhook.core.quotas import DeviceQuota
from webhook.quota.ledger import total

_NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True)
class Folded:
    """What was stored by limit when this process folded a quota last, and how far the claims were seen then."""

    uid: str
    generation: int
    resource_version: int
    stored: Amounts


def drift(quota: DeviceQuota, last: Folded | None) -> Iterator[str]:
    """Yield, for people, each limit whose books are not what is stored and what is open come to.

    Replicas only add to `used`, `reserved` and the reservations alike, and take the same away. So `reserved` is the sum
    of the reservations, and the rest of `used` is what the last fold has found, unless somebody newer has folded.
    """
    status = quota.status
    if status is None or status.observed_generation != quota.generation:
        return
    open_charges = total(reservation.amounts for reservation in status.reservations)
    known = last if last is not None and _is_last(last, quota, status) else None
    for limit in status.limits:
        reserved = open_charges.get(limit.name, _NOTHING)
        stored = limit.used - limit.reserved if known is None else known.stored.get(limit.name, _NOTHING)
        if (limit.used, limit.reserved) != (stored + reserved, reserved):
            said, true = (
                _numbers(limit, *pair) for pair in ((limit.used, limit.reserved), (stored + reserved, reserved))
            )
            yield f"limit '{limit.name}': the status says {said}; claims and reservations come to {true}"


def _numbers(limit: LimitStatus, used: Fraction, reserved: Fraction) -> str:
    return f"used {written(used, limit.hard)}, reserved {written(reserved, limit.hard)}"


def _is_last(last: Folded, quota: DeviceQuota, status: QuotaStatus) -> bool:
    same = (last.uid, last.generation) == (quota.uid, quota.generation)
    return same and status.observed_resource_version <= last.resource_version
