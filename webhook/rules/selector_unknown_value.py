"""selector-unknown-value: an attribute is asked to be what neither its driver's set nor any known device has."""

from collections.abc import Iterator

from webhook.cel.comparisons import Asked, Comparison
from webhook.cel.retyping import requoted
from webhook.cel.syntax import EQUALS, Ast
from webhook.core.claims import Selector
from webhook.core.finding import Finding, Fix, Replacement, Severity, Span
from webhook.inventory.case import Case
from webhook.inventory.knowledge import DomainKnowledge, knowledge_of
from webhook.inventory.reading import reading_of
from webhook.inventory.values import KnownValues, is_never, is_slip, known_values, meant_by

NAME = "selector-unknown-value"
_MOST_LISTED = 5
_MOST_FIXES = 3


def check(case: Case) -> Iterator[Finding]:
    knowledge = knowledge_of(case.view)
    for selector, _, ast in case.trees():
        for comparison in reading_of(ast, case.view.server).comparisons:
            domain = knowledge.domain(comparison.place.domain)
            known = known_values(domain, comparison.place)
            if known is not None:
                yield from _of_comparison(selector, ast, comparison, known, domain)


def _of_comparison(
    selector: Selector, ast: Ast, comparison: Comparison, known: KnownValues, domain: DomainKnowledge | None
) -> Iterator[Finding]:
    """Yield each unknown string; one beside another way out is meant for other clusters, unless it is a slip."""
    unknown = [asked for asked in comparison.asked if asked.text not in known]
    made_up_for = comparison.negated or not comparison.decisive or len(unknown) < len(comparison.asked)
    for asked in unknown:
        meant = meant_by(asked.text, known, domain, comparison.place.name)
        slip = any(is_slip(asked.text, value) for value in meant)
        if not slip and not known.closed and (made_up_for or not known.live):
            continue  # where no device is known, the catalogue lists examples alone
        yield Finding(
            rule=NAME,
            severity=Severity.DENY if is_never(comparison, known) else Severity.WARN,
            path=selector.path,
            message=_message(asked, known),
            fixes=tuple(_fixes(asked, meant, known, ast.source))[:_MOST_FIXES],
            source=selector.expression,
            span=Span(asked.literal.start, asked.literal.end),
        )


def _message(asked: Asked, known: KnownValues) -> str:
    name = asked.place.name
    if known.closed:
        return f"attribute `{name}` is never '{asked.text}'"
    return f"no device has `{name}` '{asked.text}'"


def _fixes(asked: Asked, meant: tuple[str, ...], known: KnownValues, source: str) -> Iterator[Fix]:
    span = Span(asked.literal.start, asked.literal.end)
    slips = [value for value in meant if is_slip(asked.text, value)]
    fuller = [value for value in meant if asked.text in value]
    if len(fuller) > 1 and not slips:
        yield from _part(asked, source)
    for value in meant:
        hint = " (values are case-sensitive)" if value.lower() == asked.text.lower() else ""
        yield Fix(f"write '{value}'{hint}", replacements=(Replacement(span, requoted(source, asked.literal, value)),))
    if len(fuller) == 1 and not slips:
        yield from _part(asked, source)
    if not meant:
        listed = sorted(known.all if known.closed else known.live or known.documented)
        shown = ", ".join(f"'{value}'" for value in listed[:_MOST_LISTED])
        more = len(listed) - _MOST_LISTED
        yield Fix(f"known values: {shown}" + (f" and {more} more" if more > 0 else ""))


def _part(asked: Asked, source: str) -> Iterator[Fix]:
    """Yield the comparison with a part of the value, where it is one with this string alone."""
    if asked.call.function == EQUALS:
        place = source[asked.operand.start : asked.operand.end]
        text = f"{place}.contains({source[asked.literal.start : asked.literal.end]})"
        yield Fix(
            f"for every value with it, write {text}",
            replacements=(Replacement(Span(asked.call.start, asked.call.end), text),),
        )
