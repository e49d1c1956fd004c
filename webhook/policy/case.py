"""PolicyCase: an object, who asks for it, and what is known beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Finding
from webhook.core.policies import PolicyResource
from webhook.core.raw import RawObject
from webhook.core.review import Resource
from webhook.inventory.case import never

NO_KIND = Resource("", "", "")


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks (authentication.k8s.io UserInfo)."""

    username: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """One object to judge by policies.

    `raw` is the object as received. `at` is where in what was sent it stands: the pod of a
    workload stands at its pod template, and `workload` is what was sent. `claim` is the parsed claim or template, None
    for other objects; `pod_claims` are the claims of a pod, by their names in it, None where they are not known.
    `findings` are those of the built-in rules. `today` is the day in UTC.
    """

    resource: PolicyResource
    raw: RawObject
    namespace: str
    view: ClusterView
    today: date
    operation: str = "CREATE"
    name: str = ""
    kind: Resource = NO_KIND
    api_resource: Resource = NO_KIND
    request_kind: Resource = NO_KIND
    old: RawObject | None = None
    requester: Requester = field(default_factory=Requester)
    dry_run: bool = False
    options: RawObject = field(default_factory=dict)
    at: FieldPath = ROOT
    claim: Claim | None = None
    pod_claims: Mapping[str, Claim | None] = field(default_factory=dict)
    replicas: int = 1
    workload: RawObject | None = None
    findings: tuple[Finding, ...] = ()
    expired: Callable[[], bool] = field(default=never)

    @property
    def labels(self) -> Mapping[str, str]:
        """The object's own labels."""
        return labels_in(self.raw)

    def namespace_labels(self) -> Mapping[str, str] | None:
        """Return the labels of the namespace; None where the object is in none."""
        return self.view.selected_by(self.namespace) if self.namespace else None


def labels_in(raw: RawObject) -> Mapping[str, str]:
    """Return the labels of an object."""
    metadata = raw.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) else {}
