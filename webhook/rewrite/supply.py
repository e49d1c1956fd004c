"""The known devices that a request may get; what is asked only for percentages and quotas."""

from collections.abc import Iterable

from webhook.core.cluster import ClusterView
from webhook.core.device import Device


def devices_for(view: ClusterView, device_class_name: str, expressions: Iterable[str]) -> tuple[Device, ...]:
    """Return the devices that the class's selectors and the given ones accept; none where that is not known."""
    device_class = view.device_classes.get(device_class_name)
    if device_class is None or not (view.slices or view.inventories):
        return ()
    # Imported here because most rewrites need no device, and CEL is the larger part of a command's start.
    from webhook.inventory.inventory import inventory_of
    from webhook.inventory.matching import accepting_texts

    inventory = inventory_of(view)
    of_class = (selector.expression for selector in device_class.selectors)
    accepted = accepting_texts(view, inventory, (*of_class, *expressions))
    return tuple(inventory.devices[number] for number in accepted or ())
