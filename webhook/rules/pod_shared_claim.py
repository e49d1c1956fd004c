"""pod-shared-claim: all pods of a workload share one claim."""

from collections.abc import Iterator

from webhook.core.finding import Finding, Fix, Severity
from webhook.inventory.pod_case import PodCase

NAME = "pod-shared-claim"


def check(case: PodCase) -> Iterator[Finding]:
    for entry in case.pod.claims if case.makes_several else ():
        is_claim = bool(entry.claim_name) and not entry.template_name
        # A template named as if it were a claim is told by pod-unknown-claim.
        if is_claim and not (
            case.claim_of(entry) is None and (case.namespace, entry.claim_name) in case.view.templates
        ):
            pods = f"{case.replicas} pods" if case.replicas > 1 else "the pods of all nodes"
            yield Finding(
                rule=NAME,
                severity=Severity.WARN,
                path=entry.path.child("resourceClaimName"),
                message=f"{pods} share the one claim '{entry.claim_name}'",
                why="they get the same devices, and run only where these can be reached",
                fixes=(Fix("refer to a template, for a claim each"),),
            )
