"""From ResourceSlices to the devices that count: those of each pool's newest complete generation."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from webhook.core.devices import Device, DeviceInventory, ResourceSlice
from webhook.inventory.reach import Reach, reach_of


@dataclass(frozen=True, slots=True)
class PublishedDevice:
    """A device that a driver publishes, with its pool and the nodes that reach it."""

    device: Device
    pool: str
    reach: Reach


@dataclass(frozen=True, slots=True)
class PlannedDevices:
    """Devices that a DeviceInventory states: `count` of one shape, at most `per_node` of them on one node."""

    device: Device
    count: int
    per_node: int


def published(slices: Iterable[ResourceSlice]) -> Iterator[PublishedDevice]:
    """Yield the devices of the newest complete generation of each pool.

    A generation is complete when as many of its slices are seen as `resourceSliceCount` says; a slice without a
    count (0, which the API server refuses) is taken as all there is.
    """
    pools: dict[tuple[str, str], dict[int, list[ResourceSlice]]] = defaultdict(lambda: defaultdict(list))
    for part in slices:
        pools[part.driver, part.pool][part.generation].append(part)
    for generations in pools.values():
        for generation in sorted(generations, reverse=True):
            parts = generations[generation]
            if len(parts) >= max(part.slice_count for part in parts):
                yield from _devices(parts)
                break


def _devices(parts: list[ResourceSlice]) -> Iterator[PublishedDevice]:
    for part in sorted(parts, key=lambda part: part.name):
        shared = None if part.per_device_nodes else reach_of(part, Device("", part.driver))
        for device in part.devices:
            yield PublishedDevice(device, part.pool, shared or reach_of(part, device))


def planned(inventories: Iterable[DeviceInventory]) -> Iterator[PlannedDevices]:
    for inventory in inventories:
        for entry in inventory.devices:
            yield PlannedDevices(entry.device, entry.count, entry.per_node)
