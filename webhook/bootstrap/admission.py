"""The handlers of the admission endpoints: fetch for the pure decisions, carry their answers away."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from webhook.bootstrap.alike import Alike
from webhook.bootstrap.policing import ClusterSource, PolicyDesk
from webhook.core.claims import CLAIM, Claim
from webhook.core.cluster import ClusterView
from webhook.core.decision import Allow, Decision, Deny, decided
from webhook.core.errors import ClusterUnavailableError
from webhook.core.finding import Finding, Severity, unjudged
from webhook.core.quotas import QuotaMode
from webhook.core.review import Review
from webhook.endpoints import (
    DRA_KINDS,
    OWN_KINDS,
    POD_KINDS,
    WORKLOAD_KINDS,
    Kinds,
    Pods,
    case_of,
    is_unchanged,
    made_by_a_workload,
    mutate_claims,
    mutate_pods,
    pods_in,
    pods_of_review,
    quota_charges,
    quota_refusal,
    validate_claims,
    validate_config,
)
from webhook.inventory.case import Case
from webhook.kube.ledgers import Charge, Ledger, QuotaStanding, Refused, Wanted
from webhook.policy.book import Shelf
from webhook.policy.cases import Policing, of_dra, of_pods
from webhook.policy.judge import Judgement
from webhook.quota.charge import QuotaCharge
from webhook.quota.charges import tariff_of
from webhook.quota.ledger import Standing
from webhook.quota.pods import PodCharge
from webhook.rewrite.templates import Template
from webhook.rules import Rulebook, quota_exceeded, quota_soft, quota_unbounded, quota_will_wait
from webhook.server import app
from webhook.server.course import Stage
from webhook.server.limits import Budget
from webhook.server.work import Work

_LOOK_AGAIN_SECONDS = 0.05


class Templates(Protocol):
    """Who makes the templates that rewritten pods refer to."""

    @property
    def are_made(self) -> bool:
        """Return whether somebody does: the controller, or the folder of `--write-templates`."""

    def keep(self, namespace: str, templates: Sequence[Template]) -> None:
        """See to it that the templates will be there."""


@dataclass(frozen=True, slots=True)
class LeftToOthers:
    """Templates are the controller's work, or nobody's."""

    are_made: bool

    def keep(self, namespace: str, templates: Sequence[Template]) -> None:
        """Leave them to whoever makes them."""


def nobody(review: Review, decision: Deny) -> None:
    """Tell nobody of a denial but who asked."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """What rules and policies say of a claim, template or class, and what quotas charge it unless they refuse it."""

    case: Case
    findings: tuple[Finding, ...]
    said: Judgement
    shelf: Shelf
    charges: tuple[QuotaCharge, ...] = ()

    @property
    def refused(self) -> bool:
        return any(finding.severity is Severity.DENY for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Admission:
    """Decides reviews over a source, a ledger and the rules.

    `looks_again` is how often a pod's missing parts are looked for; none where the source cannot change meanwhile.
    `refused` is told of every denial, and must not take time.
    """

    source: ClusterSource
    ledger: Ledger
    rulebook: Rulebook
    work: Work
    templates: Templates
    count_unknown_kind: Callable[[str], None]
    now: Callable[[], datetime]
    policies: PolicyDesk = field(default_factory=PolicyDesk)
    alike: Alike = field(default_factory=Alike)
    looks_again: int = 5
    refused: Callable[[Review, Deny], None] = nobody

    def handlers(self) -> Mapping[str, app.Handler]:
        """Return the handlers by path; a kind that an endpoint does not know is allowed and counted (contract 7.4)."""
        deciding = {
            app.MUTATE_CLAIMS: (self.mutate_claims, DRA_KINDS),
            app.MUTATE_PODS: (self.mutate_pods, POD_KINDS),
            app.VALIDATE_CLAIMS: (self.validate_claims, DRA_KINDS),
            app.VALIDATE_PODS: (self.validate_pods, POD_KINDS),
            app.VALIDATE_WORKLOADS: (self.validate_workloads, WORKLOAD_KINDS),
            app.VALIDATE_CONFIG: (self.validate_config, OWN_KINDS),
        }
        return {path: self._of_known_kinds(path, decide, kinds) for path, (decide, kinds) in deciding.items()}

    def _of_known_kinds(self, path: str, decide: app.Handler, kinds: Kinds) -> app.Handler:
        async def handler(review: Review, budget: Budget) -> Decision:
            if (review.kind.group, review.kind.name) in kinds:
                decision = await decide(review, budget)
                if isinstance(decision, Deny):
                    self.refused(review, decision)
                return decision
            self.count_unknown_kind(path)
            return Allow()

        return handler

    async def mutate_claims(self, review: Review, budget: Budget) -> Decision:
        view = self._view()

        def mutated(budget: Budget) -> Decision:
            return mutate_claims(review, view, self.rulebook, budget.spent, self.policies.of(view))

        return await self.work.run_alike(self.alike.terms(app.MUTATE_CLAIMS, review, view), mutated, budget)

    async def mutate_pods(self, review: Review, budget: Budget) -> Decision:  # noqa: ARG002 - one shape for all
        made = await self.work.run(
            mutate_pods, review, self._view(), self.rulebook, templates_are_made=self.templates.are_made
        )
        if made.templates and not review.dry_run:
            await self.work.run(self.templates.keep, review.namespace, made.templates)
        return made.decision

    async def validate_claims(self, review: Review, budget: Budget) -> Decision:
        if review.operation == "DELETE" and review.kind.name == CLAIM and not review.dry_run:
            with budget.course.within(Stage.LEDGER):
                await self.ledger.release_named(review.namespace, review.name)
        view = self._view()

        def judged(budget: Budget) -> _Judged | None:
            case = case_of(review, view, self.rulebook, budget.spent)
            return None if case is None else self._judged(review, case)

        known = await self.work.run_alike(self.alike.terms(app.VALIDATE_CLAIMS, review, view), judged, budget)
        if known is None:
            return Allow()
        said = self.policies.counted(known.said, known.shelf)
        subject, findings = known.case.subject, known.findings
        if isinstance(subject, Claim) and not known.refused:
            quota = self._quota if subject.kind == CLAIM else self._early_quota
            findings = (*findings, *await quota(subject, known, review, budget))
        return decided(findings, audit=said.audit)

    def _judged(self, review: Review, case: Case) -> _Judged:
        """Return what rules and policies say, and what is charged; nothing of policies of a class that stays as it is.

        All in one go: each way to a thread and back costs as much as most rules. Policies that have just changed are
        compiled here, which is slow.
        """
        policing = self.policies.of(case.view)
        found = tuple(validate_claims(case, self.rulebook))
        said = Judgement() if is_unchanged(case) else policing.judged(of_dra(case, policing.asked(review), found))
        known = _Judged(case, (*found, *self._applied(said.findings)), said, policing.shelf)
        if known.refused or not isinstance(case.subject, Claim):
            return known
        return replace(known, charges=quota_charges(replace(case.subject, kind=CLAIM), case))

    def _policies_of_pods(self, review: Review, pods: Pods) -> Judgement:
        """Return what policies say of a pod, or of a workload and the pods that it makes."""
        policing = self.policies.of(pods.case.view)
        cases = of_pods(pods.case, review.object or {}, policing.asked(review), pods.findings)
        return self._told(policing.judged(*cases), policing)

    def _told(self, said: Judgement, policing: Policing) -> Judgement:
        """Return what policies said with the severities that are set, counted."""
        return replace(self.policies.counted(said, policing.shelf), findings=self._applied(said.findings))

    async def validate_pods(self, review: Review, budget: Budget) -> Decision:
        findings, audit = await self._of_pods(review, budget)
        return decided(findings, audit=audit)

    async def validate_workloads(self, review: Review, budget: Budget) -> Decision:
        """Warn at most (architecture 2)."""
        findings, audit = await self._of_pods(review, budget)
        return decided((finding.lowered(Severity.WARN) for finding in findings), audit=audit)

    async def _of_pods(self, review: Review, budget: Budget) -> tuple[tuple[Finding, ...], Mapping[str, str]]:
        """Return what is found in a pod or in a workload's pods, and what policies and quotas say of them now."""
        pods = await self._seen_pods(review, budget)
        if pods is None:
            return (), {}
        said = Judgement()
        if pods.case.view.policies:
            said = await self.work.run(self._policies_of_pods, review, pods)
        wrong = (unjudged(misfit.path, "wrong-type", misfit.message) for misfit in pods.case.pod.misfits)
        quota = await self._early_quota_of_pods(pods, review, budget)
        return (*self._applied((*pods.findings, *wrong)), *said.findings, *quota), said.audit

    async def _seen_pods(self, review: Review, budget: Budget) -> Pods | None:
        """Return the pods, for a person's work after waiting a moment for what is missing.

        Who applies a template and a pod at once sends them one after the other, and the watch lags behind.
        """
        view = self._view()
        pods = await self.work.run(pods_of_review, review, view, self.rulebook, budget.spent)
        for _ in range(self.looks_again):
            if pods is None or not pods.lacks_something or budget.spent() or made_by_a_workload(review.object or {}):
                break
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            if self._view() is not view:
                view = self._view()
                pods = await self.work.run(pods_of_review, review, view, self.rulebook, budget.spent)
        return pods

    async def validate_config(self, review: Review, budget: Budget) -> Decision:  # noqa: ARG002 - as above
        return await self.work.run(validate_config, review, self._view(), self.rulebook, self.policies.today())

    async def _quota(self, claim: Claim, known: _Judged, review: Review, budget: Budget) -> tuple[Finding, ...]:
        """Charge the claim and return what the quotas say; what the time did not suffice for is charged at worst.

        A claim that is admitted is charged, also where a rule was lowered and it does not fit.
        """
        charges = known.charges
        findings = self._applied(quota_unbounded.findings(charges))
        if not charges or any(finding.severity is Severity.DENY for finding in findings):
            return findings
        uid = claim.metadata.uid or review.uid
        binding = self._may_deny(quota_exceeded.NAME)
        listed = tuple(Charge(charged.quota, charged.amounts(), binding) for charged in charges)
        wanted = Wanted(uid, review.namespace, claim.metadata.name or claim.metadata.generate_name, listed)
        with budget.course.within(Stage.LEDGER):
            answer = await self.ledger.admit(wanted, dry_run=review.dry_run, deadline=budget.deadline)
        said = _said(charges, answer.quotas)
        over, within = (said, []) if isinstance(answer, Refused) else _divided(said)
        told = await self.work.run(quota_refusal, claim, known.case, over, self.now()) if over else ()
        path = claim.requests_path()
        soft = (finding for charged, standings in within for finding in quota_soft.findings(charged, standings, path))
        return (*findings, *self._applied((*told, *soft)))

    async def _early_quota(
        self, template: Claim, known: _Judged, review: Review, budget: Budget
    ) -> tuple[Finding, ...]:
        """Return what the quotas would say of one claim of a template now; where they cannot be asked, nothing."""
        charges = known.charges
        findings = tuple(quota_will_wait.unbounded(charges)) if self._may_deny(quota_unbounded.NAME) else ()
        if not self._may_deny(quota_exceeded.NAME):
            return self._applied(findings)
        listed = tuple(Charge(charged.quota, amounts) for charged in charges if (amounts := charged.amounts()))
        wanted = Wanted(review.uid, review.namespace, template.metadata.name, listed)
        try:
            with budget.course.within(Stage.LEDGER):
                answer = await self.ledger.admit(wanted, dry_run=True, deadline=budget.deadline)
        except ClusterUnavailableError:
            return self._applied(findings)
        said = _said(charges, answer.quotas)
        return self._applied((*findings, *quota_will_wait.findings(said, template.requests_path())))

    async def _early_quota_of_pods(self, pods: Pods, review: Review, budget: Budget) -> tuple[Finding, ...]:
        """Return what the quotas would say of the claims that the pods will make; nothing where they cannot be asked.

        Nobody is told of a pod that a workload makes: its author was, when the workload came.
        """
        if not pods.asked or made_by_a_workload(review.object or {}):
            return ()
        charges = await self.work.run(self._pod_charges, pods, review, budget)
        findings = tuple(quota_will_wait.unbounded_of_pods(charges)) if self._may_deny(quota_unbounded.NAME) else ()
        if not self._may_deny(quota_exceeded.NAME):
            return self._applied(findings)
        listed = tuple(Charge(charged.quota, amounts) for charged in charges if (amounts := charged.amounts()))
        try:
            wanted = Wanted(review.uid, review.namespace, review.name, listed)
            with budget.course.within(Stage.LEDGER):
                answer = await self.ledger.admit(wanted, dry_run=True, deadline=budget.deadline)
        except ClusterUnavailableError:
            return self._applied(findings)
        by_quota = {(charged.quota.namespace, charged.quota.name): charged for charged in charges}
        said = [(by_quota[entry.quota.namespace, entry.quota.name], entry.standings) for entry in answer.quotas]
        return self._applied((*findings, *quota_will_wait.of_pods(said)))

    def _pod_charges(self, pods: Pods, review: Review, budget: Budget) -> tuple[PodCharge, ...]:
        view, old = pods.case.view, review.old_object
        before = None if old is None else pods_in(old, review.namespace, view, budget.spent)
        return pods.charges(tariff_of(view, expired=budget.spent), before)

    def _applied(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        return tuple(self.rulebook.severities.applied(findings))

    def _may_deny(self, rule: str) -> bool:
        return self.rulebook.severities.may_deny(rule)

    def _view(self) -> ClusterView:
        """Return the current view; ClusterUnavailableError before the first is whole."""
        why = self.source.unready()
        if why:
            raise ClusterUnavailableError(why)
        return self.source.view


_Said = list[tuple[QuotaCharge, tuple[Standing, ...]]]


def _divided(said: _Said) -> tuple[_Said, _Said]:
    """Return what an admitted claim does not fit under of quotas that deny, for the rule was lowered, and the rest."""
    over, within = [], []
    for charged, standings in said:
        denies = charged.quota.mode is QuotaMode.DENY
        too_much = tuple(standing for standing in standings if denies and not standing.fits)
        rest = tuple(standing for standing in standings if standing not in too_much)
        if too_much:
            over.append((charged, too_much))
        within.append((charged, rest))
    return over, within


def _said(charges: Iterable[QuotaCharge], answers: Iterable[QuotaStanding]) -> _Said:
    """Return what the ledger said of each quota, beside what the claim is charged on it."""
    by_quota = {(charged.quota.namespace, charged.quota.name): charged for charged in charges}
    return [(by_quota[entry.quota.namespace, entry.quota.name], entry.standings) for entry in answers]
