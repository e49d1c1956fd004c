"""ResourceClaim and ResourceClaimTemplate of all three API versions in one model.

v1 and v1beta2 nest the fields of a request under `exactly`; v1beta1 has them directly on the request. Every part
keeps its path in the object **as received**, which is what messages and edits speak of (contract 3).
Source: resource.k8s.io types; the conversion and the defaults of each version.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from webhook.core.device import NO_BINDING, Binding, parse_binding
from webhook.core.device_status import DeviceStatus, parse_device_statuses
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.quantity import Quantity
from webhook.core.raw import EMPTY, Misfit, RawObject, Reader

GROUP = "resource.k8s.io"
CLAIM = "ResourceClaim"
TEMPLATE = "ResourceClaimTemplate"
FLAT_VERSION = f"{GROUP}/v1beta1"
FLAT_FIELDS = ("deviceClassName", "selectors", "allocationMode", "count", "adminAccess", "tolerations", "capacity")
"""What v1beta1 keeps on a request itself, and later versions under `exactly`."""


class AllocationMode(Enum):
    """`allocationMode`; UNKNOWN is a mode of a later release, which is charged but not judged."""

    EXACT_COUNT = "ExactCount"
    ALL = "All"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Selector:
    """One CEL selector; `path` is that of its `cel.expression`."""

    expression: str
    path: FieldPath


@dataclass(frozen=True, slots=True)
class CapacityRequest:
    """One entry of `capacity.requests`; its name may be bare or driver-qualified."""

    name: str
    quantity: Quantity
    path: FieldPath


@dataclass(frozen=True, slots=True)
class Toleration:
    key: str
    operator: str
    value: str
    effect: str
    path: FieldPath
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to serve a request: its `exactly`, or one entry of its `firstAvailable`.

    `name` is that of the request, or `request/subrequest`. `count` counts devices; it is 0 in mode ALL.
    """

    name: str
    path: FieldPath
    device_class_name: str
    selectors: tuple[Selector, ...] = ()
    mode: AllocationMode = AllocationMode.EXACT_COUNT
    count: int = 1
    admin_access: bool = False
    capacity: tuple[CapacityRequest, ...] = ()
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """One entry of `spec.devices.requests`; without alternatives it has a shape that we do not know."""

    name: str
    path: FieldPath
    alternatives: tuple[Alternative, ...]
    prioritized: bool = False


@dataclass(frozen=True, slots=True)
class Constraint:
    """One entry of `constraints`; an empty `requests` means every request of the claim."""

    path: FieldPath
    requests: tuple[str, ...] = ()
    match_attribute: str = ""
    distinct_attribute: str = ""


@dataclass(frozen=True, slots=True)
class OpaqueConfig:
    """One entry of `config`, for a driver; `parameters` is the driver's own object, as decoded."""

    path: FieldPath
    driver: str
    parameters: RawObject
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnerReference:
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool


@dataclass(frozen=True, slots=True)
class AllocatedDevice:
    """One result of `status.allocation.devices.results`."""

    request: str
    driver: str
    pool: str
    device: str
    admin_access: bool = False
    consumed: Mapping[str, Quantity] | None = None
    binding: Binding = NO_BINDING


@dataclass(frozen=True, slots=True)
class Metadata:
    """What Drawbridge reads of `metadata`; `name` is empty where only `generateName` is known yet."""

    namespace: str = ""
    name: str = ""
    generate_name: str = ""
    uid: str = ""
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    owners: tuple[OwnerReference, ...] = ()
    creation_timestamp: str = ""

    def controller(self) -> OwnerReference | None:
        return next((owner for owner in self.owners if owner.controller), None)


