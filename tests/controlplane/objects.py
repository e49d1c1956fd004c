"""Nodes and GPUs for a cluster without kubelets and drivers: manifests as the API server takes them."""

from collections.abc import Mapping, Sequence

from tests.controlplane.api import Json

NODES = "v1/nodes"
PODS = "v1/pods"
CLAIMS = "resource.k8s.io/v1/resourceclaims"
TEMPLATES = "resource.k8s.io/v1/resourceclaimtemplates"
CLASSES = "resource.k8s.io/v1/deviceclasses"
SLICES = "resource.k8s.io/v1/resourceslices"

DEVICE_QUOTAS = "drawbridge.dev/v1alpha1/devicequotas"
CLUSTER_DEVICE_QUOTAS = "drawbridge.dev/v1alpha1/clusterdevicequotas"
CLAIM_POLICIES = "drawbridge.dev/v1alpha1/claimpolicies"
LEGACY_MAPPINGS = "drawbridge.dev/v1alpha1/legacymappings"

GPU_DRIVER = "gpu.nvidia.com"
GPU_SELECTOR = f"device.driver == '{GPU_DRIVER}' && device.attributes['{GPU_DRIVER}'].type == 'gpu'"

MIG_CLASS = "mig.nvidia.com"
MIG_SELECTOR = f"device.driver == '{GPU_DRIVER}' && device.attributes['{GPU_DRIVER}'].type == 'mig'"


def make_node(name: str, labels: Mapping[str, str] | None = None, **extended: str) -> Json:
    """Return a ready node; `extended` are allocatable amounts besides cpu, memory and pods, "__" in a name for "/"."""
    amounts = {"cpu": "64", "memory": "512Gi", "pods": "250"}
    amounts |= {key.replace("__", "/").replace("_", "."): value for key, value in extended.items()}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Test", "message": ""}],
        },
    }


def make_device_class(name: str = GPU_DRIVER, selector: str = GPU_SELECTOR, extended_resource: str = "") -> Json:
    """Return a DeviceClass with one selector."""
    spec: Json = {"selectors": [{"cel": {"expression": selector}}]}
    if extended_resource:
        spec["extendedResourceName"] = extended_resource
    return {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": name}, "spec": spec}


def make_gpu(index: int, product: str = "NVIDIA H100 80GB HBM3", memory: str = "81559Mi") -> Json:
    """Return a whole GPU as NVIDIA's driver publishes it."""
    attributes: Json = {
        "type": {"string": "gpu"},
        "uuid": {"string": f"GPU-00000000-0000-0000-0000-{index:012d}"},
        "productName": {"string": product},
        "brand": {"string": "Nvidia"},
        "architecture": {"string": "Hopper"},
        "cudaComputeCapability": {"version": "9.0.0"},
        "driverVersion": {"version": "580.65.6"},
        "resource.kubernetes.io/pcieRoot": {"string": f"pci0000:{index:02x}"},
    }
    return {"name": f"gpu-{index}", "attributes": attributes, "capacity": {"memory": {"value": memory}}}


def make_mig(index: int, profile: str = "1g.10gb", memory: str = "9856Mi") -> Json:
    """Return a MIG device as NVIDIA's driver publishes it."""
    attributes: Json = {"type": {"string": "mig"}, "profile": {"string": profile}}
    return {"name": f"mig-{index}", "attributes": attributes, "capacity": {"memory": {"value": memory}}}


def make_slice(node: str, devices: Sequence[Json], driver: str = GPU_DRIVER) -> Json:
    """Return the one ResourceSlice of a node's pool."""
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": f"{node}-{driver}"},
        "spec": {
            "driver": driver,
            "nodeName": node,
            "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
            "devices": list(devices),
        },
    }


def make_exact_request(count: int = 1, device_class: str = GPU_DRIVER, *selectors: str) -> Json:
    """Return a v1 request named gpu for `count` devices."""
    exactly: Json = {"deviceClassName": device_class, "count": count}
    if selectors:
        exactly["selectors"] = [{"cel": {"expression": selector}} for selector in selectors]
    return {"name": "gpu", "exactly": exactly}


def make_claim_object(namespace: str, name: str, request: Json) -> Json:
    """Return a ResourceClaim of one request."""
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"devices": {"requests": [request]}},
    }


def make_template(namespace: str, name: str, request: Json) -> Json:
    """Return a ResourceClaimTemplate of one request."""
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"spec": {"devices": {"requests": [request]}}},
    }


def make_pod(namespace: str, name: str, template: str = "", **limits: str) -> Json:
    """Return a pod with one container; `template` is the claim template it refers to, `limits` as in `make_node`."""
    amounts = {key.replace("__", "/").replace("_", "."): value for key, value in limits.items()}
    resources: Json = {"limits": amounts} if amounts else {}
    spec: Json = {"containers": [{"name": "main", "image": "example.com/train:1", "resources": resources}]}
    if template:
        resources["claims"] = [{"name": "gpu"}]
        spec["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": template}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name}, "spec": spec}


def make_device_quota(namespace: str, name: str, *limits: Json) -> Json:
    """Return a DeviceQuota."""
    return {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "DeviceQuota",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"limits": list(limits)},
    }


def make_cluster_device_quota(name: str, namespaces: Sequence[str], *limits: Json) -> Json:
    """Return a ClusterDeviceQuota over some namespaces."""
    selected = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(namespaces)}
    return {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "ClusterDeviceQuota",
        "metadata": {"name": name},
        "spec": {"namespaceSelector": {"matchExpressions": [selected]}, "limits": list(limits)},
    }


def make_legacy_mapping(name: str, namespace: str, *resources: Json) -> Json:
    """Return a LegacyMapping that rewrites the pods of one namespace."""
    return {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "LegacyMapping",
        "metadata": {"name": name},
        "spec": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "mode": "Rewrite",
            "resources": list(resources),
        },
    }
