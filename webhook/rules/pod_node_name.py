"""pod-node-name: a pod with claims is bound to a node by its author, so nobody allocates devices for it."""

from collections.abc import Iterator

from webhook.core.finding import Edit, Finding, Fix, Json, Severity
from webhook.core.pods import PodClaim
from webhook.inventory.pod_case import PodCase

NAME = "pod-node-name"


def check(case: PodCase) -> Iterator[Finding]:
    node = case.pod.node_name
    if node and not all(_is_allocated(case, entry) for entry in case.pod.claims):
        yield Finding(
            rule=NAME,
            severity=Severity.WARN,
            path=case.at.child("spec", "nodeName"),
            message="no devices are allocated to a pod that sets `nodeName`",
            why="the scheduler allocates them, and never sees this pod; the kubelet does not start it",
            fixes=(_fix(case, node),),
        )


def _is_allocated(case: PodCase, entry: PodClaim) -> bool:
    """Return whether the claim has its devices already; the claim controller then reserves them for the pod."""
    claim = case.claim_of(entry) if entry.claim_name else None
    return claim is not None and claim.allocated is not None


def _fix(case: PodCase, node: str) -> Fix:
    """Return the fix: the scheduler is told the node, in the words in which DaemonSets do it."""
    told = "require the node by node affinity"
    spec = case.at.child("spec")
    if case.spec_at(spec.child("affinity")):
        return Fix(told)
    term: Json = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    required: Json = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    edits = (Edit(spec.child("nodeName"), None), Edit(spec.child("affinity"), {"nodeAffinity": required}))
    return Fix(told, edits)
