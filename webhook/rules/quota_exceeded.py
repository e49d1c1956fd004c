"""quota-exceeded: the claim does not fit under a limit (contract 5)."""

from collections.abc import Iterator, Sequence

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Fix, Reason
from webhook.core.quota_status import written
from webhook.core.quotas import Dimension
from webhook.quota.charge import Part, QuotaCharge
from webhook.quota.charges import Holder
from webhook.quota.ledger import Standing
from webhook.quota.wording import SEVERITY, exceeded, explained, held

NAME = "quota-exceeded"


def findings(
    charged: QuotaCharge, standings: Sequence[Standing], devices_path: FieldPath, holders: Sequence[Holder] = ()
) -> Iterator[Finding]:
    """Yield each limit of one quota that the claim does not fit under, as severe as the quota's mode.

    `devices_path` is where a finding stands that no single request brings about; `holders` are who is known to hold
    something of the quota.
    """
    for standing in standings:
        on_limit = next((one for one in charged.limits if one.limit.name == standing.limit.name), None)
        if standing.fits or on_limit is None:
            continue
        largest = on_limit.largest
        told = [text for text in (explained(on_limit), _held_by(standing, holders)) if text]
        yield Finding(
            rule=NAME,
            severity=SEVERITY[charged.quota.mode],
            path=largest.path if largest else devices_path,
            message=exceeded(charged.quota, standing),
            why="; ".join(told),
            fixes=tuple(_fixes(standing, largest)),
            reason=Reason.FORBIDDEN,
            permitted=False,
        )


def _held_by(standing: Standing, holders: Sequence[Holder]) -> str:
    held_by = held(standing.limit, holders)
    return f"held by {held_by}" if held_by else ""


def _fixes(standing: Standing, largest: Part | None) -> Iterator[Fix]:
    """Yield what would fit now, and what else can be done."""
    left = standing.hard - standing.used
    room = left - standing.requested + (largest.amount or 0) if largest else left
    each = largest.each.amount if largest else None
    fewer = int(room / each) if each else 0
    if largest and 0 < fewer < largest.count:
        yield Fix(f"ask for at most {'1 device' if fewer == 1 else f'{fewer} devices'} in '{largest.request}'")
    elif largest and left > 0 and standing.limit.dimension is not Dimension.DEVICES:
        yield Fix(f"ask for smaller devices or shares; {written(left, standing.limit.hard)} is left")
    free = f"{written(left, standing.limit.hard)} of {standing.limit.hard}" if left > 0 else "nothing"
    yield Fix(f"delete claims that are not needed any more, or have the limit raised; {free} is left")
