"""Reads the plain kinds of Kubernetes that rules ask about: namespaces, nodes, ResourceQuotas, LimitRanges.

Only what is asked about is kept: a node's status alone is larger than all that is left of it here.
"""

from webhook.core.cluster import NAME_LABEL, LimitRange, Namespace, Node, NodeTaint, ResourceQuota
from webhook.core.fieldpath import ROOT
from webhook.core.policies import PARAMETER_LABEL
from webhook.core.raw import EMPTY, RawObject, Reader

_LIMIT_FIELDS = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")
_SCOPE_FIELDS = ("scopes", "scopeSelector")


def parse_namespace(raw: RawObject, reader: Reader) -> Namespace:
    """Return a namespace with the label of its name, which the API server always sets (operations.md 0.19)."""
    metadata = reader.struct(raw, "metadata", ROOT) or EMPTY
    at = ROOT.child("metadata")
    name = reader.text(metadata, "name", at)
    labels = {**reader.text_map(metadata, "labels", at), NAME_LABEL: name}
    return Namespace(name, labels, reader.text_map(metadata, "annotations", at))


def parse_node(raw: RawObject, reader: Reader) -> Node:
    metadata = reader.struct(raw, "metadata", ROOT) or EMPTY
    at = ROOT.child("metadata")
    spec = reader.struct(raw, "spec", ROOT) or EMPTY
    status = reader.struct(raw, "status", ROOT) or EMPTY
    return Node(
        name=reader.text(metadata, "name", at),
        labels=reader.text_map(metadata, "labels", at),
        allocatable=reader.quantities(status, "allocatable", ROOT.child("status")),
        taints=tuple(
            NodeTaint(reader.text(t, "key", p), reader.text(t, "value", p), reader.text(t, "effect", p))
            for t, p in reader.structs(spec, "taints", ROOT.child("spec"))
        ),
    )


def parse_resource_quota(raw: RawObject, reader: Reader) -> ResourceQuota:
    metadata = reader.struct(raw, "metadata", ROOT) or EMPTY
    at = ROOT.child("metadata")
    spec = reader.struct(raw, "spec", ROOT) or EMPTY
    return ResourceQuota(
        namespace=reader.text(metadata, "namespace", at),
        name=reader.text(metadata, "name", at),
        hard=reader.quantities(spec, "hard", ROOT.child("spec")),
        scoped=any(spec.get(name) for name in _SCOPE_FIELDS),
    )


def parse_limit_range(raw: RawObject, reader: Reader) -> LimitRange:
    """Return the resource names of all limits for containers and pods; those for volume claims are no matter here."""
    metadata = reader.struct(raw, "metadata", ROOT) or EMPTY
    at = ROOT.child("metadata")
    spec = reader.struct(raw, "spec", ROOT) or EMPTY
    names: set[str] = set()
    for limit, path in reader.structs(spec, "limits", ROOT.child("spec")):
        if reader.text(limit, "type", path) in ("Container", "Pod"):
            for name in _LIMIT_FIELDS:
                names.update(reader.quantities(limit, name, path))
    return LimitRange(reader.text(metadata, "namespace", at), reader.text(metadata, "name", at), frozenset(names))


def parse_config_map(raw: RawObject) -> RawObject | None:
    """Return a ConfigMap that may be the parameters of policies, as it is; None for any other."""
    metadata = raw.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    chosen = isinstance(labels, dict) and labels.get(PARAMETER_LABEL) == "true"
    return parse_parameters(raw) if chosen else None


def parse_parameters(raw: RawObject) -> RawObject:
    """Return an object that is the parameters of policies, without what the API server keeps for itself."""
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return raw
    return {**raw, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}
