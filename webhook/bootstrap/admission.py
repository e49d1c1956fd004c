"""The handlers of the admission endpoints: fetch for the pure decisions, carry their answers away."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

from webhook.core.claims import CLAIM, Claim
from webhook.core.cluster import ClusterView
from webhook.core.decision import Allow, Decision, decided
from webhook.core.errors import ClusterUnavailableError
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Severity, unjudged
from webhook.core.review import Review
from webhook.endpoints import Rulebook, mutate_claims, mutate_pods, subject_of, validate_claims, validate_config
from webhook.inventory.case import Case
from webhook.kube.ledgers import Ledger
from webhook.server import app
from webhook.server.limits import Budget
from webhook.server.work import Work

P = ParamSpec("P")
T = TypeVar("T")


class ClusterSource(Protocol):
    """Where the current view comes from; `view` is one assignment away from the next."""

    @property
    def view(self) -> ClusterView: ...

    def unready(self) -> str:
        """Return why nothing can be decided by the view yet; empty where it can."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Decides reviews over a source, a ledger and the rules."""

    source: ClusterSource
    ledger: Ledger
    rulebook: Rulebook
    work: Work

    def handlers(self) -> Mapping[str, app.Handler]:
        return {
            app.MUTATE_CLAIMS: self.mutate_claims,
            app.MUTATE_PODS: self.mutate_pods,
            app.VALIDATE_CLAIMS: self.validate_claims,
            app.VALIDATE_PODS: self.validate_pods,
            app.VALIDATE_WORKLOADS: self.validate_workloads,
            app.VALIDATE_CONFIG: self.validate_config,
        }

    async def mutate_claims(self, review: Review, budget: Budget) -> Decision:
        return await self.work.run(mutate_claims, review, self._view(), self.rulebook, budget.spent)

    async def mutate_pods(self, review: Review, budget: Budget) -> Decision:  # noqa: ARG002 - one shape for all
        return await self.work.run(mutate_pods, review, self._view(), self.rulebook)

    async def validate_claims(self, review: Review, budget: Budget) -> Decision:
        subject = None if self.rulebook.exempt(review.namespace) else subject_of(review)
        if subject is None:
            return Allow()
        case = Case(subject, review.namespace, self._view(), budget.spent)
        findings = await self.work.run(validate_claims, case, self.rulebook)
        refused = any(finding.severity is Severity.DENY for finding in findings)
        if isinstance(subject, Claim) and subject.kind == CLAIM and not refused:
            findings = (*findings, *await self._quota(subject, review, case, budget))
        return decided(findings)

    async def validate_pods(self, review: Review, budget: Budget) -> Decision:  # noqa: ARG002 - as above
        return Allow((unjudged(ROOT, "pod-wiring", "how containers, claims and templates fit together is not judged"),))

    async def validate_workloads(self, review: Review, budget: Budget) -> Decision:  # noqa: ARG002 - as above
        return Allow((unjudged(ROOT, "workload", "workloads are not judged"),))

    async def validate_config(self, review: Review, budget: Budget) -> Decision:  # noqa: ARG002 - as above
        return await self.work.run(validate_config, review, self.rulebook)

    def _view(self) -> ClusterView:
        """Return the current view; ClusterUnavailableError before the first is whole."""
        why = self.source.unready()
        if why:
            raise ClusterUnavailableError(why)
        return self.source.view
