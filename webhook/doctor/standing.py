"""What our own objects say of themselves: policies and mappings in error, quotas without true books, and who leads."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from webhook.core.conditions import READY
from webhook.core.mappings import KIND as MAPPING
from webhook.core.policies import KIND as POLICY
from webhook.core.quotas import CLUSTER_DEVICE_QUOTA, DEVICE_QUOTA, parse_quota
from webhook.core.raw import RawObject
from webhook.core.render import cut
from webhook.doctor.diagnosis import Diagnosis, Fix, Severity, subject_of, unchecked
from webhook.doctor.facts import Facts, Keeper, Unseen
from webhook.doctor.remedies import restart
from webhook.quota.conditions import IN_EFFECT
from webhook.quota.drift import drift

OURS = "drawbridge.dev/v1alpha1"
_MOST = 199
"""How much is told of what a status says, which is there to be read."""
_STALE = timedelta(seconds=60)
"""Four times as long as a leader's lease lasts: clocks of nodes differ, and a lease is renewed every two seconds."""


def policies(facts: Facts) -> Iterator[Diagnosis]:
    """Yield policies and mappings that are not in use, or that nobody has judged."""
    for kind, plural, found in ((POLICY, "claimpolicies", facts.policies), (MAPPING, "legacymappings", facts.mappings)):
        if isinstance(found, Unseen):
            yield unchecked("policies", found.why, f"{plural} cannot be read")
            continue
        for raw in found:
            yield from _policy(facts, raw, kind, plural)


def _policy(facts: Facts, raw: RawObject, kind: str, plural: str) -> Iterator[Diagnosis]:
    subject = subject_of(raw, OURS, kind)
    ready = _condition(raw, READY)
    what = "policy" if kind == POLICY else "mapping"
    if ready is None or not _is_current(raw):
        told = f"{subject}: its status does not speak of its spec"
        yield Diagnosis(f"{what}-not-judged", Severity.WARNING, told, subject, restart(facts.place, "-controller"))
    elif ready.get("status") == "False":
        told = cut(f"{subject} is not in use: {ready.get('message')}", _MOST)
        edit = Fix("mend it", f"kubectl edit {plural}.drawbridge.dev {subject.name}")
        yield Diagnosis(f"{what}-not-ready", Severity.ERROR, told, subject, edit)


def quotas(facts: Facts) -> Iterator[Diagnosis]:
    """Yield quotas whose books are not open, not true, or not of this spec."""
    for kind, plural, found in (
        (DEVICE_QUOTA, "devicequotas", facts.quotas),
        (CLUSTER_DEVICE_QUOTA, "clusterdevicequotas", facts.cluster_quotas),
    ):
        if isinstance(found, Unseen):
            yield unchecked("quotas", found.why, f"{plural} cannot be read")
            continue
        for raw in found:
            yield from _quota(facts, {**raw, "kind": kind}, plural)


def _quota(facts: Facts, raw: RawObject, plural: str) -> Iterator[Diagnosis]:
    subject = subject_of(raw, OURS, str(raw["kind"]))
    count = restart(facts.place, "-controller")
    if not (raw.get("status") or {}).get("observedGeneration"):
        told = f"{subject} has no books yet: claims that it concerns are not admitted"
        yield Diagnosis("quota-without-status", Severity.ERROR, told, subject, count)
        return
    if not _is_current(raw):
        told = f"{subject}: its books are of an older spec"
        yield Diagnosis("quota-not-counted", Severity.WARNING, told, subject, count)
    for difference in drift(parse_quota(raw), None):
        yield Diagnosis("quota-drift", Severity.ERROR, f"{subject}, {difference}", subject, count)
    place = f" -n {subject.namespace}" if subject.namespace else ""
    edit = Fix("mend it", f"kubectl edit {plural}.drawbridge.dev {subject.name}{place}")
    for kind, name in ((READY, "quota-unreadable"), (IN_EFFECT, "quota-without-effect")):
        said = _condition(raw, kind)
        if said is not None and said.get("status") == "False":
            told = cut(f"{subject}: {said.get('message')}", _MOST)
            yield Diagnosis(name, Severity.WARNING, told, subject, edit)


def leaders(facts: Facts) -> Iterator[Diagnosis]:
    """Yield each program that nobody leads, or that several do."""
    yield from _leader(facts, "-controller", Severity.ERROR)
    if facts.place.keeper is Keeper.OURS:
        yield from _leader(facts, "-certs", Severity.WARNING)


def _leader(facts: Facts, program: str, severity: Severity) -> Iterator[Diagnosis]:
    name, leases = f"{facts.place.name}{program}", facts.leases[program]
    if isinstance(leases, Unseen):
        yield unchecked("leaders", leases.why, f"the Lease of {name} cannot be read")
        return
    held = [lease for lease in leases if _spec(lease).get("holderIdentity")]
    fresh = [str(lease["metadata"]["namespace"]) for lease in held if _is_fresh(lease, facts.now)]
    if len(fresh) > 1:
        places = ", ".join(f"'{namespace}'" for namespace in fresh)
        told = f"several controllers lead, in the namespaces {places}: each counts and collects what is the other's"
        other = next(namespace for namespace in fresh if namespace != facts.place.namespace)
        labels = f"app.kubernetes.io/name=drawbridge,app.kubernetes.io/component={program.removeprefix('-')}"
        end = f"kubectl scale deployments -l {labels} --replicas=0 -n {other}"
        yield Diagnosis("leaders-several", severity, told, None, Fix("end all but one", end))
    elif not fresh:
        told = f"nobody leads as {name}"
        if held:
            told = f"'{_spec(held[0])['holderIdentity']}' leads as {name} and has not renewed its Lease"
        yield Diagnosis("leader-missing", severity, f"{told}: {_follows(program)}", None, restart(facts.place, program))


def _follows(program: str) -> str:
    if program == "-certs":
        return "certificates are not renewed"
    return "quotas are not counted, templates and statuses not written"


def _spec(lease: RawObject) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = lease.get("spec") or {}
    return spec


def _is_fresh(lease: RawObject, now: datetime) -> bool:
    try:
        renewed = datetime.fromisoformat(str(_spec(lease).get("renewTime")))
    except ValueError:
        return False
    return now - renewed < _STALE


def _is_current(raw: RawObject) -> bool:
    observed = (raw.get("status") or {}).get("observedGeneration")
    return observed is not None and bool(observed == raw["metadata"].get("generation"))


def _condition(raw: RawObject, kind: str) -> RawObject | None:
    conditions = (raw.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind), None)
