"""JUnit XML, as CI servers read it: a suite a file, a case an object, a failure for all that is refused in it."""

from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from webhook.cli.report import Checked, Placed, object_name
from webhook.core.finding import Severity
from webhook.core.raw import RawObject
from webhook.core.render import Style, full_text, harmless

_NOT_AN_OBJECT = "document"


def junit_report(checked: Checked, style: Style, judged: Iterable[tuple[str, RawObject, str]]) -> str:
    """Return the report; `judged` are all objects with file and namespace, so that what is right is a passed case."""
    by_object: dict[int, list[Placed]] = {}
    for entry in checked.placed:
        by_object.setdefault(id(entry.raw), []).append(entry)
    cases: dict[str, list[Element]] = {}
    for file, raw, namespace in judged:
        cases.setdefault(file, []).append(_case(object_name(raw, namespace), by_object.get(id(raw), ()), style))
    for entry in checked.placed:
        if not entry.raw:
            name = f"{_NOT_AN_OBJECT} at line {entry.position.line}"
            cases.setdefault(entry.file, []).append(_case(name, (entry,), style))
    return document("drawbridge check", cases)


def document(name: str, cases: Mapping[str, Sequence[Element]]) -> str:
    """Return the XML of cases by the files that they are in."""
    whole = Element("testsuites", name=name)
    for file, found in cases.items():
        suite = SubElement(whole, "testsuite", name=xml_text(file), tests=str(len(found)))
        suite.set("failures", str(sum(case.find("failure") is not None for case in found)))
        suite.set("errors", "0")
        suite.set("skipped", "0")
        for case in found:
            case.set("classname", xml_text(file))
            suite.append(case)
    for count in ("tests", "failures"):
        whole.set(count, str(sum(int(suite.get(count, "0")) for suite in whole)))
    indent(whole)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(whole, encoding="unicode")


def _case(name: str, placed: Sequence[Placed], style: Style) -> Element:
    case = Element("testcase", name=xml_text(name), time="0")
    refused = [entry for entry in placed if entry.finding.severity is Severity.DENY]
    warned = [entry for entry in placed if entry.finding.severity is Severity.WARN]
    if refused:
        first = refused[0].finding
        failure = SubElement(case, "failure", type=first.rule, message=xml_text(first.message))
        failure.text = _listed(refused, style)
    if warned:
        SubElement(case, "system-out").text = _listed(warned, style)
    return case


def _listed(placed: Sequence[Placed], style: Style) -> str:
    return "\n\n".join(
        xml_text(f"{entry.file}:{entry.position.line}:{entry.position.column}: {full_text(entry.finding, style)}")
        for entry in placed
    )


def xml_text(text: str) -> str:
    """Return the text as XML 1.0 can hold it: control characters and lone surrogates as escapes."""
    return harmless(text)
