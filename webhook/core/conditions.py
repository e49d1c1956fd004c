"""Conditions as Kubernetes writes them in a status (API conventions, `metav1.Condition`)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from webhook.core.finding import Finding
from webhook.core.raw import RawObject

READY: Final = "Ready"
"""The type of the condition that says whether an object does what it is for."""

_MOST_TEXT = 32_768
"""The longest message that the schema of a condition takes (`metav1.Condition`)."""


def condition(kind: str, holds: bool, reason: str, message: str) -> dict[str, Any]:
    """Return a condition, but for its generation and the time of its last change."""
    return {"type": kind, "status": str(holds), "reason": reason, "message": message[:_MOST_TEXT]}


def told(findings: Collection[Finding]) -> str:
    """Return the first finding in words, with its fix; the others by their number."""
    if not findings:
        return ""
    first, *others = findings
    fix = f"; {first.fixes[0].message}" if first.fixes else ""
    more = f" (and {len(others)} more)" if others else ""
    return f"{first.path}: {first.message}{fix}{more}"


def merged(stored: Sequence[object], wanted: Iterable[Mapping[str, Any]], moment: str) -> list[object]:
    """Return the stored conditions with the wanted ones; `moment` is when one changes whose status is another now.

    Conditions of other types are somebody else's and stay.
    """
    conditions = tuple(wanted)
    before = {entry["type"]: entry for entry in stored if isinstance(entry, dict) and "type" in entry}
    types = {one["type"] for one in conditions}
    others = [entry for entry in stored if not (isinstance(entry, dict) and entry.get("type") in types)]
    return [*others, *(_dated(one, before.get(one["type"], {}), moment) for one in conditions)]


def _dated(wanted: Mapping[str, Any], before: RawObject, moment: str) -> dict[str, Any]:
    same = before.get("status") == wanted["status"] and "lastTransitionTime" in before
    return {**wanted, "lastTransitionTime": before["lastTransitionTime"] if same else moment}
