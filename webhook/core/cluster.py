"""ClusterView: all that rules may know of a cluster, frozen at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.core.catalogue import DriverPack, StatedDriver
from webhook.core.claims import Claim
from webhook.core.devices import DeviceClass, DeviceInventory, ResourceSlice, TaintRule
from webhook.core.mappings import LegacyMapping
from webhook.core.namespaced import Frozen, NamespacedName
from webhook.core.policies import ClaimPolicy
from webhook.core.quantity import Quantity
from webhook.core.quotas import DeviceQuota
from webhook.core.raw import RawObject
from webhook.core.versions import ServerTruth

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that the API server gives every namespace: its name."""


@dataclass(frozen=True, slots=True)
class Namespace:
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeTaint:
    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    labels: Mapping[str, str]
    allocatable: Mapping[str, Quantity]
    taints: tuple[NodeTaint, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceQuota:
    """Kubernetes' own quota; `scoped` is True where scopes narrow it (such a quota never matches claims)."""

    namespace: str
    name: str
    hard: Mapping[str, Quantity]
    scoped: bool = False


@dataclass(frozen=True, slots=True)
class LimitRange:
    """The resource names that a LimitRange of the namespace speaks of, for containers or pods."""

    namespace: str
    name: str
    resources: frozenset[str]


@dataclass(frozen=True, slots=True)
class ClusterView:
    """Frozen at one moment; a change makes a new view that shares what has not changed.

    `given` is False where no cluster was given at all: then nothing is known to be absent, and findings about
    absence stay silent (contract 2). Keys are names, or (namespace, name); a ClusterDeviceQuota's namespace is "".
    `policy_parameters` and `config_maps` are what policies may take parameters from, as received.
    `catalogue` holds the driver packs by driver, those of standard attributes by their domain; `drivers` what the
    operator states of them.
    """

    given: bool = False
    server: ServerTruth = field(default_factory=ServerTruth)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    device_classes: Mapping[str, DeviceClass] = field(default_factory=dict)
    slices: Mapping[str, ResourceSlice] = field(default_factory=dict)
    inventories: Mapping[str, DeviceInventory] = field(default_factory=dict)
    taint_rules: Mapping[str, TaintRule] = field(default_factory=dict)
    claims: Mapping[NamespacedName, Claim] = field(default_factory=dict)
    templates: Mapping[NamespacedName, Claim] = field(default_factory=dict)
    resource_quotas: Mapping[NamespacedName, ResourceQuota] = field(default_factory=dict)
    limit_ranges: Mapping[NamespacedName, LimitRange] = field(default_factory=dict)
    quotas: Mapping[NamespacedName, DeviceQuota] = field(default_factory=dict)
    mappings: Mapping[str, LegacyMapping] = field(default_factory=dict)
    policies: Mapping[str, ClaimPolicy] = field(default_factory=dict)
    policy_parameters: Mapping[NamespacedName, RawObject] = field(default_factory=dict)
    config_maps: Mapping[NamespacedName, RawObject] = field(default_factory=dict)
    catalogue: Mapping[str, DriverPack] = field(default_factory=dict)
    drivers: Mapping[str, StatedDriver] = field(default_factory=dict)

    def quotas_of(self, namespace: str) -> tuple[DeviceQuota, ...]:
        """Return the quotas that all must admit a claim of the namespace, in name order (contract 5.7)."""
        found = (quota for quota in self.quotas.values() if self.covers(quota, namespace))
        return tuple(sorted(found, key=lambda quota: (quota.name, quota.namespace)))

    def covers(self, quota: DeviceQuota, namespace: str) -> bool:
        """Return whether claims of the namespace are charged to the quota."""
        if quota.namespace:
            return quota.namespace == namespace
        return quota.namespace_selector.matches(self.selected_by(namespace))

    def claims_in(self, namespace: str) -> Mapping[str, Claim]:
        """Return the stored claims of a namespace by name."""
        if isinstance(self.claims, Frozen):
            return self.claims.of(namespace)
        return {name: claim for (place, name), claim in self.claims.items() if place == namespace}

    def selected_by(self, namespace: str) -> Mapping[str, str]:
        """Return the labels by which selectors find a namespace; one that is not known has its name alone."""
        return self.namespace_labels(namespace) or {NAME_LABEL: namespace}

    def namespace_labels(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace; None where it is not known."""
        known = self.namespaces.get(namespace)
        return None if known is None else known.labels
