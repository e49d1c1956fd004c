"""pod-unknown-claim: a pod refers to a ResourceClaim that is not there."""

from collections.abc import Iterator

from webhook.core.finding import Edit, Finding, Fix, Reason, Severity
from webhook.core.pods import PodClaim
from webhook.inventory.pod_case import PodCase

NAME = "pod-unknown-claim"


def check(case: PodCase) -> Iterator[Finding]:
    for entry in case.pod.claims if case.view.given else ():
        if case.expired():
            return
        if entry.claim_name and not entry.template_name and case.claim_of(entry) is None:
            yield Finding(
                rule=NAME,
                severity=Severity.WARN,
                path=entry.path.child("resourceClaimName"),
                message=f"no claim '{entry.claim_name}' in namespace '{case.namespace}'",
                why="the pod waits until it is there",
                fixes=tuple(_fixes(case, entry)),
                reason=Reason.NOT_FOUND,
            )


def _fixes(case: PodCase, entry: PodClaim) -> Iterator[Fix]:
    path, name = entry.path.child("resourceClaimName"), entry.claim_name
    if (case.namespace, name) in case.view.templates:
        edits = (Edit(path, None), Edit(entry.path.child("resourceClaimTemplateName"), name))
        yield Fix(f"'{name}' is a template: write `resourceClaimTemplateName`", edits)
    for near in case.near(name, case.view.claims):
        yield Fix(f"did you mean '{near}'?", (Edit(path, near),))
    yield Fix("create it in this namespace, or refer to a template")
