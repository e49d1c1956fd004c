"""`drawbridge test --update`: suites that expect what came of their cases, comments kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from webhook.bootstrap.rehearsal import CaseResult
from webhook.bootstrap.testing import Tests
from webhook.cel.functions.regex import compiled
from webhook.core.finding import Edit
from webhook.core.suites import Expected
from webhook.kube.fixing import TextChange, fixed_text


def updated(tests: Tests) -> tuple[TextChange, ...]:
    """Return the files of suites of which some case is not as expected, with what came of it in place of that."""
    wanted: dict[str, list[tuple[Any, list[Edit]]]] = {}
    for suite in tests.suites:
        edits = [edit for result in tests.of(suite) if not result.passed for edit in _edits(result)]
        if edits:
            wanted.setdefault(suite.file, []).append((suite.document, edits))
    return tuple(fixed_text(file, Path(file).read_bytes().decode("utf-8"), parts) for file, parts in wanted.items())


def _edits(result: CaseResult) -> Iterator[Edit]:
    """Yield the edit of a case's `expect`; what it did not name is added only where it tells a finding."""
    case, observed = result.prepared.case, result.observed
    path = case.path.child("expect")
    told: dict[str, Any] = {"decision": observed.decision.value}
    if observed.decision is not Expected.ALLOW:
        rule = case.expect.rule
        listed = observed.telling()
        finding = next((one for one in listed if one.rule == rule), listed[0])
        told["rule"] = finding.rule
        if finding.path.steps:
            told["field"] = str(finding.path)
        pattern = case.expect.matches
        if pattern is not None and compiled(pattern).search(finding.message):
            told["matches"] = pattern
        else:
            told["message"] = finding.message
    if case.expect.warnings is not None:
        told["warnings"] = list(observed.warnings)
    if case.expect.object is not None:
        told["object"] = _part(observed.object, case.expect.object)
    yield Edit(path, told)


def _part(whole: Any, part: Any) -> Any:
    """Return what a value has of the fields that a part of it names."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return {name: _part(whole[name], value) for name, value in part.items() if name in whole}
    return whole
