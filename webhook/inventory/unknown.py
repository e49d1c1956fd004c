"""How sure it is that an unknown name is a mistake (contract 4, `selector-unknown-*`)."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from webhook.cel.inspect import AccessKind
from webhook.core.devices import DeviceClass
from webhook.core.finding import Finding, Fix, Replacement, Severity, Span
from webhook.core.suggest import explains, nearest
from webhook.inventory.case import Case
from webhook.inventory.inventory import inventory_of
from webhook.inventory.names import named_accesses
from webhook.inventory.schema import DomainSchema, absence

_MOST_LISTED = 8


def name_span(source: str, name: str, span: tuple[int, int]) -> Span:
    """Return where the name itself stands: without the quotes of a literal, unless escapes stand in it."""
    start, end = span
    inside = source.find(name, start, end)
    return Span(start, end) if inside < 0 else Span(inside, inside + len(name))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a rule about unknown names looks at: which of a device's two maps, and what a domain has under it."""

    rule: str
    kind: AccessKind
    word: str
    published: Callable[[DomainSchema], Collection[str]]
    elsewhere: Callable[[DomainSchema, str], Iterator[Fix]]


def unknown_names(case: Case, wanted: Wanted) -> Iterator[Finding]:
    """Yield each name that a selector reads under a known domain and that nobody publishes there.

    `elsewhere` of what is wanted tells where the name would be found after all.
    """
    domains = inventory_of(case.view).domains
    for named in named_accesses(case):
        access, schema = named.access, domains.get(named.domain)
        name = access.name
        if access.kind is not wanted.kind or name is None or access.name_span is None or schema is None:
            continue
        known = wanted.published(schema)
        if name in known:
            continue
        span = name_span(named.selector.expression, name, access.name_span)
        yield Finding(
            rule=wanted.rule,
            severity=severity_of(case, name, known, guarded=named.guarded),
            path=named.selector.path,
            message=absence(schema, wanted.word, name),
            fixes=(*wanted.elsewhere(schema, name), *fixes_for(name, known, span)),
            source=named.selector.expression,
            span=span,
        )


def severity_of(case: Case, name: str, known: Collection[str], *, guarded: bool) -> Severity:
    """Return how an unknown name is judged where devices are known that lack it and no catalogue speaks.

    Refused if a slip of the pen explains it, else warned of. A name that is guarded by `has()`, `in` or `.?` is
    portable style; in a class it is at most a warning, for a driver's chart installs its class before its slices.
    """
    if guarded:
        return Severity.INFO
    if isinstance(case.subject, DeviceClass):
        return Severity.WARN
    return Severity.DENY if any(explains(near, name) for near in nearest(name, known)) else Severity.WARN


def fixes_for(name: str, known: Collection[str], span: Span) -> Iterator[Fix]:
    """Yield did-you-mean for each near name, or what is published where nothing is near."""
    near = nearest(name, known)
    for candidate in near:
        hint = " (names are case-sensitive)" if candidate.lower() == name.lower() else ""
        yield Fix(f"did you mean `{candidate}`?{hint}", replacements=(Replacement(span, candidate),))
    if not near:
        yield Fix(f"published: {listing(known)}" if known else "nothing is published under this domain")


def listing(names: Collection[str]) -> str:
    """Return the names in backquotes, at most eight, then how many more."""
    shown = [f"`{name}`" for name in sorted(names)[:_MOST_LISTED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
