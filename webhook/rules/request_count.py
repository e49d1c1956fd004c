"""request-count: more devices than one claim may get, or than any node has."""

from collections.abc import Iterator
from itertools import count

from webhook.core.claims import AllocationMode, Alternative, Claim, DeviceRequest
from webhook.core.finding import Finding, Fix, Severity
from webhook.inventory.case import Case
from webhook.inventory.nodes import most_on_one
from webhook.inventory.offers import Matched, able
from webhook.inventory.taints import are_judged, hindering
from webhook.inventory.together import ANYTHING, Part, Way, match, nodes_with

NAME = "request-count"
MOST = 32
"""Devices of one claim (resource.k8s.io types, AllocationResultsMaxSize)."""


def check(case: Case) -> Iterator[Finding]:
    if not isinstance(case.subject, Claim):
        return
    fewest = sum(map(_fewest, case.subject.requests))
    if fewest > MOST:
        yield _too_many(case.subject, fewest)
        return
    found = False
    for device_request in case.subject.requests:
        yield from _beyond_the_limit(device_request)
        for finding in _on_no_node(case, device_request):
            found = True
            yield finding
    if not found:
        yield from _not_together(case, case.subject)


def _fewest(device_request: DeviceRequest) -> int:
    """Return the fewest devices that the request could take; all of some devices is one of them at least."""
    return min(map(_least, device_request.alternatives), default=0)


def _least(alternative: Alternative) -> int:
    match alternative.mode:
        case AllocationMode.EXACT_COUNT:
            return max(0, alternative.count)
        case AllocationMode.ALL:
            return 1
        case AllocationMode.UNKNOWN:
            return 0


def _too_many(claim: Claim, fewest: int) -> Finding:
    largest = max(claim.requests, key=_fewest)
    path = largest.alternatives[0].path.child("count") if len(largest.alternatives) == 1 else largest.path
    return Finding(
        rule=NAME,
        severity=Severity.DENY,
        path=path,
        message=f"the claim takes {fewest} devices at least, and must take at most {MOST}",
        why="the scheduler never allocates more devices than that to one claim",
        fixes=(Fix(f"ask for at most {MOST} devices in all; a pod may use several claims"),),
    )


def _beyond_the_limit(device_request: DeviceRequest) -> Iterator[Finding]:
    """Yield the alternatives that no claim could be given, though others of the request could."""
    for alternative in device_request.alternatives:
        if _least(alternative) > MOST:
            yield Finding(
                rule=NAME,
                severity=Severity.WARN,
                path=alternative.path.child("count"),
                message=f"'{alternative.name}' is never taken: a claim takes at most {MOST} devices",
                fixes=(Fix(f"ask for at most {MOST} devices"),),
            )


def _on_no_node(case: Case, device_request: DeviceRequest) -> Iterator[Finding]:
    """Yield the alternatives of which no node has so many devices; none where another one would do."""
    found = []
    for alternative in device_request.alternatives:
        if alternative.mode is not AllocationMode.EXACT_COUNT or alternative.count > MOST:
            continue
        finding = _short(case, alternative)
        if finding is None and device_request.prioritized:
            return
        if finding is not None:
            found.append(finding)
    yield from found


def _short(case: Case, alternative: Alternative) -> Finding | None:
    """Return the finding that no node has so many; nothing where none matches at all, which others tell."""
    if alternative.count <= 1:
        return None
    found = able(case, alternative)
    free = _untainted(case, alternative, found)
    if not found or case.expired():
        return None
    most, node = most_on_one(case, free, alternative.count)
    if most >= alternative.count or case.expired():
        return None
    on = f" on '{node}'" if node else ""
    untainted = "" if free is found else " without a taint that is not tolerated"
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=alternative.path.child("count"),
        message=f"no node has {alternative.count} matching devices{untainted}, the most is {most}{on}",
        why="all devices of a claim must be reached from one node",
        fixes=(Fix(f"ask for at most {most}, or spread the work over several pods"),),
    )


def _not_together(case: Case, claim: Claim) -> Iterator[Finding]:
    """Yield the finding that no node has the devices of all requests, where each alone finds its own."""
    bits = (1 << number for number in count())
    parts = tuple(part for device_request in claim.requests if (part := _part(case, device_request, bits)))
    wanted = sum(min(way.least for way in part) for part in parts)
    if len(parts) < 2 or any(match(parts, counted) for _, counted in nodes_with(case, parts, ANYTHING)):
        return
    if not case.expired():
        yield Finding(
            rule=NAME,
            severity=Severity.WARN,
            path=claim.requests_path(),
            message=f"no node has the {wanted} devices that the requests take together",
            why="all devices of a claim must be reached from one node",
            fixes=(Fix("ask for fewer devices, or spread the work over several pods"),),
        )


def _part(case: Case, device_request: DeviceRequest, bits: Iterator[int]) -> Part:
    """Return what the request takes away from others: nothing where no device matches, or of an administrator."""
    ways = []
    for way in device_request.alternatives:
        found = able(case, way) if not way.admin_access and way.mode is not AllocationMode.UNKNOWN else None
        if not found:
            return ()
        ways.append(Way(way, _untainted(case, way, found), next(bits)))
    return tuple(ways)


def _untainted(case: Case, alternative: Alternative, found: Matched) -> Matched:
    """Return the devices that taints leave to the request; all of them where none is left, which others tell."""
    if not are_judged(case) or alternative.admin_access:
        return found
    free = found.only(lambda device: not hindering(device, alternative), case.expired)
    return free or found
