"""How sure it is that an unknown name is a mistake, and what was meant (contract 4, `selector-unknown-*`)."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from webhook.cel.inspect import AccessKind
from webhook.core.catalogue import MistakeKind
from webhook.core.finding import Finding, Fix, Severity
from webhook.core.suggest import MOST_COMPARED, MOST_SUGGESTIONS, explains, nearest
from webhook.inventory.case import Case
from webhook.inventory.knowledge import DomainKnowledge, Knowledge, knowledge_of
from webhook.inventory.names import NamedAccess, named_accesses
from webhook.inventory.respelling import name_span, to_other_map, to_qualified
from webhook.inventory.schema import STANDARD_DOMAIN

_MOST_LISTED = 8
_WORDS = {AccessKind.ATTRIBUTES: "attribute", AccessKind.CAPACITY: "capacity"}
_MISTAKES = {AccessKind.ATTRIBUTES: MistakeKind.ATTRIBUTE, AccessKind.CAPACITY: MistakeKind.CAPACITY}
_OTHER = {AccessKind.ATTRIBUTES: AccessKind.CAPACITY, AccessKind.CAPACITY: AccessKind.ATTRIBUTES}


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that nothing known of a domain has: how sure that is a mistake, why, and what may have been meant.

    `meant` are names, best first, with their domain where it is another one. `certainty` is None where nothing is
    known of the domain that could tell.
    """

    message: str
    certainty: Severity | None
    why: str
    meant: tuple[str, ...]


def unknown_name(knowledge: Knowledge, known: DomainKnowledge, kind: AccessKind, name: str) -> UnknownName | None:
    """Return what is to be said of a name under a domain; None where it is known there."""
    names = known.names(kind)
    if name in names:
        return None
    return UnknownName(
        _absence(known, kind, name),
        _certainty(knowledge, known, kind, name),
        _why(known, kind, name),
        tuple(_meant(knowledge, known, kind, name)),
    )


def _absence(known: DomainKnowledge, kind: AccessKind, name: str) -> str:
    """Return the sentence that an attribute or capacity is not published under the domain."""
    is_driver = known.pack.is_driver if known.pack else known.live is not None and known.domain in known.live.drivers
    if is_driver:
        return f"driver '{known.domain}' publishes no {_WORDS[kind]} `{name}`"
    return f"no device publishes {_WORDS[kind]} `{name}` in the domain '{known.domain}'"


def _certainty(knowledge: Knowledge, known: DomainKnowledge, kind: AccessKind, name: str) -> Severity | None:
    """Return how an unguarded name in a claim is judged (contract 4).

    A catalogue that is not known to be outdated decides. Without one a name is refused if devices are known that lack
    it and a slip of the pen or a usual mistake explains it, else warned of; where nothing live is known either, there
    is no opinion on one that nothing explains.
    """
    if known.is_catalogued:
        return Severity.DENY
    confused = known.mistake(_MISTAKES[kind], name) is not None or name in known.names(_OTHER[kind])
    elsewhere = any(True for _ in _elsewhere(knowledge, known, kind, name))
    explained = confused or elsewhere or any(explains(near, name) for near in islice(known.names(kind), MOST_COMPARED))
    if explained and (known.live is not None or not known.is_vague):
        return Severity.DENY
    return Severity.WARN if explained or known.live is not None or not known.is_vague else None


def _why(known: DomainKnowledge, kind: AccessKind, name: str) -> str:
    mistake = known.mistake(_MISTAKES[kind], name)
    if mistake is not None and mistake.why:
        return mistake.why
    entry = known.dropped(kind, name)
    if entry is None:
        return ""
    span = [f"before version {entry.lifetime.until}"] if entry.lifetime.until else []
    span = [f"since version {entry.lifetime.since}", *span] if entry.lifetime.since else span
    return f"the driver publishes it {' and '.join(span)} only"


def _meant(knowledge: Knowledge, known: DomainKnowledge, kind: AccessKind, name: str) -> Iterator[str]:
    """Yield what a name may be meant for, best first: known mistakes, renames, standard attributes, else near names."""
    certain = tuple(_surely_meant(knowledge, known, kind, name))
    yield from certain or nearest(name, known.names(kind))


