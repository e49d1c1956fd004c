"""What each admission endpoint judges, before the ledger is asked: pure, on one review and one view."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol

from webhook.core.claims import CLAIM, GROUP, TEMPLATE, Claim, parse_claim, parse_metadata
from webhook.core.cluster import ClusterView
from webhook.core.decision import Allow, Decision, Deny, decided
from webhook.core.devices import CLASS, DeviceClass, parse_device_class, parse_inventory
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Severity, in_order, unjudged
from webhook.core.mappings import LegacyMapping, parse_mapping
from webhook.core.pods import pod_template
from webhook.core.policies import KIND as POLICY
from webhook.core.policies import ClaimPolicy
from webhook.core.policies_parse import parse_policy
from webhook.core.quotas import DeviceQuota, parse_quota
from webhook.core.raw import Misfit, RawObject, Reader
from webhook.core.review import Review
from webhook.inventory.case import Case, never
from webhook.inventory.pod_case import PodCase, pod_case
from webhook.policy.cases import UNPOLICED, Policing, of_dra
from webhook.policy.compile import compile_policy
from webhook.policy.oddities import oddities
from webhook.quota.charge import QuotaCharge, Tariff
from webhook.quota.charges import charges_of, known_holders, tariff_of
from webhook.quota.ledger import Standing
from webhook.quota.pods import Asked, PodCharge, pod_charges
from webhook.rewrite.decide import PodDecision, decide_pod
from webhook.rewrite.derive import derive
from webhook.rules import (
    ABOUT_NAMES,
    CLASS_CHANGES,
    COMPILING,
    ON_SERVER,
    SCHEMA,
    SERVER_TRUTH,
    VERSIONS,
    Check,
    Rulebook,
    cel,
    judged,
    judged_pod,
    legacy,
    mapping_conflict,
    pod_unknown_claim,
    pod_unknown_template,
    quota_exceeded,
    quota_without_effect,
)
from webhook.rules.invalid_field import invalid

OWN_GROUP = "drawbridge.dev"


class Readable(Protocol):
    """Anything that was read from an object, with what could not be read."""

    @property
    def misfits(self) -> tuple[Misfit, ...]: ...


CONFIG_KINDS: Mapping[str, Callable[[RawObject], Readable]] = {
    "DeviceQuota": parse_quota,
    "ClusterDeviceQuota": parse_quota,
    "LegacyMapping": parse_mapping,
    "DeviceInventory": parse_inventory,
    POLICY: parse_policy,
}

Kinds = frozenset[tuple[str, str]]
"""Kinds by API group and name."""

DRA_KINDS: Kinds = frozenset({(GROUP, CLAIM), (GROUP, TEMPLATE), (GROUP, CLASS)})
POD_KINDS: Kinds = frozenset({("", "Pod")})
WORKLOAD_KINDS: Kinds = frozenset(
    {
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("batch", "Job"),
        ("batch", "CronJob"),
    }
)
OWN_KINDS: Kinds = frozenset({(OWN_GROUP, kind) for kind in CONFIG_KINDS})


def case_of(review: Review, view: ClusterView, rulebook: Rulebook, expired: Callable[[], bool]) -> Case | None:
    """Return what is to be judged; None where nothing is: another kind, an update of an immutable spec."""
    raw, old = review.object, review.old_object
    if raw is None or review.kind.group != GROUP or review.sub_resource or rulebook.exempt(review.namespace):
        return None
    if review.kind.name in (CLAIM, TEMPLATE) and review.operation == "CREATE":
        return Case(_claim(review, raw), review.namespace, view, expired, raw)
    if review.kind.name == CLASS and review.operation in ("CREATE", "UPDATE"):
        before = None if old is None else parse_device_class(old)
        return Case(parse_device_class(raw), review.namespace, view, expired, raw, before)
    return None


def _claim(review: Review, raw: RawObject) -> Claim:
    """Return the claim in the review's namespace: the object's own is not to be trusted (dra.md trap 69)."""
    claim = parse_claim(raw)
    return replace(claim, metadata=replace(claim.metadata, namespace=review.namespace))


def is_unchanged(case: Case) -> bool:
    """Return whether an update of a DeviceClass leaves selectors and config as they are (contract 4)."""
    subject, before = case.subject, case.before
    if not isinstance(subject, DeviceClass) or before is None:
        return False
    return (subject.selectors, subject.config, subject.misfits) == (before.selectors, before.config, before.misfits)


def mutate_claims(
    review: Review,
    view: ClusterView,
    rulebook: Rulebook,
    expired: Callable[[], bool],
    policing: Policing = UNPOLICED,
) -> Decision:
    """Refuse what does not compile, in our words; a refusal carries every other denial that needs no ledger.

    What is not refused is given the defaults of policies.
    """
    case = case_of(review, view, rulebook, expired)
    if case is None:
        return Allow()
    # A request to a live server proves that its version is served.
    truth = (*SERVER_TRUTH, *VERSIONS) if view.server.assume_defaults else SERVER_TRUTH
    findings = _findings(case, SERVER_TRUTH if is_unchanged(case) else (*COMPILING, *truth), rulebook)
    if any(finding.severity is Severity.DENY for finding in findings):
        schema = _findings(case, SCHEMA, rulebook)
        policies = policing.judged(of_dra(case, policing.asked(review), schema)).findings
        others = (*schema, *rulebook.severities.applied(policies))
        return decided((*findings, *(finding for finding in others if finding.severity is Severity.DENY)))
    given = policing.defaults(of_dra(case, policing.asked(review)))
    audit = {"defaults": ", ".join(given.policies)} if given.policies else {}
    return decided(findings, patch=given.patch, audit=audit)


def validate_claims(case: Case, rulebook: Rulebook) -> tuple[Finding, ...]:
    """Return what the schema rules find; the ledger has its say afterwards."""
    checks = () if is_unchanged(case) else (*SCHEMA, *ON_SERVER)
    return _findings(case, (*checks, *CLASS_CHANGES), rulebook)


def _findings(case: Case, checks: Iterable[Check], rulebook: Rulebook) -> tuple[Finding, ...]:
    found = judged(case, checks)
    if isinstance(case.subject, DeviceClass):
        found = tuple(one.lowered(Severity.WARN) if one.rule in ABOUT_NAMES else one for one in found)
    findings = tuple(rulebook.severities.applied(found))
    if isinstance(case.subject, Claim) and case.subject.made_by_a_controller():
        return tuple(finding.lowered(Severity.WARN) for finding in findings)
    return findings


def quota_charges(claim: Claim, case: Case) -> tuple[QuotaCharge, ...]:
    """Return what a new claim would take of each quota of its namespace."""
    return charges_of(claim, case.namespace, case.view, tariff_of(case.view, expired=case.expired))


def quota_refusal(
    claim: Claim, case: Case, refused: Iterable[tuple[QuotaCharge, Sequence[Standing]]], now: datetime
) -> tuple[Finding, ...]:
    """Return what a refused claim is told: the numbers, who holds the rest, and what would fit."""
    tariff = tariff_of(case.view)
    return tuple(
        finding
        for charged, standings in refused
        for finding in quota_exceeded.findings(
            charged,
            standings,
            claim.requests_path(),
            now,
            known_holders(charged.quota, case.view, tariff, case.namespace),
            tariff,
        )
    )


def mutate_pods(review: Review, view: ClusterView, rulebook: Rulebook, *, templates_are_made: bool) -> PodDecision:
    """Rewrite legacy limits; nothing in the namespaces that are left alone."""
    if rulebook.exempt(review.namespace):
        return PodDecision(Allow())
    made = decide_pod(review, view, templates_are_made=templates_are_made)
    findings = tuple(rulebook.severities.applied(made.decision.findings))
    if isinstance(made.decision, Deny) or findings != made.decision.findings:
        patch, audit = (made.decision.patch, made.decision.audit) if isinstance(made.decision, Allow) else ((), {})
        return replace(made, decision=decided(findings, patch=patch, audit=audit))
    return made


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods that an object is or makes, as they will be: what is found in them, and what they make claims from."""

    case: PodCase
    findings: tuple[Finding, ...]
    asked: tuple[Asked, ...]

    @property
    def lacks_something(self) -> bool:
        """Return whether a template or claim is missing, which may only be too young to be seen."""
        return any(finding.rule in MISSING for finding in self.findings)

    def charges(self, tariff: Tariff, before: "Pods | None" = None) -> tuple[PodCharge, ...]:
        """Return what the claims of all these pods would be charged, less what the workload's pods took before."""
        case = self.case
        earlier = () if before is None else before.charges(tariff)
        return pod_charges(self.asked, case.replicas, case.namespace, case.view, tariff, before=earlier)


