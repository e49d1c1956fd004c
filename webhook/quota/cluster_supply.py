"""What a cluster view answers to charging: the devices that class and selectors accept, by CEL."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from weakref import WeakKeyDictionary

from webhook.cel.compile import compile_selector
from webhook.cel.device import make_device
from webhook.cel.evaluator import evaluate
from webhook.cel.syntax import Ast
from webhook.core.claims import Alternative, Selector
from webhook.core.cluster import ClusterView
from webhook.core.devices import Device
from webhook.core.quotas import Match
from webhook.core.rows import Layout, row_of
from webhook.inventory.case import never
from webhook.inventory.consumed import arithmetic_of, can_serve
from webhook.inventory.inventory import Inventory, inventory_of
from webhook.inventory.matching import accepting, accepting_texts, stored_environment
from webhook.inventory.nodes import on_nodes
from webhook.quota import exclusion
from webhook.quota.drivers import DriverFacts
from webhook.quota.supply import Node

DeviceId = tuple[str, str, str]
"""Driver, pool and name."""

_CHARGED_ATTRIBUTES = ("type", "profile", "productName")
_MOST_CHAINS = 1024


class _Index:
    """The devices of one inventory by name and by shape: devices of a shape differ in nothing that is charged."""

    def __init__(self, inventory: Inventory) -> None:
        # Not the inventory itself, which would then never be let go.
        self._published, self._devices = inventory.published, inventory.devices
        # The shape of each device: the number of the first device like it.
        self.shape = tuple(_shapes(inventory.devices))
        # The shapes that a chain of selectors accepts, by their texts and the environment; filled as asked for.
        self.accepted: OrderedDict[tuple[tuple[str, ...], int], frozenset[int]] = OrderedDict()

    @cached_property
    def by_id(self) -> Mapping[DeviceId, int]:
        return {
            (entry.device.driver, entry.pool, entry.device.name): number for number, entry in enumerate(self._published)
        }

    @cached_property
    def number_of(self) -> Mapping[int, int]:
        """The number of each device by its identity."""
        return {id(device): number for number, device in enumerate(self._devices)}

    def remember(self, key: tuple[tuple[str, ...], int], shapes: frozenset[int]) -> None:
        self.accepted[key] = shapes
        if len(self.accepted) > _MOST_CHAINS:
            self.accepted.popitem(last=False)


def _shapes(devices: Iterable[Device]) -> Iterator[int]:
    """Yield for each device the number of the first like it; what devices share is looked at once."""
    first: dict[object, int] = {}
    looks: dict[tuple[int, int, str, bool], int] = {}
    amounts: dict[int, object] = {}
    charged: dict[tuple[str, Layout], Callable[[tuple[object, ...]], object]] = {}
    for number, device in enumerate(devices):
        attributes, capacity = device.attributes, device.capacity
        look = (id(attributes), id(capacity), device.driver, device.allow_multiple_allocations)
        shape = looks.get(look)
        if shape is None:
            if id(capacity) not in amounts:
                amounts[id(capacity)] = frozenset(capacity.items())
            row = row_of(attributes)
            take = charged.get((device.driver, row.layout))
            if take is None:
                take = charged[device.driver, row.layout] = _taking(device.driver, row.layout)
            key = (device.driver, device.allow_multiple_allocations, take(row.cells), amounts[id(capacity)])
            shape = looks[look] = first.setdefault(key, number)
        yield shape


def _taking(driver: str, layout: Layout) -> Callable[[tuple[object, ...]], object]:
    """Return what takes from a row the attributes that are charged, told apart by which of them there are."""
    names = _charged_attributes(driver)
    positions = [layout.index[name] for name in names if name in layout.index]
    there = tuple(name in layout.index for name in names)
    return lambda cells: (there, *[cells[position] for position in positions])


@lru_cache
def _charged_attributes(driver: str) -> tuple[str, ...]:
    return tuple(f"{driver}/{name}" for name in _CHARGED_ATTRIBUTES)


def charged_shape(device: Device) -> object:
    """Return all of a device that its charge depends on."""
    attributes = tuple(device.attributes.get(name) for name in _charged_attributes(device.driver))
    capacity = frozenset(device.capacity.items())
    return device.driver, device.allow_multiple_allocations, attributes, capacity


_INDICES: WeakKeyDictionary[Inventory, _Index] = WeakKeyDictionary()


def _index_of(inventory: Inventory) -> _Index:
    index = _INDICES.get(inventory)
    if index is None:
        index = _INDICES[inventory] = _Index(inventory)
    return index


class ClusterSupply:
    """Implements `Supply` over a view.

    `gone` holds the last known shape of devices that are not published any more. Once `expired` answers true, requests
    get no known shape (contract 7.5).
    """

    def __init__(
        self,
        view: ClusterView,
        facts: DriverFacts,
        *,
        gone: Mapping[DeviceId, Device] | None = None,
        expired: Callable[[], bool] = never,
    ) -> None:
        self._view = view
        self._facts = facts
        self._gone = gone or {}
        self._expired = expired
        self._arithmetic = arithmetic_of(view.server)
        self._environment = stored_environment(view.server)
        self._inventory = inventory_of(view)
        self._index = _index_of(self._inventory)
        # What the alternative that was asked about last may get: every limit of every quota asks the same.
        self._last: tuple[Alternative | None, dict[str | None, tuple[Device, ...]]] = (None, {})

    def offers(self, alternative: Alternative, selector: Selector | None) -> tuple[Device, ...]:
        last, known = self._last
        if last is not alternative:
            known = {}
            self._last = (alternative, known)
        text = selector.expression if selector else None
        if text not in known:
            known[text] = self._usable(alternative, text)
        return known[text]

    def _usable(self, alternative: Alternative, selector: str | None) -> tuple[Device, ...]:
        """Return the shapes that are accepted and can serve; a selector for which no time is left narrows nothing."""
        chain = self._chain(alternative)
        texts = None if chain is None or self._expired() else chain if selector is None else (*chain, selector)
        shapes = None if texts is None else self._shapes_of(texts)
        if shapes is None:
            return () if selector is None else self.offers(alternative, None)
        devices = (self._inventory.devices[shape] for shape in sorted(shapes))
        return tuple(device for device in devices if can_serve(device, alternative, self._arithmetic))

    def _shapes_of(self, chain: tuple[str, ...]) -> frozenset[int] | None:
        """Return the shapes of which some device is accepted by every selector; None where one cannot be judged."""
        key = (chain, id(self._environment))  # environments are cached for good
        known = self._index.accepted.get(key)
        if known is None:
            numbers = accepting_texts(self._view, self._inventory, chain, self._expired)
            if numbers is None:
                return None
            known = frozenset(map(self._index.shape.__getitem__, numbers))
            self._index.remember(key, known)
        return known

    def _chain(self, alternative: Alternative) -> tuple[str, ...] | None:
        """Return the texts of the class's selectors and its own; None where the class does not exist."""
        device_class = self._view.device_classes.get(alternative.device_class_name)
        if device_class is None:
            return None
        return tuple(selector.expression for selector in (*device_class.selectors, *alternative.selectors))

    def shapes(self) -> Iterable[Device]:
        return [self._inventory.devices[shape] for shape in sorted(set(self._index.shape))]

    def on_nodes(self, alternative: Alternative, selector: Selector | None) -> Iterable[Node]:
        usable = {id(device) for device in self.offers(alternative, selector)}
        shapes = ((number, self._index.shape[number]) for number in self._accepted(alternative, selector))
        counted = ((number, shape) for number, shape in shapes if id(self._inventory.devices[shape]) in usable)
        for node in {frozenset(found.items()) for _, found in on_nodes(self._view, self._inventory, counted)}:
            yield [(self._inventory.devices[shape], count) for shape, count in node]

    def _accepted(self, alternative: Alternative, selector: Selector | None) -> Iterable[int]:
        """Return the numbers of the single devices that are accepted."""
        chain = self._chain(alternative)
        if chain is None:
            return ()
        numbers = accepting_texts(self._view, self._inventory, chain, self._expired) or ()
        satisfying = None if selector is None else accepting(self._view, self._inventory, (selector,))
        return numbers if satisfying is None else sorted({*numbers} & {*satisfying})

    def satisfies(self, device: Device, selector: Selector) -> bool:
        number = self._index.number_of.get(id(device))
        if number is not None:
            satisfying = accepting(self._view, self._inventory, (selector,))
            return satisfying is None or number in satisfying
        ast = self._compiled(selector)
        if ast is None:
            return True
        capacity = {name: capacity.value for name, capacity in device.capacity.items()}
        shown = make_device(device.driver, device.attributes, capacity, device.allow_multiple_allocations)
        return bool(evaluate(ast, shown, version=self._view.server.version).result)

    def device(self, driver: str, pool: str, name: str) -> Device | None:
        number = self._index.by_id.get((driver, pool, name))
        return self._gone.get((driver, pool, name)) if number is None else self._inventory.devices[number]

    def rules_out(self, alternative: Alternative, match: Match) -> bool:
        return exclusion.rules_out(self._selectors(alternative), match)

    def most_slices(self, alternative: Alternative, match: Match) -> int:
        return exclusion.most_slices(self._selectors(alternative), match, self._facts)

    def _selectors(self, alternative: Alternative) -> tuple[Ast, ...]:
        """Return what must accept a device; a selector that cannot be judged is taken to accept everything."""
        device_class = self._view.device_classes.get(alternative.device_class_name)
        of_class = device_class.selectors if device_class else ()
        found = (self._compiled(selector) for selector in (*of_class, *alternative.selectors))
        return tuple(ast for ast in found if ast is not None)

    def _compiled(self, selector: Selector) -> Ast | None:
        return compile_selector(selector.expression, self._environment).ast
