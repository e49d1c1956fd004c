"""What is known of the server's version and gates, put together from its several sources (contract 4, end)."""

from collections.abc import Iterable, Mapping

from webhook.core.devices import ResourceSlice
from webhook.core.versions import (
    CONSUMABLE_CAPACITY,
    LIST_ATTRIBUTES,
    NEWEST,
    SUPPORTED,
    ServerTruth,
    minor,
    supported,
)


def server_truth(version: str | None, gates: Mapping[str, bool], *, assume_defaults: bool) -> ServerTruth:
    """Return what is known, with the gates that are positively known; without a version, the newest supported."""
    if version is None:
        return ServerTruth(NEWEST, True, gates, assume_defaults)
    return ServerTruth(supported(version), f"1.{minor(version)}" in SUPPORTED, gates, assume_defaults)


def inferred_gates(slices: Iterable[ResourceSlice]) -> Mapping[str, bool]:
    """Return the gates that must be on, because without them the server would have dropped what slices publish."""
    shown: dict[str, bool] = {}
    for published in slices:
        for device in published.devices:
            if device.allow_multiple_allocations:
                shown[CONSUMABLE_CAPACITY] = True
            if any(isinstance(value, tuple) for value in device.attributes.values()):
                shown[LIST_ATTRIBUTES] = True
        if len(shown) == 2:
            break
    return shown
