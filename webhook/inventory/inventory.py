"""Inventory: the devices that a cluster view shows, ready for matching."""

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property

from webhook.cel.device import CelDevice, make_device
from webhook.core.cache import BoundedCache
from webhook.core.cluster import ClusterView
from webhook.core.devices import Device, DeviceInventory, ResourceSlice
from webhook.inventory.pools import PlannedDevices, PublishedDevice, planned, published
from webhook.inventory.schema import DomainSchema, domain_schemas

_MOST_OUTCOMES = 4_000_000  # each is a reference in a tuple, eight bytes


class Inventory:
    """Published devices (newest complete generation of each pool) and planned ones; immutable but for its caches.

    Devices are numbered: first all published ones, then the planned shapes.
    """

    def __init__(self, slices: Mapping[str, ResourceSlice], inventories: Mapping[str, DeviceInventory]) -> None:
        self.published: tuple[PublishedDevice, ...] = tuple(published(slices.values()))
        self.planned: tuple[PlannedDevices, ...] = tuple(planned(inventories.values()))
        self.devices: tuple[Device, ...] = (
            *(entry.device for entry in self.published),
            *(entry.device for entry in self.planned),
        )
        # What matching has filled: outcomes of one expression on each device, and what several accept.
        most = _MOST_OUTCOMES // max(1, len(self.devices))
        self.outcomes: BoundedCache[tuple[str, int], tuple[bool | str, ...] | None] = BoundedCache(most)
        self.accepted: BoundedCache[tuple[tuple[str, ...], int], tuple[int, ...] | None] = BoundedCache(most)

    @cached_property
    def cel_devices(self) -> tuple[CelDevice, ...]:
        return tuple(
            make_device(
                device.driver,
                device.attributes,
                {name: capacity.value for name, capacity in device.capacity.items()},
                device.allow_multiple_allocations,
            )
            for device in self.devices
        )

    @cached_property
    def domains(self) -> Mapping[str, DomainSchema]:
        return domain_schemas(self.devices)


class _Latest:
    """The inventories made last, so that reviews of one cluster view share one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[tuple[int, int], tuple[object, object, Inventory]] = OrderedDict()

    def of(self, view: ClusterView) -> Inventory:
        key = (id(view.slices), id(view.inventories))
        kept = self._made.get(key)
        if kept is None or kept[0] is not view.slices or kept[1] is not view.inventories:
            kept = (view.slices, view.inventories, Inventory(view.slices, view.inventories))
            self._made[key] = kept
            while len(self._made) > self._most:
                self._made.popitem(last=False)
        return kept[2]


_LATEST = _Latest(4)


def inventory_of(view: ClusterView) -> Inventory:
    """Return the inventory of a view; views that share their slices share it."""
    return _LATEST.of(view)
