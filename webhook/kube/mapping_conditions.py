"""What the status of a LegacyMapping says of it: whether it is in use, and who fights it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from webhook.core.cluster import ClusterView
from webhook.core.finding import Finding, Severity
from webhook.core.mappings import KIND
from webhook.core.raw import RawObject
from webhook.endpoints import config_findings
from webhook.rules import mapping_conflict

READY = "Ready"
CONFLICT = "Conflict"


def mapping_conditions(name: str, spec: RawObject, generation: int, view: ClusterView) -> tuple[dict[str, Any], ...]:
    """Return the conditions Ready and Conflict of a mapping, but for the time of their last change.

    The view holds all mappings. What `/validate/config` would refuse is not ready, for such a mapping can be stored
    while nobody answers, and two that fight can be created at once.
    """
    found = config_findings({"metadata": {"name": name}, "spec": spec}, KIND, view)
    refused = [finding for finding in found if finding.severity is Severity.DENY]
    conflicts = [finding for finding in refused if finding.rule == mapping_conflict.NAME]
    flaws = [finding for finding in refused if finding.rule != mapping_conflict.NAME]
    if flaws:
        ready = condition(READY, False, "Invalid", told(flaws))
    elif conflicts:
        ready = condition(READY, False, CONFLICT, told(conflicts))
    else:
        ready = condition(READY, True, "Valid", "")
    fights = condition(CONFLICT, bool(conflicts), "EqualPriority" if conflicts else "NoConflict", told(conflicts))
    return tuple({**one, "observedGeneration": generation} for one in (ready, fights))


def merged(stored: Sequence[object], wanted: Iterable[Mapping[str, Any]], moment: str) -> list[object]:
    """Return the stored conditions with the wanted ones; `moment` is when one changes whose status is another now."""
    conditions = tuple(wanted)
    before = {entry["type"]: entry for entry in stored if isinstance(entry, dict) and "type" in entry}
    types = {one["type"] for one in conditions}
    others = [entry for entry in stored if not (isinstance(entry, dict) and entry.get("type") in types)]
    return [*others, *(_dated(one, before.get(one["type"], {}), moment) for one in conditions)]


def _dated(wanted: Mapping[str, Any], before: RawObject, moment: str) -> dict[str, Any]:
    same = before.get("status") == wanted["status"] and "lastTransitionTime" in before
    return {**wanted, "lastTransitionTime": before["lastTransitionTime"] if same else moment}


def condition(kind: str, holds: bool, reason: str, message: str) -> dict[str, Any]:
    """Return a condition, but for the time of its last change."""
    return {"type": kind, "status": str(holds), "reason": reason, "message": message}


def told(findings: Collection[Finding]) -> str:
    """Return the first finding in words, with its fix; the others by their number."""
    if not findings:
        return ""
    first, *others = findings
    fix = f"; {first.fixes[0].message}" if first.fixes else ""
    more = f" (and {len(others)} more)" if others else ""
    return f"{first.path}: {first.message}{fix}{more}"
