"""The kinds that Drawbridge reads: how the API serves each, and what of it is kept.

The reflector and the folder reader share this one table, so that a cluster and a folder of its manifests give the same
view. A kind that is not in it is none of ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from webhook.core.claims import CLAIM, GROUP, TEMPLATE, parse_claim
from webhook.core.devices import CLASS, parse_device_class, parse_inventory, parse_slice, parse_taint_rule
from webhook.core.fieldpath import ROOT
from webhook.core.mappings import KIND as MAPPING
from webhook.core.mappings import parse_mapping
from webhook.core.namespaced import NamespacedName
from webhook.core.policies import CONFIG_MAP, PARAMETER_LABEL, PARAMETERS
from webhook.core.policies import KIND as POLICY
from webhook.core.policies_parse import parse_policy
from webhook.core.quotas import CLUSTER_DEVICE_QUOTA, DEVICE_QUOTA, parse_quota
from webhook.core.raw import EMPTY, Misfit, RawObject, Reader
from webhook.kube.objects import (
    parse_config_map,
    parse_limit_range,
    parse_namespace,
    parse_node,
    parse_parameters,
    parse_resource_quota,
)

Key = str | NamespacedName
OWN_GROUP = "drawbridge.dev"
OWN_VERSION = "v1alpha1"
_DRA_VERSIONS = ("v1", "v1beta2", "v1beta1")
_TAINT_RULE_VERSIONS = ("v1", "v1beta2", "v1alpha3")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind; `versions` in order of preference, `field` the part of the ClusterView that holds its objects.

    `keep` parses an object to the frozen value that is kept, or None where it is none that matters; what it cannot
    read it notes in the reader. A kind without a field is watched by the controller alone. With `labels` only the
    objects that this label selector names are asked for, and kept.
    """

    group: str
    versions: tuple[str, ...]
    plural: str
    name: str
    namespaced: bool
    field: str
    keep: Callable[[RawObject, Reader], object]
    labels: str = ""

    def api_version(self, version: str) -> str:
        return f"{self.group}/{version}" if self.group else version

    def key(self, namespace: str, name: str) -> Key:
        """Return the key in the view: a name, or (namespace, name); quotas of both kinds share the second form."""
        return (namespace, name) if self.namespaced or self.field == "quotas" else name


@dataclass(frozen=True, slots=True)
class Projected:
    """One object as it is kept, and the fields of it that could not be read."""

    kind: Kind
    key: Key
    value: object
    misfits: tuple[Misfit, ...] = ()


def _noting(parse: Callable[[RawObject], object]) -> Callable[[RawObject, Reader], object]:
    """Return a parser that keeps its own misfits in the form of one that is given a reader."""

    def keep(raw: RawObject, reader: Reader) -> object:
        value = parse(raw)
        reader.misfits.extend(getattr(value, "misfits", ()))
        return value

    return keep


def _dra(plural: str, name: str, namespaced: bool, field: str, parse: Callable[[RawObject], object]) -> Kind:
    return Kind(GROUP, _DRA_VERSIONS, plural, name, namespaced, field, _noting(parse))


def _core(plural: str, name: str, namespaced: bool, field: str, keep: Callable[[RawObject, Reader], object]) -> Kind:
    return Kind("", ("v1",), plural, name, namespaced, field, keep)


def _own(plural: str, name: str, namespaced: bool, field: str, parse: Callable[[RawObject], object]) -> Kind:
    return Kind(OWN_GROUP, (OWN_VERSION,), plural, name, namespaced, field, _noting(parse))


DEVICE_CLASSES = _dra("deviceclasses", CLASS, False, "device_classes", parse_device_class)
SLICES = _dra("resourceslices", "ResourceSlice", False, "slices", parse_slice)
CLAIMS = _dra("resourceclaims", CLAIM, True, "claims", parse_claim)
TEMPLATES = _dra("resourceclaimtemplates", TEMPLATE, True, "templates", parse_claim)
TAINT_RULES = Kind(
    GROUP, _TAINT_RULE_VERSIONS, "devicetaintrules", "DeviceTaintRule", False, "taint_rules", _noting(parse_taint_rule)
)
NAMESPACES = _core("namespaces", "Namespace", False, "namespaces", parse_namespace)
NODES = _core("nodes", "Node", False, "nodes", parse_node)
RESOURCE_QUOTAS = _core("resourcequotas", "ResourceQuota", True, "resource_quotas", parse_resource_quota)
LIMIT_RANGES = _core("limitranges", "LimitRange", True, "limit_ranges", parse_limit_range)
QUOTAS = _own("devicequotas", DEVICE_QUOTA, True, "quotas", parse_quota)
CLUSTER_QUOTAS = _own("clusterdevicequotas", CLUSTER_DEVICE_QUOTA, False, "quotas", parse_quota)
MAPPINGS = _own("legacymappings", MAPPING, False, "mappings", parse_mapping)
INVENTORIES = _own("deviceinventories", "DeviceInventory", False, "inventories", parse_inventory)
POLICIES = _own("claimpolicies", POLICY, False, "policies", parse_policy)
POLICY_PARAMETERS = _own("claimpolicyparameters", PARAMETERS, True, "policy_parameters", parse_parameters)
CONFIG_MAPS = Kind(
    "", ("v1",), "configmaps", CONFIG_MAP, True, "config_maps", _noting(parse_config_map), f"{PARAMETER_LABEL}=true"
)

KINDS = (
    DEVICE_CLASSES,
    SLICES,
    TAINT_RULES,
    CLAIMS,
    TEMPLATES,
    NAMESPACES,
    NODES,
    RESOURCE_QUOTAS,
    LIMIT_RANGES,
    QUOTAS,
    CLUSTER_QUOTAS,
    MAPPINGS,
    INVENTORIES,
    POLICIES,
    POLICY_PARAMETERS,
    CONFIG_MAPS,
)
_BY_NAME: Mapping[tuple[str, str], Kind] = {(kind.group, kind.name): kind for kind in KINDS}


def kind_of(raw: RawObject) -> Kind | None:
    """Return the kind of an object, whatever its version; None where it is none of ours."""
    api_version, name = raw.get("apiVersion"), raw.get("kind")
    if not isinstance(api_version, str) or not isinstance(name, str):
        return None
    group, _, _ = api_version.rpartition("/")
    return _BY_NAME.get((group, name))


def projected(raw: RawObject, kind: Kind) -> Projected:
    """Return what is kept of an object of the kind."""
    reader = Reader()
    metadata = reader.struct(raw, "metadata", ROOT) or EMPTY
    at = ROOT.child("metadata")
    namespace = reader.text(metadata, "namespace", at) if kind.namespaced else ""
    key = kind.key(namespace, reader.text(metadata, "name", at))
    kept = Reader()
    value = kind.keep(raw, kept)
    return Projected(kind, key, value, tuple(kept.misfits) or tuple(reader.misfits))
