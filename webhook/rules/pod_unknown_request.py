"""pod-unknown-request: a container names a claim that the pod does not list, or a request that the claim lacks."""

from collections.abc import Iterator

from webhook.core.claims import CLAIM, Claim
from webhook.core.finding import Edit, Finding, Fix, Reason, Severity
from webhook.core.pods import ClaimReference, PodClaim
from webhook.core.suggest import nearest
from webhook.inventory.pod_case import PodCase, Stray, strays

NAME = "pod-unknown-request"


def check(case: PodCase) -> Iterator[Finding]:
    for stray in strays(case):
        yield _unlisted(case, stray)
    listed: dict[str, tuple[PodClaim, Claim | None]] = {}
    for entry in case.pod.claims:
        listed.setdefault(entry.name, (entry, case.claim_of(entry)))
    for container in case.pod.containers:
        for reference in container.claims:
            if case.expired():
                return
            if reference.name not in listed or not reference.request:
                continue
            entry, claim = listed[reference.name]
            if claim is not None and all(reference.request != device_request.name for device_request in claim.requests):
                yield _unknown_request(reference, entry, claim)


def _unlisted(case: PodCase, stray: Stray) -> Finding:
    fixes = [Fix(f"did you mean '{name}'?", (Edit(stray.path, name),)) for name in stray.meant]
    at = case.at.child("spec", "resourceClaims")
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=stray.path,
        message=f"container '{stray.container.name}' names claim '{stray.name}', which the pod does not list",
        fixes=tuple(fixes) or (Fix(f"list '{stray.name}' in `{at}` with its claim or template"),),
        reason=Reason.NOT_FOUND,
    )


def _unknown_request(reference: ClaimReference, entry: PodClaim, claim: Claim) -> Finding:
    parent = _with_alternative(claim, reference.request)
    kind, of = ("claim", entry.claim_name) if claim.kind == CLAIM else ("template", entry.template_name)
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=reference.path.child("request"),
        message=f"{kind} '{of}' has no request '{reference.request}'",
        why=_why(reference.request, parent),
        fixes=tuple(_fixes(reference, claim, parent)),
        reason=Reason.NOT_FOUND,
    )


def _with_alternative(claim: Claim, name: str) -> str:
    """Return the request that has an alternative of the name; empty where none has."""
    for device_request in claim.requests:
        if any(alternative.name == f"{device_request.name}/{name}" for alternative in device_request.alternatives):
            return device_request.name
    return ""


def _why(written: str, parent: str) -> str:
    if parent:
        return f"'{written}' is an alternative of '{parent}', by whose name the container gets whichever was chosen"
    return "the container gets no device then, and nobody reports an error"


def _fixes(reference: ClaimReference, claim: Claim, parent: str) -> Iterator[Fix]:
    path, written = reference.path.child("request"), reference.request
    names = [device_request.name for device_request in claim.requests if device_request.name]
    near = (parent,) if parent else nearest(written, names) or (tuple(names) if len(names) == 1 else ())
    for name in near:
        yield Fix(f"did you mean '{name}'?", (Edit(path, name),))
    yield Fix("leave `request` out, for the whole claim", (Edit(path, None),))
