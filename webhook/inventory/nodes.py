"""How many of some devices one node reaches: pools of a node, of all nodes and of those that a selector names."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from webhook.core.cluster import ClusterView
from webhook.inventory.case import Case, in_time
from webhook.inventory.inventory import Inventory, inventory_of
from webhook.inventory.reach import Reach

Key = TypeVar("Key")


def on_nodes(
    view: ClusterView, inventory: Inventory, devices: Iterable[tuple[int, Key]]
) -> Iterator[tuple[str, Counter[Key]]]:
    """Yield what each node reaches of the devices (numbers with a key), counted by key.

    The name is empty for nodes that are not known: the one that a DeviceInventory promises, with at most `perNode` of
    each shape, and those that a pool's selector waits for.
    """
    named: dict[str, Counter[Key]] = defaultdict(Counter)
    selected: dict[Reach, Counter[Key]] = defaultdict(Counter)
    everywhere: Counter[Key] = Counter()
    planned: Counter[Key] = Counter()
    live = inventory.live
    for number, key in devices:
        if number >= live:
            stated = inventory.planned[number - live]
            planned[key] += min(stated.per_node, stated.count)
            continue
        reach = inventory.places[number].reach
        if reach.all_nodes:
            everywhere[key] += 1
        elif reach.node_name:
            named[reach.node_name][key] += 1
        else:
            selected[reach][key] += 1
    for name, reached in (("", planned), *_nodes(view, named, selected)):
        yield name, everywhere + reached


def _nodes(
    view: ClusterView, named: Mapping[str, Counter[Key]], selected: Mapping[Reach, Counter[Key]]
) -> Iterator[tuple[str, Counter[Key]]]:
    """Yield what each node reaches beside the all-nodes pools.

    A node whose labels are not known may be any that a selector names.
    """
    for alone in selected.values():
        yield "", alone
    for name in sorted(named.keys() | (view.nodes.keys() if selected else set())):
        node = view.nodes.get(name)
        reached = Counter(named.get(name, ()))
        for reach, devices in selected.items():
            if node is None or reach.includes(node):
                reached += devices
        yield name, reached


def most_on_one(case: Case, numbers: Iterable[int], enough: int) -> tuple[int, str]:
    """Return the largest number of the devices that one node reaches, and its name; `enough` of them end the search.

    The numbers must be there to be gone through twice. Where the time was over, it is of those seen till then.
    """
    inventory = inventory_of(case.view)
    named: Counter[str] = Counter()
    only_named = True
    live = inventory.live
    for number in in_time(case.expired, numbers):
        node = inventory.places[number].reach.node_name if number < live else ""
        only_named &= bool(node)
        named[node] += 1
        if node and named[node] >= enough:
            return enough, node
    if only_named:
        counted = ((count, node) for node, count in named.items())
    else:
        alike = ((number, None) for number in in_time(case.expired, numbers))
        counted = ((found[None], node) for node, found in on_nodes(case.view, inventory, alike))
    return max(counted, key=lambda found: found[0], default=(0, ""))
