"""Autoscalers of nodes, and whether they bring a node for a pod that waits for a claim.

The cluster autoscaler heeds claims with `--enable-dynamic-resource-allocation`, which is off by default before 1.35
and always on since; Karpenter ignores them unless `IGNORE_DRA_REQUESTS` is `false` (field.md, item 15).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.core.cluster import Node
from webhook.core.raw import RawObject, object_in, objects_in

CLUSTER_AUTOSCALER, KARPENTER = "cluster-autoscaler", "karpenter"
STATUS_NAMESPACE, STATUS_NAME = "kube-system", "cluster-autoscaler-status"
_NODE_LABEL = "karpenter.sh/nodepool"
_IGNORE = "IGNORE_DRA_REQUESTS"
_ENABLE = "--enable-dynamic-resource-allocation"
_UNKNOWN_VERSION = f"its version is not known; before 1.35 it needs `{_ENABLE}`"
_CLAIMS_SINCE = (1, 35)
_NAMES = ("app.kubernetes.io/name", "k8s-app", "app")
_VERSION = re.compile(r":v?(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """An autoscaler as it was found; `heeds_claims` is None where that cannot be seen from here."""

    kind: str
    found: str
    heeds_claims: bool | None
    why: str


def trimmed_autoscaler(raw: RawObject) -> dict[str, Any] | None:
    """Return what is looked at of an autoscaler's Deployment or status, or of a NodePool; None for any other object."""
    metadata = object_in(raw, "metadata")
    kept = {name: metadata[name] for name in ("name", "namespace", "labels") if name in metadata}
    head = {"apiVersion": raw.get("apiVersion"), "kind": raw.get("kind"), "metadata": kept}
    if _is_node_pool(raw) or _is_status(raw):
        return head
    if not _kind_of(raw):
        return None
    containers = [
        {
            "name": container.get("name"),
            "image": container.get("image"),
            "args": [text for text in _arguments(container) if text.startswith(_ENABLE)],
            "env": [entry for entry in objects_in(container, "env") if entry.get("name") == _IGNORE],
        }
        for container in _containers(raw)
    ]
    return {**head, "spec": {"template": {"spec": {"containers": containers}}}}


def autoscalers(objects: Iterable[RawObject], nodes: Mapping[str, Node]) -> tuple[Autoscaler, ...]:
    """Return the autoscalers that Deployments, NodePools and labels of nodes tell of, each kind once."""
    found: dict[str, Autoscaler] = {}
    for autoscaler in (*_of_objects(objects), *_of_nodes(nodes)):
        found.setdefault(autoscaler.kind, autoscaler)
    return tuple(found.values())


def _of_objects(objects: Iterable[RawObject]) -> Iterator[Autoscaler]:
    pools, statuses = [], []
    for raw in objects:
        metadata = object_in(raw, "metadata")
        if _is_node_pool(raw):
            pools.append(str(metadata.get("name", "")))
        elif _is_status(raw):
            statuses.append(f"ConfigMap '{STATUS_NAMESPACE}/{STATUS_NAME}'")
        elif kind := _kind_of(raw):
            place = f"Deployment '{metadata.get('namespace') or 'default'}/{metadata.get('name', '')}'"
            yield _cluster_autoscaler(raw, place) if kind == CLUSTER_AUTOSCALER else _karpenter(raw, place)
    if statuses:
        yield Autoscaler(CLUSTER_AUTOSCALER, statuses[0], None, _UNKNOWN_VERSION)
    if pools:
        why = f"it ignores claims unless its setting `{_IGNORE}` is 'false', and its controller is not in sight"
        yield Autoscaler(KARPENTER, f"NodePool '{pools[0]}'", None, why)


def _of_nodes(nodes: Mapping[str, Node]) -> Iterator[Autoscaler]:
    name = next((node.name for node in nodes.values() if _NODE_LABEL in node.labels), "")
    if name:
        why = f"it ignores claims unless its setting `{_IGNORE}` is 'false', and its controller is not in sight"
        yield Autoscaler(KARPENTER, f"label `{_NODE_LABEL}` of node '{name}'", None, why)


def _cluster_autoscaler(raw: RawObject, place: str) -> Autoscaler:
    written = [text for container in _containers(raw) for text in _arguments(container) if text.startswith(_ENABLE)]
    images = [str(container.get("image", "")) for container in _containers(raw)]
    version = next((tuple(map(int, hit.groups())) for image in images if (hit := _VERSION.search(image))), None)
    if version is not None and version >= _CLAIMS_SINCE:
        return Autoscaler(CLUSTER_AUTOSCALER, place, True, "since 1.35 it heeds claims")
    if written:
        on = written[-1] in (_ENABLE, f"{_ENABLE}=true")
        return Autoscaler(CLUSTER_AUTOSCALER, place, on, f"it runs with `{written[-1]}`")
    if version is not None:
        return Autoscaler(CLUSTER_AUTOSCALER, place, False, f"before 1.35 it heeds claims only with `{_ENABLE}`")
    return Autoscaler(CLUSTER_AUTOSCALER, place, None, _UNKNOWN_VERSION)


def _karpenter(raw: RawObject, place: str) -> Autoscaler:
    entries = [entry for container in _containers(raw) for entry in objects_in(container, "env")]
    value = next((entry.get("value") for entry in entries if entry.get("name") == _IGNORE), None)
    if value is not None and str(value).lower() == "false":
        return Autoscaler(KARPENTER, place, True, f"its setting `{_IGNORE}` is 'false'")
    return Autoscaler(KARPENTER, place, False, f"it ignores claims unless its setting `{_IGNORE}` is 'false'")


def _is_node_pool(raw: RawObject) -> bool:
    return raw.get("kind") == "NodePool" and str(raw.get("apiVersion", "")).startswith("karpenter.sh/")


def _is_status(raw: RawObject) -> bool:
    """Return whether an object is what the cluster autoscaler writes, also where a cloud runs it out of sight."""
    metadata = object_in(raw, "metadata")
    named = (metadata.get("namespace"), metadata.get("name")) == (STATUS_NAMESPACE, STATUS_NAME)
    return named and raw.get("kind") == "ConfigMap" and raw.get("apiVersion") == "v1"


def _kind_of(raw: RawObject) -> str:
    """Return which autoscaler a Deployment runs; empty where it runs none."""
    if raw.get("kind") != "Deployment" or raw.get("apiVersion") != "apps/v1":
        return ""
    metadata = object_in(raw, "metadata")
    labels = object_in(metadata, "labels")
    names = [str(metadata.get("name", "")), *(str(labels.get(label, "")) for label in _NAMES)]
    if any(CLUSTER_AUTOSCALER in name for name in names):
        return CLUSTER_AUTOSCALER
    return KARPENTER if KARPENTER in names else ""


def _containers(raw: RawObject) -> list[RawObject]:
    return objects_in(object_in(object_in(object_in(raw, "spec"), "template"), "spec"), "containers")


def _arguments(container: RawObject) -> Iterator[str]:
    for name in ("command", "args"):
        words = container.get(name)
        yield from (word for word in (words if isinstance(words, list) else ()) if isinstance(word, str))
