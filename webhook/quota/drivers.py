"""What drivers mean by their devices, as far as charging must know it: other names of a capacity, MIG geometry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.core.devices import Device

NVIDIA = "gpu.nvidia.com"
MOST_SLICES = 7
_PROFILE = re.compile(r"(?:\d+c\.)?(\d+)g\.")


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a driver's devices divide into compute slices; `whole` is the largest MIG profile of a model, by product."""

    whole: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """What is known of drivers, by driver; `aliases` are capacities that count as one, by qualified name."""

    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    geometry: Mapping[str, Geometry] = field(default_factory=dict)

    def spellings(self, qualified_name: str) -> tuple[str, ...]:
        """Return the names under which a device may publish a capacity, its own name first."""
        return (qualified_name, *self.aliases.get(qualified_name, ()))

    def slices(self, device: Device) -> int:
        """Return the compute slices of a device: those of its MIG profile, or all of its model's; 0 where none exist.

        7 where the driver divides its devices and this one cannot be told.
        """
        geometry = self.geometry.get(device.driver)
        if geometry is None:
            return 0
        profile = profile_of(device)
        if profile:
            return slices_of_profile(profile)
        return geometry.whole.get(_text(device, "productName"), MOST_SLICES)


def profile_of(device: Device) -> str:
    """Return the MIG profile, the driver's own attribute `profile`; empty where there is none."""
    return _text(device, "profile")


def slices_of_profile(profile: str) -> int:
    """Return the compute slices of a profile such as `3g.40gb` or `1c.3g.40gb`: those of its GPU instance."""
    found = _PROFILE.match(profile)
    return min(int(found[1]), MOST_SLICES) if found else MOST_SLICES


def _text(device: Device, name: str) -> str:
    value = device.attributes.get(f"{device.driver}/{name}")
    return value if isinstance(value, str) else ""


# VFIO devices of the NVIDIA driver publish their memory as `addressableMemory` (dra-driver-nvidia-gpu, deviceinfo.go).
# Models whose largest profile has fewer than seven slices: NVIDIA MIG user guide, supported profiles.
KNOWN_DRIVERS = DriverFacts(
    aliases={
        f"{NVIDIA}/memory": (f"{NVIDIA}/addressableMemory",),
        f"{NVIDIA}/addressableMemory": (f"{NVIDIA}/memory",),
    },
    geometry={NVIDIA: Geometry(whole={"NVIDIA A30": 4})},
)
