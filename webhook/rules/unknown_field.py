"""unknown-field: a field that the API has not, or not at this place; offline only."""

from collections.abc import Iterator

from webhook.core.finding import Finding, Fix, Severity
from webhook.core.raw import RawObject
from webhook.core.strict import unknown_fields

NAME = "unknown-field"


def findings(raw: RawObject, *, exact: bool) -> Iterator[Finding]:
    """Yield each such field; a warning where the server is of a version that is not known here (not `exact`)."""
    severity = Severity.DENY if exact else Severity.WARN
    for flaw in unknown_fields(raw):
        yield Finding(NAME, severity, flaw.path, flaw.message, (Fix(flaw.fix, flaw.edits),))
