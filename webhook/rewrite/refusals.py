"""Finds the reason to leave a pod alone, if there is one (contract 6.1)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from webhook.core.cluster import ClusterView
from webhook.core.fieldpath import FieldPath
from webhook.core.mappings import Coexistence, Companion, QuotaContinuity
from webhook.core.pods import DEFAULT_SCHEDULER, MIRROR, Pod
from webhook.core.versions import EXTENDED_RESOURCE
from webhook.rewrite.asks import Need
from webhook.rewrite.continuity import freed
from webhook.rewrite.facts import limit_ranges, offering_node, serving_class
from webhook.rewrite.reasons import Code
from webhook.rewrite.serving import Served, labels_of
from webhook.rewrite.templates import MOST_DEVICES

SWITCH = "drawbridge.dev/rewrite"
"""The annotation of a pod, or label of a namespace, that opts out with the value `off`."""


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """The pod stays as it is, byte for byte. `detail` is what was found, in words."""

    code: Code
    detail: str
    path: FieldPath


def pod_refusals(pod: Pod, namespace: str, view: ClusterView) -> Iterator[tuple[Code, str]]:
    """Yield what speaks against rewriting this pod, whatever it asks for."""
    labels = labels_of(view, namespace)
    if labels is not None and labels.get(SWITCH) == "off":
        yield Code.OPTED_OUT, f"namespace '{namespace}' has the label `{SWITCH}: off`"
    if pod.annotations.get(SWITCH) == "off":
        yield Code.OPTED_OUT, f"the pod has the annotation `{SWITCH}: off`"
    if MIRROR in pod.annotations:
        yield Code.MIRROR_POD, "the API server accepts no claims in mirror pods of static pods"
    if pod.node_name:
        yield Code.NODE_NAME_SET, "`nodeName` is set, so the scheduler never sees the pod and allocates nothing"
    if pod.scheduler_name not in ("", DEFAULT_SCHEDULER):
        yield Code.OTHER_SCHEDULER, f"scheduler '{pod.scheduler_name}' may know nothing of claims"


def name_refusals(serving: Mapping[str, Served], view: ClusterView) -> Iterator[tuple[Code, str]]:
    """Yield what speaks against taking these resource names away."""
    gate_off = view.server.gate(EXTENDED_RESOURCE) is False  # not known: a class keeps the field only where it is on
    for name in serving:
        if not gate_off and (class_name := serving_class(view, name)):
            yield Code.SERVED_BY_SCHEDULER, f"DeviceClass '{class_name}' has `{name}` as extended resource"
    for name, served in serving.items():
        if served.mapping.coexistence is Coexistence.LEAVE_ALONE:
            for offered in _asked_of_nodes(name, served):
                if node := offering_node(view, offered):
                    yield Code.DEVICE_PLUGIN_PRESENT, f"node '{node}' offers `{offered}` by a device plugin"


def _asked_of_nodes(name: str, served: Served) -> tuple[str, ...]:
    """Return the names that nodes would offer: no plugin offers a companion, it asks a device of its main resource."""
    return (name, served.resource.of) if isinstance(served.resource, Companion) else (name,)


def need_refusals(
    containers: Sequence[tuple[str, Sequence[Need]]], serving: Mapping[str, Served], namespace: str, view: ClusterView
) -> Iterator[tuple[Code, str]]:
    """Yield what speaks against the claims that would be made, and against leaving limits and quotas behind."""
    for name, needs in containers:
        count = sum(need.count for need in needs)
        if count > MOST_DEVICES:
            yield (
                Code.TOO_MANY_DEVICES,
                f"container '{name}' asks for {_shown(count)} devices, a claim holds {MOST_DEVICES}",
            )
    every = [need for _, needs in containers for need in needs]
    for class_name in sorted({need.shapes[0].device_class_name for need in every}):
        if view.given and class_name not in view.device_classes:
            yield Code.CLASS_MISSING, f"DeviceClass '{class_name}' does not exist"
    for limit_range in limit_ranges(view, namespace):
        for name in sorted(limit_range.resources & serving.keys()):
            yield Code.LIMIT_RANGE, f"LimitRange '{limit_range.name}' speaks of `{name}`"
    yield from _quota_refusals(every, namespace, view)


def _quota_refusals(needs: Iterable[Need], namespace: str, view: ClusterView) -> Iterator[tuple[Code, str]]:
    for need in needs:
        if need.mapping.quota_continuity is QuotaContinuity.REQUIRE:
            for found in freed(need, namespace, view):
                limited = f"ResourceQuota '{found.quota}' limits `requests.{found.name}`"
                yield Code.QUOTA_CONTINUITY, f"{limited}, and no quota on claims is as strict"


def _shown(count: int) -> str:
    return str(count) if count < 10**9 else "over 1000000000"
