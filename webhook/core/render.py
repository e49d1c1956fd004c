"""The only place that turns findings into words on lines (messages.md)."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from webhook.core.finding import Finding, Severity, Span

MOST_SHOWN = 10
FIRST_LINE = 200
EXCERPT = 200
LINE = 800
"""What a line may hold at most that may quote what users write."""
WARNING = 120
MOST_WARNINGS = 10
MOST_FIXES = 3
ANNOTATION_BYTES = 8 * 1024
_ELLIPSIS = "..."
_POLICY = "policy/"
_SENTENCE_END = re.compile(r"; |\. |(?<=\?) ")


@dataclass(frozen=True, slots=True)
class Style:
    """Where a rule's page is, and whether the API server's own words are shown beside ours."""

    docs_url: str = ""
    reference_text: bool = False

    def see(self, rule: str) -> str:
        has_page = self.docs_url and not rule.startswith(_POLICY)
        return f"{self.docs_url.rstrip('/')}/{rule}" if has_page else f"drawbridge rule {rule}"


PLAIN = Style()

# What a short path leaves out: where the pod or the devices are, and what the problem names anyhow.
_LEADS = ("spec.spec.devices.", "spec.devices.", "spec.jobTemplate.spec.template.spec.", "spec.template.spec.", "spec.")
_TAILS = (".cel.expression", ".resourceClaimName", ".resourceClaimTemplateName")


def message(findings: Sequence[Finding], style: Style = PLAIN) -> str:
    """Return the text of a denial: each finding whole, at most ten, then how many more."""
    shown = [full_text(finding, style) for finding in findings[:MOST_SHOWN]]
    if len(findings) > MOST_SHOWN:
        shown.append(f"and {len(findings) - MOST_SHOWN} more")
    return "\n".join(shown)


def full_text(finding: Finding, style: Style = PLAIN, shown: Sequence[str] | None = None) -> str:
    """Return path, problem and rule on the first line, then excerpt, why, fixes and where to read more.

    `shown` are lines that take the place of the excerpt of the finding's own source.
    """
    path = bounded(str(finding.path))
    head = f"{path}: " if path else ""
    tail = f" [{finding.rule}]"
    problem = cut(printable(finding.message), max(40, FIRST_LINE - len(head) - len(tail)))
    return "\n".join([f"{head}{problem}{tail}", *_details(finding, style, shown)])


def cause_text(finding: Finding, style: Style = PLAIN) -> str:
    """Return the text for `details.causes`: all but the path, which kubectl prints before it."""
    return "\n".join([f"{bounded(finding.message)} [{finding.rule}]", *_details(finding, style)])


def _details(finding: Finding, style: Style, shown: Sequence[str] | None = None) -> Iterator[str]:
    yield from excerpt(finding.source, finding.span) if shown is None else shown
    if finding.why:
        yield f"  why: {bounded(finding.why)}"
    for fix in finding.fixes[:MOST_FIXES]:
        yield f"  fix: {bounded(fix.message)}"
    if style.reference_text and finding.reference_text:
        yield f"  reference: {bounded(finding.reference_text)}"
    yield f"  see: {style.see(finding.rule)}"


def excerpt(source: str, span: Span | None, gutter: str = "") -> Iterator[str]:
    """Yield the line of the source that holds the span's start, and carets under the span; nothing without a span.

    The gutter, a line's number, stands left of the line.

    A line of over 200 characters is cut around the span. Tabs are drawn as one space, other characters that do not
    print as their escapes, and the caret line is widened for wide ones, so that carets point right.
    """
    if span is None:
        return
    first = source.rfind("\n", 0, span.start) + 1
    last = source.find("\n", span.start)
    line = source[first : last if last >= 0 else len(source)]
    start, end = span.start - first, max(span.start - first + 1, min(span.end - first, len(line)))
    left = max(0, min(start - EXCERPT // 3, len(line) - EXCERPT))
    shown = line[left : left + EXCERPT]
    before, lead = (_ELLIPSIS, len(_ELLIPSIS)) if left else ("", 0)
    after = _ELLIPSIS if left + EXCERPT < len(line) else ""
    carets = line[start:end][: max(1, left + EXCERPT - start)]
    yield f"  {gutter}| {before}{drawn(shown)}{after}"
    yield f"  {' ' * len(gutter)}| {' ' * (lead + width(line[left:start]))}{'^' * max(1, width(carets))}"


def drawn(text: str) -> str:
    """Return the text as one line: a tab as one space, what does not print as its escape."""
    return "".join(_drawn(letter) for letter in text)


def _drawn(letter: str) -> str:
    if letter == "\t":
        return " "
    if letter.isprintable() or unicodedata.combining(letter):
        return letter
    point = ord(letter)
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def width(text: str) -> int:
    """Return how many columns of a terminal the drawn text takes."""
    total = 0
    for letter in text:
        shape = _drawn(letter)
        if len(shape) > 1:
            total += len(shape)
        elif not unicodedata.combining(letter):
            total += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
    return total


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines with columns, as kubectl prints them; the first row may be a heading."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(width(cell) for cell in column) for column in zip(*shown, strict=True)]
    lines = (
        "  ".join(cell + " " * (most - width(cell)) for cell, most in zip(row, widths, strict=True)) for row in shown
    )
    return "\n".join(line.rstrip() for line in lines)


def printable(text: str) -> str:
    """Return the text on one line: line breaks and other control characters as escapes."""
    return text if text.isprintable() else drawn(text)


def harmless(text: str) -> str:
    """Return lines of which a terminal obeys nothing but their breaks: what does not print, as its escape."""
    return "\n".join(printable(line) for line in text.split("\n"))


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(_ELLIPSIS)].rstrip() + _ELLIPSIS


def bounded(text: str) -> str:
    """Return the text on one line of bounded length."""
    return cut(printable(text[: LINE + 1]), LINE)


def warnings(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return `<short path>: <problem>; <fix> [rule]` for each warning, at most ten of at most 120 characters."""
    lines = list(dict.fromkeys(_warning(finding) for finding in findings if finding.severity is Severity.WARN))
    if len(lines) > MOST_WARNINGS:
        rest = len(lines) - (MOST_WARNINGS - 1)
        lines[MOST_WARNINGS - 1 :] = [f"and {rest} more warnings; `drawbridge check` shows them all"]
    return tuple(lines)


