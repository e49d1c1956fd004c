"""All of doctor's looks at an installation, in the order in which one thing rests on another."""

from collections.abc import Callable, Iterator, Mapping

from webhook.doctor.certificates import certificates
from webhook.doctor.configuration import configuration
from webhook.doctor.diagnosis import Diagnosis, Severity
from webhook.doctor.facts import Facts
from webhook.doctor.reach import reach
from webhook.doctor.rights import rights
from webhook.doctor.standing import leaders, policies, quotas
from webhook.doctor.versions import versions

_AREAS: Mapping[str, tuple[Callable[[Facts], Iterator[Diagnosis]], str]] = {
    "configuration": (configuration, "both webhook configurations are as shipped"),
    "certificates": (certificates, "every `caBundle` verifies what is served, and nothing ends soon"),
    "rights": (rights, "the service accounts have the rights that they need, and no others"),
    "reachability": (reach, "API servers ask us, and get our answer"),
    "versions": (versions, "replicas, CRDs, API server and this command belong together"),
    "policies": (policies, "every policy and mapping is in use"),
    "quotas": (quotas, "every quota is counted"),
    "leaders": (leaders, "one controller leads"),
}


def examine(facts: Facts) -> tuple[Diagnosis, ...]:
    """Return what was found, in each area at least one thing; what another finding explains is not told."""
    found: list[Diagnosis] = []
    for area, (look, well) in _AREAS.items():
        told = [one for one in look(facts) if look is not reach or not _is_explained(one, found)]
        if not told and (look is not reach or facts.probes):
            explained = look is reach and any(_breaks_calls(one) for one in found)
            told = [] if explained else [Diagnosis(area, Severity.OK, well)]
        found += told
    return tuple(found)


def _is_explained(reached: Diagnosis, before: list[Diagnosis]) -> bool:
    """Return whether something found before is why an API server does not get our answer."""
    return any(_breaks_calls(one) and _concerns(one, reached) for one in before)


def _breaks_calls(found: Diagnosis) -> bool:
    return found.severity is Severity.ERROR and found.name in _BREAKING


def _concerns(found: Diagnosis, reached: Diagnosis) -> bool:
    """What is wrong with one configuration does not explain the other's."""
    subject = found.subject
    return subject is None or subject == reached.subject or not subject.kind.endswith("WebhookConfiguration")


_BREAKING = frozenset(
    {"service-missing", "configuration-missing", "webhook-missing", "webhook-service", "webhook-rules", "no-endpoints"}
    | {"bundle-unreadable", "bundle-mismatch", "certificate-expired", "certificate-not-yet", "certificate-names"}
)
