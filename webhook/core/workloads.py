"""Workloads as a migration looks at them: what their pods ask for, and who owns whom.

Only what is asked about is kept of an object; environment variables and commands, which may hold secrets, are not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.core.fieldpath import FieldPath
from webhook.core.mappings import is_extended
from webhook.core.pods import ORIGINAL, POD, POD_TEMPLATES, pod_template, replicas_of
from webhook.core.raw import RawObject, object_in, objects_in

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_METADATA = ("name", "generateName", "namespace", "labels", "ownerReferences", "deletionTimestamp")
_POD = ("nodeSelector", "affinity", "tolerations", "schedulerName", "nodeName", "resourceClaims")
_CONTAINER = ("name", "resources", "restartPolicy")
_COUNTS = ("replicas", "parallelism", "completions")
_STATUS = ("phase", "completionTime")
_OVER = ("Succeeded", "Failed")
_MOST_OWNERS = 8

Place = tuple[str, str, str]
"""A kind, a namespace and a name."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload or pod of a cluster; `pod` is its pod or pod template, at the path `at`.

    `owner` is the controller that made it, as (kind, name). `count` is how many pods it has at a time.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    pod: RawObject
    at: FieldPath
    owner: tuple[str, str] | None = None
    count: int = 1

    @property
    def place(self) -> Place:
        return (self.kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Family:
    """What is owned in the end by one owner; `head` is the object that says what its pods ask for.

    That is the owner itself, or where it is not known itself (`is_foreign`: a JobSet, say) something that it owns.
    """

    kind: str
    name: str
    head: Workload
    pods: tuple[Workload, ...] = ()
    is_foreign: bool = False

    @property
    def count(self) -> int:
        """Return how many pods there are, or are meant to be, at a time."""
        return max(self.head.count, len(self.pods))

    def rewritten(self) -> int:
        """Return how many of the live pods were rewritten when they were created."""
        return sum(ORIGINAL in annotations_of(pod.pod) for pod in self.pods)


def trimmed(raw: RawObject) -> dict[str, Any] | None:
    """Return what a migration looks at of a workload or pod; None where it never asked for an extended resource."""
    found = pod_template(raw)
    if found is None or not _asks(found[0]):
        return None
    pod = _trimmed_pod(found[0])
    if not found[1].steps:
        whole: dict[str, Any] = pod
    else:
        whole = {"metadata": _metadata(raw)}
        _put(whole, found[1].steps, pod)
        _keep_counts(raw, whole, POD_TEMPLATES[str(raw["kind"])])
    status = raw.get("status")
    if isinstance(status, dict):
        whole["status"] = {name: status[name] for name in _STATUS if name in status}
    return {"apiVersion": raw["apiVersion"], "kind": raw["kind"], **whole}


def _asks(pod: RawObject) -> bool:
    return ORIGINAL in annotations_of(pod) or any(map(is_extended, limits_of(pod)))


def limits_of(pod: RawObject) -> tuple[str, ...]:
    """Return the names in the limits of a pod's containers, each once, in order."""
    names = (str(name) for container in _containers(pod) for name in _limits(container))
    return tuple(dict.fromkeys(names))


def hidden_limits(raw: RawObject) -> tuple[str, ...]:
    """Return the names in the limits of whatever looks like a container inside an object, of any kind at any depth."""
    names: dict[str, None] = {}
    waiting: list[object] = [raw]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            names.update(dict.fromkeys(limits_of({"spec": value})))
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return tuple(names)


def annotations_of(pod: RawObject) -> RawObject:
    return object_in(object_in(pod, "metadata"), "annotations")


def _containers(pod: RawObject) -> Iterator[RawObject]:
    spec = object_in(pod, "spec")
    for name in ("initContainers", "containers"):
        yield from objects_in(spec, name)


def _limits(container: RawObject) -> RawObject:
    return object_in(object_in(container, "resources"), "limits")


def _trimmed_pod(pod: RawObject) -> dict[str, Any]:
    spec = object_in(pod, "spec")
    kept: dict[str, Any] = {name: spec[name] for name in _POD if name in spec}
    for name in ("initContainers", "containers"):
        if name in spec:
            kept[name] = [{key: one[key] for key in _CONTAINER if key in one} for one in objects_in(spec, name)]
    return {"metadata": _metadata(pod), "spec": kept}


def _metadata(raw: RawObject) -> dict[str, Any]:
    metadata = object_in(raw, "metadata")
    kept = {name: metadata[name] for name in _METADATA if name in metadata}
    annotations = {name: value for name, value in annotations_of(raw).items() if name != _APPLIED}
    return {**kept, "annotations": annotations} if annotations else kept


def _put(whole: dict[str, Any], steps: Sequence[str | int], value: object) -> None:
    *before, last = map(str, steps)
    for step in before:
        whole = whole.setdefault(step, {})
    whole[last] = value


def _keep_counts(raw: RawObject, whole: dict[str, Any], steps: Sequence[str]) -> None:
    """Keep how many pods there are, beside the pod template."""
    for step in steps[:-1]:
        raw, whole = object_in(raw, step), whole[step]
    whole.update({name: raw[name] for name in _COUNTS if name in raw})


def parse_workloads(objects: Iterable[RawObject], namespace: str) -> Iterator[Workload]:
    """Yield the workloads and pods among objects that are not over; `namespace` is for those without one.

    A pod that runs names its node because a scheduler chose it: that is left out.
    """
    for raw in objects:
        found = pod_template(raw)
        metadata = object_in(raw, "metadata")
        status = object_in(raw, "status")
        if found is None or metadata.get("deletionTimestamp") or status.get("phase") in _OVER:
            continue
        if status.get("completionTime"):
            continue
        pod, at = found
        if raw["kind"] == POD and status.get("phase"):
            pod = {**pod, "spec": {name: value for name, value in object_in(pod, "spec").items() if name != "nodeName"}}
        yield Workload(
            api_version=raw["apiVersion"],
            kind=raw["kind"],
            namespace=str(metadata.get("namespace") or namespace),
            name=str(metadata.get("name") or metadata.get("generateName") or ""),
            pod=pod,
            at=at,
            owner=_owner(metadata),
            count=replicas_of(raw),
        )


def _owner(metadata: RawObject) -> tuple[str, str] | None:
    for reference in objects_in(metadata, "ownerReferences"):
        if reference.get("controller") is True:
            return str(reference.get("kind", "")), str(reference.get("name", ""))
    return None


def families(workloads: Iterable[Workload]) -> tuple[Family, ...]:
    """Return the workloads by their last owners, sorted by namespace, kind and name.

    A pod of a ReplicaSet of a Deployment belongs to the Deployment; what a kind that is not known here owns belongs
    to that, such as the pods of a JobSet.
    """
    known = {workload.place: workload for workload in workloads}
    members: dict[Place, list[Workload]] = {}
    for workload in known.values():
        members.setdefault(_last_owner(workload, known), []).append(workload)
    return tuple(_family(place, members[place], known) for place in sorted(members, key=lambda p: (p[1], p[0], p[2])))


def _last_owner(workload: Workload, known: Mapping[Place, Workload]) -> Place:
    place = workload.place
    for _ in range(_MOST_OWNERS):
        current = known.get(place)
        if current is None or current.owner is None:
            return place
        place = (current.owner[0], place[1], current.owner[1])
    return place


def _family(place: Place, members: Sequence[Workload], known: Mapping[Place, Workload]) -> Family:
    kind, _, name = place
    pods = tuple(member for member in members if member.kind == POD and member.place != place)
    if place in known:
        return Family(kind, name, known[place], pods)
    head = max(members, key=lambda member: (member.kind != POD, member.count))
    return Family(kind, name, head, pods, is_foreign=True)