def _warning(finding: Finding) -> str:
    tail = f" [{finding.rule}]"
    head = short_path(finding)
    head = f"{head}: " if head else ""
    problem = printable(finding.message)
    room = WARNING - len(tail)
    for fix in finding.fixes[:1]:
        for shorter in _shorter(printable(fix.message)):
            whole = f"{head}{problem}; {shorter}"
            if len(whole) <= room:
                return whole + tail
    return cut(head + problem, room) + tail


def _shorter(fix: str) -> Iterator[str]:
    """Yield the fix, the fix without a closing remark in parentheses, and its first sentence alone."""
    yield fix
    if fix.endswith(")"):
        fix = fix.rpartition(" (")[0] or fix
        yield fix
    for end in _SENTENCE_END.finditer(fix):
        first = fix[: end.start()]
        if first.count("`") % 2 == 0 and first.count("'") % 2 == 0:  # not within what is quoted
            yield first
            return


def short_path(finding: Finding) -> str:
    """Return the path from the request, container or claim on: `requests[0].selectors[1]`."""
    text = printable(str(finding.path))
    for lead in _LEADS:
        text = text.removeprefix(lead)
    for tail in _TAILS:
        text = text.removesuffix(tail)
    return text.replace(".exactly.", ".").replace(".resources.", ".")


def annotation(findings: Sequence[Finding]) -> str:
    """Return all findings as compact JSON for the audit log, cut at 8 KiB with a count of what is missing."""
    room = ANNOTATION_BYTES - len('{"findings":[],"more":000000}')
    kept: list[str] = []
    for finding in findings:
        entry = _entry(finding)
        room -= len(entry) + 1  # json.dumps escapes to ASCII, so characters are bytes
        if room < 0:
            break
        kept.append(entry)
    more = f',"more":{len(findings) - len(kept)}' if len(kept) < len(findings) else ""
    return f'{{"findings":[{",".join(kept)}]{more}}}'


def _entry(finding: Finding) -> str:
    told = {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "field": cut(str(finding.path), LINE),
        "message": cut(finding.message, 2 * FIRST_LINE),
    }
    return json.dumps(told, separators=(",", ":"))
