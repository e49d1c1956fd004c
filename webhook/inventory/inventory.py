"""Inventory: the devices that a cluster view shows, ready for matching.

An inventory is made anew when slices change, but what belongs to slices that have not changed is taken over from the
one before: their devices, what each expression gave on them, and what they publish.
"""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from webhook.core.cache import BoundedCache
from webhook.core.cluster import ClusterView
from webhook.core.devices import AttributeValue, Capacity, Device, DeviceInventory, ResourceSlice, TaintRule
from webhook.core.rows import Layout, row_of
from webhook.inventory.outcomes import Outcomes
from webhook.inventory.pools import IncompletePool, PlannedDevices, PublishedDevice, planned, pools_of, published_in
from webhook.inventory.schema import DomainSchema, Publication, schemas_of

_MOST_OUTCOMES = 4_000_000  # bytes
_MOST_EXPRESSIONS = 2_000
_MOST_ACCEPTED = 1_000_000  # references
NO_RULES: Mapping[str, TaintRule] = {}

Compiled = tuple[str, int]
"""An expression and the identity of its environment; environments are kept for good."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The devices of one slice, and how many of them publish what."""

    slice: ResourceSlice
    entries: tuple[PublishedDevice, ...]
    devices: tuple[Device, ...]


class Inventory:
    """Published devices (newest complete generation of each pool) and planned ones; immutable but for its caches.

    Devices are numbered: first all published ones, then the planned shapes.
    """

    def __init__(
        self,
        slices: Mapping[str, ResourceSlice],
        inventories: Mapping[str, DeviceInventory],
        before: "Inventory | None" = None,
        taint_rules: Mapping[str, TaintRule] = NO_RULES,
    ) -> None:
        pools = pools_of(slices.values())
        kept: Mapping[int, Part] = {} if before is None else before.parts
        # By the identity of their slices, which they keep.
        self.parts: Mapping[int, Part] = {id(part): kept.get(id(part)) or _part(part) for part in pools.slices}
        parts = self.parts.values()
        self.incomplete: tuple[IncompletePool, ...] = pools.incomplete
        self.published: tuple[PublishedDevice, ...] = tuple(chain.from_iterable(part.entries for part in parts))
        self.planned: tuple[PlannedDevices, ...] = tuple(planned(inventories.values()))
        self.devices: tuple[Device, ...] = (
            *(_tainted(self.published, taint_rules) if taint_rules else chain.from_iterable(p.devices for p in parts)),
            *(entry.device for entry in self.planned),
        )
        self.numbers = tuple(range(len(self.devices)))
        self.starts = dict(zip(self.parts, _starts(parts), strict=True))
        # What matching has filled: outcomes of one expression on each device, and which devices several accept.
        self._most = min(_MOST_EXPRESSIONS, 1 + _MOST_OUTCOMES // max(1, len(self.devices)))
        self.known: Mapping[Compiled, Outcomes] = {}
        self.accepted: BoundedCache[tuple[tuple[str, ...], int], tuple[int, ...]] = BoundedCache(_MOST_ACCEPTED)
        self._counted_before = None if before is None else self._counted(before)
        if before is not None:
            runs = tuple(self._runs(before))
            self.known = {key: outcomes.moved(runs) for key, outcomes in tuple(before.known.items())}

    def _counted(self, before: "Inventory") -> tuple[Counter[Publication], list[Device], list[Device]] | None:
        """Return what the inventory before had counted, and which devices are gone and new since, if these are few."""
        if "publications" not in before.__dict__:
            return None
        gone = [device for key, part in before.parts.items() if key not in self.parts for device in part.devices]
        new = [device for key, part in self.parts.items() if key not in before.parts for device in part.devices]
        if len(gone) + len(new) > len(self.devices):
            return None
        gone += (entry.device for entry in before.planned)
        new += (entry.device for entry in self.planned)
        return before.publications, gone, new

    def outcomes(self, key: Compiled) -> Outcomes:
        """Return what is known of the expression on each device; at first nothing is."""
        found = self.known.get(key)
        return Outcomes.unknown(len(self.devices)) if found is None else found

    def remember(self, key: Compiled, outcomes: Outcomes) -> None:
        full = key not in self.known and len(self.known) >= self._most
        self.known = {**({} if full else self.known), key: outcomes}

    def _runs(self, before: "Inventory") -> Iterator[tuple[int | None, int]]:
        """Yield where each stretch of devices stood before (None for new ones), and how many they are."""
        start: int | None = None
        length = 0
        for key, part in self.parts.items():
            old = before.starts.get(key)
            expected = None if start is None else start + length
            if old != expected and length:
                yield start, length
                length = 0
            if length == 0:
                start = old
            length += len(part.devices)
        if length:
            yield start, length
        if self.planned:
            yield None, len(self.planned)

    @cached_property
    def publications(self) -> Counter[Publication]:
        """How many devices publish what, by everything but values."""
        if self._counted_before is None:
            return publications_of(self.devices)
        total, gone, new = self._counted_before
        found = Counter(total)
        found.update(publications_of(new))
        found.subtract(publications_of(gone))
        return +found

    @cached_property
    def attributes_of(self) -> Mapping[str, frozenset[str]]:
        """The qualified names of the attributes that devices of each driver publish."""
        names: defaultdict[str, set[str]] = defaultdict(set)
        for publication in self.publications:
            names[publication.driver].update(publication.attributes.names)
        return {driver: frozenset(found) for driver, found in names.items()}

    @cached_property
    def domains(self) -> Mapping[str, DomainSchema]:
        return schemas_of(self.publications, self.values)

    def values(self, name: str) -> Counter[AttributeValue]:
        """Return the values of an attribute (qualified name), each with how many devices publish it."""
        rows = {id(device.attributes): device.attributes for device in self.devices}
        found: Counter[AttributeValue] = Counter()
        for look, count in Counter(id(device.attributes) for device in self.devices).items():
            value = rows[look].get(name)
            if value is not None:
                found[value] += count
        return found

    @cached_property
    def duplicates(self) -> tuple[tuple[str, str, str], ...]:
        """Driver, pool and name where several devices share a name; the scheduler uses nothing of such a pool."""
        counted = Counter((entry.device.driver, entry.pool, entry.device.name) for entry in self.published)
        return tuple(sorted(name for name, count in counted.items() if count > 1))


def _tainted(entries: Iterable[PublishedDevice], rules: Mapping[str, TaintRule]) -> Iterator[Device]:
    """Yield the devices, with the taints that administrators' rules add to those which they concern."""
    for entry in entries:
        added = [rule.taint for rule in rules.values() if rule.concerns(entry.device, entry.pool)]
        yield replace(entry.device, taints=(*entry.device.taints, *added)) if added else entry.device


def _part(of: ResourceSlice) -> Part:
    entries = tuple(published_in(of))
    devices = tuple(entry.device for entry in entries)
    return Part(of, entries, devices)


def _starts(parts: Iterable[Part]) -> Iterator[int]:
    start = 0
    for part in parts:
        yield start
        start += len(part.devices)


def publications_of(devices: Iterable[Device]) -> Counter[Publication]:
    capacities: dict[int, Mapping[str, Capacity]] = {}
    looks: dict[tuple[str, Layout, int], int] = {}
    for device in devices:
        look = (device.driver, row_of(device.attributes).layout, id(device.capacity))
        capacities[look[2]] = device.capacity
        looks[look] = looks.get(look, 0) + 1
    found: Counter[Publication] = Counter()
    for (driver, layout, capacity), count in looks.items():
        found[Publication(driver, layout, tuple(capacities[capacity]))] += count
    return found


class _Latest:
    """The inventories made last, so that reviews of one cluster view share one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[tuple[int, ...], tuple[tuple[object, ...], Inventory]] = OrderedDict()

    def of(self, view: ClusterView) -> Inventory:
        of = (view.slices, view.inventories, view.taint_rules)
        key = tuple(map(id, of))
        kept = self._made.get(key)
        if kept is None or any(one is not other for one, other in zip(kept[0], of, strict=True)):
            before = next(reversed(tuple(self._made.values())), (None, None))[1]
            kept = (of, Inventory(view.slices, view.inventories, before, view.taint_rules))
            self._made[key] = kept
            while len(self._made) > self._most:
                self._made.popitem(last=False)
        return kept[1]


_LATEST = _Latest(4)


def inventory_of(view: ClusterView) -> Inventory:
    """Return the inventory of a view; views that share their slices share it."""
    return _LATEST.of(view)
