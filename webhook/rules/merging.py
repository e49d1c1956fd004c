"""Findings that another one explains are not given: one finding a cause (messages.md)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Severity

# By rule: which findings explain it where they speak of the same selector or constraint, or of one of the same request.
_ON_THE_SELECTOR: Mapping[str, re.Pattern[str]] = {
    rule: re.compile("selector-(unknown|wrong|bad|nested|never).*|cel-.*")
    for rule in ("selector-may-fail", "class-unguarded")
} | {"constraint-unsatisfiable": re.compile("mig-impossible-combination")}
_IN_THE_REQUEST: Mapping[str, re.Pattern[str]] = {
    "selector-no-match": re.compile("selector-(unknown|wrong|bad|nested|never).*|mig-.*|cel-.*|request-unknown-class"),
}
_UNKNOWN = re.compile("selector-unknown-.*")


def merged(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings but those that others explain.

    What is only `info` explains nothing, but for a guarded name that nobody has: that is portable style.
    """
    found = tuple(findings)
    spoken = tuple(
        finding for finding in found if finding.severity is not Severity.INFO or _UNKNOWN.fullmatch(finding.rule)
    )
    for finding in found:
        if not _is_explained(finding, spoken):
            yield finding


def _is_explained(finding: Finding, others: Sequence[Finding]) -> bool:
    on_selector, in_request = _ON_THE_SELECTOR.get(finding.rule), _IN_THE_REQUEST.get(finding.rule)
    if on_selector is not None:
        return any(other.path == finding.path and on_selector.fullmatch(other.rule) for other in others)
    if in_request is None:
        return False
    request = _request(finding.path)
    return any(_request(other.path) == request and in_request.fullmatch(other.rule) for other in others)


def _request(path: FieldPath) -> FieldPath:
    """Return the path of the request, or of its alternative, that holds a selector or a class name."""
    steps = path.steps
    for end, step in enumerate(steps):
        if step in ("selectors", "deviceClassName"):
            return FieldPath(steps[:end])
    return path
