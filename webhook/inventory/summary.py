"""What a cluster has, in few words: devices by driver and shape, and claims that hold devices for nobody."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.device import AttributeValue, Binding, Device, Taint
from webhook.core.devices import ResourceSlice
from webhook.core.quantity import Quantity
from webhook.inventory.inventory import inventory_of
from webhook.inventory.pools import Place, PlannedDevices, planned

# What tells one device from its like, whatever the driver (KEP-4381, KEP-6072, and drivers' own names).
_IDENTITY = frozenset({"uuid", "parentUUID", "pciBusID", "pciAddress", "pcieRoot", "numaNode", "index", "minor", "id"})
_FEW = 3

Attributes = tuple[tuple[str, AttributeValue], ...]
Capacities = tuple[tuple[str, Quantity], ...]
_Shape = tuple[bool, Attributes, Capacities, Binding, tuple[Taint, ...]]


@dataclass(frozen=True, slots=True)
class ShapeSummary:
    """Devices that differ in nothing but their identity; `planned` of them are only stated by a DeviceInventory.

    A capacity of one, which only marks the place of a partition (`memorySlice3`), is left out.
    """

    count: int
    planned: int
    shareable: bool
    attributes: Attributes
    capacity: Capacities
    binding: Binding
    taints: tuple[Taint, ...]


@dataclass(frozen=True, slots=True)
class DriverSummary:
    """What one driver publishes; `incomplete` pools lack slices, so that their devices do not count."""

    driver: str
    pools: int
    nodes: int
    devices: int
    planned: int
    incomplete: tuple[str, ...]
    shapes: tuple[ShapeSummary, ...]


def driver_summaries(view: ClusterView) -> tuple[DriverSummary, ...]:
    """Return what each driver publishes, by the driver's name; the most frequent shapes first."""
    live: defaultdict[str, list[tuple[Device, Place]]] = defaultdict(list)
    inventory = inventory_of(view)
    for device, place in zip(inventory.devices, inventory.places, strict=False):
        live[device.driver].append((device, place))
    stated: defaultdict[str, list[PlannedDevices]] = defaultdict(list)
    for plan in planned(view.inventories.values()):
        stated[plan.device.driver].append(plan)
    pools: defaultdict[str, set[str]] = defaultdict(set)
    for part in view.slices.values():
        pools[part.driver].add(part.pool)
    return tuple(
        DriverSummary(
            driver=driver,
            pools=len(pools[driver]),
            nodes=len({place.reach.node_name for _, place in live[driver]} - {""}),
            devices=len(live[driver]),
            planned=sum(plan.count for plan in stated[driver]),
            incomplete=_incomplete(view.slices.values(), driver),
            shapes=_shapes(live[driver], stated[driver]),
        )
        for driver in sorted({*pools, *stated})
    )


def _incomplete(slices: Iterable[ResourceSlice], driver: str) -> tuple[str, ...]:
    """Return the pools whose newest generation is not there whole."""
    newest: dict[str, list[ResourceSlice]] = {}
    for part in slices:
        if part.driver == driver:
            kept = newest.get(part.pool)
            if kept is None or part.generation > kept[0].generation:
                newest[part.pool] = [part]
            elif part.generation == kept[0].generation:
                kept.append(part)
    return tuple(sorted(pool for pool, parts in newest.items() if len(parts) < max(part.slice_count for part in parts)))


def _shapes(live: Iterable[tuple[Device, Place]], stated: Iterable[PlannedDevices]) -> tuple[ShapeSummary, ...]:
    entries = [(device, 1, 0) for device, _ in live] + [(plan.device, 0, plan.count) for plan in stated]
    own = _own_names(device for device, _, _ in entries)
    counts: Counter[_Shape] = Counter()
    plans: Counter[_Shape] = Counter()
    for device, one, more in entries:
        attributes = tuple(sorted((name, value) for name, value in device.attributes.items() if name not in own))
        capacity = tuple(
            sorted((name, found.value) for name, found in device.capacity.items() if found.value.amount != 1)
        )
        shape = (device.allow_multiple_allocations, attributes, capacity, device.binding, device.taints)
        counts[shape] += one
        plans[shape] += more
    summaries = (ShapeSummary(counts[shape], plans[shape], *shape) for shape in counts)
    return tuple(sorted(summaries, key=lambda shape: (-shape.count, -shape.planned, str(shape.attributes))))


def _own_names(devices: Iterable[Device]) -> frozenset[str]:
    """Return the attributes that name single devices: by their names, or because no two devices share a value."""
    values: defaultdict[str, set[AttributeValue]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for device in devices:
        for name, value in device.attributes.items():
            values[name].add(value)
            counts[name] += 1
    return frozenset(
        name
        for name, count in counts.items()
        if name.rpartition("/")[2] in _IDENTITY or len(values[name]) == count > _FEW
    )


def idle_claims(view: ClusterView) -> Iterator[Claim]:
    """Yield the claims that hold devices while no pod may use them, in name order."""
    idle = (claim for claim in view.claims.values() if claim.allocated and not claim.consumers)
    yield from sorted(idle, key=lambda claim: (claim.metadata.namespace, claim.metadata.name))
