"""Whether devices of several requests can meet a constraint on one node (resource.k8s.io types, DeviceConstraint).

Only what is necessary is asked: enough devices with one value for each request, and for all of them together.
Source: dynamic-resource-allocation/structured, the constraints of the allocator.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, groupby

from webhook.core.claims import AllocationMode, Alternative
from webhook.core.devices import AttributeValue, Device
from webhook.inventory.case import Case
from webhook.inventory.inventory import inventory_of
from webhook.inventory.nodes import on_nodes
from webhook.inventory.offers import in_time

_Typed = tuple[type, AttributeValue]
"""A value with its type: `1` is not `true`."""


@dataclass(frozen=True, slots=True)
class Part:
    """One request under a constraint: its alternatives, each with the numbers of the devices that it may get."""

    ways: tuple[tuple[Alternative, frozenset[int]], ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    """Devices that are alike here: the value, the (request, alternative) pairs that they serve, whether shared."""

    value: _Typed
    serves: frozenset[tuple[int, int]]
    shared: bool


Counted = Counter[_Kind]


def least(way: Alternative) -> int:
    """Return the fewest devices that the alternative takes."""
    return max(1, way.count) if way.mode is AllocationMode.EXACT_COUNT else 1


def values_of(device: Device, attribute: str) -> tuple[_Typed, ...]:
    """Return the values of the device's attribute: each of a list is one that it shares with others (KEP-5491)."""
    value = device.attributes.get(attribute)
    if value is None:
        return ()
    return tuple((type(one), one) for one in value) if isinstance(value, tuple) else ((type(value), value),)


def nodes_with(case: Case, parts: Sequence[Part], attribute: str) -> Iterator[tuple[str, Counted]]:
    """Yield what each node reaches of the devices, those of one node's own pools first, then whole nodes."""
    inventory = inventory_of(case.view)
    live = len(inventory.published)
    numbers = sorted(frozenset().union(*(found for part in parts for _, found in part.ways)))
    for name, run in groupby(numbers, lambda n: inventory.published[n].reach.node_name if n < live else ""):
        if name:
            yield name, Counter(kind for _, kind in _kinds(case, parts, attribute, run))
    for found in on_nodes(case.view, inventory, _kinds(case, parts, attribute, numbers)):
        if case.expired():
            return
        yield found


def _kinds(case: Case, parts: Sequence[Part], attribute: str, numbers: Iterable[int]) -> Iterator[tuple[int, _Kind]]:
    devices = inventory_of(case.view).devices
    for number in in_time(case, numbers):
        device = devices[number]
        serves = frozenset(
            (row, column)
            for row, part in enumerate(parts)
            for column, (_, found) in enumerate(part.ways)
            if number in found
        )
        for value in values_of(device, attribute):
            yield number, _Kind(value, serves, device.allow_multiple_allocations)


def match(parts: Sequence[Part], counted: Counted) -> bool:
    """Return whether devices with one value may serve every request."""
    by_value: dict[_Typed, dict[_Kind, int]] = {}
    for kind, count in counted.items():
        by_value.setdefault(kind.value, {})[kind] = count
    return any(_serve(parts, kinds) for kinds in by_value.values())


def _serve(parts: Sequence[Part], kinds: Mapping[_Kind, int]) -> bool:
    """Return whether the devices are enough for each request, for each two, and for all."""
    rows = range(len(parts))
    groups = chain(combinations(rows, 1), combinations(rows, 2), (tuple(rows),))
    return all(_are_enough(parts, kinds, group) for group in groups)


def _are_enough(parts: Sequence[Part], kinds: Mapping[_Kind, int], group: tuple[int, ...]) -> bool:
    if len(group) == 1:
        return any(_count(kinds, {(group[0], column)}) >= least(way) for column, (way, _) in _ways(parts[group[0]]))
    if any(way.admin_access for row in group for way, _ in parts[row].ways):
        return True
    pairs = {(row, column) for row in group for column, _ in _ways(parts[row])}
    if any(kind.shared and not kind.serves.isdisjoint(pairs) for kind in kinds):
        return True
    return _count(kinds, pairs) >= sum(min(least(way) for way, _ in parts[row].ways) for row in group)


def _ways(part: Part) -> Iterable[tuple[int, tuple[Alternative, frozenset[int]]]]:
    return enumerate(part.ways)


def _count(kinds: Mapping[_Kind, int], pairs: set[tuple[int, int]]) -> int:
    return sum(count for kind, count in kinds.items() if not kind.serves.isdisjoint(pairs))


def differ(parts: Sequence[Part], counted: Counted) -> bool:
    """Return whether each request may have a value that no other one has, the requests one device each."""
    choices = [
        {kind.value for kind in counted if any(row == mine for row, _ in kind.serves)} for mine in range(len(parts))
    ]
    taken: dict[_Typed, int] = {}
    return all(_placed(row, choices, taken, set()) for row in range(len(choices)))


def _placed(row: int, choices: Sequence[set[_Typed]], taken: dict[_Typed, int], tried: set[_Typed]) -> bool:
    """Return whether the request finds a value, others moving on to other values of theirs (augmenting paths)."""
    for value in choices[row] - tried:
        tried.add(value)
        if value not in taken or _placed(taken[value], choices, taken, tried):
            taken[value] = row
            return True
    return False