_MOST_CHARGED = 64
"""How many claims of one pod are held against quotas; no node could serve as many."""

MISSING = frozenset({pod_unknown_template.NAME, pod_unknown_claim.NAME})


def pods_in(
    raw: RawObject,
    namespace: str,
    view: ClusterView,
    expired: Callable[[], bool] = never,
    *,
    may_be_rewritten: bool = True,
) -> Pods | None:
    """Return the pods of a pod or workload; None for any other object.

    Where they may still be rewritten, that is foreseen, and what will be said of their legacy limits is among the
    findings.
    """
    found = pod_template(raw)
    if found is None:
        return None
    said, rewritten = legacy.outlook(raw, namespace, view) if may_be_rewritten else ((), None)
    derived = derive(found[0], namespace, view).templates
    coming = {name: parse_claim(template.manifest(namespace)) for name, template in derived.items()}
    moving = () if rewritten is None else rewritten.survey.names
    case = pod_case(raw, namespace, view, coming=coming, moving=moving, expired=expired)
    if case is None:
        return None
    asked = [
        Asked(template, entry.path)
        for entry in case.pod.claims[:_MOST_CHARGED]
        if entry.template_name and (template := case.claim_of(entry)) is not None
    ]
    if rewritten is not None:
        made = rewritten.templates.values()
        asked += [Asked(parse_claim(template.manifest(namespace)), rewritten.survey.first()) for template in made]
    return Pods(case, in_order((*said, *judged_pod(case))), tuple(asked))


