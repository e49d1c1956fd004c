"""What a cluster view answers to charging: the devices that class and selectors accept, by CEL."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import compress, count
from typing import TypeVar
from weakref import WeakKeyDictionary

from webhook.cel.compile import compile_selector
from webhook.cel.device import make_device
from webhook.cel.evaluator import evaluate
from webhook.cel.syntax import Ast
from webhook.core.claims import Alternative, Selector
from webhook.core.cluster import ClusterView
from webhook.core.device import Device, Make
from webhook.core.quotas import Match
from webhook.inventory.case import in_time, never
from webhook.inventory.consumed import arithmetic_of, can_serve
from webhook.inventory.inventory import Inventory, inventory_of
from webhook.inventory.matching import accepting, accepting_texts, stored_environment
from webhook.inventory.nodes import on_nodes
from webhook.quota import exclusion
from webhook.quota.drivers import DriverFacts
from webhook.quota.supply import Node

T = TypeVar("T")
U = TypeVar("U")

DeviceId = tuple[str, str, str]
"""Driver, pool and name."""

_CHARGED_ATTRIBUTES = ("type", "profile", "productName")
_MOST_CHAINS = 1024
_MOST_LATE = 16
"""How many selectors are still compiled once the time is over: an ordinary claim has no more, and is charged right."""
_AT_ONCE = 256
"""How many devices are looked at before the time is asked for again."""


class _Index:
    """The devices of one inventory by name and by shape: devices of a shape differ in nothing that is charged."""

    def __init__(self, inventory: Inventory) -> None:
        # Not the inventory itself, which would then never be let go.
        self._places, self._devices = inventory.places, inventory.devices
        self._first: dict[tuple[object, ...], int] = {}
        self._alike: dict[object, int] = {}
        self._numbers = count()
        self._of_makes: dict[Make, Callable[[tuple[object, ...]], tuple[object, ...]]] = {}
        # The shapes that a chain of selectors accepts, by their texts and the environment; filled as asked for.
        self.accepted: OrderedDict[tuple[tuple[str, ...], int], frozenset[int]] = OrderedDict()

    def shape(self, number: int) -> int:
        """Return the number of the device of this shape that was asked for first."""
        device = self._devices[number]
        charged = self._of_makes.get(device.make)
        if charged is None:
            charged = self._of_makes[device.make] = self._charged(device.make)
        return self._first.setdefault(charged(device.cells), number)

    def _charged(self, make: Make) -> Callable[[tuple[object, ...]], tuple[object, ...]]:
        """Return what tells of the cells of a make all that is charged."""
        there = [name for name in _charged_attributes(make.driver) if name in make.layout.names]
        positions = [make.layout.names.index(name) for name in there]
        amounts = frozenset(make.capacity.items())
        alike = (make.driver, make.allow_multiple_allocations, *there, amounts)
        known = self._alike.setdefault(alike, next(self._numbers))
        return lambda cells: (known, *[cells[position] for position in positions])

    @cached_property
    def by_id(self) -> Mapping[DeviceId, int]:
        published = enumerate(zip(self._devices, self._places, strict=False))
        return {(device.driver, place.pool, device.name): number for number, (device, place) in published}

    @cached_property
    def number_of(self) -> Mapping[int, int]:
        """The number of each device by its identity."""
        return {id(device): number for number, device in enumerate(self._devices)}

    def remember(self, key: tuple[tuple[str, ...], int], shapes: frozenset[int]) -> None:
        self.accepted[key] = shapes
        if len(self.accepted) > _MOST_CHAINS:
            self.accepted.popitem(last=False)


@lru_cache
def _charged_attributes(driver: str) -> tuple[str, ...]:
    return tuple(f"{driver}/{name}" for name in _CHARGED_ATTRIBUTES)


def charged_shape(device: Device) -> object:
    """Return all of a device that its charge depends on."""
    attributes = tuple(device.attribute(name) for name in _charged_attributes(device.driver))
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
        self._asts: dict[str, Ast | None] = {}
        self._late = 0

    def in_time(self, call: Callable[[T], U], items: Sequence[T]) -> Sequence[U] | None:
        if len(items) > _AT_ONCE and self._expired():
            return None
        found = []
        for left, item in enumerate(items, start=1):
            if left % _AT_ONCE == 0 and self._expired():
                return None
            found.append(call(item))
        return found

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
        devices = [self._inventory.devices[shape] for shape in sorted(shapes)]
        able = self.in_time(lambda device: can_serve(device, alternative, self._arithmetic), devices)
        return () if able is None else tuple(compress(devices, able))

    def _shapes_of(self, chain: tuple[str, ...]) -> frozenset[int] | None:
        """Return the shapes of which some device is accepted by every selector; None where one cannot be judged."""
        key = (chain, id(self._environment))  # environments are cached for good
        known = self._index.accepted.get(key)
        if known is None:
            numbers = accepting_texts(self._view, self._inventory, chain, self._expired)
            shapes = None if numbers is None else self.in_time(self._index.shape, numbers)
            if shapes is None:
                return None
            known = frozenset(shapes)
            self._index.remember(key, known)
        return known

    def _chain(self, alternative: Alternative) -> tuple[str, ...] | None:
        """Return the texts of the class's selectors and its own; None where the class does not exist."""
        device_class = self._view.device_classes.get(alternative.device_class_name)
        if device_class is None:
            return None
        return tuple(selector.expression for selector in (*device_class.selectors, *alternative.selectors))

    def shapes(self) -> Iterable[Device]:
        shapes = self.in_time(self._index.shape, range(len(self._inventory.devices))) or ()
        return [self._inventory.devices[shape] for shape in sorted({*shapes})]

    def on_nodes(self, alternative: Alternative, selector: Selector | None) -> Sequence[Node] | None:
        usable = {id(device) for device in self.offers(alternative, selector)}
        numbers = self._accepted(alternative, selector)
        shapes = None if self._expired() else self.in_time(self._index.shape, numbers)
        if shapes is None:
            return None
        devices = self._inventory.devices
        counted = ((n, shape) for n, shape in zip(numbers, shapes, strict=True) if id(devices[shape]) in usable)
        reached = on_nodes(self._view, self._inventory, in_time(self._expired, counted))
        nodes = {frozenset(found.items()) for _, found in reached}
        if self._expired():
            return None
        return [[(devices[shape], many) for shape, many in node] for node in nodes]

    def _accepted(self, alternative: Alternative, selector: Selector | None) -> Sequence[int]:
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
        """Return what is to be evaluated; None where it does not compile, or where the time is over for so many."""
        text = selector.expression
        if text not in self._asts:
            if self._expired():
                self._late += 1
            self._asts[text] = None if self._late > _MOST_LATE else compile_selector(text, self._environment).ast
        return self._asts[text]
