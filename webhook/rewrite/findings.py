"""What users are told of a rewrite: warnings with a reason code, reports, refusals (contract 4, 6.1)."""

from collections.abc import Iterator

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Fix, Reason, Severity
from webhook.core.mappings import MainResource
from webhook.rewrite.asks import UnusableQuantityError, asked_names
from webhook.rewrite.losses import kept_on_node, why_kept
from webhook.rewrite.refusals import LeftAlone
from webhook.rewrite.rewriting import Rewritten, Survey
from webhook.rewrite.templates import Template

LEFT_ALONE = "legacy-left-alone"
REPORT = "legacy-report"
DENIED = "legacy-denied"
UNKNOWN_TEMPLATE = "pod-unknown-template"


def left_alone(outcome: LeftAlone) -> Finding:
    """Return the one warning for a pod that stays as it is."""
    return Finding(
        rule=LEFT_ALONE,
        severity=Severity.WARN,
        path=outcome.path,
        message=f"left alone: {outcome.code.value}",
        why=outcome.detail,
        fixes=(Fix(outcome.code.advice),),
    )


def reported(outcome: Rewritten | LeftAlone) -> Finding:
    """Return what a rewrite would do, for mappings in mode Report."""
    if isinstance(outcome, LeftAlone):
        message = f"would be left alone: {outcome.code.value}"
        return Finding(REPORT, Severity.WARN, outcome.path, message, (Fix(outcome.code.advice),), why=outcome.detail)
    wanted = ", ".join(f"{claim.count} of '{claim.shape.device_class_name}'" for claim in outcome.plan.claims)
    return Finding(
        rule=REPORT,
        severity=Severity.WARN,
        path=outcome.survey.first(),
        message=f"would claim {wanted}" if wanted else "would lose limits of 0",
        fixes=(Fix("try `drawbridge migrate`"),),
    )


def not_said(outcome: Rewritten) -> Iterator[Finding]:
    """Yield what the pod says and its claims do not: a limit or annotation is lost, a node label holds for the node."""
    for lost in outcome.lost:
        yield Finding(
            rule=REPORT,
            severity=Severity.WARN,
            path=outcome.survey.first(),
            message=f"{lost} has no counterpart in a claim",
            why=lost.why,
            fixes=(Fix("take it out, or opt out"),),
        )
    mappings = outcome.survey.serving_mappings()
    for condition in outcome.kept:
        yield Finding(
            rule=REPORT,
            severity=Severity.INFO,
            path=FieldPath(outcome.survey.first().steps[:-2]),
            message=kept_on_node(condition),
            why=why_kept(condition, mappings),
            fixes=(Fix("write a claim with a selector where it is meant for the device"),),
        )


def refusals(asked: Survey) -> Iterator[Finding]:
    """Yield the refusal of each resource name that a container asks for, for mappings in mode Deny.

    A limit of 0 asks for nothing, and a mirror pod runs already.
    """
    for container in asked.pod.containers:
        try:
            names = asked_names(container, asked.serving)
        except UnusableQuantityError:
            names = tuple(name for name in container.limits if name in asked.serving)
        for name in names:
            resource = asked.serving[name].resource
            of_class = f" of class '{resource.device_class_name}'" if isinstance(resource, MainResource) else ""
            yield Finding(
                rule=DENIED,
                severity=Severity.DENY,
                path=container.path.child("resources", "limits").key(name),
                message=f"`{name}` must not be a limit here any more",
                fixes=(Fix(f"name a claim{of_class} instead: `drawbridge migrate` rewrites the manifest"),),
                reason=Reason.FORBIDDEN,
                permitted=False,
            )


def template_missing(missing: tuple[Template, ...], path: FieldPath) -> Finding:
    """Return the one warning where nobody makes the templates that a rewritten pod refers to."""
    more = f" and {len(missing) - 1} more are" if len(missing) > 1 else " is"
    return Finding(
        rule=UNKNOWN_TEMPLATE,
        severity=Severity.WARN,
        path=path,
        message=f"template '{missing[0].name}'{more} missing",
        fixes=(Fix("run `drawbridge migrate`"),),
    )
