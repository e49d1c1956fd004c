"""DeviceClass, ResourceSlice and DeviceInventory: what can be asked for, and what drivers publish.

Attribute and capacity names are always qualified here: one without a domain belongs to the driver's own
(resource.k8s.io types, QualifiedName).
"""

from dataclasses import dataclass

from webhook.core.capacities import parse_capacities, qualified
from webhook.core.claims import (
    GROUP,
    Metadata,
    OpaqueConfig,
    Selector,
    parse_config,
    parse_metadata,
    parse_selectors,
)
from webhook.core.device import (
    NOT_STATED,
    AttributeValue,
    Device,
    Nodes,
    Taint,
    VersionText,
    device_of,
    parse_binding,
)
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.raw import EMPTY, Misfit, RawObject, Reader

CLASS = "DeviceClass"


@dataclass(frozen=True, slots=True)
class DeviceClass:
    api_version: str
    metadata: Metadata
    selectors: tuple[Selector, ...] = ()
    config: tuple[OpaqueConfig, ...] = ()
    extended_resource_name: str = ""
    misfits: tuple[Misfit, ...] = ()

    @property
    def name(self) -> str:
        return self.metadata.name


@dataclass(frozen=True, slots=True)
class TaintRule:
    """A DeviceTaintRule: an administrator's taint on devices of a driver, a pool or one device; empty is every one.

    `understood` is False where it chooses devices in a way of an early API version, or none at all.
    """

    name: str
    taint: Taint
    driver: str = ""
    pool: str = ""
    device: str = ""
    understood: bool = True
    misfits: tuple[Misfit, ...] = ()

    def concerns(self, device: Device, pool: str) -> bool:
        wanted = ((self.driver, device.driver), (self.pool, pool), (self.device, device.name))
        return self.understood and all(asked in ("", has) for asked, has in wanted)


@dataclass(frozen=True, slots=True)
class ResourceSlice:
    """One part of a pool; only slices of the pool's newest generation count, and only when all are there."""

    name: str
    driver: str
    pool: str
    generation: int
    slice_count: int
    devices: tuple[Device, ...]
    node_name: str = ""
    node_selector: RawObject | None = None
    all_nodes: bool = False
    per_device_nodes: bool = False
    misfits: tuple[Misfit, ...] = ()


@dataclass(frozen=True, slots=True)
class InventoryDevice:
    """A shape that is not published now: how many there are, and how many on one node at most."""

    device: Device
    count: int
    per_node: int


@dataclass(frozen=True, slots=True)
class DeviceInventory:
    name: str
    driver: str
    devices: tuple[InventoryDevice, ...]
    misfits: tuple[Misfit, ...] = ()


def parse_device_class(raw: RawObject) -> DeviceClass:
    reader = Reader()
    at = ROOT.child("spec")
    spec = reader.struct(raw, "spec", ROOT) or EMPTY
    return DeviceClass(
        api_version=reader.text(raw, "apiVersion", ROOT),
        metadata=parse_metadata(raw, reader),
        selectors=parse_selectors(spec, at, reader),
        config=parse_config(spec, at, reader),
        extended_resource_name=reader.text(spec, "extendedResourceName", at),
        misfits=tuple(reader.misfits),
    )


def parse_slice(raw: RawObject) -> ResourceSlice:
    reader = Reader()
    at = ROOT.child("spec")
    spec = reader.struct(raw, "spec", ROOT) or EMPTY
    pool = reader.struct(spec, "pool", at) or EMPTY
    driver = reader.text(spec, "driver", at)
    flat = reader.text(raw, "apiVersion", ROOT) == f"{GROUP}/v1beta1"
    return ResourceSlice(
        name=parse_metadata(raw, reader).name,
        driver=driver,
        pool=reader.text(pool, "name", at.child("pool")),
        generation=reader.integer(pool, "generation", at.child("pool")),
        slice_count=reader.integer(pool, "resourceSliceCount", at.child("pool")),
        devices=tuple(_slice_device(d, p, driver, flat, reader) for d, p in reader.structs(spec, "devices", at)),
        node_name=reader.text(spec, "nodeName", at),
        node_selector=reader.struct(spec, "nodeSelector", at),
        all_nodes=reader.flag(spec, "allNodes", at),
        per_device_nodes=reader.flag(spec, "perDeviceNodeSelection", at),
        misfits=tuple(reader.misfits),
    )


