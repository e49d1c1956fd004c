"""Why a pod that asks the old way is left alone (contract 6.1)."""

from enum import Enum


class Code(Enum):
    """A reason code, in the order in which they are looked for; the first that holds is told."""

    NAMESPACE_UNKNOWN = "namespace-unknown"
    MAPPING_CONFLICT = "mapping-conflict"
    OPTED_OUT = "opted-out"
    MIRROR_POD = "mirror-pod"
    NODE_NAME_SET = "node-name-set"
    OTHER_SCHEDULER = "other-scheduler"
    SERVED_BY_SCHEDULER = "served-by-scheduler"
    DEVICE_PLUGIN_PRESENT = "device-plugin-present"
    NO_COUNTERPART = "no-counterpart"
    UNPARSABLE_QUANTITY = "unparsable-quantity"
    TOO_MANY_DEVICES = "too-many-devices"
    CLASS_MISSING = "class-missing"
    LIMIT_RANGE = "limit-range"
    QUOTA_CONTINUITY = "quota-continuity"

    @property
    def can_be_ignored(self) -> bool:
        """Return whether a rewrite is possible all the same, for a person who says so (`migrate --ignore`)."""
        return self not in _HARD

    @property
    def advice(self) -> str:
        """Return what to do, short enough for a warning."""
        return _ADVICE[self]


_HARD = frozenset({Code.MAPPING_CONFLICT, Code.UNPARSABLE_QUANTITY, Code.TOO_MANY_DEVICES})
_ADVICE = {
    Code.MAPPING_CONFLICT: "give the LegacyMappings unlike priorities",
    Code.NAMESPACE_UNKNOWN: "create the pod again in a moment",
    Code.OPTED_OUT: "to move it, remove `drawbridge.dev/rewrite`",
    Code.MIRROR_POD: "run it as an ordinary pod",
    Code.NODE_NAME_SET: "leave the node to the scheduler",
    Code.OTHER_SCHEDULER: "use 'default-scheduler'",
    Code.SERVED_BY_SCHEDULER: "nothing to do, the scheduler serves it by DRA",
    Code.DEVICE_PLUGIN_PRESENT: "remove the device plugin from all nodes",
    Code.NO_COUNTERPART: "take it out of the pod, or opt out",
    Code.UNPARSABLE_QUANTITY: "write a whole number",
    Code.TOO_MANY_DEVICES: "ask at most 32 devices in one container",
    Code.CLASS_MISSING: "create the DeviceClass that is missing",
    Code.LIMIT_RANGE: "take the name out of the LimitRange",
    Code.QUOTA_CONTINUITY: "run `drawbridge migrate quota`",
}
