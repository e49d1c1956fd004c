"""Inventory: the devices that a cluster view shows, ready for matching.

An inventory is made anew when slices change, but what belongs to slices that have not changed is taken over from the
one before: their devices, what each expression gave on them, and what they publish.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from operator import attrgetter

from webhook.core.cache import BoundedCache
from webhook.core.cluster import ClusterView
from webhook.core.device import AttributeValue, Device, Make
from webhook.core.devices import DeviceInventory, ResourceSlice, TaintRule
from webhook.inventory.case import never
from webhook.inventory.outcomes import Outcomes
from webhook.inventory.pools import IncompletePool, Place, PlannedDevices, names_twice, places_in, planned, pools_of
from webhook.inventory.schema import MOST_VALUES, DomainSchema, Survey

_MAKE = attrgetter("make")
_AT_ONCE = 4_000  # devices
_MOST_OUTCOMES = 4_000_000  # bytes
_MOST_EXPRESSIONS = 2_000
_MOST_ACCEPTED = 1_000_000  # references
NO_RULES: Mapping[str, TaintRule] = {}

Compiled = tuple[str, int]
"""An expression and the identity of its environment; environments are kept for good."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One slice whose devices count, with their places; `twice` are names that several of them have."""

    slice: ResourceSlice
    places: tuple[Place, ...]
    twice: tuple[str, ...]

    @property
    def devices(self) -> tuple[Device, ...]:
        return self.slice.devices


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
        self.parts: dict[int, Part] = {}
        duplicates: list[tuple[str, str, str]] = []
        for pool in pools.slices:
            part = kept.get(id(pool[0])) if len(pool) == 1 else None
            if part is not None:  # it would not have been kept, had it names twice
                self.parts[id(pool[0])] = part
                continue
            of_pool = [kept.get(id(one)) or Part(one, places_in(one), names_twice(one.devices)) for one in pool]
            twice = _twice(of_pool)
            duplicates += ((pool[0].driver, pool[0].pool, name) for name in twice)
            if not twice:
                self.parts.update((id(part.slice), part) for part in of_pool)
        # Driver, pool and name where several devices share a name; the scheduler allocates nothing of such a pool.
        self.duplicates: tuple[tuple[str, str, str], ...] = tuple(sorted(duplicates))
        parts = self.parts.values()
        self.incomplete: tuple[IncompletePool, ...] = pools.incomplete
        self.places: tuple[Place, ...] = tuple(chain.from_iterable(part.places for part in parts))
        self.planned: tuple[PlannedDevices, ...] = tuple(planned(inventories.values()))
        published: Iterable[Device] = chain.from_iterable(part.devices for part in parts)
        if taint_rules:
            published = _tainted(zip(published, self.places, strict=True), taint_rules)
        self.devices: tuple[Device, ...] = (*published, *(entry.device for entry in self.planned))
        self.starts = dict(zip(self.parts, _starts(parts), strict=True))
        # What matching has filled: outcomes of one expression on each device, and which devices several accept.
        self._most = min(_MOST_EXPRESSIONS, 1 + _MOST_OUTCOMES // max(1, len(self.devices)))
        self.known: Mapping[Compiled, Outcomes] = {}
        self.accepted: BoundedCache[tuple[tuple[str, ...], int], tuple[int, ...]] = BoundedCache(_MOST_ACCEPTED)
        self._survey: Survey | None = None
        self._unfinished: list[Survey] = []
        if before is not None:
            runs = tuple(self._runs(before))
            self.known = {key: outcomes.moved(runs) for key, outcomes in tuple(before.known.items())}

    @property
    def live(self) -> int:
        """How many devices are published; from this number on they are planned."""
        return len(self.places)

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
    def makes(self) -> Counter[Make]:
        """How many devices there are of each make."""
        return Counter(map(_MAKE, self.devices))

    def is_surveyed(self, expired: Callable[[], bool] = never) -> bool:
        """Return whether all that is published is counted; count as long as there is time.

        Threads that race count it twice at worst; what one left when its time was over the next one goes on with.
        """
        if self._survey is None:
            if expired():
                return False
            try:
                survey = self._unfinished.pop()
            except IndexError:
                survey = Survey(self.makes, partial(_values, self.devices))
            if not survey.is_done(expired):
                self._unfinished.append(survey)
                return False
            self._survey = survey
        return True

    @property
    def survey(self) -> Survey:
        """What is published, by domain and driver."""
        self.is_surveyed()
        assert self._survey is not None  # nobody waited
        return self._survey

    @property
    def attributes_of(self) -> Mapping[str, Collection[str]]:
        """The qualified names of the attributes that devices of each driver publish."""
        return self.survey.attributes_of

    @property
    def domains(self) -> Mapping[str, DomainSchema]:
        return self.survey.domains


def _values(devices: Sequence[Device], name: str) -> Counter[AttributeValue]:
    """Return the values of an attribute (qualified name), each with how many of the devices publish it.

    Once there are more than `MOST_VALUES`, those of the devices that follow are not counted. Knows nothing of the
    inventory, which keeps it: an inventory that refers to itself would stay in memory long after it is needed.
    """
    found: Counter[AttributeValue] = Counter()
    positions: dict[Make, int | None] = {}
    for start in range(0, len(devices), _AT_ONCE):
        some = devices[start : start + _AT_ONCE]
        for make in {*map(_MAKE, some)} - positions.keys():
            positions[make] = make.layout.names.index(name) if name in make.layout.names else None
        places = ((device.cells, positions[device.make]) for device in some)
        found.update(cells[position] for cells, position in places if position is not None)
        if len(found) > MOST_VALUES:
            break
    return found


def _twice(parts: Sequence[Part]) -> tuple[str, ...]:
    """Return the device names that are twice in a pool."""
    if len(parts) == 1:
        return parts[0].twice
    return names_twice(device for part in parts for device in part.devices)


def _tainted(published: Iterable[tuple[Device, Place]], rules: Mapping[str, TaintRule]) -> Iterator[Device]:
    """Yield the devices, with the taints that administrators' rules add to those which they concern."""
    for device, place in published:
        added = tuple(rule.taint for rule in rules.values() if rule.concerns(device, place.pool))
        yield device.with_taints(added) if added else device


def _starts(parts: Iterable[Part]) -> Iterator[int]:
    start = 0
    for part in parts:
        yield start
        start += len(part.devices)


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