def pods_of_review(review: Review, view: ClusterView, rulebook: Rulebook, expired: Callable[[], bool]) -> Pods | None:
    """Return the pods to judge; None where nothing is: a system namespace, or an update that changes nothing of them.

    Pods come here when they have been rewritten.
    """
    raw = review.object
    if raw is None or review.sub_resource or rulebook.exempt(review.namespace):
        return None
    if review.operation == "UPDATE" and review.old_object and raw.get("spec") == review.old_object.get("spec"):
        return None
    if review.operation not in ("CREATE", "UPDATE"):
        return None
    is_pod = (review.kind.group, review.kind.name) in POD_KINDS
    if is_pod and review.operation != "CREATE":
        return None
    return pods_in(raw, review.namespace, view, expired, may_be_rewritten=not is_pod)


def made_by_a_workload(raw: RawObject) -> bool:
    """Return whether a controller makes the pod: nobody reads its warnings, and its workload was told."""
    return parse_metadata(raw, Reader()).controller() is not None


def validate_config(review: Review, view: ClusterView, rulebook: Rulebook, today: date = date.min) -> Decision:
    """Refuse objects of our own kinds that cannot be read whole, or whose selectors do not compile, with the place."""
    raw = review.object
    if raw is None or review.operation not in ("CREATE", "UPDATE"):
        return Allow()
    if review.kind.group != OWN_GROUP or review.kind.name not in CONFIG_KINDS:
        return Allow((unjudged(ROOT, "config-kind", f"objects of kind '{review.kind.name}' are not judged"),))
    if review.old_object is not None and review.old_object.get("spec") == raw.get("spec"):
        return Allow()
    return decided(rulebook.severities.applied(config_findings(raw, review.kind.name, view, today)))


def config_findings(raw: RawObject, kind: str, view: ClusterView, today: date = date.min) -> tuple[Finding, ...]:
    """Return what is wrong with an object of our own kinds today; nothing for one that is not judged."""
    parse = CONFIG_KINDS.get(kind)
    if parse is None:
        return ()
    parsed = parse(raw)
    found = [*invalid(parsed.misfits)]
    if isinstance(parsed, DeviceQuota):
        found += [*cel.of_quota(parsed, view), *quota_without_effect.findings(parsed, view)]
    elif isinstance(parsed, LegacyMapping):
        found += [*cel.of_mapping(parsed, view), *mapping_conflict.findings(parsed, view)]
    elif isinstance(parsed, ClaimPolicy):
        compiled = compile_policy(parsed, view.server.version)
        found = [*compiled.flaws, *oddities(compiled, today)]
    return in_order(found)