def parse_taint_rule(raw: RawObject) -> TaintRule:
    reader = Reader()
    at = ROOT.child("spec")
    spec = reader.struct(raw, "spec", ROOT) or EMPTY
    chosen = reader.struct(spec, "deviceSelector", at)
    selector = chosen or EMPTY
    taint = reader.struct(spec, "taint", at) or EMPTY
    return TaintRule(
        name=parse_metadata(raw, reader).name,
        taint=_taint(taint, at.child("taint"), reader),
        driver=reader.text(selector, "driver", at.child("deviceSelector")),
        pool=reader.text(selector, "pool", at.child("deviceSelector")),
        device=reader.text(selector, "device", at.child("deviceSelector")),
        # Without a selector a rule concerns no device; v1alpha3 could choose by class and by CEL.
        understood=chosen is not None and not selector.get("deviceClassName") and not selector.get("selectors"),
        misfits=tuple(reader.misfits),
    )


def parse_inventory(raw: RawObject) -> DeviceInventory:
    reader = Reader()
    at = ROOT.child("spec")
    spec = reader.struct(raw, "spec", ROOT) or EMPTY
    driver = reader.text(spec, "driver", at)
    return DeviceInventory(
        name=parse_metadata(raw, reader).name,
        driver=driver,
        devices=tuple(
            InventoryDevice(
                device=parse_device(d, p, driver, reader),
                count=reader.integer(d, "count", p),
                per_node=reader.integer(d, "perNode", p) or reader.integer(d, "count", p),
            )
            for d, p in reader.structs(spec, "devices", at)
        ),
        misfits=tuple(reader.misfits),
    )


def _slice_device(raw: RawObject, path: FieldPath, driver: str, flat: bool, reader: Reader) -> Device:
    """Return a device of a slice; v1beta1 keeps everything but the name in `basic`."""
    if flat:
        basic = reader.struct(raw, "basic", path) or EMPTY
        return parse_device({**basic, "name": raw.get("name")}, path.child("basic"), driver, reader)
    return parse_device(raw, path, driver, reader)


def parse_device(raw: RawObject, path: FieldPath, driver: str, reader: Reader) -> Device:
    """Return one device in the shape of `ResourceSlice.spec.devices[]` (v1, v1beta2)."""
    attributes = {}
    at = path.child("attributes")
    for name, box in (reader.struct(raw, "attributes", path) or EMPTY).items():
        value = _attribute(box, at.key(name), reader)
        if value is not None:
            attributes[qualified(name, driver)] = value
    return device_of(
        reader.text(raw, "name", path),
        driver,
        attributes,
        parse_capacities(reader.struct(raw, "capacity", path) or EMPTY, path.child("capacity"), driver, reader),
        allow_multiple_allocations=reader.flag(raw, "allowMultipleAllocations", path),
        taints=tuple(_taint(taint, at, reader) for taint, at in reader.structs(raw, "taints", path)),
        binding=parse_binding(raw, path, reader),
        at=_nodes(raw, path, reader),
    )


def _nodes(raw: RawObject, path: FieldPath, reader: Reader) -> Nodes:
    nodes = Nodes(
        reader.text(raw, "nodeName", path),
        reader.struct(raw, "nodeSelector", path),
        reader.flag(raw, "allNodes", path),
    )
    return NOT_STATED if nodes == NOT_STATED else nodes


def _taint(raw: RawObject, path: FieldPath, reader: Reader) -> Taint:
    return Taint(reader.text(raw, "key", path), reader.text(raw, "value", path), reader.text(raw, "effect", path))


def _attribute(box: object, path: FieldPath, reader: Reader) -> AttributeValue | None:
    if not isinstance(box, dict) or len(box) != 1:
        reader.note(path, "must have exactly one of `bool`, `int`, `string`, `version` or a list of them")
        return None
    kind, value = next(iter(box.items()))
    match kind, value:
        case ("bool", bool()) | ("string", str()):
            return value  # type: ignore[no-any-return]  # narrowed by the pattern
        case "int", int() if not isinstance(value, bool):
            return value
        case "version", str():
            return VersionText(value)
        case (("bools" | "ints" | "strings"), list()):
            return tuple(value)
        case "versions", list():
            return tuple(VersionText(item) for item in value if isinstance(item, str))
        case _:
            reader.note(path, "must have exactly one of `bool`, `int`, `string`, `version` or a list of them")
            return None
