"""constraint-unsatisfiable: no node has the devices that a constraint wants together."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, islice

from webhook.core.claims import Claim, Constraint
from webhook.core.finding import Finding, Fix, Severity
from webhook.inventory.asked import Publishing, any_publishes, drivers_asked
from webhook.inventory.case import Case, in_time
from webhook.inventory.constraints import Concerned, attribute_of, concerned
from webhook.inventory.inventory import inventory_of
from webhook.inventory.knowledge import knowledge_of
from webhook.inventory.nodes import most_on_one
from webhook.inventory.offers import Matched, able
from webhook.inventory.schema import STANDARD_DOMAIN
from webhook.inventory.together import Counted, Part, Way, differ, match, nodes_with, values_of

NAME = "constraint-unsatisfiable"
_MOST_REQUESTS = 32


def check(case: Case) -> Iterator[Finding]:
    if not isinstance(case.subject, Claim):
        return
    for constraint in case.subject.constraints:
        if case.expired():
            return
        attribute, at = attribute_of(constraint)
        whole = (entry for entry in concerned(case.subject, constraint) if entry.whole)
        entries = list(islice(whole, _MOST_REQUESTS + 1))
        if "/" not in attribute or not entries or len(entries) > _MOST_REQUESTS:
            continue
        parts = _parts(case, entries, attribute)
        problem = None if parts is None else _problem(case, constraint, entries, parts)
        if problem is not None and not case.expired():
            yield Finding(
                rule=NAME,
                severity=Severity.WARN,
                path=at,
                message=problem,
                why="all devices of a claim must be reached from one node",
                fixes=tuple(_fixes(case, constraint, parts or ())),
            )


def _parts(case: Case, entries: Sequence[Concerned], attribute: str) -> list[Part] | None:
    """Return what each request may get; None where it is not known, or where others tell what is missing."""
    bits = (1 << number for number in count())
    parts = []
    for entry in entries:
        ways = []
        for way in entry.ways:
            found = able(case, way)
            published = any_publishes(case, drivers_asked(case, way), attribute)
            if not found or published is not Publishing.YES or _has_unknown(case, found, attribute):
                return None
            ways.append(Way(way, found, next(bits)))
        parts.append(tuple(ways))
    return parts


def _has_unknown(case: Case, found: Matched, attribute: str) -> bool:
    """Return whether a device that a DeviceInventory promises says nothing of the attribute."""
    inventory = inventory_of(case.view)
    planned = found.numbers[bisect_left(found.numbers, inventory.live) :]
    return any(attribute not in inventory.devices[number].attributes for number in planned)


def _problem(case: Case, constraint: Constraint, entries: Sequence[Concerned], parts: Sequence[Part]) -> str | None:
    """Return what is wrong with the devices that are there; None where some node has them."""
    attribute = attribute_of(constraint)[0]
    holds = match if constraint.match_attribute else differ
    if holds is differ and len(parts) == 1:
        return None  # of one request the allocator remembers the last device alone
    most = 0
    for _, counted in nodes_with(case, parts, attribute):
        if holds(parts, counted):
            return None
        most = max(most, _largest(counted))
    if case.expired():
        return None
    devices = inventory_of(case.view).devices
    for entry, part in zip(entries, parts, strict=True):
        if not any(
            values_of(devices[number], attribute) for way in part for number in in_time(case.expired, way.found)
        ):
            return f"no match of '{entry.name}' publishes `{attribute}`"
    if any(_is_short(case, part) for part in parts):
        return None
    names = ", ".join(f"'{entry.name}'" for entry in entries)
    bare = attribute.partition("/")[2]
    if holds is differ:
        return f"no node has different `{bare}` for {names}"
    if len(parts) == 1 and len(parts[0]) == 1:
        return f"no node has {parts[0][0].least} matches of one `{bare}`, at most {most}"
    return f"no node has enough matches of one `{bare}` for {names}"


def _is_short(case: Case, part: Part) -> bool:
    """Return whether the request gets too few devices on every node without the constraint, which others tell."""
    return all(most_on_one(case, way.found, way.least)[0] < way.least for way in part)


def _largest(counted: Counted) -> int:
    """Return the most devices with one value."""
    totals: Counter[object] = Counter()
    for (value, _, _), many in counted.items():
        totals[value] += many
    return max(totals.values(), default=0)


def _fixes(case: Case, constraint: Constraint, parts: Sequence[Part]) -> Iterator[Fix]:
    """Yield another standard attribute that some node could meet, and to let go of the constraint."""
    holds = match if constraint.match_attribute else differ
    standard = knowledge_of(case.view).domain(STANDARD_DOMAIN)
    for name in sorted(standard.attributes) if standard is not None else ():
        other = f"{STANDARD_DOMAIN}/{name}"
        if other == attribute_of(constraint)[0] or not _is_published(case, parts, other):
            continue
        if any(holds(parts, counted) for _, counted in nodes_with(case, parts, other)):
            yield Fix(f"`{other}` could be met")
    yield Fix("leave the constraint out, or ask for fewer devices")


def _is_published(case: Case, parts: Sequence[Part], attribute: str) -> bool:
    of = inventory_of(case.view).attributes_of
    drivers = {kind.driver for part in parts for way in part for kind, _ in way.found.devices(case.expired)}
    return all(attribute in of.get(driver, ()) for driver in drivers)
