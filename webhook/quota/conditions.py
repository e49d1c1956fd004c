"""What the controller tells of a quota in its status, beside the numbers."""

from collections.abc import Sequence
from typing import Any

from webhook.core.conditions import READY, condition
from webhook.core.finding import Finding
from webhook.core.quota_status import LimitStatus, QuotaStatus, written
from webhook.core.quotas import DeviceQuota, QuotaMode
from webhook.core.raw import RawObject

IN_EFFECT = "LimitsInEffect"
EXCEEDED = "Exceeded"
_MOST_TOLD = 5


def conditions_of(quota: DeviceQuota, status: QuotaStatus, flaws: Sequence[Finding]) -> tuple[RawObject, ...]:
    """Return the conditions of a quota whose use was counted, but for the time of their last change.

    `flaws` are what was found wrong with its limits.
    """
    found = (_ready(quota), _in_effect(flaws), _exceeded(quota, status))
    return tuple({**one, "observedGeneration": quota.generation} for one in found)


def _ready(quota: DeviceQuota) -> dict[str, Any]:
    if quota.misfits:
        told = _joined([f"{misfit.path}: {misfit.message}" for misfit in quota.misfits])
        return condition(READY, False, "Unreadable", f"what cannot be read is not enforced: {told}")
    return condition(READY, True, "Counted", "what the stored claims take is counted")


def _in_effect(flaws: Sequence[Finding]) -> dict[str, Any]:
    if not flaws:
        return condition(IN_EFFECT, True, "AllLimits", "every limit can concern some claim")
    broken = any(flaw.source for flaw in flaws)
    told = _joined([f"{flaw.path}: {flaw.message}" for flaw in flaws])
    return condition(IN_EFFECT, False, "InvalidSelector" if broken else "LimitWithoutEffect", told)


def _exceeded(quota: DeviceQuota, status: QuotaStatus) -> dict[str, Any]:
    over = [_over(limit) for limit in status.limits if limit.used > limit.hard.amount]
    if not over:
        return condition(EXCEEDED, False, "WithinLimits", "no limit is exceeded")
    denies = quota.mode is QuotaMode.DENY
    follows = "nothing is taken from anybody, and what takes more is refused" if denies else "nothing is refused"
    return condition(EXCEEDED, True, "OverLimit", f"{_joined(over)}; {follows}")


def _over(limit: LimitStatus) -> str:
    return f"'{limit.name}' used: {written(limit.used, limit.hard)}, limited: {limit.hard}"


def _joined(told: Sequence[str]) -> str:
    more = len(told) - _MOST_TOLD
    return "; ".join(told[:_MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")
