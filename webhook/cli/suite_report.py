"""What `drawbridge test` has found, as text and as JSON (PolicyTestReport)."""

import json
from collections.abc import Iterator
from typing import Any

from webhook.bootstrap.mutation import Mutated, Tested
from webhook.bootstrap.rehearsal import CaseResult
from webhook.bootstrap.testing import Tests
from webhook.cli.report import API_VERSION
from webhook.core.finding import Finding, Severity, Span
from webhook.core.render import excerpt, full_text, printable
from webhook.core.suites import Expectation
from webhook.kube.manifests import Extract, Problem
from webhook.policy.coverage import Gap
from webhook.policy.walkthrough import walkthrough


def text_report(tests: Tests) -> str:
    """Return each suite with what is not as expected in it, then coverage, mutants, and a line of counts."""
    blocks = ["\n".join(problem_lines(problem)) for problem in tests.all_problems]
    for suite in tests.suites:
        results = tests.of(suite)
        failed = [result for result in results if not result.passed]
        if suite.problems:
            continue
        counts = f"{len(results) - len(failed)} of {len(results)} cases as expected"
        blocks.append("\n".join([f"{suite.file}: {counts}", *(line for one in failed for line in failure(one))]))
    blocks += ["\n".join(_coverage_lines(tested)) for tested in tests.covered]
    blocks += ["\n".join(survivor_lines(one)) for one in tests.survivors]
    if tests.mutants:
        killed = len(tests.mutants) - len(tests.survivors)
        blocks.append(f"{killed} of {len(tests.mutants)} mutants were seen by a case")
    if tests.refused:
        blocks.append(tests.refused)
    total = _summary(tests)
    suites, cases = (f"{total[what]} {what[:-1]}{'s' * (total[what] != 1)}" for what in ("suites", "cases"))
    blocks.append(f"{suites}, {cases}, {total['failed']} failed")
    return "\n".join(blocks)


def problem_lines(problem: Problem) -> Iterator[str]:
    """Yield what keeps a suite from being run, at its place."""
    field = f"{problem.field}: " if problem.field else ""
    yield f"{problem.file}:{problem.line}:{problem.column}: {field}{problem.message}"
    if problem.fix:
        yield f"  fix: {problem.fix}"


def failure(result: CaseResult) -> Iterator[str]:
    """Yield what was expected of a case, and what was found instead."""
    suite, case = result.suite, result.prepared.case
    yield f"  {suite.file}:{suite.line_of(case)}: {printable(case.name)}"
    yield from (f"    {miss}" for miss in result.misses)
    for finding in _told(result):
        text = full_text(finding).splitlines()
        yield from (f"    | {line}" for line in (f"{finding.severity.value}: {text[0]}", *text[1:]))


def _told(result: CaseResult) -> tuple[Finding, ...]:
    return tuple(finding for finding in result.observed.findings if finding.severity is not Severity.INFO)


def _coverage_lines(tested: Tested) -> Iterator[str]:
    coverage = tested.coverage()
    yield f"{tested.placed.document.file}: {coverage.seen} of {coverage.outcomes} outcomes shown"
    for gap in coverage.gaps:
        found = _gap_extract(tested, gap)
        yield f"  {_place(tested, found)}: {gap.problem}: {gap.point.expression.path}"
        yield from _excerpt(found, gap.point.expression.text, gap.point.span)


def survivor_lines(one: Mutated) -> Iterator[str]:
    """Yield a change that no case saw, under the line of the source."""
    found = _mutant_extract(one)
    change = f"`{one.mutant.replaced}` changed to `{one.mutant.text}`"
    yield f"{_place(one.tested, found)}: no case fails with {change}: {one.mutant.expression.path}"
    yield from _excerpt(found, one.mutant.expression.text, one.mutant.span)


def _gap_extract(tested: Tested, gap: Gap) -> Extract:
    return tested.placed.document.extract(gap.point.expression.path, gap.point.span)


def _mutant_extract(one: Mutated) -> Extract:
    return one.tested.placed.document.extract(one.mutant.expression.path, one.mutant.span)


