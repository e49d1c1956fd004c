"""invalid-field: a value that the API server would refuse, or not even decode; offline, and in our own kinds."""

from collections.abc import Iterable, Iterator

from webhook.core.finding import Finding, Fix, Severity
from webhook.core.raw import Misfit, RawObject
from webhook.core.validity import invalid_values
from webhook.inventory.case import Case

NAME = "invalid-field"


def check(case: Case) -> Iterator[Finding]:
    return invalid(case.subject.misfits)


def structural(raw: RawObject) -> Iterator[Finding]:
    """Yield what the API server would refuse of a DRA object, or of the claims of a pod, by its structural rules."""
    for flaw in invalid_values(raw):
        yield Finding(NAME, Severity.DENY, flaw.path, flaw.message, (Fix(flaw.fix, flaw.edits),))


def invalid(misfits: Iterable[Misfit]) -> Iterator[Finding]:
    for misfit in misfits:
        field = misfit.path.steps[-1] if misfit.path.steps else "object"
        yield Finding(
            NAME,
            Severity.DENY,
            misfit.path,
            misfit.message,
            fixes=(Fix(f"write `{field}` as its type says, or leave it out"),),
        )
