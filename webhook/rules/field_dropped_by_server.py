"""field-dropped-by-server: a field that the API server takes away without a word, because its feature gate is off.

Source: pkg/registry/resource of each minor version, dropDisabledFields.
"""

from collections.abc import Iterator

from webhook.core.claims import Claim
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Finding, Fix, Reason, Severity
from webhook.core.versions import (
    ADMIN_ACCESS,
    CONSUMABLE_CAPACITY,
    DEVICE_TAINTS,
    EXTENDED_RESOURCE,
    PRIORITIZED_LIST,
    ServerTruth,
)
from webhook.inventory.case import Case

NAME = "field-dropped-by-server"

_LOST = {
    "capacity": "the claim then takes whole devices, and no shares",
    "distinctAttribute": "the devices may then be alike in it",
    "firstAvailable": "the request then asks for nothing, and is refused for that",
    "tolerations": "taints of devices are taken away as well, and keep nobody off",
    "adminAccess": "the claim then takes devices as any other does",
    "extendedResourceName": "pods that name it in their limits then get no device of the class",
}


def check(case: Case) -> Iterator[Finding]:
    server = case.view.server
    for gate, path in _gated(case):
        if not server.gate_or_default(gate):
            yield _finding(gate, path, server)


def _gated(case: Case) -> Iterator[tuple[str, FieldPath]]:
    """Yield each field of the subject that needs a gate; an update keeps what the object had before."""
    if isinstance(case.subject, Claim):
        yield from _of_claim(case.subject, lists=case.view.server.gate_or_default(PRIORITIZED_LIST))
    elif case.subject.extended_resource_name and not (case.before and case.before.extended_resource_name):
        yield EXTENDED_RESOURCE, ROOT.child("spec", "extendedResourceName")


def _of_claim(claim: Claim, *, lists: bool) -> Iterator[tuple[str, FieldPath]]:
    """Yield the fields of a claim; of a list that is taken away whole, not what stands in it."""
    for device_request in claim.requests:
        listed = device_request.path.child("firstAvailable")
        if device_request.prioritized:
            yield PRIORITIZED_LIST, listed
        for alternative in device_request.alternatives:
            if not lists and listed.steps == alternative.path.steps[: len(listed.steps)]:
                continue
            if alternative.capacity:
                yield CONSUMABLE_CAPACITY, alternative.path.child("capacity")
            if alternative.tolerations:
                yield DEVICE_TAINTS, alternative.path.child("tolerations")
            if alternative.admin_access:
                yield ADMIN_ACCESS, alternative.path.child("adminAccess")
    for constraint in claim.constraints:
        if constraint.distinct_attribute:
            yield CONSUMABLE_CAPACITY, constraint.path.child("distinctAttribute")


def _finding(gate: str, path: FieldPath, server: ServerTruth) -> Finding:
    field = str(path.steps[-1])
    off = "off" if gate in server.gates else f"off by default in {server.version}"
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=path,
        message=f"the server drops it: {gate} is {off}",
        why=f"a field whose feature gate is off is taken away without a word; {_LOST[field]}",
        fixes=(Fix(f"have feature gate {gate} turned on, or leave `{field}` out"),),
        reason=Reason.NOT_SUPPORTED,
    )