def _place(tested: Tested, found: Extract) -> str:
    return f"{tested.placed.document.file}:{found.position.line}:{found.position.column}"


def _excerpt(found: Extract, expression: str, span: Span) -> Iterator[str]:
    """Return the line of the file; of the expression where folding has moved the place."""
    if not found.exact:
        return excerpt(expression, span)
    start = found.position.column - 1
    return excerpt(found.text, Span(start, start + found.length), f"{found.position.line} ")


def explained(result: CaseResult) -> Iterator[str]:
    """Yield a case's decision, and every expression that was evaluated with the values of its parts below it."""
    observed = result.observed
    yield f"{result.suite.file}: {printable(result.prepared.case.name)}: {observed.decision.value}"
    for finding in _told(result):
        yield f"  {finding.severity.value}: {full_text(finding).splitlines()[0]}"
    for step in observed.steps:
        yield ""
        said = f"error: {step.error}" if step.error else ""
        yield f"{step.policy.name}, {step.expression.source.path}{': ' if said else ''}{said}"
        yield from (f"  {line}".rstrip() for line in walkthrough(step))


def json_report(tests: Tests) -> str:
    """Return the PolicyTestReport."""
    report: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "PolicyTestReport",
        "suites": [
            {
                "file": suite.file,
                "name": suite.suite.name,
                "cases": [_case_json(result) for result in tests.of(suite)],
            }
            for suite in tests.suites
        ],
        "problems": [
            {
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "field": problem.field,
                "message": problem.message,
                "fix": problem.fix,
            }
            for problem in tests.all_problems
        ],
        "summary": _summary(tests),
    }
    if tests.covered:
        report["coverage"] = [_coverage_json(tested) for tested in tests.covered]
    if tests.mutants:
        report["mutants"] = {
            "tried": len(tests.mutants),
            "survived": [_survivor_json(one) for one in tests.survivors],
        }
    return json.dumps(report, indent=1, ensure_ascii=False)


def _summary(tests: Tests) -> dict[str, int]:
    failed = sum(not result.passed for result in tests.results)
    return {
        "suites": len(tests.suites),
        "cases": len(tests.results),
        "passed": len(tests.results) - failed,
        "failed": failed,
        "problems": len(tests.all_problems),
    }


def _case_json(result: CaseResult) -> dict[str, Any]:
    observed, case = result.observed, result.prepared.case
    return {
        "name": case.name,
        "line": result.suite.line_of(case),
        "passed": result.passed,
        "expected": _expected_json(case.expect),
        "observed": {
            "decision": observed.decision.value,
            "findings": [
                {
                    "rule": finding.rule,
                    "severity": finding.severity.value,
                    "field": str(finding.path),
                    "message": finding.message,
                }
                for finding in observed.findings
            ],
            "warnings": list(observed.warnings),
        },
        "failures": list(result.misses),
    }


def _expected_json(expect: Expectation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "decision": expect.decision.value if expect.decision is not None else None,
        "rule": expect.rule,
        "message": expect.message,
        "matches": expect.matches,
        "field": expect.field,
        "warnings": None if expect.warnings is None else list(expect.warnings),
        "object": expect.object,
    }
    return {name: value for name, value in told.items() if value is not None}


def _coverage_json(tested: Tested) -> dict[str, Any]:
    coverage = tested.coverage()
    return {
        "file": tested.placed.document.file,
        "policy": tested.placed.policy.name,
        "outcomes": coverage.outcomes,
        "shown": coverage.seen,
        "missing": [
            {
                **_position_json(_gap_extract(tested, gap)),
                "field": str(gap.point.expression.path),
                "expression": gap.point.text,
                "problem": gap.problem,
            }
            for gap in coverage.gaps
        ],
    }


def _survivor_json(one: Mutated) -> dict[str, Any]:
    return {
        "file": one.tested.placed.document.file,
        **_position_json(_mutant_extract(one)),
        "policy": one.mutant.policy.name,
        "field": str(one.mutant.expression.path),
        "replaced": one.mutant.replaced,
        "by": one.mutant.text,
    }


def _position_json(found: Extract) -> dict[str, int]:
    return {"line": found.position.line, "column": found.position.column}
