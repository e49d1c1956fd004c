"""PodCase: a pod, or the pods that a workload makes, with the claims and templates that they refer to."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.fieldpath import FieldPath
from webhook.core.namespaced import NamespacedName
from webhook.core.pods import Container, Pod, PodClaim, parse_pod, pod_template, replicas_of
from webhook.core.raw import EMPTY, RawObject
from webhook.core.suggest import nearest
from webhook.inventory.case import never

EVERY_NODE = "DaemonSet"

_MOST_NAMES = 500
"""Among how many names a near one is looked for."""

_MOST_STRAYS = 16
"""For how many names a near one is looked for; real pods have a handful of claims."""


@dataclass(frozen=True, slots=True)
class PodCase:
    """A pod to judge beside the cluster as it is known.

    `raw` is the pod, or the pod template at the path `at` of the object that is judged, which is of the kind `kind`.
    `replicas` is how many such pods there are at a time, at least. `coming` are the templates that are about to be
    made for the pod, by name; `moving` the names in its limits that are about to become claims.
    """

    pod: Pod
    raw: RawObject
    at: FieldPath
    kind: str
    namespace: str
    view: ClusterView
    replicas: int = 1
    coming: Mapping[str, Claim] = field(default_factory=dict)
    moving: frozenset[str] = frozenset()
    expired: Callable[[], bool] = field(default=never)

    @property
    def makes_several(self) -> bool:
        return self.replicas > 1 or self.kind == EVERY_NODE

    def claim_of(self, entry: PodClaim) -> Claim | None:
        """Return the claim or template that an entry refers to; None where it is not known, or the entry is odd."""
        if bool(entry.claim_name) == bool(entry.template_name):
            return None
        if entry.claim_name:
            return self.view.claims.get((self.namespace, entry.claim_name))
        stored = self.view.templates.get((self.namespace, entry.template_name))
        return stored or self.coming.get(entry.template_name)

    def near(self, name: str, stored: Mapping[NamespacedName, Claim]) -> tuple[str, ...]:
        """Return the stored claims or templates of the namespace whose names are near the given one, best first."""
        here = (other for namespace, other in stored if namespace == self.namespace)
        return nearest(name, islice(here, _MOST_NAMES))

    def spec_at(self, path: FieldPath) -> object:
        """Return what the pod holds at a path of the object that is judged; None where there is nothing."""
        found: object = self.raw
        for step in path.steps[len(self.at.steps) :]:
            if isinstance(found, dict):
                found = found.get(step)
            elif isinstance(found, list) and isinstance(step, int) and step < len(found):
                found = found[step]
            else:
                return None
        return found


def pod_case(
    raw: RawObject,
    namespace: str,
    view: ClusterView,
    *,
    coming: Mapping[str, Claim] = EMPTY,
    moving: Iterable[str] = (),
    expired: Callable[[], bool] = never,
) -> PodCase | None:
    """Return the case of a pod, or of a workload's pods; None for any other object."""
    found = pod_template(raw)
    if found is None:
        return None
    template, at = found
    pod = parse_pod(template, at)
    return PodCase(
        pod=pod,
        raw=template,
        at=at,
        kind=raw["kind"],
        namespace=namespace,
        view=view,
        replicas=replicas_of(raw),
        coming=coming,
        moving=frozenset(moving),
        expired=expired,
    )


@dataclass(frozen=True, slots=True)
class Stray:
    """A container's reference to a claim that the pod does not list; `meant` are the names that it may have meant."""

    container: Container
    name: str
    path: FieldPath
    meant: tuple[str, ...]


def strays(case: PodCase) -> tuple[Stray, ...]:
    """Return each reference to a claim that the pod does not list; a near name is meant, else one that nobody uses."""
    listed = [entry.name for entry in case.pod.claims if entry.name]
    known = frozenset(listed)
    used = {reference.name for container in case.pod.containers for reference in container.claims}
    idle = [name for name in listed if name not in used]
    meant_by: dict[str, tuple[str, ...]] = {}
    for name in islice(sorted(used - known - {""}), _MOST_STRAYS):
        meant_by[name] = nearest(name, idle[:_MOST_NAMES]) or nearest(name, listed[:_MOST_NAMES]) or tuple(idle[:1])
        idle = [other for other in idle if other not in meant_by[name][:1]]
    return tuple(
        Stray(container, reference.name, reference.path.child("name"), meant_by.get(reference.name, ()))
        for container in case.pod.containers
        for reference in container.claims
        if reference.name and reference.name not in known
    )


def idle_entries(case: PodCase) -> tuple[PodClaim, ...]:
    """Return the pod's claims that no container uses, but those which a stray reference explains."""
    used = {reference.name for container in case.pod.containers for reference in container.claims}
    explained = {name for stray in strays(case) for name in stray.meant[:1]}
    needed = used | explained | {""}
    return tuple(entry for entry in case.pod.claims if entry.name not in needed)
