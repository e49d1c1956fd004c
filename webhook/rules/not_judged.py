"""unjudged: what is let pass because this version cannot judge it yet, or because it could not be read."""

from collections.abc import Iterator

from webhook.core.claims import AllocationMode, Claim
from webhook.core.finding import Finding, unjudged
from webhook.inventory.case import Case
from webhook.inventory.configuration import configurations


def wrong_types(case: Case) -> Iterator[Finding]:
    """Yield what could not be read: the API server decides about it, not we (contract 7.4)."""
    for misfit in case.subject.misfits:
        yield unjudged(misfit.path, "wrong-type", misfit.message)


def check(case: Case) -> Iterator[Finding]:
    judged = {id(found.config) for found in configurations(case)}
    for config in case.subject.config:
        if id(config) in judged:
            continue
        yield unjudged(config.path, "config", f"parameters for driver '{config.driver}' are not judged")
    if isinstance(case.subject, Claim):
        yield from _requests(case.subject)


def _requests(claim: Claim) -> Iterator[Finding]:
    for device_request in claim.requests:
        if not device_request.alternatives:
            yield unjudged(device_request.path, "request-shape", "the request has a shape that is not known")
        for alternative in device_request.alternatives:
            if alternative.mode is AllocationMode.UNKNOWN:
                path = alternative.path.child("allocationMode")
                yield unjudged(path, "allocation-mode", "the allocation mode is not known")
