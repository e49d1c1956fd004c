"""Claims and classes with opaque configuration, judged with the catalogue that is shipped."""

from typing import Any

from tests.support.build import Raw, claim_object, class_object, make_class, request
from webhook.core.catalogue import StatedDriver
from webhook.core.claims import parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.devices import parse_device_class
from webhook.core.finding import Finding
from webhook.inventory.case import Case
from webhook.kube.shipped import shipped_catalogue
from webhook.rules import Check, judged

NVIDIA = "gpu.nvidia.com"
GPU = f"device.driver == '{NVIDIA}' && device.attributes['{NVIDIA}'].type == 'gpu'"
MIG = f"device.driver == '{NVIDIA}' && device.attributes['{NVIDIA}'].type == 'mig'"
AMD = "device.driver == 'gpu.amd.com'"
CLASSES = {
    one.name: one
    for one in (make_class(NVIDIA, GPU), make_class("mig.nvidia.com", MIG), make_class("gpu.amd.com", AMD))
}


def view_of(*drivers: tuple[str, str, dict[str, bool]]) -> ClusterView:
    """Return a view of the classes above, with drivers stated by name, version and gates."""
    stated = {name: StatedDriver(version, gates) for name, version, gates in drivers}
    return ClusterView(device_classes=CLASSES, catalogue=shipped_catalogue(), drivers=stated)


def entry(parameters: Any, driver: str = NVIDIA, *requests: str) -> Raw:
    return {
        "opaque": {"driver": driver, "parameters": parameters},
        **({"requests": list(requests)} if requests else {}),
    }


def gpu_config(kind: str = "GpuConfig", **fields: Any) -> Raw:
    return {"apiVersion": "resource.nvidia.com/v1beta1", "kind": kind, **fields}


def in_claim(
    check: Check, *config: Raw, view: ClusterView | None = None, classes: tuple[str, ...] = (NVIDIA,)
) -> list[Finding]:
    """Return what a rule finds in a claim of one request a class, `r0`, `r1` ..., with this configuration."""
    requests = [request(f"r{number}", device_class=name) for number, name in enumerate(classes)]
    claim = parse_claim(claim_object(*requests, config=list(config)))
    return list(judged(Case(claim, "team-a", view or view_of()), (check,)))


def in_class(check: Check, selector: str, *config: Raw, view: ClusterView | None = None) -> list[Finding]:
    device_class = parse_device_class(class_object("some", selector, config=list(config)))
    return list(judged(Case(device_class, "", view or view_of()), (check,)))
