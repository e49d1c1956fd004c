"""All of doctor's looks at an installation, in the order in which one thing rests on another."""

from collections.abc import Callable, Iterator, Mapping

from webhook.doctor.certificates import certificates
from webhook.doctor.configuration import configuration
from webhook.doctor.diagnosis import Diagnosis, Severity
from webhook.doctor.facts import Facts
from webhook.doctor.presence import absence
from webhook.doctor.reach import UNREACHED, reach
from webhook.doctor.rights import rights
from webhook.doctor.standing import leaders, policies, quotas
from webhook.doctor.versions import versions

_BREAKING = frozenset(
    {"service-missing", "webhook-service", "webhook-rules", "no-endpoints", "bundle-unreadable", "bundle-mismatch"}
    | {"certificate-expired", "certificate-not-yet", "certificate-names"}
)
_AREAS: Mapping[str, tuple[Callable[[Facts], Iterator[Diagnosis]], str]] = {
    "configuration": (configuration, "both webhook configurations are as shipped"),
    "certificates": (certificates, "every `caBundle` verifies what is served, and nothing ends soon"),
    "rights": (rights, "the service accounts have the rights that they need, and no others"),
    "reachability": (reach, "API servers get our answer where they ask"),
    "versions": (versions, "replicas, CRDs, API server and this command belong together"),
    "policies": (policies, "every policy and mapping is in use"),
    "quotas": (quotas, "every quota is counted"),
    "leaders": (leaders, "one controller leads"),
}


def examine(facts: Facts) -> tuple[Diagnosis, ...]:
    """Return what was found, at least one thing of each area; what another finding explains is left out.

    Where there is no installation, that explains all the rest.
    """
    absent = absence(facts)
    if absent is not None:
        return (absent,)
    found = [
        one
        for area, (look, well) in _AREAS.items()
        for one in tuple(look(facts)) or (Diagnosis(area, Severity.OK, well),)
    ]
    return tuple(one for one in found if one.name not in UNREACHED or not any(_explains(other, one) for other in found))


def _explains(other: Diagnosis, unreached: Diagnosis) -> bool:
    """Return whether one finding is why API servers do not get our answer; one configuration's is not the other's."""
    if other.severity is not Severity.ERROR or other.name not in _BREAKING:
        return False
    subject = other.subject
    return subject is None or subject == unreached.subject or not subject.kind.endswith("WebhookConfiguration")
