"""The handlers of the admission endpoints: fetch for the pure decisions, carry their answers away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from webhook.core.claims import CLAIM, GROUP, Claim
from webhook.core.cluster import ClusterView
from webhook.core.decision import Allow, Decision, decided
from webhook.core.errors import ClusterUnavailableError
from webhook.core.finding import Finding, Severity
from webhook.core.review import Review
from webhook.endpoints import Rulebook, mutate_claims, subject_of, validate_claims, validate_config
from webhook.inventory.case import Case
from webhook.quota.findings import charged, refusals
from webhook.quota.gate import Ledger
from webhook.rewrite.decide import decide_pod
from webhook.server import app
from webhook.server.limits import Budget
from webhook.server.work import Work


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
