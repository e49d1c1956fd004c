"""invalid-field: a value that the API server would refuse, or not even decode; offline, and in our own kinds."""

import json
from collections.abc import Iterable, Iterator

from webhook.core.finding import Edit, Finding, Fix, Json, Severity
from webhook.core.raw import Misfit, RawObject
from webhook.core.render import MOST_FIXES
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
        yield Finding(NAME, Severity.DENY, misfit.path, misfit.message, fixes=tuple(_fixes(misfit)))


def _fixes(misfit: Misfit) -> Iterator[Fix]:
    for value in misfit.meant[:MOST_FIXES]:
        yield Fix(f"write {_written(value)}", (Edit(misfit.path, value),))
    if misfit.fix:
        yield Fix(misfit.fix)
    elif not misfit.meant:
        wanted = misfit.message.removeprefix("must be ").partition(", not ")[0]
        yield Fix(f"write {wanted}" if misfit.message.startswith("must be ") else "write what the field takes")


def _written(value: Json) -> str:
    """Return a value as it is written in a manifest."""
    if isinstance(value, list):
        return "a list, with '- ' before what stands there"
    if isinstance(value, dict):
        return f"it in `{'.'.join(_way(value))}`"
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


def _way(value: Json) -> Iterator[str]:
    """Yield the names that lead into objects of one field each."""
    while isinstance(value, dict):
        name, value = next(iter(value.items()))
        yield name
