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
            name = entry.claim_name
            is_template = (case.namespace, name) in case.view.templates
            missing = f"no claim '{name}' in namespace '{case.namespace}'"
            yield Finding(
                rule=NAME,
                severity=Severity.WARN,
                path=entry.path.child("resourceClaimName"),
                message=f"'{name}' is a template, not a claim" if is_template else missing,
                why="the pod waits until there is such a claim",
                fixes=tuple(_fixes(case, entry, is_template=is_template)),
                reason=Reason.NOT_FOUND,
            )


def _fixes(case: PodCase, entry: PodClaim, *, is_template: bool) -> Iterator[Fix]:
    path, name = entry.path.child("resourceClaimName"), entry.claim_name
    if is_template:
        edits = (Edit(path, None), Edit(entry.path.child("resourceClaimTemplateName"), name))
        yield Fix("write `resourceClaimTemplateName`", edits)
    for near in case.near(name, case.view.claims):
        yield Fix(f"did you mean '{near}'?", (Edit(path, near),))
    yield Fix("create it in this namespace, or refer to a template")