def _surely_meant(knowledge: Knowledge, known: DomainKnowledge, kind: AccessKind, name: str) -> Iterator[str]:
    entry = known.dropped(kind, name)
    mistake = known.mistake(_MISTAKES[kind], name)
    if mistake is not None and _is_known(knowledge, known, kind, mistake.right):
        yield mistake.right
    if entry is not None and entry.renamed_to:
        domain, _, bare = entry.renamed_to.rpartition("/")
        yield bare if domain == known.domain else entry.renamed_to
    standard = knowledge.domain(STANDARD_DOMAIN)
    if kind is AccessKind.ATTRIBUTES and standard is not None and name in standard.attributes:
        yield f"{STANDARD_DOMAIN}/{name}"
    yield from _elsewhere(knowledge, known, kind, name)


def _elsewhere(knowledge: Knowledge, known: DomainKnowledge, kind: AccessKind, name: str) -> Iterator[str]:
    """Yield the very name as the devices of the driver publish it, under other domains."""
    for domain in sorted(knowledge.live_domains - {known.domain, STANDARD_DOMAIN}):
        other = knowledge.domain(domain)
        if other is not None and other.live is not None and known.domain in other.live.drivers:
            yield from (f"{domain}/{name}",) if name in other.names(kind) else ()


def _is_known(knowledge: Knowledge, known: DomainKnowledge, kind: AccessKind, right: str) -> bool:
    domain, _, bare = right.rpartition("/")
    there = knowledge.domain(domain) if domain else known
    return there is not None and bare in there.names(kind)


def unknown_names(case: Case, rule: str, kind: AccessKind) -> Iterator[Finding]:
    """Yield each name that a selector reads under a known domain and that the domain does not have.

    A name that is guarded by `has()`, `in` or `.?` is portable style.
    """
    knowledge = knowledge_of(case.view)
    for named in named_accesses(case):
        access, known = named.access, knowledge.domain(named.domain)
        if access.kind is not kind or access.name is None or access.name_span is None or known is None:
            continue
        unknown = unknown_name(knowledge, known, kind, access.name)
        if unknown is None or unknown.certainty is None:
            continue
        source = named.selector.expression
        yield Finding(
            rule=rule,
            severity=Severity.INFO if named.guarded else unknown.certainty,
            path=named.selector.path,
            message=unknown.message,
            why=unknown.why,
            fixes=tuple(_fixes(named, known, unknown))[:MOST_SUGGESTIONS],
            source=source,
            span=name_span(source, access.name, access.name_span),
        )


def _fixes(named: NamedAccess, known: DomainKnowledge, unknown: UnknownName) -> Iterator[Fix]:
    """Yield did-you-mean for what may be meant, the other map, or what is published where nothing is near."""
    source, access = named.selector.expression, named.access
    name = access.name or ""
    other = known.names(_OTHER[access.kind])
    confused = name in other
    if confused:
        word, article = _WORDS[_OTHER[access.kind]], "an" if access.kind is AccessKind.CAPACITY else "a"
        changes = to_other_map(source, named.ast, access)
        written = f"device.{_OTHER[access.kind].value}['{known.domain}'].{name}"
        if changes and name in changes[0].text:
            written = changes[0].text
        yield Fix(f"`{name}` is {article} {word}: write {written}", replacements=changes)
    for right in dict.fromkeys(unknown.meant):
        hint = " (names are case-sensitive)" if right.lower() == name.lower() else ""
        replacements = to_qualified(source, access, right) if _fits(known, access.kind, name, right) else ()
        yield Fix(f"did you mean `{right}`?{hint}", replacements=replacements)
    if not unknown.meant and not confused:
        names = known.names(access.kind)
        yield Fix(f"published: {listing(names)}" if names else "nothing is published under this domain")


def _fits(known: DomainKnowledge, kind: AccessKind, name: str, right: str) -> bool:
    """Return whether what is compared with a name can be compared with the right one: not if its type is another."""
    entry = known.dropped(kind, name)
    meant = known.attributes.get(right)
    wrong = known.pack.attributes.get(entry.name) if entry is not None and known.pack is not None else None
    return wrong is None or meant is None or not wrong.types.isdisjoint(meant.types)


def listing(names: Collection[str]) -> str:
    """Return the names in backquotes, at most eight, then how many more."""
    shown = [f"`{name}`" for name in sorted(names)[:_MOST_LISTED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
