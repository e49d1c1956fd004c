"""Whether what runs together belongs together: this command, the replicas, the CRDs, the API server and its gates."""

import re
from collections.abc import Iterator

from webhook.core.raw import RawObject
from webhook.core.versions import (
    ADMIN_ACCESS,
    CONSUMABLE_CAPACITY,
    DEVICE_TAINTS,
    EXTENDED_RESOURCE,
    PRIORITIZED_LIST,
    SUPPORTED,
    default_gate,
    minor,
    supported,
)
from webhook.doctor.diagnosis import Diagnosis, Fix, Severity, Subject, unchecked
from webhook.doctor.facts import Facts, Unseen
from webhook.doctor.remedies import apply_crds

_CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
_VERSION = re.compile(r":v?(\d+\.\d+\.\d+)(?:[-+][\w.-]+)?(?:@sha256:[0-9a-f]+)?$")
_DRA = "DynamicResourceAllocation"
_DROPPING = (ADMIN_ACCESS, CONSUMABLE_CAPACITY, DEVICE_TAINTS, EXTENDED_RESOURCE, PRIORITIZED_LIST)
"""Gates without which the API server drops fields of claims and classes, and says nothing."""
_COMPARED = ("schema", "subresources", "served", "storage")


def versions(facts: Facts) -> Iterator[Diagnosis]:
    """Yield where one of them is of another time than the others."""
    yield from _replicas(facts)
    for shipped in facts.shipped.crds:
        yield from _crd(facts, shipped)
    yield from _server(facts)
    yield from _gates(facts)


def _replicas(facts: Facts) -> Iterator[Diagnosis]:
    if isinstance(facts.pods, Unseen):
        yield unchecked("replicas", facts.pods.why, "our pods cannot be read")
        return
    images = {image for pod in facts.pods if _runs(pod) for image in _images(pod)}
    running = {image: _VERSION.search(image) for image in images}
    unknown = sorted(image for image, found in running.items() if found is None)
    if unknown:
        told = f"the version of image '{unknown[0]}' cannot be told from its name"
        yield Diagnosis("replicas-unchecked", Severity.INFO, told)
    told_of = sorted({found[1] for found in running.values() if found is not None})
    place = facts.place
    if len(told_of) > 1:
        told = f"replicas of several versions run: {', '.join(told_of)}"
        watch = f"kubectl rollout status deployment -n {place.namespace} -l app.kubernetes.io/part-of=drawbridge"
        yield Diagnosis("versions-differ", Severity.WARNING, told, None, Fix("see whether a rollout hangs", watch))
    elif told_of and told_of[0] != facts.command_version:
        told = f"{told_of[0]} runs in the cluster, this command is {facts.command_version} and compares with its own"
        advice = (
            f"ask a command of {told_of[0]} before you mend anything, or upgrade the cluster (docs/how-to/upgrade.md)"
        )
        yield Diagnosis("version-skew", Severity.WARNING, told, None, Fix(advice))


def _runs(pod: RawObject) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and "deletionTimestamp" not in pod["metadata"]


def _images(pod: RawObject) -> Iterator[str]:
    """Yield the images of our own containers; others may have been injected."""
    own = ("webhook", "controller", "certs")
    for container in pod["spec"].get("containers") or ():
        if container.get("name") in own:
            yield str(container.get("image"))


def _crd(facts: Facts, shipped: RawObject) -> Iterator[Diagnosis]:
    name = str(shipped["metadata"]["name"])
    subject = Subject(*_CRD, name)
    match facts.crds[name]:
        case Unseen(why):
            yield unchecked("crds", why, f"{subject} cannot be read")
        case None:
            told = f"there is no {subject}"
            yield Diagnosis("crd-missing", Severity.ERROR, told, subject, apply_crds(facts.place))
        case found:
            yield from _compared(facts, subject, shipped, found)


def _compared(facts: Facts, subject: Subject, shipped: RawObject, found: RawObject) -> Iterator[Diagnosis]:
    status = found.get("status") or {}
    established = any(_holds(each, "Established") for each in status.get("conditions") or ())
    if not established:
        told = f"{subject} is not served"
        yield Diagnosis("crd-not-served", Severity.ERROR, told, subject, apply_crds(facts.place))
    served = {version["name"] for version in found["spec"]["versions"] if version.get("served")}
    lost = [version for version in status.get("storedVersions") or () if version not in served]
    if lost:
        told = f"objects of {subject} are stored in version '{lost[0]}', which is not served"
        yield Diagnosis("crd-stored-version", Severity.ERROR, told, subject, apply_crds(facts.place))
    there = {version["name"]: version for version in found["spec"]["versions"]}
    for version in shipped["spec"]["versions"]:
        live = there.get(version["name"], {})
        different = [field for field in _COMPARED if live.get(field) != version.get(field)]
        if different:
            parts = ", ".join(f"`{field}`" for field in different)
            told = f"{subject}, version '{version['name']}': {parts} is not what {facts.command_version} ships"
            yield Diagnosis("crd-changed", Severity.WARNING, told, subject, apply_crds(facts.place))


def _holds(condition: RawObject, kind: str) -> bool:
    return condition.get("type") == kind and condition.get("status") == "True"


def _server(facts: Facts) -> Iterator[Diagnosis]:
    version = facts.server_version
    if version is None:
        yield unchecked("kubernetes-version", "it does not say", "the version of the API server is not known")
    elif f"1.{minor(version)}" not in SUPPORTED:
        told = (
            f"Kubernetes {version} is not among {SUPPORTED[0]} to {SUPPORTED[-1]}; it is judged as {supported(version)}"
        )
        advice = "upgrade Kubernetes, or Drawbridge"
        yield Diagnosis("kubernetes-version", Severity.WARNING, told, None, Fix(advice))


def _gates(facts: Facts) -> Iterator[Diagnosis]:
    if not facts.gates:
        yield unchecked(
            "feature-gates", "its /metrics cannot be read", "the feature gates of the API server are not known"
        )
        return
    if facts.gates.get(_DRA) is False:
        told = f"the API server runs with {_DRA}=false: there are no claims to judge"
        advice = f"start API servers, scheduler, controller-manager and kubelets with {_DRA}=true"
        yield Diagnosis("feature-gate-off", Severity.ERROR, told, None, Fix(advice))
    version = supported(facts.server_version or SUPPORTED[-1])
    for gate in _DROPPING:
        if facts.gates.get(gate) is False and default_gate(gate, version):
            told = (
                f"the API server runs with {gate}=false, which is on by default: it drops fields of claims and classes"
            )
            advice = f"take {gate}=false out of `--feature-gates`, or leave these fields out of claims and mappings"
            yield Diagnosis("feature-gate-off", Severity.WARNING, told, None, Fix(advice))
