"""invalid-field: a value that the API server could not decode; offline, and in objects of our own kinds."""

from collections.abc import Iterable, Iterator

from webhook.core.finding import Finding, Fix, Severity
from webhook.core.raw import Misfit
from webhook.inventory.case import Case

NAME = "invalid-field"


def check(case: Case) -> Iterator[Finding]:
    return invalid(case.subject.misfits)


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
