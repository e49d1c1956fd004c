"""Conditions as Kubernetes writes them in a status (API conventions, `metav1.Condition`)."""

from collections.abc import Iterable
from dataclasses import dataclass

from webhook.core.raw import RawObject

_MOST_TEXT = 32_768
"""The longest message that the schema of a condition takes (`metav1.Condition`)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What holds of an object, or does not; `reason` is one word for programs, `message` is for people."""

    type: str
    holds: bool
    reason: str
    message: str


def renewed(
    before: Iterable[RawObject], found: Iterable[Condition], generation: int, moment: str
) -> tuple[RawObject, ...]:
    """Return the conditions as they are now: `moment` is the time of those whose status has changed.

    Conditions of other types are somebody else's and stay.
    """
    known = {condition.get("type"): condition for condition in before}
    for one in found:
        old = known.get(one.type, {})
        status = "True" if one.holds else "False"
        since = old.get("lastTransitionTime") if old.get("status") == status else None
        known[one.type] = {
            "type": one.type,
            "status": status,
            "observedGeneration": generation,
            "lastTransitionTime": since or moment,
            "reason": one.reason,
            "message": one.message[:_MOST_TEXT],
        }
    return tuple(known.values())
