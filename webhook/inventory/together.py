"""Whether one node has the devices of several requests, under a constraint (DeviceConstraint) or without one.

Only what is necessary is asked: enough devices with one value for each request, and for all of them together.
Source: dynamic-resource-allocation/structured, the constraints of the allocator.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, groupby, repeat
from operator import itemgetter

from webhook.core.claims import AllocationMode, Alternative
from webhook.core.device import AttributeValue, Device
from webhook.inventory.case import Case, in_time
from webhook.inventory.inventory import inventory_of
from webhook.inventory.nodes import on_nodes
from webhook.inventory.offers import Matched

_Typed = tuple[type, AttributeValue]
"""A value with its type: `1` is not `true`."""

ANYTHING = ""
"""In place of an attribute: devices have this in common, whatever they are."""

_MOST_PAIRED = 8
"""Of more requests than these only all together are looked at, not each two."""

_Kind = tuple[_Typed, int, bool]
"""What devices have alike here: the value, which alternatives they serve (as bits), whether they are shared."""

Counted = Counter[_Kind]


@dataclass(frozen=True, slots=True)
class Way:
    """An alternative with the devices that it may get; `bit` tells it from all others of the claim."""

    alternative: Alternative
    found: Matched
    bit: int

    @property
    def least(self) -> int:
        """The fewest devices that the alternative takes."""
        wanted = self.alternative
        return max(1, wanted.count) if wanted.mode is AllocationMode.EXACT_COUNT else 1


Part = tuple[Way, ...]
"""One request under a constraint: its alternatives."""


def values_of(device: Device, attribute: str) -> tuple[_Typed, ...]:
    """Return the values of the device's attribute: each of a list is one that it shares with others (KEP-5491)."""
    value = attribute if attribute == ANYTHING else device.attribute(attribute)
    if value is None:
        return ()
    return tuple((type(one), one) for one in value) if isinstance(value, tuple) else ((type(value), value),)


def nodes_with(case: Case, parts: Sequence[Part], attribute: str) -> Iterator[tuple[str, Counted]]:
    """Yield what each node reaches of the devices.

    First comes what stands together in one pool of a node, for that is often enough; then whole nodes, where they have
    more than that.
    """
    inventory = inventory_of(case.view)
    live = inventory.live
    tagged = _tagged(parts)
    names: set[str] = set()
    is_whole = True
    for name, run in groupby(tagged, lambda one: inventory.places[one[0]].reach.node_name if one[0] < live else ""):
        if case.expired():
            return
        if name:
            yield name, Counter(kind for _, kind in _kinds(case, attribute, run))
        is_whole &= bool(name) and name not in names
        names.add(name)
    if is_whole:
        return
    for found in on_nodes(case.view, inventory, _kinds(case, attribute, _tagged(parts))):
        if case.expired():
            return
        yield found


def _tagged(parts: Sequence[Part]) -> Iterator[tuple[int, int]]:
    """Yield the number of each device once, in order, with the bits of the alternatives that it serves."""
    streams = (zip(way.found, repeat(way.bit), strict=False) for part in parts for way in part)
    for number, same in groupby(heapq.merge(*streams), itemgetter(0)):
        yield number, sum(bit for _, bit in same)


def _kinds(case: Case, attribute: str, tagged: Iterable[tuple[int, int]]) -> Iterator[tuple[int, _Kind]]:
    devices = inventory_of(case.view).devices
    for number, serves in in_time(case.expired, tagged):
        device = devices[number]
        for value in values_of(device, attribute):
            yield number, (value, serves, device.allow_multiple_allocations)


def match(parts: Sequence[Part], counted: Counted) -> bool:
    """Return whether devices with one value may serve every request."""
    by_value: dict[_Typed, list[tuple[int, bool, int]]] = {}
    for (value, serves, shared), count in counted.items():
        by_value.setdefault(value, []).append((serves, shared, count))
    return any(_serve(parts, found) for found in by_value.values())


def _serve(parts: Sequence[Part], found: Sequence[tuple[int, bool, int]]) -> bool:
    """Return whether the devices are enough for each request, for each two, and for all."""
    if not all(any(_count(found, way.bit) >= way.least for way in part) for part in parts):
        return False
    pairs = combinations(parts, 2) if len(parts) <= _MOST_PAIRED else ()
    return all(_are_enough(group, found) for group in chain(pairs, (tuple(parts),)))


def _are_enough(parts: Sequence[Part], found: Sequence[tuple[int, bool, int]]) -> bool:
    """Return whether there are as many devices as the requests take together, each device for one of them alone."""
    bits = sum(way.bit for part in parts for way in part)
    if any(way.alternative.admin_access for part in parts for way in part):
        return True
    if any(shared and serves & bits for serves, shared, _ in found):
        return True
    return _count(found, bits) >= sum(min(way.least for way in part) for part in parts)


def _count(found: Sequence[tuple[int, bool, int]], bits: int) -> int:
    return sum(count for serves, _, count in found if serves & bits)


def differ(parts: Sequence[Part], counted: Counted) -> bool:
    """Return whether each request may have a value that no other one has, the requests one device each."""
    bits = [sum(way.bit for way in part) for part in parts]
    choices = [{value for value, serves, _ in counted if serves & mine} for mine in bits]
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
