"""What is known of the server's version and gates, put together from its several sources (contract 4, end)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from webhook.core.devices import ResourceSlice
from webhook.core.raw import RawObject
from webhook.core.versions import (
    CONSUMABLE_CAPACITY,
    DEVICE_TAINTS,
    LIST_ATTRIBUTES,
    NEWEST,
    SUPPORTED,
    ServerTruth,
    minor,
    supported,
)

SNAPSHOT = "ClusterSnapshot"  # what `drawbridge inventory save` notes of the server, beside the objects


@dataclass(frozen=True, slots=True)
class ServerNote:
    """What a saved snapshot says of the server: its version, and the gates that it told."""

    version: str | None = None
    gates: Mapping[str, bool] = field(default_factory=dict)


def parse_note(raw: RawObject) -> ServerNote:
    """Return the note; what cannot be read of it says nothing."""
    version, gates = raw.get("kubernetesVersion"), raw.get("featureGates")
    try:
        minor(str(version))
    except ValueError:
        version = None
    known = gates.items() if isinstance(gates, dict) else ()
    return ServerNote(version, {name: value for name, value in known if isinstance(value, bool)})


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
            if any(isinstance(value, tuple) for value in device.cells):
                shown[LIST_ATTRIBUTES] = True
            if device.taints:
                shown[DEVICE_TAINTS] = True
        if len(shown) == 3:
            break
    return shown
