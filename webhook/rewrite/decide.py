"""What `/mutate/pods` answers: a pod is rewritten, left alone with a warning, or refused (contract 6)."""

from dataclasses import dataclass
from itertools import islice

from webhook.core.cluster import ClusterView
from webhook.core.decision import Allow, Decision, Deny
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Severity, in_order
from webhook.core.mappings import MappingMode
from webhook.core.pods import MIRROR, POD
from webhook.core.review import Review
from webhook.rewrite.findings import left_alone, not_said, refusals, reported, template_missing
from webhook.rewrite.refusals import LeftAlone
from webhook.rewrite.rewriting import Rewritten, Survey, rewritten, survey
from webhook.rewrite.templates import Template, canonical

AUDIT = "rewrite"
_MOST_AUDIT = 8 * 1024
_MOST_REFUSALS = 256


@dataclass(frozen=True, slots=True)
class PodDecision:
    """The decision, and the templates that the patched pod refers to; `outcome` is for the log and metrics."""

    decision: Decision
    templates: tuple[Template, ...] = ()
    outcome: Rewritten | LeftAlone | None = None


def decide_pod(review: Review, view: ClusterView, *, templates_are_made: bool = True) -> PodDecision:
    """Return the answer to the creation of a pod; any other review is none of ours and allowed.

    Where nobody makes templates (standalone, without `--write-templates`) one warning names what the folder lacks.
    """
    is_pod = (review.kind.group, review.kind.name) == ("", POD)
    if review.operation != "CREATE" or review.sub_resource or not is_pod or review.object is None:
        return PodDecision(Allow())
    asked = survey(review.object, review.namespace, view)
    if asked is None:
        return PodDecision(Allow())
    findings, outcome = judged(asked, view)
    if any(finding.severity is Severity.DENY for finding in findings):
        return PodDecision(Deny(findings))
    if asked.mode is not MappingMode.REWRITE or not isinstance(outcome, Rewritten):
        return PodDecision(Allow(findings), outcome=outcome)
    templates = outcome.made()
    missing = tuple(t for t in templates if (review.namespace, t.name) not in view.templates)
    if missing and not templates_are_made:
        findings = in_order((*findings, template_missing(missing, ROOT.child("spec"))))
    return PodDecision(Allow(findings, outcome.patch, {AUDIT: _told(outcome)}), templates, outcome)


def judged(asked: Survey, view: ClusterView) -> tuple[tuple[Finding, ...], Rewritten | LeftAlone | None]:
    """Return what is said of a pod that asks the old way, by the mode of its mapping, and what a rewrite would give.

    In mode Deny nothing opens the door but being a mirror pod, which runs already: an opt-out skips no check.
    """
    if asked.mode is MappingMode.DENY and asked.namespace_known and MIRROR not in asked.pod.annotations:
        return in_order(islice(refusals(asked), _MOST_REFUSALS)), None
    outcome = rewritten(asked, view)
    if asked.mode is MappingMode.REPORT:
        unsaid = not_said(outcome) if isinstance(outcome, Rewritten) else ()
        return in_order((reported(outcome), *unsaid)), outcome
    if isinstance(outcome, LeftAlone):
        return (left_alone(outcome),), outcome
    return in_order(not_said(outcome)), outcome


def _told(outcome: Rewritten) -> str:
    """Return what was done, for the audit log: each claim with its template, and what was asked before."""
    claims = {
        claim.name: {"template": outcome.templates[claim.name].name, "resource": claim.resource, "count": claim.count}
        for claim in outcome.plan.claims
    }
    original = outcome.changes.original.containers
    whole = canonical({"claims": claims, "original": original})
    return whole if len(whole) <= _MOST_AUDIT else canonical({"claims": len(claims), "containers": len(original)})
