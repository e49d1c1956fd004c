"""From ResourceSlices to the devices that count: those of each pool's newest complete generation."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from webhook.core.device import Device
from webhook.core.devices import DeviceInventory, ResourceSlice
from webhook.inventory.reach import Reach, reach_of


class Place(NamedTuple):
    """The pool that a published device is of, and the nodes that reach it."""

    pool: str
    reach: Reach


@dataclass(frozen=True, slots=True)
class PlannedDevices:
    """Devices that a DeviceInventory states: `count` of one shape, at most `per_node` of them on one node."""

    device: Device
    count: int
    per_node: int


@dataclass(frozen=True, slots=True)
class IncompletePool:
    """A pool whose newest generation is not there whole; `older` tells whether an older one is, which then counts."""

    driver: str
    pool: str
    generation: int
    seen: int
    wanted: int
    older: bool


@dataclass(frozen=True, slots=True)
class Pools:
    """Of each pool the slices whose devices count, and the pools of which slices are missing."""

    slices: tuple[tuple[ResourceSlice, ...], ...]
    incomplete: tuple[IncompletePool, ...]


def pools_of(slices: Iterable[ResourceSlice]) -> Pools:
    """Return the slices of the newest complete generation of each pool.

    A generation is complete when as many of its slices are seen as `resourceSliceCount` says; a slice without a
    count (0, which the API server refuses) is taken as all there is.
    """
    pools: dict[tuple[str, str], list[ResourceSlice]] = defaultdict(list)
    for part in slices:
        pools[part.driver, part.pool].append(part)
    counted: list[tuple[ResourceSlice, ...]] = []
    incomplete = []
    for parts in pools.values():
        if len(parts) == 1 and parts[0].slice_count <= 1:
            counted.append((parts[0],))
            continue
        generations = _generations(parts)
        whole = next((found for found in generations if len(found) >= _wanted(found)), None)
        if whole is not None:
            counted.append(tuple(sorted(whole, key=lambda part: part.name)))
        newest = generations[0]
        if newest is not whole:
            of = newest[0]
            incomplete.append(
                IncompletePool(of.driver, of.pool, of.generation, len(newest), _wanted(newest), whole is not None)
            )
    return Pools(tuple(counted), tuple(incomplete))


def _generations(parts: Iterable[ResourceSlice]) -> list[list[ResourceSlice]]:
    """Return the slices by generation, the newest first."""
    found: dict[int, list[ResourceSlice]] = defaultdict(list)
    for part in parts:
        found[part.generation].append(part)
    return [found[generation] for generation in sorted(found, reverse=True)]


def _wanted(parts: Iterable[ResourceSlice]) -> int:
    return max(part.slice_count for part in parts)


def names_twice(devices: Iterable[Device]) -> tuple[str, ...]:
    """Return the names that several devices of a pool have; the scheduler allocates nothing of such a pool."""
    names = [device.name for device in devices]
    if len({*names}) == len(names):
        return ()
    return tuple(name for name, count in Counter(names).items() if count > 1)


def places_in(part: ResourceSlice) -> tuple[Place, ...]:
    """Return the places of a slice's devices, one for all unless the slice leaves that to them."""
    if part.per_device_nodes:
        return tuple(Place(part.pool, reach_of(device.at)) for device in part.devices)
    return (Place(part.pool, reach_of(part)),) * len(part.devices)


def planned(inventories: Iterable[DeviceInventory]) -> Iterator[PlannedDevices]:
    for inventory in inventories:
        for entry in inventory.devices:
            yield PlannedDevices(entry.device, entry.count, entry.per_node)
