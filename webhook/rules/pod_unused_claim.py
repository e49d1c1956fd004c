"""pod-unused-claim: a claim of the pod that no container uses."""

from collections.abc import Iterator, Sequence

from webhook.core.finding import Edit, Finding, Fix, Json, Severity
from webhook.core.pods import PodClaim
from webhook.inventory.names import drivers_of
from webhook.inventory.pod_case import PodCase, idle_entries

NAME = "pod-unused-claim"

FOR_THE_POD = frozenset({"cni.dra.networking.x-k8s.io", "dra.net", "sriovnetwork.k8snetworkplumbingwg.io"})
"""Drivers of network interfaces: they serve the pod's network, and no container needs to name the claim."""


def check(case: PodCase) -> Iterator[Finding]:
    idle = [entry for entry in idle_entries(case) if not _serves_the_pod(case, entry)]
    fix = _fix(case, idle)
    for entry in idle:
        if case.expired():
            return
        yield Finding(
            rule=NAME,
            severity=Severity.WARN,
            path=entry.path,
            message=f"no container uses claim '{entry.name}'",
            why="its devices are taken for as long as the pod lives, and no container sees them",
            fixes=(fix,),
        )


def _serves_the_pod(case: PodCase, entry: PodClaim) -> bool:
    """Return whether the claim asks for devices that are not given to containers."""
    claim = case.claim_of(entry)
    for alternative in claim.alternatives() if claim else ():
        if (drivers_of(case.view, alternative, case.expired) or {alternative.device_class_name}) & FOR_THE_POD:
            return True
    return False


def _fix(case: PodCase, idle: Sequence[PodClaim]) -> Fix:
    """Return the fix; with one container alone it is known where all idle claims belong."""
    if len(case.pod.containers) != 1:
        return Fix("name it in the `resources.claims` of a container")
    [container] = case.pod.containers
    at = container.path.child("resources")
    resources = case.spec_at(at)
    claims = _claims(resources)
    claims += [{"name": entry.name} for entry in idle]
    edit = Edit(at.child("claims"), claims) if isinstance(resources, dict) else Edit(at, {"claims": claims})
    return Fix(f"name it in the `resources.claims` of '{container.name}'", (edit,))


def _claims(resources: object) -> list[Json]:
    found = resources.get("claims") if isinstance(resources, dict) else None
    return list(found) if isinstance(found, list) else []
