"""What a cluster view answers to charging: the devices that class and selectors accept, by CEL."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from weakref import WeakKeyDictionary

from webhook.cel.compile import compile_selector
from webhook.cel.device import make_device
from webhook.cel.evaluator import EvaluationError, build
from webhook.cel.syntax import Ast
from webhook.core.claims import Alternative, Selector
from webhook.core.cluster import ClusterView
from webhook.core.cluster import Node as ClusterNode
from webhook.core.devices import Device
from webhook.core.quotas import Match
from webhook.inventory.inventory import Inventory, inventory_of
from webhook.inventory.matching import accepting, matching, stored_environment
from webhook.inventory.reach import Reach
from webhook.quota import exclusion
from webhook.quota.drivers import DriverFacts
from webhook.quota.supply import Node

DeviceId = tuple[str, str, str]
"""Driver, pool and name."""

_CHARGED_ATTRIBUTES = ("type", "profile", "productName")


class _Index:
    """The devices of one inventory by name, and the first device of each shape that is charged alike."""

    def __init__(self, inventory: Inventory) -> None:
        self.by_id: dict[DeviceId, int] = {
            (entry.device.driver, entry.pool, entry.device.name): number
            for number, entry in enumerate(inventory.published)
        }
        self.number_of = {id(device): number for number, device in enumerate(inventory.devices)}
        first: dict[object, int] = {}
        self.alike = tuple(
            first.setdefault(_charged(device), number) for number, device in enumerate(inventory.devices)
        )


def _charged(device: Device) -> object:
    """Return all of a device that its charge depends on."""
    attributes = tuple(device.attributes.get(f"{device.driver}/{name}") for name in _CHARGED_ATTRIBUTES)
    capacity = frozenset(device.capacity.items())
    return device.driver, device.allow_multiple_allocations, attributes, capacity


_INDICES: WeakKeyDictionary[Inventory, _Index] = WeakKeyDictionary()


def _index_of(inventory: Inventory) -> _Index:
    index = _INDICES.get(inventory)
    if index is None:
        index = _INDICES[inventory] = _Index(inventory)
    return index


def _never() -> bool:
    return False


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
        expired: Callable[[], bool] = _never,
    ) -> None:
        self._view = view
        self._facts = facts
        self._gone = gone or {}
        self._expired = expired
        self._inventory = inventory_of(view)
        self._index = _index_of(self._inventory)

    def offers(self, alternative: Alternative, selector: Selector | None) -> Iterable[Device]:
        shapes = dict.fromkeys(self._index.alike[number] for number in self._accepted(alternative, selector))
        return [self._inventory.devices[number] for number in shapes]

    def on_nodes(self, alternative: Alternative, selector: Selector | None) -> Iterable[Node]:
        at: dict[Reach, Counter[int]] = {}
        planned: Counter[int] = Counter()
        live = len(self._inventory.published)
        for number in self._accepted(alternative, selector):
            shape = self._index.alike[number]
            if number < live:
                at.setdefault(self._inventory.published[number].reach, Counter())[shape] += 1
            else:
                stated = self._inventory.planned[number - live]
                planned[shape] += min(stated.per_node, stated.count)
        for node in {frozenset(node.items()) for node in self._nodes(at, planned)}:
            yield [(self._inventory.devices[shape], count) for shape, count in node]

    def _nodes(self, at: Mapping[Reach, Counter[int]], planned: Counter[int]) -> Iterator[Counter[int]]:
        """Yield what each node reaches; also a node that a selector waits for, and one that planned devices are on."""
        everywhere: Counter[int] = Counter()
        for reach, devices in at.items():
            if reach.all_nodes:
                everywhere += devices
        for reach, devices in at.items():
            if not reach.all_nodes and not reach.node_name:
                yield everywhere + devices
        yield everywhere + planned
        for name in {reach.node_name for reach in at if reach.node_name} | self._view.nodes.keys():
            node = self._view.nodes.get(name)
            reached = Counter(everywhere)
            for reach, devices in at.items():
                if not reach.all_nodes and _reaches(reach, name, node):
                    reached += devices
            yield reached

    def _accepted(self, alternative: Alternative, selector: Selector | None) -> Iterable[int]:
        if self._expired():
            return ()
        found = matching(self._view, alternative).accepted
        satisfying = None if selector is None else accepting(self._view, self._inventory, (selector,))
        if satisfying is None:
            return found
        wanted = frozenset(satisfying)
        return [number for number in found if number in wanted]

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
        try:
            return build(ast).matches(shown)
        except EvaluationError:
            return False

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
        return compile_selector(selector.expression, stored_environment(self._view.server)).ast


def _reaches(reach: Reach, name: str, node: ClusterNode | None) -> bool:
    """Return whether a node reaches a pool; one whose labels are not known may be any that a selector names."""
    if reach.node_name:
        return reach.node_name == name
    return node is None or reach.includes(node)
