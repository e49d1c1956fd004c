"""What is read of pods, and where the kinds of workloads keep their pod template (`v1` Pod, apps, batch)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.raw import EMPTY, Misfit, RawObject, Reader

POD = "Pod"
MIRROR = "kubernetes.io/config.mirror"
ORIGINAL = "drawbridge.dev/original-resources"
"""The annotation of pods, and of pod templates in manifests, that asked the old way before they were rewritten."""

DEFAULT_SCHEDULER = "default-scheduler"

_TEMPLATE = ("spec", "template")
POD_TEMPLATES: Mapping[str, tuple[str, ...]] = {
    POD: (),
    "PodTemplate": ("template",),
    "ReplicationController": _TEMPLATE,
    "ReplicaSet": _TEMPLATE,
    "Deployment": _TEMPLATE,
    "StatefulSet": _TEMPLATE,
    "DaemonSet": _TEMPLATE,
    "Job": _TEMPLATE,
    "CronJob": ("spec", "jobTemplate", *_TEMPLATE),
}
_GROUPS: Mapping[str, str] = {
    "ReplicaSet": "apps",
    "Deployment": "apps",
    "StatefulSet": "apps",
    "DaemonSet": "apps",
    "Job": "batch",
    "CronJob": "batch",
}


_COUNTED = frozenset({"ReplicationController", "ReplicaSet", "Deployment", "StatefulSet", "Job", "CronJob"})
_MOST_PODS = 2**31 - 1  # these fields are int32


class Role(Enum):
    """How long a container runs: sidecars (restartPolicy Always) and app containers live as long as the pod."""

    INIT = "init"
    SIDECAR = "sidecar"
    APP = "app"

    @property
    def long_lived(self) -> bool:
        return self is not Role.INIT


@dataclass(frozen=True, slots=True)
class ClaimReference:
    """One entry of `resources.claims`; without a request it is the whole claim."""

    name: str
    request: str
    path: FieldPath


@dataclass(frozen=True, slots=True)
class Container:
    """A container or init container; `limits` and `resource_requests` are as decoded, quantities unread."""

    name: str
    role: Role
    path: FieldPath
    limits: RawObject
    resource_requests: RawObject
    claims: tuple[ClaimReference, ...] = ()


@dataclass(frozen=True, slots=True)
class PodClaim:
    """One entry of `spec.resourceClaims`."""

    name: str
    claim_name: str
    template_name: str
    path: FieldPath


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod or pod template. Containers are in the order in which they start: init containers come first.

    `misfits` are the fields read here that the API server cannot decode.
    """

    name: str
    annotations: Mapping[str, str]
    containers: tuple[Container, ...]
    claims: tuple[PodClaim, ...]
    node_name: str = ""
    scheduler_name: str = ""
    misfits: tuple[Misfit, ...] = ()


def pod_template(raw: RawObject) -> tuple[RawObject, FieldPath] | None:
    """Return the pod of a Pod, or the pod template of a workload, with its path; None for any other object."""
    kind, api_version = raw.get("kind"), raw.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(api_version, str) or kind not in POD_TEMPLATES:
        return None
    if api_version.rpartition("/")[0] != _GROUPS.get(kind, ""):
        return None
    steps = POD_TEMPLATES[kind]
    found: object = raw
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    return (found, FieldPath(steps)) if isinstance(found, dict) else None


def replicas_of(raw: RawObject) -> int:
    """Return how many pods the object has at a time, at least: a DaemonSet's nodes and autoscalers are not known.

    A Job runs `parallelism` pods beside each other, and never more than are left to complete.
    """
    spec = raw.get("spec")
    kind = raw.get("kind")
    if kind == "CronJob" and isinstance(spec, dict):
        template = spec.get("jobTemplate")
        spec = template.get("spec") if isinstance(template, dict) else None
    if not isinstance(spec, dict) or kind not in _COUNTED:
        return 1
    if kind in ("Job", "CronJob"):
        return min(_count(spec, "parallelism", 1), _count(spec, "completions", _MOST_PODS))
    return _count(spec, "replicas", 1)


def _count(spec: RawObject, name: str, default: int) -> int:
    value = spec.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        return default
    return min(max(value, 0), _MOST_PODS)


def parse_pod(raw: RawObject, path: FieldPath = ROOT) -> Pod:
    """Return what is read of a pod, or of the pod template at a path of its workload."""
    reader = Reader()
    metadata = reader.struct(raw, "metadata", path) or EMPTY
    spec = reader.struct(raw, "spec", path) or EMPTY
    at = path.child("spec")
    return Pod(
        name=reader.text(metadata, "name", path.child("metadata")),
        annotations=reader.text_map(metadata, "annotations", path.child("metadata")),
        containers=tuple(
            _container(container, place, field, reader)
            for field in ("initContainers", "containers")
            for container, place in reader.structs(spec, field, at)
        ),
        claims=tuple(_claims(spec, at, reader)),
        node_name=reader.text(spec, "nodeName", at),
        scheduler_name=reader.text(spec, "schedulerName", at),
        misfits=tuple(reader.misfits),
    )


def _container(raw: RawObject, path: FieldPath, field: str, reader: Reader) -> Container:
    role = Role.APP
    if field == "initContainers":
        role = Role.SIDECAR if reader.text(raw, "restartPolicy", path) == "Always" else Role.INIT
    at = path.child("resources")
    resources = reader.struct(raw, "resources", path) or EMPTY
    return Container(
        name=reader.text(raw, "name", path),
        role=role,
        path=path,
        limits=reader.struct(resources, "limits", at) or EMPTY,
        resource_requests=reader.struct(resources, "requests", at) or EMPTY,
        claims=tuple(
            ClaimReference(reader.text(claim, "name", p), reader.text(claim, "request", p), p)
            for claim, p in reader.structs(resources, "claims", at, inner="name")
        ),
    )


def _claims(spec: RawObject, at: FieldPath, reader: Reader) -> Iterator[PodClaim]:
    for claim, path in reader.structs(spec, "resourceClaims", at):
        yield PodClaim(
            name=reader.text(claim, "name", path),
            claim_name=reader.text(claim, "resourceClaimName", path),
            template_name=reader.text(claim, "resourceClaimTemplateName", path),
            path=path,
        )
