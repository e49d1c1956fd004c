"""Devices, classes and views of the NVIDIA driver, with the catalogue that is shipped."""

from typing import Any

from tests.support.build import Raw, device, make_class, make_slice, make_view
from webhook.core.cluster import ClusterView
from webhook.kube.shipped import shipped_catalogue

DRIVER = "gpu.nvidia.com"
MIG = "mig.nvidia.com"
H100 = "NVIDIA H100 80GB HBM3"
A100 = "NVIDIA A100-SXM4-40GB"
_TYPE = "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == '{}'"
CLASSES = (make_class(DRIVER, _TYPE.format("gpu")), make_class(MIG, _TYPE.format("mig")))


def gpu(name: str, product: str = H100, **fields: Any) -> Raw:
    return device(name, {"memory": "80Gi"}, type="gpu", productName=product, uuid=f"GPU-{name}", **fields)


def partition(name: str, profile: str, parent: str = "GPU-0", product: str = H100) -> Raw:
    return device(name, type="mig", productName=product, profile=profile, parentUUID=parent)


def nvidia_view(*devices: Raw, **fields: Any) -> ClusterView:
    """Return a view of one node with these devices; the server has them of the newest version."""
    slices = [make_slice(*devices, driver=DRIVER)] if devices else []
    return make_view(*slices, classes=CLASSES, catalogue=shipped_catalogue(), **fields)


def profile_is(profile: str) -> str:
    return f"device.attributes['gpu.nvidia.com'].profile == '{profile}'"