@dataclass(frozen=True, slots=True)
class Claim:
    """A ResourceClaim, or a ResourceClaimTemplate as the claim that it would make.

    `allocated` is None before allocation; `consumers` is how many pods (`status.reservedFor`) may use it,
    `device_statuses` what drivers report of its devices. `misfits` are the fields that could not be read.
    """

    kind: str
    api_version: str
    metadata: Metadata
    requests: tuple[DeviceRequest, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    config: tuple[OpaqueConfig, ...] = ()
    allocated: tuple[AllocatedDevice, ...] | None = None
    consumers: int = 0
    device_statuses: tuple[DeviceStatus, ...] = ()
    misfits: tuple[Misfit, ...] = ()

    def alternatives(self) -> Iterator[Alternative]:
        for device_request in self.requests:
            yield from device_request.alternatives

    def requests_path(self) -> FieldPath:
        return devices_path(self.kind).child("requests")

    def made_from_template(self) -> bool:
        """Return whether the claim controller made it for a pod or a pod group."""
        return "resource.kubernetes.io/pod-claim-name" in (self.metadata.annotations or {})

    def made_by_a_controller(self) -> bool:
        """Return whether a controller made the claim not from a template: the rules never refuse it (contract 4)."""
        return self.kind == CLAIM and self.metadata.controller() is not None and not self.made_from_template()


def devices_path(kind: str) -> FieldPath:
    return ROOT.child("spec", "spec", "devices") if kind == TEMPLATE else ROOT.child("spec", "devices")


def parse_claim(raw: RawObject) -> Claim:
    """Return the claim or template; what cannot be read is among its misfits."""
    reader = Reader()
    kind = reader.text(raw, "kind", ROOT)
    api_version = reader.text(raw, "apiVersion", ROOT)
    path = devices_path(kind)
    spec = reader.struct(raw, "spec", ROOT) or EMPTY
    if kind == TEMPLATE:
        spec = reader.struct(spec, "spec", ROOT.child("spec")) or EMPTY
    devices = reader.struct(spec, "devices", path) or EMPTY
    flat = api_version == FLAT_VERSION
    return Claim(
        kind=kind,
        api_version=api_version,
        metadata=parse_metadata(raw, reader),
        requests=tuple(_device_request(r, at, flat, reader) for r, at in reader.structs(devices, "requests", path)),
        constraints=tuple(_constraint(c, at, reader) for c, at in reader.structs(devices, "constraints", path)),
        config=parse_config(devices, path, reader),
        allocated=None if kind == TEMPLATE else _allocated(raw, reader),
        consumers=0 if kind == TEMPLATE else _consumers(raw, reader),
        device_statuses=() if kind == TEMPLATE else parse_device_statuses(raw, reader),
        misfits=tuple(reader.misfits),
    )


def parse_metadata(raw: RawObject, reader: Reader) -> Metadata:
    at = ROOT.child("metadata")
    metadata = reader.struct(raw, "metadata", ROOT) or EMPTY
    return Metadata(
        namespace=reader.text(metadata, "namespace", at),
        name=reader.text(metadata, "name", at),
        generate_name=reader.text(metadata, "generateName", at),
        uid=reader.text(metadata, "uid", at),
        labels=reader.text_map(metadata, "labels", at),
        annotations=reader.text_map(metadata, "annotations", at),
        owners=tuple(_owner(o, path, reader) for o, path in reader.structs(metadata, "ownerReferences", at)),
        creation_timestamp=reader.text(metadata, "creationTimestamp", at),
    )


def _owner(raw: RawObject, path: FieldPath, reader: Reader) -> OwnerReference:
    return OwnerReference(
        api_version=reader.text(raw, "apiVersion", path),
        kind=reader.text(raw, "kind", path),
        name=reader.text(raw, "name", path),
        uid=reader.text(raw, "uid", path),
        controller=reader.flag(raw, "controller", path),
    )


def _device_request(raw: RawObject, path: FieldPath, flat: bool, reader: Reader) -> DeviceRequest:
    name = reader.text(raw, "name", path)
    alternatives = []
    if flat and _asks_directly(raw):
        alternatives.append(_alternative(raw, path, name, reader))
    elif not flat and (exactly := reader.struct(raw, "exactly", path)) is not None:
        alternatives.append(_alternative(exactly, path.child("exactly"), name, reader))
    listed = [
        _alternative(sub, at, f"{name}/{reader.text(sub, 'name', at)}", reader)
        for sub, at in reader.structs(raw, "firstAvailable", path)
    ]
    return DeviceRequest(name, path, (*alternatives, *listed), prioritized=bool(listed))


def _asks_directly(raw: RawObject) -> bool:
    """Return whether a v1beta1 request converts to one with `exactly` (v1beta1/conversion.go)."""
    set_by_value = any(raw.get(field) for field in ("deviceClassName", "allocationMode", "count"))
    return set_by_value or any(
        raw.get(field) is not None for field in ("selectors", "adminAccess", "tolerations", "capacity")
    )


def _alternative(raw: RawObject, path: FieldPath, name: str, reader: Reader) -> Alternative:
    written = reader.text(raw, "allocationMode", path) or AllocationMode.EXACT_COUNT.value
    mode = AllocationMode(written) if written in ("ExactCount", "All") else AllocationMode.UNKNOWN
    count = reader.integer(raw, "count", path)
    if mode is AllocationMode.EXACT_COUNT and count == 0:
        count = 1  # v1/defaults.go: an explicit 0 becomes 1 as well
    capacity = reader.struct(raw, "capacity", path) or EMPTY
    at = path.child("capacity")
    asked = reader.quantities(capacity, "requests", at)
    return Alternative(
        name=name,
        path=path,
        device_class_name=reader.text(raw, "deviceClassName", path),
        selectors=parse_selectors(raw, path, reader),
        mode=mode,
        count=count,
        admin_access=reader.flag(raw, "adminAccess", path),
        capacity=tuple(CapacityRequest(key, q, at.child("requests").key(key)) for key, q in asked.items()),
        tolerations=tuple(_toleration(t, p, reader) for t, p in reader.structs(raw, "tolerations", path)),
    )


def parse_selectors(raw: RawObject, path: FieldPath, reader: Reader) -> tuple[Selector, ...]:
    """Return the CEL selectors of a request or a class; a selector of another kind is none of ours."""
    found = []
    for selector, at in reader.structs(raw, "selectors", path, inner="cel.expression"):
        cel = reader.struct(selector, "cel", at, inner="expression")
        if cel is not None:
            found.append(Selector(reader.text(cel, "expression", at.child("cel")), at.child("cel", "expression")))
    return tuple(found)


def _toleration(raw: RawObject, path: FieldPath, reader: Reader) -> Toleration:
    seconds = reader.integer(raw, "tolerationSeconds", path)
    return Toleration(
        key=reader.text(raw, "key", path),
        operator=reader.text(raw, "operator", path) or "Equal",
        value=reader.text(raw, "value", path),
        effect=reader.text(raw, "effect", path),
        path=path,
        seconds=seconds if raw.get("tolerationSeconds") is not None else None,
    )


def _constraint(raw: RawObject, path: FieldPath, reader: Reader) -> Constraint:
    return Constraint(
        path=path,
        requests=reader.texts(raw, "requests", path),
        match_attribute=reader.text(raw, "matchAttribute", path),
        distinct_attribute=reader.text(raw, "distinctAttribute", path),
    )


def parse_config(raw: RawObject, path: FieldPath, reader: Reader) -> tuple[OpaqueConfig, ...]:
    """Return the opaque configurations of a claim or a class."""
    found = []
    for entry, at in reader.structs(raw, "config", path):
        opaque = reader.struct(entry, "opaque", at)
        if opaque is not None:
            found.append(
                OpaqueConfig(
                    path=at,
                    driver=reader.text(opaque, "driver", at.child("opaque")),
                    parameters=reader.struct(opaque, "parameters", at.child("opaque")) or EMPTY,
                    requests=reader.texts(entry, "requests", at),
                )
            )
    return tuple(found)


def _allocated(raw: RawObject, reader: Reader) -> tuple[AllocatedDevice, ...] | None:
    at = ROOT.child("status")
    status = reader.struct(raw, "status", ROOT) or EMPTY
    allocation = reader.struct(status, "allocation", at)
    if allocation is None:
        return None
    at = at.child("allocation")
    devices = reader.struct(allocation, "devices", at) or EMPTY
    return tuple(_result(r, path, reader) for r, path in reader.structs(devices, "results", at.child("devices")))


def _consumers(raw: RawObject, reader: Reader) -> int:
    at = ROOT.child("status")
    return sum(1 for _ in reader.structs(reader.struct(raw, "status", ROOT) or EMPTY, "reservedFor", at))


def _result(raw: Mapping[str, Any], path: FieldPath, reader: Reader) -> AllocatedDevice:
    consumed = None
    if raw.get("consumedCapacity") is not None:
        consumed = reader.quantities(raw, "consumedCapacity", path)
    return AllocatedDevice(
        request=reader.text(raw, "request", path),
        driver=reader.text(raw, "driver", path),
        pool=reader.text(raw, "pool", path),
        device=reader.text(raw, "device", path),
        admin_access=reader.flag(raw, "adminAccess", path),
        consumed=consumed,
        binding=parse_binding(raw, path, reader),
    )
