"""What a request may get: the devices that its class and its own selectors accept, and that can serve its capacity."""

from collections.abc import Iterable, Iterator

from webhook.core.claims import Alternative
from webhook.core.devices import Device
from webhook.core.versions import CONSUMABLE_CAPACITY
from webhook.inventory.case import Case
from webhook.inventory.consumed import arithmetic_of, can_serve
from webhook.inventory.inventory import inventory_of
from webhook.inventory.matching import accepting

_AT_ONCE = 256
"""How many devices are looked at before the time is asked for again."""


def accepted(case: Case, alternative: Alternative) -> tuple[int, ...] | None:
    """Return the numbers of the devices that class and request accept.

    None where that cannot be told: an unknown class, a selector that does not compile, no time left.
    """
    device_class = case.view.device_classes.get(alternative.device_class_name)
    if device_class is None or case.expired():
        return None
    selectors = (*device_class.selectors, *alternative.selectors)
    return accepting(case.view, inventory_of(case.view), selectors, case.expired)


def serving(case: Case, alternative: Alternative, numbers: Iterable[int]) -> tuple[int, ...] | None:
    """Return those of the devices that can serve the capacity that is asked for; None where no time is left."""
    if not alternative.capacity or not takes_capacity(case):
        return tuple(numbers)
    inventory, arithmetic = inventory_of(case.view), arithmetic_of(case.view.server)
    able: dict[tuple[str, int], bool] = {}  # by driver and by the identity of the capacity, which devices share
    found = []
    for number in in_time(case, numbers):
        device = inventory.devices[number]
        look = (device.driver, id(device.capacity))
        if look not in able:
            able[look] = can_serve(device, alternative, arithmetic)
        if able[look]:
            found.append(number)
    return None if case.expired() else tuple(found)


def takes_capacity(case: Case) -> bool:
    """Return whether the server keeps `capacity`: one that is known to drop it judges claims without it."""
    return case.view.server.gate(CONSUMABLE_CAPACITY) is not False


def in_time(case: Case, numbers: Iterable[int]) -> Iterator[int]:
    """Yield the numbers as long as there is time; who concludes from all of them asks `case.expired()` afterwards."""
    for position, number in enumerate(numbers):
        if position % _AT_ONCE == 0 and case.expired():
            return
        yield number


def devices(case: Case, numbers: Iterable[int]) -> Iterator[Device]:
    """Yield the devices of the numbers, as long as there is time."""
    inventory = inventory_of(case.view)
    return (inventory.devices[number] for number in in_time(case, numbers))
