"""`drawbridge test -o junit`: a suite a file, a case a case, and each mutant that no case saw as a failure."""

from xml.etree.ElementTree import Element, SubElement

from webhook.bootstrap.rehearsal import CaseResult
from webhook.bootstrap.testing import Tests
from webhook.cli.report_junit import document, xml_text
from webhook.cli.suite_report import failure, problem_lines, survivor_lines


def junit_report(tests: Tests) -> str:
    """Return the report; a suite that could not be run is a failed case of its file."""
    cases: dict[str, list[Element]] = {}
    for problem in tests.all_problems:
        text = "\n".join(problem_lines(problem))
        cases.setdefault(problem.file, []).append(_case(f"line {problem.line}", "unusable", problem.message, text))
    for suite in tests.suites:
        cases.setdefault(suite.file, []).extend(_of_result(result) for result in tests.of(suite))
    for one in tests.survivors:
        text = "\n".join(survivor_lines(one))
        name = f"mutant of {one.mutant.expression.path}: `{one.mutant.replaced}` to `{one.mutant.text}`"
        file = one.tested.placed.document.file
        cases.setdefault(file, []).append(_case(name, "mutant", "no case fails with it", text))
    return document("drawbridge test", cases)


def _of_result(result: CaseResult) -> Element:
    name = result.prepared.case.name
    if result.passed:
        return Element("testcase", name=xml_text(name), time="0")
    return _case(name, "case", result.misses[0], "\n".join(failure(result)))


def _case(name: str, kind: str, message: str, text: str) -> Element:
    case = Element("testcase", name=xml_text(name), time="0")
    told = SubElement(case, "failure", type=kind, message=xml_text(message))
    told.text = xml_text(text)
    return case
