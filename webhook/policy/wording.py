"""What users are told of a policy: where, and in which words."""

from typing import Final

from webhook.cel.values import Value
from webhook.core.claims import FLAT_VERSION, TEMPLATE
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Finding, Fix, Severity
from webhook.core.policies import ClaimPolicy, PolicyReason, Validation
from webhook.policy.case import PolicyCase

_MOST_MESSAGE: Final = 5 * 1024
"""The longest message that an expression may give, in bytes (validating admission policies' own limit)."""
_MOST_ANNOTATION: Final = 10 * 1024
"""The longest audit annotation in bytes (validating admission policies' own limit): more is cut off."""


def place_of(case: PolicyCase, field: FieldPath | None) -> FieldPath:
    """Return where in the object as received a finding stands.

    Fields are written as for a ResourceClaim of v1, or a Pod: in a template they are under `spec`, in v1beta1 a request
    has no `exactly`, and in a workload they are in its pod template. Without one it is the requests, or the spec.
    """
    if field is None:
        return case.claim.requests_path() if case.claim is not None else case.at.child("spec")
    steps = field.steps
    if case.claim is not None and steps[0] == "spec":
        if case.claim.kind == TEMPLATE and steps[1:2] != ("spec",):
            steps = ("spec", *steps)
        if case.claim.api_version == FLAT_VERSION:
            steps = tuple(step for step in steps if step != "exactly")
    return FieldPath((*case.at.steps, *steps))


def message_of(validation: Validation, said: Value) -> str:
    """Return the message: what its expression gave if that can be shown, else what is written, else what must hold."""
    text = _text(said)
    if text and "\n" not in text and len(text.encode()) <= _MOST_MESSAGE:
        return text
    return validation.message or f"this must hold: {' '.join(validation.expression.text.split())}"


def annotation_of(said: Value) -> str:
    """Return the text of an audit annotation; empty where there is none (KEP-3488)."""
    return _text(said).encode()[:_MOST_ANNOTATION].decode(errors="ignore")


def _text(said: Value) -> str:
    """Return what is said; what is no Unicode, as functions of URLs can make it, cannot be sent."""
    return said.strip().encode(errors="replace").decode() if isinstance(said, str) else ""


def evaluation_problem(
    policy: ClaimPolicy, path: FieldPath, severity: Severity, place: FieldPath, problem: str
) -> Finding:
    """Return the finding of a policy that could not be evaluated, and whose failurePolicy is Fail."""
    where = f" at {place}" if place != ROOT else ""
    return Finding(
        rule=policy.rule,
        severity=severity,
        path=path,
        message=f"the policy could not be evaluated{where}: {problem}",
        fixes=(Fix(f"tell those who keep policy '{policy.name}'; its `failurePolicy` is Fail"),),
        permitted=False,
        status=PolicyReason.FORBIDDEN.value,
    )
