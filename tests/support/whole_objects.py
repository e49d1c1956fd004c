"""Objects of our kinds with every field, as they can be stored."""

from tests.support.deployment import Manifest

OWN = "drawbridge.dev/v1alpha1"
PLURALS = {
    "ClaimPolicy": "claimpolicies",
    "ClaimPolicyParameters": "claimpolicyparameters",
    "ClusterDeviceQuota": "clusterdevicequotas",
    "DeviceInventory": "deviceinventories",
    "DeviceQuota": "devicequotas",
    "LegacyMapping": "legacymappings",
}

MATCH_ALL: Manifest = {
    "deviceClassName": "gpu.nvidia.com",
    "driver": "gpu.nvidia.com",
    "migProfile": "1g.10gb+me",
    "selector": "true",
}
WHOLE: dict[str, Manifest] = {
    "DeviceQuota": {
        "mode": "Audit",
        "warnAt": 80,
        "countAdminAccess": True,
        "limits": [
            {"name": "whole-gpus", "match": MATCH_ALL, "devices": 0},
            {"name": "memory", "capacity": {"name": "gpu.nvidia.com/memory", "quantity": "320Gi", "minimum": "0.5Gi"}},
            {"name": "slices", "match": {}, "slices": 28},
        ],
    },
    "LegacyMapping": {
        "namespaceSelector": {},
        "mode": "Rewrite",
        "priority": -1,
        "coexistence": "LeaveAlone",
        "quotaContinuity": "Require",
        "tolerations": "Add",
        "dropLabels": False,
        "resources": [
            {"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"},
            {
                "pattern": "nvidia.com/mig-(?P<profile>.+)",
                "deviceClassName": "mig.nvidia.com",
                "values": {"1g.10gb.me": "1g.10gb+me"},
                "selector": "device.attributes['gpu.nvidia.com'].profile == '{profile}'",
            },
            {"name": "nvidia.com/gpumem", "capacity": {"of": "nvidia.com/gpu", "name": "memory", "unit": "Mi"}},
            {"name": "nvidia.com/percent", "capacity": {"of": "nvidia.com/gpu", "name": "memory", "percent": True}},
            {"name": "nvidia.com/gpucores", "capacity": {"of": "nvidia.com/gpu", "name": "cores"}},
            {
                "name": "nvidia.com/gpu.shared",
                "deviceClassName": "shared-gpu.nvidia.com",
                "requests": {"memory": "10Gi"},
                "config": [{"opaque": {"driver": "gpu.nvidia.com", "parameters": {"kind": "GpuConfig"}}}],
                "constraints": [{"matchAttribute": "resource.kubernetes.io/pcieRoot"}],
            },
            {"name": "nvidia.com/nano", "capacity": {"of": "nvidia.com/gpu", "name": "cores", "unit": "n"}},
        ],
        "nodeLabels": [{"label": "nvidia.com/gpu.product", "selector": "'{value}' == ''"}],
        "withoutCounterpart": [
            {"annotation": "nvidia.com/use-gputype", "value": "A100", "action": "LeaveAlone", "why": "no claim says it"}
        ],
    },
    "DeviceInventory": {
        "driver": "gpu.nvidia.com",
        "devices": [
            {
                "name": "h200",
                "count": 64,
                "perNode": 8,
                "allowMultipleAllocations": True,
                "attributes": {
                    "type": {"string": "gpu"},
                    "ecc": {"bool": True},
                    "resource.kubernetes.io/numaNode": {"ints": [0, 1]},
                    "driverVersion": {"version": "580.0.0"},
                },
                "capacity": {
                    "memory": {
                        "value": "141Gi",
                        "requestPolicy": {
                            "default": "1Gi",
                            "validRange": {"min": "1Gi", "max": "141Gi", "step": "1Gi"},
                        },
                    },
                    "shares": {"value": 8, "requestPolicy": {"default": 1, "validValues": [1, 2, 4, 8]}},
                },
                "taints": [{"key": "example.com/on-order", "effect": "NoSchedule"}],
            }
        ],
    },
    "ClaimPolicy": {
        "match": {
            "namespaceSelector": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["prod"]}]},
            "objectSelector": {"matchLabels": {"app": "train"}},
            "resources": ["claims", "templates", "pods", "workloads", "deviceclasses"],
        },
        "percent": 25,
        "failurePolicy": "Ignore",
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "paramRef": {"name": "limits", "parameterNotFoundAction": "Allow"},
        "matchConditions": [{"name": "not-admin", "expression": "true"}],
        "variables": [{"name": "requests", "expression": "claim.requests"}],
        "validations": [
            {"expression": "true", "message": "m", "messageExpression": "'m'", "field": "spec", "reason": "Forbidden"}
        ],
        "auditAnnotations": [{"key": "requests", "valueExpression": "'1'"}],
        "defaults": [
            {"toleration": {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}},
            {"capacity": {"name": "memory", "quantity": "10Gi"}},
            {"label": {"key": "example.com/team", "value": "a"}},
        ],
        "mode": "Warn",
        "exceptions": [
            {"namespaces": ["team-a"], "until": "2027-01-31", "reason": "moving", "ticket": "OPS-1"},
            {"users": ["ann"], "claimSelector": {"matchLabels": {"a": "b"}}, "until": "2027-01-31", "reason": "trial"},
        ],
    },
}
WHOLE["ClaimPolicyParameters"] = {"maxDevices": 4, "classes": ["gpu.nvidia.com"]}
WHOLE["ClusterDeviceQuota"] = {**WHOLE["DeviceQuota"], "namespaceSelector": {"matchLabels": {"tier": "prod"}}}


def make_whole(kind: str, spec: Manifest) -> Manifest:
    """Return the object "x", in `default` where its kind is namespaced."""
    namespace = {"namespace": "default"} if kind in ("DeviceQuota", "ClaimPolicyParameters") else {}
    return {"apiVersion": OWN, "kind": kind, "metadata": {"name": "x", **namespace}, "spec": spec}
