"""constraint-unknown-attribute: a constraint compares an attribute that a driver of its requests does not publish."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from webhook.cel.inspect import AccessKind
from webhook.core.claims import Claim, Constraint
from webhook.core.finding import Edit, Finding, Fix, Severity
from webhook.core.suggest import MOST_SUGGESTIONS, nearest
from webhook.inventory.asked import Publishing, any_publishes, drivers_asked
from webhook.inventory.case import Case
from webhook.inventory.constraints import Concerned, attribute_of, concerned
from webhook.inventory.inventory import inventory_of
from webhook.inventory.knowledge import knowledge_of
from webhook.inventory.schema import STANDARD_DOMAIN
from webhook.inventory.unknown import listing, unknown_name

NAME = "constraint-unknown-attribute"
_FOREIGN = "; drivers of several vendors have only standard attributes in common"


@dataclass(frozen=True, slots=True)
class _Asked:
    """The drivers that one alternative of a request asks for."""

    name: str
    drivers: frozenset[str]


def check(case: Case) -> Iterator[Finding]:
    if not isinstance(case.subject, Claim):
        return
    for constraint in case.subject.constraints:
        attribute = attribute_of(constraint)[0]
        domain, slash, name = attribute.partition("/")
        if case.expired():
            return
        if slash and domain and name and "/" not in name:
            yield from _finding(case, case.subject, constraint, attribute)


def _finding(case: Case, claim: Claim, constraint: Constraint, attribute: str) -> Iterator[Finding]:
    """Yield one finding, of the request of which it is surest that none of its devices has the attribute."""
    worst: tuple[Publishing, _Asked] | None = None
    everybody = []
    for entry in concerned(claim, constraint):
        if case.expired():
            return
        ways = [_Asked(way.name, drivers_asked(case, way)) for way in entry.ways]
        everybody += ways
        found = _lacking(case, entry, ways, attribute)
        if found is not None and (worst is None or _rank(found[0]) > _rank(worst[0])):
            worst = found
    if worst is None:
        return
    sure, asked = worst
    at = attribute_of(constraint)[1]
    driver = min(asked.drivers)
    foreign = attribute.partition("/")[0] not in (driver, STANDARD_DOMAIN)
    yield Finding(
        rule=NAME,
        severity=Severity.DENY if sure is Publishing.NEVER else Severity.WARN,
        path=at,
        message=f"'{asked.name}' gets no device with `{attribute}`",
        why=f"driver '{driver}' does not publish it{_FOREIGN if foreign else ''}",
        fixes=tuple(_fixes(case, constraint, attribute, everybody)),
    )


def _rank(found: Publishing) -> int:
    return list(Publishing).index(found)


def _lacking(case: Case, entry: Concerned, ways: Sequence[_Asked], attribute: str) -> tuple[Publishing, _Asked] | None:
    """Return how sure it is that the request cannot meet the constraint, and by which alternative; None: it may.

    Where another alternative may meet it, the one that cannot stands there in vain.
    """
    found = [(any_publishes(case, way.drivers, attribute), way) for way in ways]
    lacking = [one for one in found if one[0] in (Publishing.NOT_NOW, Publishing.NEVER)]
    if not lacking:
        return None
    if len(lacking) < len(found) or not entry.whole:
        return Publishing.NOT_NOW, lacking[0][1]
    return min(lacking, key=lambda one: _rank(one[0]))


def _fixes(case: Case, constraint: Constraint, attribute: str, asked: Sequence[_Asked]) -> Iterator[Fix]:
    """Yield the attributes that may be meant and that every driver of the requests publishes."""
    at = attribute_of(constraint)[1]
    helpful = [
        name
        for name in dict.fromkeys(_meant(case, attribute))
        if all(any_publishes(case, way.drivers, name) is Publishing.YES for way in asked)
    ]
    for name in helpful[:MOST_SUGGESTIONS]:
        yield Fix(f"did you mean `{name}`?", edits=(Edit(at, name),))
    if not helpful:
        common = _common(case, asked)
        yield Fix(f"published for all of them: {listing(common)}" if common else "leave the constraint out")


def _meant(case: Case, attribute: str) -> Iterator[str]:
    """Yield qualified names, best first: known mistakes, near names in the domain or in one like it."""
    knowledge = knowledge_of(case.view)
    domain, _, name = attribute.partition("/")
    mistake = knowledge.domain_mistake(domain)
    domains = (mistake.right,) if mistake else (domain, *nearest(domain, knowledge.domains))
    for right in domains:
        known = knowledge.domain(right)
        if known is None:
            continue
        unknown = unknown_name(knowledge, known, AccessKind.ATTRIBUTES, name)
        yield from (one if "/" in one else f"{right}/{one}" for one in ((name,) if unknown is None else unknown.meant))
    yield f"{STANDARD_DOMAIN}/{name}"


def _common(case: Case, asked: Sequence[_Asked]) -> frozenset[str]:
    """Return the attributes that live devices of every alternative's drivers publish."""
    of = inventory_of(case.view).attributes_of
    of_each = [frozenset(name for driver in way.drivers for name in of.get(driver, ())) for way in asked]
    return frozenset.intersection(*of_each) if of_each else frozenset()
