"""What is known of an installation and its cluster, and what is shipped, for doctor to compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from certs.plan import Validity
from webhook.core.raw import RawObject

MUTATING = "mutatingwebhookconfigurations"
VALIDATING = "validatingwebhookconfigurations"
CONFIGURATION_KINDS: Mapping[str, str] = {
    MUTATING: "MutatingWebhookConfiguration",
    VALIDATING: "ValidatingWebhookConfiguration",
}


@dataclass(frozen=True, slots=True)
class Unseen:
    """What could not be read, and why, in the words of who refused."""

    why: str


Found = RawObject | Unseen | None
"""An object; None where there is none."""
Listed = tuple[RawObject, ...] | Unseen


class Keeper(Enum):
    """Who makes the certificates of an installation."""

    OURS = "self-managed"
    CERT_MANAGER = "cert-manager"
    PROVIDED = "provided"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the installation is, and how it came there: `release` is Helm's name for it, "" without Helm."""

    namespace: str
    name: str
    release: str = ""
    keeper: Keeper = Keeper.OURS

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the name by which the API server calls the Service."""
        return (f"{self.name}.{self.namespace}.svc",)


@dataclass(frozen=True, slots=True)
class Shipped:
    """The objects of `deploy/`, renamed to an installation's names."""

    configurations: Mapping[str, RawObject]
    rights: tuple[RawObject, ...]
    """ServiceAccounts, roles of both kinds and their bindings."""
    crds: tuple[RawObject, ...]


@dataclass(frozen=True, slots=True)
class Presented:
    """A serving certificate, where it was seen, and whom it concerns.

    `issuers` are the CAs of bundles that have signed it themselves (fingerprints), `refused` the bundles by which it
    does not verify.
    """

    where: str
    fingerprint: str
    validity: Validity
    names: tuple[str, ...]
    issuers: frozenset[str]
    refused: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Bundle:
    """The `caBundle` (PEM) of the webhook at an index of a configuration; `problem` says why it cannot be one."""

    configuration: str
    index: int
    pem: bytes
    problem: str = ""
    authorities: Mapping[str, Validity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trust:
    """What is served, and who is trusted.

    `ready` are the endpoints of the Service that count as ready ("address:port"), `silent` those of them that did not
    answer from here; `stored` is the certificate of the Secret, read only where no endpoint answers.
    """

    ready: tuple[str, ...] | Unseen = ()
    silent: tuple[str, ...] = ()
    presented: tuple[Presented, ...] = ()
    stored: Presented | Unseen | None = None
    bundles: tuple[Bundle, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """What the API server answered to the dry-run creation of a claim that a webhook of ours must refuse.

    `message` is its own, empty where it would have created the claim; `webhook` the one that was to refuse.
    """

    configuration: str
    webhook: str
    namespace: str
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that doctor judges. `now` is the API server's time; `gates` those that it tells."""

    place: Place
    shipped: Shipped
    command_version: str
    now: datetime
    service: Found
    configurations: Mapping[str, Found]
    trust: Trust
    accounts: Mapping[str, Found]
    bindings: Listed
    roles: Mapping[tuple[str, str, str], Found]
    """By kind, namespace and name."""
    crds: Mapping[str, Found]
    server_version: str | None
    gates: Mapping[str, bool]
    pods: Listed
    leases: Mapping[str, Listed]
    """By program, "-controller" or "-certs": its Leases, in all namespaces where they can be read."""
    policies: Listed
    mappings: Listed
    quotas: Listed
    cluster_quotas: Listed
    probes: tuple[Probe, ...]
