"""quota-exceeded: the claim does not fit under a limit (contract 5)."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Fix, Reason
from webhook.core.quota_status import written
from webhook.core.quotas import DeviceQuota, Dimension
from webhook.quota.advice import smaller
from webhook.quota.charge import Part, QuotaCharge, Tariff
from webhook.quota.charges import Holders
from webhook.quota.ledger import Standing
from webhook.quota.wording import SEVERITY, exceeded, explained, held

NAME = "quota-exceeded"
_NOBODY = Holders()


def findings(
    charged: QuotaCharge,
    standings: Sequence[Standing],
    devices_path: FieldPath,
    now: datetime,
    holders: Holders = _NOBODY,
    tariff: Tariff | None = None,
) -> Iterator[Finding]:
    """Yield each limit of one quota that the claim does not fit under, as severe as the quota's mode.

    `devices_path` is where a finding stands that no single request brings about; `holders` are who is known to hold
    something of the quota (for how long: by `now`), and by the tariff smaller devices are looked for that would fit.
    """
    for standing in standings:
        on_limit = next((one for one in charged.limits if one.limit.name == standing.limit.name), None)
        if standing.fits or on_limit is None:
            continue
        largest = on_limit.largest
        told = [text for text in (explained(on_limit), _held_by(charged.quota, standing, holders, now)) if text]
        yield Finding(
            rule=NAME,
            severity=SEVERITY[charged.quota.mode],
            path=largest.path if largest else devices_path,
            message=exceeded(charged.quota, standing),
            why="; ".join(told),
            fixes=tuple(_fixes(standing, largest, smaller(standing, largest, tariff) if largest and tariff else ())),
            reason=Reason.FORBIDDEN,
            permitted=False,
        )


def _held_by(quota: DeviceQuota, standing: Standing, holders: Holders, now: datetime) -> str:
    takers = holders.of(standing.limit.name)
    others = "other namespaces" if not quota.namespace and takers.total < standing.used else ""
    held_by = " and ".join(filter(None, (held(standing.limit, takers, now), others)))
    return f"held by {held_by}" if held_by else ""


def _fixes(standing: Standing, largest: Part | None, smaller: Sequence[str]) -> Iterator[Fix]:
    """Yield what would fit now, and what else can be done."""
    left = standing.hard - standing.used
    free = f"{written(left, standing.limit.hard)} of {standing.limit.hard}" if left > 0 else "nothing"
    if largest and (fewer := _fewer(standing, largest)):
        yield Fix(f"ask for at most {'1 device' if fewer == 1 else f'{fewer} devices'} in '{largest.request}'")
    if smaller:
        yield Fix(f"ask for something smaller that exists and fits: {', '.join(smaller)}")
    elif left > 0 and standing.limit.dimension is Dimension.CAPACITY:
        yield Fix(f"ask for less of `{standing.limit.capacity}`, or for devices that have less")
    yield Fix(f"delete claims that are not needed any more, or have the limit raised; {free} is left")


def _fewer(standing: Standing, largest: Part) -> int:
    """Return how many devices of the largest request would fit beside the other requests; 0 where none would."""
    each = largest.each.amount
    others = standing.requested - (largest.amount or 0)
    room = standing.hard - standing.used - others
    fewer = int(room / each) if each and room > 0 else 0
    return fewer if fewer < largest.count else 0
