"""What a request may get: the devices that its class and its own selectors accept, and that can serve its capacity."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import compress

from webhook.core.cache import BoundedCache
from webhook.core.claims import Alternative
from webhook.core.device import Device, Make
from webhook.core.versions import CONSUMABLE_CAPACITY
from webhook.inventory.case import Case, in_time
from webhook.inventory.consumed import arithmetic_of, can_serve
from webhook.inventory.inventory import Inventory, inventory_of
from webhook.inventory.matching import accepting

_MOST_NUMBERS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Devices by their numbers, in kinds: those of a kind differ in nothing but their attributes and their place.

    `of` is the kind of each number, `kinds` a device of each kind, `counts` how many there are; `left` are the kinds
    that were not filtered out.
    """

    numbers: tuple[int, ...]
    of: tuple[int, ...]
    kinds: tuple[Device, ...]
    counts: tuple[int, ...]
    left: tuple[bool, ...]

    def __bool__(self) -> bool:
        return any(self.left)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers) if all(self.left) else compress(self.numbers, map(self.left.__getitem__, self.of))

    def devices(self, expired: Callable[[], bool]) -> Iterator[tuple[Device, int]]:
        """Yield one device of each kind, and how many there are, as long as there is time."""
        return in_time(expired, compress(zip(self.kinds, self.counts, strict=True), self.left))

    def only(self, fits: Callable[[Device], bool], expired: Callable[[], bool]) -> "Matched":
        """Return the devices whose kind fits; none where the time was over."""
        kinds = in_time(expired, zip(self.left, self.kinds, strict=True))
        left = tuple(known and fits(kind) for known, kind in kinds)
        if len(left) < len(self.kinds):
            return _NOTHING
        return self if left == self.left else replace(self, left=left)


_NOTHING = Matched((), (), (), (), ())
_MATCHED: BoundedCache[int, Matched] = BoundedCache(_MOST_NUMBERS)


def accepted(case: Case, alternative: Alternative) -> tuple[int, ...] | None:
    """Return the numbers of the devices that class and request accept.

    None where that cannot be told: an unknown class, a selector that does not compile, no time left.
    """
    device_class = case.view.device_classes.get(alternative.device_class_name)
    if device_class is None or case.expired():
        return None
    selectors = (*device_class.selectors, *alternative.selectors)
    return accepting(case.view, inventory_of(case.view), selectors, case.expired)


def matched(case: Case, alternative: Alternative) -> Matched:
    """Return the devices that class and request accept; none where that cannot be told."""
    numbers = accepted(case, alternative)
    if not numbers:
        return _NOTHING
    known = _MATCHED.known(id(numbers))
    if known is not None:
        assert known.numbers is numbers  # they are kept, so no others can have their identity
        return known
    found = _in_kinds(inventory_of(case.view), numbers, case)
    return _MATCHED.get(id(numbers), len(numbers), lambda: found) if found else found


def _in_kinds(inventory: Inventory, numbers: tuple[int, ...], case: Case) -> Matched:
    kinds: dict[Make, int] = {}
    examples: list[Device] = []
    counts: list[int] = []
    of = []
    for number in in_time(case.expired, numbers):
        device = inventory.devices[number]
        kind = kinds.setdefault(device.make, len(kinds))
        if kind == len(examples):
            examples.append(device)
            counts.append(0)
        counts[kind] += 1
        of.append(kind)
    if case.expired():
        return _NOTHING
    return Matched(numbers, tuple(of), tuple(examples), tuple(counts), (True,) * len(examples))


def able(case: Case, alternative: Alternative) -> Matched:
    """Return the devices that are accepted and that can serve the capacity which is asked for."""
    found = matched(case, alternative)
    if not alternative.capacity or not takes_capacity(case):
        return found
    arithmetic = arithmetic_of(case.view.server)
    return found.only(lambda device: can_serve(device, alternative, arithmetic), case.expired)


def takes_capacity(case: Case) -> bool:
    """Return whether the server keeps `capacity`: one that is known to drop it judges claims without it."""
    return case.view.server.gate(CONSUMABLE_CAPACITY) is not False
