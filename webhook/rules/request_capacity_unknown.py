"""request-capacity-unknown: a request asks for an amount of a capacity that its devices do not publish."""

from collections.abc import Iterable, Iterator

from webhook.cel.inspect import AccessKind
from webhook.core.capacities import qualified
from webhook.core.claims import Alternative, CapacityRequest
from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Edit, Finding, Fix, Severity
from webhook.core.suggest import MOST_SUGGESTIONS
from webhook.core.versions import minor
from webhook.inventory.asked import drivers_asked
from webhook.inventory.case import Case
from webhook.inventory.knowledge import Knowledge, knowledge_of
from webhook.inventory.offers import matched, takes_capacity
from webhook.inventory.unknown import UnknownName, listing, unknown_name

NAME = "request-capacity-unknown"
_KIND = AccessKind.CAPACITY
_EITHER_NAME = 37
"""The first minor version in which both spellings of a capacity are one (consumable_capacity.go)."""


def check(case: Case) -> Iterator[Finding]:
    if not takes_capacity(case):
        return
    for alternative in case.alternatives():
        for asked in alternative.capacity:
            if case.expired():
                return
            found = _of_no_driver(case, alternative, asked) or _of_no_match(case, alternative, asked)
            if found is not None:
                yield found


def _of_no_driver(case: Case, alternative: Alternative, asked: CapacityRequest) -> Finding | None:
    """Return the finding where none of the drivers that the request asks for publishes the capacity."""
    knowledge = knowledge_of(case.view)
    unknown = []
    for driver in sorted(drivers_asked(case, alternative)):
        found = _unknown(knowledge, driver, asked.name)
        if found is None or found.certainty is None:
            return None
        unknown.append(found)
    if not unknown:
        return None
    certain = all(one.certainty is Severity.DENY for one in unknown)
    meant = dict.fromkeys(right for one in unknown for right in one.meant)
    return Finding(
        rule=NAME,
        severity=Severity.DENY if certain else Severity.WARN,
        path=asked.path,
        message=unknown[0].message,
        why=unknown[0].why,
        fixes=tuple(_fixes(case, alternative, asked, meant))[:MOST_SUGGESTIONS],
    )


def _unknown(knowledge: Knowledge, driver: str, name: str) -> UnknownName | None:
    """Return what is to be said of a capacity of the driver; None where it is known, or nothing is known of it.

    A name with the domain of somebody else is looked up there.
    """
    domain, _, bare = qualified(name, driver).partition("/")
    known = knowledge.domain(domain)
    return None if known is None else unknown_name(knowledge, known, _KIND, bare)


def _of_no_match(case: Case, alternative: Alternative, asked: CapacityRequest) -> Finding | None:
    """Return the finding where devices match, and none of them publishes what others of the driver do.

    Before 1.37 the scheduler takes a bare name and the one with the driver's domain for different capacities.
    """
    published: set[str] = set()
    is_exact = minor(case.view.server.version) < _EITHER_NAME
    otherwise = ""
    for device, _ in matched(case, alternative).devices(case.expired):
        name = qualified(asked.name, device.driver)
        capacity = device.capacity.get(name)
        if capacity is not None:
            if not is_exact or capacity.is_qualified == ("/" in asked.name):
                return None
            otherwise = name if capacity.is_qualified else name.removeprefix(f"{device.driver}/")
        published.update(name.removeprefix(f"{device.driver}/") for name in device.capacity)
    if not published or case.expired():
        return None
    if otherwise:
        return Finding(
            rule=NAME,
            severity=Severity.WARN,
            path=asked.path,
            message=f"matching devices publish it as `{otherwise}`",
            why="before Kubernetes 1.37 a name with the driver's domain is another capacity than the bare one",
            fixes=(Fix(f"write `{otherwise}`", edits=_renamed(asked, otherwise)),),
        )
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=asked.path,
        message=f"no match publishes the capacity `{asked.name}`",
        fixes=(Fix(f"they publish {listing(published)}"),),
    )


def _fixes(case: Case, alternative: Alternative, asked: CapacityRequest, meant: Iterable[str]) -> Iterator[Fix]:
    """Yield the names that may be meant, those that a matching device publishes first and with their edits."""
    published = {
        name.removeprefix(f"{device.driver}/")
        for device, _ in matched(case, alternative).devices(case.expired)
        for name in device.capacity
    }
    helpful = [name for name in meant if name in published or not published]
    for name in helpful:
        yield Fix(f"did you mean `{name}`?", edits=_renamed(asked, name))
    if not helpful:
        yield Fix(f"matching devices publish {listing(published)}" if published else "leave it out")


def _renamed(asked: CapacityRequest, name: str) -> tuple[Edit, ...]:
    parent = FieldPath(asked.path.steps[:-1])
    return Edit(asked.path, None), Edit(parent.key(name), str(asked.quantity))
