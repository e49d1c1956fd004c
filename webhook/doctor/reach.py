"""Whether API servers ask us: what became of a claim that we must refuse, created in a dry run."""

import re
from collections.abc import Iterator, Mapping

from webhook.core.fieldpath import ROOT
from webhook.core.labels import parse_label_selector
from webhook.core.raw import RawObject, Reader
from webhook.doctor.diagnosis import Diagnosis, Fix, Severity, Subject, configuration_subject, unchecked
from webhook.doctor.facts import MUTATING, VALIDATING, Facts, Probe, Unseen
from webhook.doctor.remedies import restart

PROBES: Mapping[str, str] = {MUTATING: "claims.mutate.drawbridge.dev", VALIDATING: "claims.validate.drawbridge.dev"}
"""The webhook of each configuration that is to refuse a claim."""
_CALL = re.compile(r'^failed to call webhook: Post "[^"]*": ')
"""What the API server says first of any call that has failed."""
UNREACHABLE, NOT_ASKED = "webhook-unreachable", "webhook-not-asked"
UNREACHED = (UNREACHABLE, NOT_ASKED)
_EXPRESSIONS: Mapping[str, tuple[str, ...]] = {
    MUTATING: ("device.nothing",),
    VALIDATING: (
        "device.capacity['drawbridge.dev'].memory.isGreaterThan(quantity('much'))",
        "device.attributes['drawbridge.dev'].model.name == 'much'",
    ),
}


def refusable(configuration: str, namespace: str) -> RawObject:
    """Return a claim that the webhook must refuse: what does not compile, or what does and can never be right.

    It needs no feature gate: what an API server takes away, nobody can refuse. One rule may be lowered by settings, so
    that another refuses it as well.
    """
    selectors = [{"cel": {"expression": expression}} for expression in _EXPRESSIONS[configuration]]
    exactly = {"deviceClassName": "drawbridge-doctor", "count": 1, "selectors": selectors}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"namespace": namespace, "name": "drawbridge-doctor"},
        "spec": {"devices": {"requests": [{"name": "probe", "exactly": exactly}]}},
    }


def guarded_namespace(webhook: RawObject, labels: Mapping[str, Mapping[str, str]], preferred: str) -> str:
    """Return a namespace that a webhook guards, the preferred one if it can be; "" where it guards none."""
    selector = parse_label_selector(webhook.get("namespaceSelector") or {}, ROOT, Reader())
    names = sorted(labels, key=lambda name: (name != preferred, name))
    return next((name for name in names if selector.matches(labels[name])), "")


def reach(facts: Facts) -> Iterator[Diagnosis]:
    """Yield where an answer of ours did not come back."""
    if not facts.probes:
        yield Diagnosis("reachability-unchecked", Severity.INFO, "there is no webhook that API servers could ask")
    for probe in facts.probes:
        subject = configuration_subject(facts.place, probe.configuration)
        if not probe.namespace:
            told = f"webhook '{probe.webhook}' guards no namespace that there is"
            yield Diagnosis("reachability-unchecked", Severity.INFO, told, subject)
        elif f'admission webhook "{probe.webhook}" denied the request' not in probe.message:
            yield _unreached(probe, facts, subject)


def _unreached(probe: Probe, facts: Facts, subject: Subject) -> Diagnosis:
    called, _, why = probe.message.partition(f'failed calling webhook "{probe.webhook}": ')
    if why:
        told = f"API servers cannot call webhook '{probe.webhook}': {_CALL.sub('', why)}"
        return Diagnosis(UNREACHABLE, Severity.ERROR, told, subject, _reach(facts))
    if _is_passed(probe):
        told = (
            f"webhook '{probe.webhook}' did not refuse what it must, in namespace '{probe.namespace}': it was not asked"
        )
        return Diagnosis(NOT_ASKED, Severity.ERROR, f"{told}, or could not be and fails open", subject, _reach(facts))
    told = f"whether API servers ask webhook '{probe.webhook}' was not seen: a claim was refused before"
    return unchecked("reachability", called, told)


def _is_passed(probe: Probe) -> bool:
    """Return whether it came past the webhook: it would be stored, or the API server's own compiler refused it."""
    own = probe.configuration == MUTATING and probe.code == 422 and "admission webhook" not in probe.message
    return 200 <= probe.code < 300 or own


def _reach(facts: Facts) -> Fix:
    ready = () if isinstance(facts.trust.ready, Unseen) else facts.trust.ready
    ports = " and ".join(sorted({address.rpartition(":")[2] for address in ready})) or "8443"
    place = facts.place
    logs = f"kubectl logs -n {place.namespace} deployment/{place.name}"
    see = f"let API servers reach its pods (firewall, NetworkPolicy; port {ports}), and see their log by `{logs}`"
    return Fix(see, restart(place, "").command)
