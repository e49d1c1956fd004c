"""selector-bad-literal: a literal that can never be parsed at run time, though the API server accepts it."""

from collections.abc import Iterator

from webhook.cel.retyping import requoted
from webhook.cel.unparsable import Unparsable
from webhook.core.claims import Selector
from webhook.core.finding import Finding, Fix, Replacement, Severity, Span
from webhook.inventory.case import Case
from webhook.inventory.reading import reading_of

NAME = "selector-bad-literal"


def check(case: Case) -> Iterator[Finding]:
    for selector, _, ast in case.trees():
        for found in reading_of(ast, case.view.server).unparsable:
            yield finding(found, selector, "the selector ends in an error on every device, and the pod stays Pending")


def finding(found: Unparsable, selector: Selector, why: str) -> Finding:
    """Return what is told of a literal in an expression."""
    return Finding(
        rule=NAME,
        severity=Severity.DENY,
        path=selector.path,
        message=f"'{found.text}' is not {found.what}",
        why=why,
        fixes=tuple(_fixes(found, selector.expression)),
        source=selector.expression,
        span=Span(found.literal.start, found.literal.end),
    )


def _fixes(found: Unparsable, source: str) -> Iterator[Fix]:
    literal = found.literal
    for text in found.meant[:3]:
        quoted = requoted(source, literal, text)
        yield Fix(f"write '{text}'", replacements=(Replacement(Span(literal.start, literal.end), quoted),))
    if not found.meant:
        yield Fix(f"write {found.form}")
