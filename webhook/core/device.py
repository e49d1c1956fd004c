"""One device, in little room: a hundred thousand of them have few makes between them (resource.k8s.io, Device)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from webhook.core.cache import BoundedCache
from webhook.core.capacities import Capacity
from webhook.core.fieldpath import FieldPath
from webhook.core.raw import RawObject, Reader
from webhook.core.rows import Layout, Row, cells_of, layout_of, shared


class VersionText(str):
    """An attribute of type `version`: a semantic version, as text."""

    __slots__ = ()


AttributeValue = bool | int | str | VersionText | tuple["AttributeValue", ...]


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Binding:
    """What a pod waits for once the device is chosen for it, and what undoes the choice (KEP-5007).

    Both are condition types of the device's status in the claim; `to_node`: the pod is bound to the node as well.
    """

    conditions: tuple[str, ...] = ()
    failure_conditions: tuple[str, ...] = ()
    to_node: bool = False


NO_BINDING: Final = Binding()


def parse_binding(raw: RawObject, path: FieldPath, reader: Reader) -> Binding:
    """Return what a device, or the result of an allocation that has it, says of what is waited for."""
    binding = Binding(
        reader.texts(raw, "bindingConditions", path),
        reader.texts(raw, "bindingFailureConditions", path),
        reader.flag(raw, "bindsToNode", path),
    )
    return NO_BINDING if binding == NO_BINDING else binding


@dataclass(frozen=True, slots=True)
class Nodes:
    """Where a device may be used from, as a slice or the device itself states it."""

    node_name: str = ""
    node_selector: RawObject | None = None
    all_nodes: bool = False


NOT_STATED: Final = Nodes()


@dataclass(frozen=True, slots=True, eq=False)
class Make:
    """All that alike devices share: everything but their names, the values of their attributes and their places.

    Alike devices have the same object, as a rule, so that what depends on it alone is found out once.
    """

    driver: str
    layout: Layout
    capacity: Mapping[str, Capacity]
    allow_multiple_allocations: bool
    taints: tuple[Taint, ...]
    binding: Binding

    def is_like(self, other: "Make") -> bool:
        return self is other or (
            (self.driver, self.layout.names, self.layout.types, self.allow_multiple_allocations)
            == (other.driver, other.layout.names, other.layout.types, other.allow_multiple_allocations)
            and (self.taints, self.binding, self.capacity) == (other.taints, other.binding, other.capacity)
        )


_MOST_MAKES: Final = 10_000
_MAKES: BoundedCache[object, Make] = BoundedCache(_MOST_MAKES)


@dataclass(frozen=True, slots=True, eq=False)
class Device:
    """One device of a slice, or one shape of a DeviceInventory; `cells` are its attributes' values by the layout.

    `at` is its own where its slice leaves that to the devices.
    """

    name: str
    make: Make
    cells: tuple[AttributeValue, ...]
    at: Nodes = NOT_STATED

    @property
    def driver(self) -> str:
        return self.make.driver

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        return Row(self.make.layout, self.cells)

    @property
    def capacity(self) -> Mapping[str, Capacity]:
        return self.make.capacity

    @property
    def allow_multiple_allocations(self) -> bool:
        return self.make.allow_multiple_allocations

    @property
    def taints(self) -> tuple[Taint, ...]:
        return self.make.taints

    @property
    def binding(self) -> Binding:
        return self.make.binding

    def attribute(self, name: str) -> AttributeValue | None:
        """Return the value of an attribute by its qualified name; None where the device has none."""
        position = self.make.layout.index.get(name)
        return None if position is None else self.cells[position]

    def with_taints(self, taints: tuple[Taint, ...]) -> "Device":
        """Return the device with these taints beside its own."""
        make = self.make
        tainted = make_of(
            make.driver,
            make.layout,
            make.capacity,
            make.allow_multiple_allocations,
            (*make.taints, *taints),
            make.binding,
        )
        return Device(self.name, tainted, self.cells, self.at)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and (
            self is other
            or (
                (self.name, self.cells, self.at) == (other.name, other.cells, other.at)
                and self.make.is_like(other.make)
            )
        )

    def __hash__(self) -> int:
        return hash((self.name, self.cells))


_NO_CAPACITY: Final[Mapping[str, Capacity]] = {}


def make_of(
    driver: str,
    layout: Layout,
    capacity: Mapping[str, Capacity] = _NO_CAPACITY,
    allow_multiple_allocations: bool = False,
    taints: tuple[Taint, ...] = (),
    binding: Binding = NO_BINDING,
) -> Make:
    """Return the make of devices that have all this alike; capacities are known by their identity."""
    key = (driver, layout, id(capacity), allow_multiple_allocations, taints, binding)
    # The make keeps its capacities, so that no others can have their identity while it is kept.
    return _MAKES.get(key, 1, lambda: Make(driver, layout, capacity, allow_multiple_allocations, taints, binding))


def device_of(
    name: str,
    driver: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    capacity: Mapping[str, Capacity] = _NO_CAPACITY,
    *,
    allow_multiple_allocations: bool = False,
    taints: tuple[Taint, ...] = (),
    binding: Binding = NO_BINDING,
    at: Nodes = NOT_STATED,
) -> Device:
    """Return a device; names of attributes and capacities are qualified."""
    held = attributes or {}
    layout = layout_of(held)
    make = make_of(driver, layout, capacity, allow_multiple_allocations, taints, binding)
    return Device(shared(name), make, cells_of(layout, held), at)
