"""constraint-unsatisfiable: no node has the devices that a constraint wants together."""

from collections.abc import Iterator, Sequence

from webhook.core.claims import Claim, Constraint
from webhook.core.finding import Finding, Fix, Severity
from webhook.inventory.asked import Publishing, any_publishes, drivers_asked
from webhook.inventory.case import Case
from webhook.inventory.constraints import Concerned, attribute_of, concerned
from webhook.inventory.inventory import inventory_of
from webhook.inventory.knowledge import knowledge_of
from webhook.inventory.nodes import most_on_one
from webhook.inventory.offers import accepted, serving
from webhook.inventory.schema import STANDARD_DOMAIN
from webhook.inventory.together import Counted, Part, differ, least, match, nodes_with, values_of

NAME = "constraint-unsatisfiable"
_MOST_REQUESTS = 32


def check(case: Case) -> Iterator[Finding]:
    if not isinstance(case.subject, Claim):
        return
    for constraint in case.subject.constraints:
        attribute, at = attribute_of(constraint)
        entries = [entry for entry in concerned(case.subject, constraint) if entry.whole]
        if "/" not in attribute or not entries or len(entries) > _MOST_REQUESTS or case.expired():
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
    parts = []
    for entry in entries:
        ways = []
        for way in entry.ways:
            numbers = serving(case, way, accepted(case, way) or ())
            if not numbers or any_publishes(case, drivers_asked(case, way), attribute) is not Publishing.YES:
                return None
            ways.append((way, frozenset(numbers)))
        parts.append(Part(tuple(ways)))
    return None if _has_unknown(case, parts, attribute) else parts


def _has_unknown(case: Case, parts: Sequence[Part], attribute: str) -> bool:
    """Return whether a device that a DeviceInventory promises says nothing of the attribute."""
    inventory = inventory_of(case.view)
    live, total = len(inventory.published), len(inventory.devices)
    planned = {number for number in range(live, total) if attribute not in inventory.devices[number].attributes}
    return any(not planned.isdisjoint(numbers) for part in parts for _, numbers in part.ways)


def _problem(case: Case, constraint: Constraint, entries: Sequence[Concerned], parts: Sequence[Part]) -> str | None:
    """Return what is wrong with the devices that are there; None where some node has them."""
    attribute = attribute_of(constraint)[0]
    holds = match if constraint.match_attribute else differ
    if holds is differ and len(parts) == 1:
        return None  # of one request the allocator remembers the last device alone
    if any(holds(parts, counted) for _, counted in nodes_with(case, parts, attribute)) or case.expired():
        return None
    devices = inventory_of(case.view).devices
    for entry, part in zip(entries, parts, strict=True):
        numbers = frozenset[int]().union(*(found for _, found in part.ways))
        if not any(values_of(devices[number], attribute) for number in numbers):
            return f"no match of '{entry.name}' publishes `{attribute}`"
    if any(_is_short(case, part) for part in parts):
        return None
    names = ", ".join(f"'{entry.name}'" for entry in entries)
    bare = attribute.partition("/")[2]
    if holds is differ:
        return f"no node has different `{bare}` for {names}"
    if len(parts) == 1 and len(parts[0].ways) == 1:
        wanted, most = least(parts[0].ways[0][0]), _most(case, parts, attribute)
        return f"no node has {wanted} matches of one `{bare}`, at most {most}"
    return f"no node has enough matches of one `{bare}` for {names}"


def _is_short(case: Case, part: Part) -> bool:
    """Return whether the request gets too few devices on every node without the constraint, which others tell."""
    inventory = inventory_of(case.view)
    return all(most_on_one(case.view, inventory, found, least(way))[0] < least(way) for way, found in part.ways)


def _most(case: Case, parts: Sequence[Part], attribute: str) -> int:
    """Return the most devices with one value on one node."""
    return max(_largest(counted) for _, counted in nodes_with(case, parts, attribute))


def _largest(counted: Counted) -> int:
    totals: dict[object, int] = {}
    for kind, count in counted.items():
        totals[kind.value] = totals.get(kind.value, 0) + count
    return max(totals.values(), default=0)


def _fixes(case: Case, constraint: Constraint, parts: Sequence[Part]) -> Iterator[Fix]:
    """Yield another standard attribute that some node could meet, and to let go of the constraint."""
    attribute = attribute_of(constraint)[0]
    holds = match if constraint.match_attribute else differ
    standard = knowledge_of(case.view).domain(STANDARD_DOMAIN)
    for name in sorted(standard.attributes) if standard is not None else ():
        other = f"{STANDARD_DOMAIN}/{name}"
        if other != attribute and any(holds(parts, counted) for _, counted in nodes_with(case, parts, other)):
            yield Fix(f"`{other}` could be met")
    yield Fix("leave the constraint out, or ask for fewer devices")
