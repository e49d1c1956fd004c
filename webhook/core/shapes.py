"""Which fields the DRA objects and the DRA parts of pods have, by API version: for commands that read files.

Source: resource.k8s.io types of Kubernetes 1.37 (v1, v1beta2, v1beta1) and core/v1 Pod; a field that an older server
does not know yet is not held against anybody. A status is the server's to write and is not looked into.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from webhook.core.claims import CLAIM, FLAT_VERSION, GROUP, TEMPLATE
from webhook.core.devices import CLASS

SLICE = "ResourceSlice"


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map with keys of the user's choice."""

    value: "Shape"


Struct = Mapping[str, "Shape"]
Shape = Struct | tuple["Shape"] | MapOf | None
"""A struct by its fields, a list of one shape, a map, or None for what is not looked into."""


def _leaves(*names: str) -> Struct:
    return dict.fromkeys(names)


METADATA = _leaves(
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)
SELECTOR: Struct = {"cel": _leaves("expression")}
CAPACITY: Struct = {"requests": MapOf(None)}
TOLERATION = _leaves("key", "operator", "value", "effect", "tolerationSeconds")
OPAQUE = _leaves("driver", "parameters")
_ASK: Struct = {
    **_leaves("deviceClassName", "allocationMode", "count"),
    "selectors": (SELECTOR,),
    "tolerations": (TOLERATION,),
    "capacity": CAPACITY,
    "derivedAttributes": (_leaves("name", "expression"),),
}
EXACTLY: Struct = {**_ASK, "adminAccess": None}
SUB_REQUEST: Struct = {"name": None, **_ASK}
REQUEST: Struct = {"name": None, "exactly": EXACTLY, "firstAvailable": (SUB_REQUEST,)}
FLAT_REQUEST: Struct = {"name": None, **EXACTLY, "firstAvailable": (SUB_REQUEST,)}
CONFIG: Struct = {"requests": None, "opaque": OPAQUE}
CONSTRAINT = _leaves("requests", "matchAttribute", "distinctAttribute")


def devices_of(request: Struct) -> Struct:
    return {"requests": (request,), "constraints": (CONSTRAINT,), "config": (CONFIG,)}


_TERM = (_leaves("key", "operator", "values"),)
NODE_SELECTOR: Struct = {"nodeSelectorTerms": ({"matchExpressions": _TERM, "matchFields": _TERM},)}
_COUNTERS = MapOf(_leaves("value"))
ATTRIBUTE = _leaves("bool", "int", "string", "version", "bools", "ints", "strings", "versions")
_POLICY: Struct = {"default": None, "validValues": None, "validRange": _leaves("min", "max", "step")}
BASIC: Struct = {
    **_leaves("nodeName", "allNodes", "bindsToNode", "bindingConditions", "bindingFailureConditions"),
    **_leaves("allowMultipleAllocations", "nodeAllocatableResources"),
    "attributes": MapOf(ATTRIBUTE),
    "capacity": MapOf({"value": None, "requestPolicy": _POLICY}),
    "consumesCounters": ({"counterSet": None, "counters": _COUNTERS, "compatibilityGroups": None},),
    "nodeSelector": NODE_SELECTOR,
    "taints": (_leaves("key", "value", "effect", "timeAdded"),),
}
DEVICE: Struct = {"name": None, **BASIC}
FLAT_DEVICE: Struct = {"name": None, "basic": BASIC}


def slice_spec(device: Struct) -> Struct:
    return {
        **_leaves("driver", "nodeName", "allNodes", "perDeviceNodeSelection"),
        **_leaves("partitionTypeAttribute", "skipNodeOperations"),
        "pool": _leaves("name", "generation", "resourceSliceCount"),
        "nodeSelector": NODE_SELECTOR,
        "devices": (device,),
        "sharedCounters": ({"name": None, "counters": _COUNTERS},),
    }


def _object(spec: Struct) -> Struct:
    return {**_leaves("apiVersion", "kind", "status"), "metadata": METADATA, "spec": spec}


CLAIM_SPEC: Struct = {"devices": devices_of(REQUEST)}
FLAT_CLAIM_SPEC: Struct = {"devices": devices_of(FLAT_REQUEST)}
TEMPLATE_SPEC: Struct = {"metadata": METADATA, "spec": CLAIM_SPEC}
FLAT_TEMPLATE_SPEC: Struct = {"metadata": METADATA, "spec": FLAT_CLAIM_SPEC}
CLASS_CONFIG: Struct = {"opaque": OPAQUE}
CLASS_SPEC: Struct = {"selectors": (SELECTOR,), "config": (CLASS_CONFIG,), "extendedResourceName": None}

_NESTED: Mapping[str, Struct] = {
    CLAIM: _object(CLAIM_SPEC),
    TEMPLATE: _object(TEMPLATE_SPEC),
    CLASS: _object(CLASS_SPEC),
    SLICE: _object(slice_spec(DEVICE)),
}
_FLAT: Mapping[str, Struct] = {
    CLAIM: _object(FLAT_CLAIM_SPEC),
    TEMPLATE: _object(FLAT_TEMPLATE_SPEC),
    CLASS: _object(CLASS_SPEC),
    SLICE: _object(slice_spec(FLAT_DEVICE)),
}

POD_CLAIM = _leaves("name", "resourceClaimName", "resourceClaimTemplateName")
RESOURCES: Struct = {**_leaves("limits", "requests"), "claims": (_leaves("name", "request"),)}


def shape_of(api_version: str, kind: str) -> Struct | None:
    """Return the fields of an object of the DRA group; None for a kind that is none of it."""
    if api_version.rpartition("/")[0] != GROUP:
        return None
    return (_FLAT if api_version == FLAT_VERSION else _NESTED).get(kind)
