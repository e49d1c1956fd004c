"""Builders: valid objects with all defaults, so that a test states only what matters."""

from collections.abc import Iterable, Mapping
from typing import Any

from webhook.core.claims import Claim, parse_claim
from webhook.core.cluster import ClusterView, Namespace
from webhook.core.devices import DeviceClass, ResourceSlice, parse_device_class, parse_slice
from webhook.core.versions import ServerTruth

DRIVER = "gpu.example.com"
CLASS = "gpu.example.com"

Raw = dict[str, Any]


def request(
    name: str = "gpu",
    *selectors: str,
    device_class: str = CLASS,
    count: int | None = None,
    capacity: Mapping[str, str] | None = None,
    **fields: Any,
) -> Raw:
    """Return one v1 request with `exactly`."""
    exactly: Raw = {"deviceClassName": device_class, **fields}
    if selectors:
        exactly["selectors"] = [{"cel": {"expression": text}} for text in selectors]
    if count is not None:
        exactly["count"] = count
    if capacity is not None:
        exactly["capacity"] = {"requests": dict(capacity)}
    return {"name": name, "exactly": exactly}


def claim_object(*requests: Raw, name: str = "claim", namespace: str = "team-a", uid: str = "", **devices: Any) -> Raw:
    """Return a v1 ResourceClaim as decoded JSON."""
    metadata = {"name": name, "namespace": namespace, **({"uid": uid} if uid else {})}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": metadata,
        "spec": {"devices": {"requests": list(requests) or [request()], **devices}},
    }


def make_claim(*requests: Raw, **fields: Any) -> Claim:
    return parse_claim(claim_object(*requests, **fields))


def claim_with(*selectors: str, **fields: Any) -> Claim:
    """Return a claim of one request with these selectors."""
    return make_claim(request("gpu", *selectors, **fields))


def device(name: str, capacity: Mapping[str, Any] | None = None, **attributes: Any) -> Raw:
    """Return a device of a slice; attributes by Python type (a version is given as {'version': text})."""
    return {
        "name": name,
        "attributes": {key.replace("__", "/"): _box(value) for key, value in attributes.items()},
        "capacity": {
            key: value if isinstance(value, dict) else {"value": value} for key, value in (capacity or {}).items()
        },
    }


def _box(value: Any) -> Any:
    match value:
        case bool():
            return {"bool": value}
        case int():
            return {"int": value}
        case str():
            return {"string": value}
        case _:
            return value


def slice_object(
    *devices: Raw, driver: str = DRIVER, node: str = "node-1", pool: str = "", generation: int = 1, count: int = 1
) -> Raw:
    pool = pool or node
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": f"{driver}-{pool}-{generation}"},
        "spec": {
            "driver": driver,
            "nodeName": node,
            "pool": {"name": pool, "generation": generation, "resourceSliceCount": count},
            "devices": list(devices),
        },
    }


def make_slice(*devices: Raw, **fields: Any) -> ResourceSlice:
    return parse_slice(slice_object(*devices, **fields))


def class_object(name: str = CLASS, *selectors: str, **spec: Any) -> Raw:
    listed = [{"cel": {"expression": text}} for text in selectors or (f"device.driver == '{DRIVER}'",)]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": name},
        "spec": {"selectors": listed, **spec},
    }


def make_class(name: str = CLASS, *selectors: str, **spec: Any) -> DeviceClass:
    return parse_device_class(class_object(name, *selectors, **spec))


def make_view(
    *slices: ResourceSlice,
    classes: Iterable[DeviceClass] | None = None,
    namespaces: Iterable[str] = ("team-a",),
    server: ServerTruth | None = None,
    **fields: Any,
) -> ClusterView:
    """Return a view of one class and these slices; the server is of the newest version with its default gates."""
    classes = (make_class(),) if classes is None else classes
    return ClusterView(
        given=True,
        server=server or ServerTruth(assume_defaults=True),
        slices={part.name: part for part in slices},
        device_classes={one.name: one for one in classes},
        namespaces={name: Namespace(name, {"kubernetes.io/metadata.name": name}) for name in namespaces},
        **fields,
    )
