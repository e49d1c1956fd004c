"""What doctor knows of an installation that is as shipped; a test changes what matters to it."""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from certs.plan import Validity
from webhook.core.raw import RawObject
from webhook.core.versions import NEWEST
from webhook.doctor.diagnosis import Diagnosis, Severity
from webhook.doctor.examine import examine
from webhook.doctor.facts import MUTATING, VALIDATING, Bundle, Facts, Place, Presented, Probe, Trust
from webhook.doctor.reach import PROBES
from webhook.kube.installation import Installation
from webhook.kube.shipped_installation import shipped_for

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HERE = Place("drawbridge-system", "drawbridge")
VERSION = "0.1.0"
CA = "c" * 64
PEM = b"the CA"
CA_LASTS = Validity(NOW - timedelta(days=365), NOW + timedelta(days=365))


def lasting(begun: int, left: int) -> Validity:
    """Return when a certificate is valid that began some days ago and has some left."""
    return Validity(NOW - timedelta(days=begun), NOW + timedelta(days=left))


def presented(validity: Validity, where: str = "10.0.0.1:8443", **changes: Any) -> Presented:
    return replace(Presented(where, where, validity, HERE.hosts, frozenset({CA})), **changes)


def bundles(count: int, configuration: str = VALIDATING) -> tuple[Bundle, ...]:
    return tuple(Bundle(configuration, index, PEM, authorities={CA: CA_LASTS}) for index in range(count))


def lease(namespace: str = "drawbridge-system", holder: str = "one", ago: float = 2) -> RawObject:
    renewed = (NOW - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"metadata": {"namespace": namespace}, "spec": {"holderIdentity": holder, "renewTime": renewed}}


def healthy(place: Place = HERE) -> Facts:
    """Return the facts of an installation at which nothing is wrong."""
    shipped = shipped_for(Installation(place.namespace, place.name))
    live = copy.deepcopy(shipped)
    roles = {
        (raw["kind"], raw["metadata"].get("namespace", ""), raw["metadata"]["name"]): raw
        for raw in live.rights
        if raw["kind"] in ("Role", "ClusterRole")
    }
    established = {"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v1alpha1"]}
    denied = (
        Probe(plural, name, "default", 422, f'admission webhook "{name}" denied the request: no')
        for plural, name in PROBES.items()
    )
    pod = {"metadata": {}, "spec": {"containers": [{"name": "webhook", "image": f"r.example:5000/d:{VERSION}"}]}}
    return Facts(
        place=place,
        shipped=shipped,
        command_version=VERSION,
        now=NOW,
        service={},
        configurations={MUTATING: live.configurations[MUTATING], VALIDATING: live.configurations[VALIDATING]},
        trust=Trust(
            ready=("10.0.0.1:8443",),
            presented=(presented(lasting(10, 20), names=place.hosts),),
            bundles=(*bundles(3, MUTATING), *bundles(5)),
        ),
        accounts={raw["metadata"]["name"]: raw for raw in live.rights if raw["kind"] == "ServiceAccount"},
        bindings=tuple(raw for raw in live.rights if raw["kind"].endswith("Binding")),
        roles=roles,
        crds={raw["metadata"]["name"]: {**raw, "status": established} for raw in live.crds},
        server_version=NEWEST,
        gates={"DynamicResourceAllocation": True},
        pods=(pod,),
        leases={"-controller": (lease(),), "-certs": (lease(),)},
        policies=(),
        mappings=(),
        quotas=(),
        cluster_quotas=(),
        probes=tuple(denied),
    )


def wrong(facts: Facts) -> list[Diagnosis]:
    """Return what is not right; each error and warning says what mends it, and fits a line."""
    found = [one for one in examine(facts) if one.severity is not Severity.OK]
    assert all(one.fix for one in found if one.severity in (Severity.ERROR, Severity.WARNING))
    assert all(len(one.message) < 200 for one in found)
    return found


def names(facts: Facts) -> list[str]:
    return [one.name for one in wrong(facts)]
