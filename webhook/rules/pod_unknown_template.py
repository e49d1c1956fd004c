"""pod-unknown-template: a pod refers to a ResourceClaimTemplate that is not there."""

from collections.abc import Iterator

from webhook.core.finding import Edit, Finding, Fix, Reason, Severity
from webhook.core.pods import PodClaim
from webhook.inventory.pod_case import PodCase

NAME = "pod-unknown-template"


def check(case: PodCase) -> Iterator[Finding]:
    for entry in case.pod.claims if case.view.given else ():
        if case.expired():
            return
        if entry.template_name and not entry.claim_name and case.claim_of(entry) is None:
            name = entry.template_name
            is_claim = (case.namespace, name) in case.view.claims
            missing = f"no template '{name}' in namespace '{case.namespace}'"
            yield Finding(
                rule=NAME,
                severity=Severity.WARN,
                path=entry.path.child("resourceClaimTemplateName"),
                message=f"'{name}' is a claim, not a template" if is_claim else missing,
                why="the pod waits until there is such a template" + _elsewhere(case, name),
                fixes=tuple(_fixes(case, entry, is_claim=is_claim)),
                reason=Reason.NOT_FOUND,
            )


def _elsewhere(case: PodCase, name: str) -> str:
    found = any(other == name for _, other in case.view.templates)
    return "; one of this name is in another namespace, where a pod cannot refer to it" if found else ""


def _fixes(case: PodCase, entry: PodClaim, *, is_claim: bool) -> Iterator[Fix]:
    path, name = entry.path.child("resourceClaimTemplateName"), entry.template_name
    if is_claim:
        edits = (Edit(path, None), Edit(entry.path.child("resourceClaimName"), name))
        yield Fix("write `resourceClaimName`", edits)
    for near in case.near(name, case.view.templates):
        yield Fix(f"did you mean '{near}'?", (Edit(path, near),))
    yield Fix("create it in this namespace")
