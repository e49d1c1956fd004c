"""QuotaReport: what is allowed, what is used, by whom, and what a claim would take (contract 3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from webhook.core.claims import CLAIM
from webhook.core.quota_status import Amounts, percent, written
from webhook.core.quotas import DeviceQuota, Limit
from webhook.core.render import aligned
from webhook.quota.charge import LimitCharge, QuotaCharge
from webhook.quota.charges import Holder, Holders
from webhook.quota.wording import age_of, explained, held

_NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """One quota: its use by limit, what of it is only reserved, and the stored claims that hold the rest."""

    quota: DeviceQuota
    used: Amounts
    reserved: Amounts
    holders: tuple[Holder, ...] = ()
    charged: QuotaCharge | None = None

    def charge_of(self, limit: Limit) -> LimitCharge | None:
        if self.charged is None:
            return None
        return next((one for one in self.charged.limits if one.limit.name == limit.name), None)


def quota_json(use: QuotaUse, now: datetime, *, with_claim: bool) -> Mapping[str, Any]:
    """Return one entry of `quotas`; with a claim also what that would be charged."""
    quota = use.quota
    return {
        "kind": quota.kind,
        "namespace": quota.namespace or None,
        "name": quota.name,
        "limits": [
            {**_limit_json(use, limit, now), **(_claim_json(use, limit) if with_claim else {})}
            for limit in quota.limits
        ],
    }


def _limit_json(use: QuotaUse, limit: Limit, now: datetime) -> dict[str, Any]:
    return {
        "name": limit.name,
        "hard": str(limit.hard),
        "used": written(use.used.get(limit.name, _NOTHING), limit.hard),
        "reserved": written(use.reserved.get(limit.name, _NOTHING), limit.hard),
        "holders": [_holder_json(holder, limit, now) for holder in _largest(use.holders, limit)],
    }


def _largest(holders: Iterable[Holder], limit: Limit) -> Sequence[Holder]:
    taking = (holder for holder in holders if holder.amounts.get(limit.name))
    return sorted(taking, key=lambda holder: holder.rank(limit.name))


def _holder_json(holder: Holder, limit: Limit, now: datetime) -> dict[str, Any]:
    metadata = holder.claim.metadata
    owner = metadata.controller()
    return {
        "kind": CLAIM,
        "namespace": metadata.namespace,
        "name": metadata.name,
        "owner": f"{owner.kind}/{owner.name}" if owner else None,
        "amount": written(holder.amounts[limit.name], limit.hard),
        "age": age_of(metadata.creation_timestamp, now),
    }


def _claim_json(use: QuotaUse, limit: Limit) -> dict[str, Any]:
    charge = use.charge_of(limit)
    requested = charge.amount if charge else _NOTHING
    return {
        "requested": written(requested, limit.hard),
        "fits": fits(use, limit),
        "why": explained(charge) if charge and charge.parts else "the claim does not concern this limit",
    }


def fits(use: QuotaUse, limit: Limit) -> bool:
    """Return whether the claim would be admitted by a limit; one that it does not concern is never in the way."""
    charge = use.charge_of(limit)
    if charge is None or not charge.parts:
        return True
    return not charge.unbounded and use.used.get(limit.name, _NOTHING) + charge.amount <= limit.hard.amount


def table(uses: Sequence[QuotaUse], now: datetime, *, with_claim: bool, bars: bool) -> str:
    """Return the report for people: a line a limit, in a terminal with a bar of what is used.

    The last column says who holds most of it, or with a claim why it would be charged what it would.
    """
    rows = (row for use in uses for row in _rows(use, now, with_claim, bars))
    return aligned([_heading(with_claim), *rows])


def _heading(with_claim: bool) -> tuple[str, ...]:
    last = ("REQUESTED", "FITS", "WHY") if with_claim else ("HELD BY",)
    return ("NAMESPACE", "QUOTA", "LIMIT", "HARD", "USED", "RESERVED", "%", *last)


def _rows(use: QuotaUse, now: datetime, with_claim: bool, bars: bool) -> Iterable[tuple[str, ...]]:
    for limit in use.quota.limits:
        used = use.used.get(limit.name, _NOTHING)
        reserved = use.reserved.get(limit.name, _NOTHING)
        told = _claim_json(use, limit)
        claim = (told["requested"], "yes" if told["fits"] else "no", told["why"])
        yield (
            use.quota.namespace or "(cluster)",
            use.quota.name,
            limit.name,
            str(limit.hard),
            written(used, limit.hard),
            written(reserved, limit.hard),
            _share(percent(used, limit.hard), bars),
            *(claim if with_claim else (held(limit, Holders(use.holders).of(limit.name), now),)),
        )


def _share(used: int, bars: bool) -> str:
    if not bars:
        return str(used)
    filled = min(used, 100) // 10
    return f"{'█' * filled}{'░' * (10 - filled)} {used}"
