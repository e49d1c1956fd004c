"""What the status of a LegacyMapping says of it: whether it is in use, and who fights it."""

from typing import Any

from webhook.core.cluster import ClusterView
from webhook.core.conditions import READY, condition, told
from webhook.core.finding import Severity
from webhook.core.mappings import KIND
from webhook.core.raw import RawObject
from webhook.endpoints import config_findings
from webhook.rules import mapping_conflict

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
