"""What drivers mean by their devices, as far as charging must know it: other names of a capacity, MIG geometry.

The facts are those of the driver catalogue: what a device *is*, never which devices there might be (contract 5.1).
"""

import re
from collections.abc import Mapping
from functools import cached_property

from webhook.core.cache import BoundedCache
from webhook.core.catalogue import DriverPack
from webhook.core.device import Device

MOST_SLICES = 7
_PROFILE = re.compile(r"(?:\d+c\.)?(\d+)g\.")


class DriverFacts:
    """What the driver packs of a catalogue tell of capacities and partitions."""

    def __init__(self, catalogue: Mapping[str, DriverPack]) -> None:
        self._catalogue = catalogue

    @cached_property
    def dividing(self) -> frozenset[str]:
        """Return the drivers whose devices divide into compute slices."""
        return frozenset(driver for driver, pack in self._catalogue.items() if pack.models)

    @cached_property
    def aliasing(self) -> frozenset[str]:
        """Return the drivers that publish one capacity by several names."""
        packs = self._catalogue.items()
        return frozenset(driver for driver, pack in packs if any(entry.aliases for entry in pack.capacities.values()))

    def spellings(self, qualified_name: str) -> tuple[str, ...]:
        """Return the names under which a device may publish a capacity, its own name first."""
        pack = self._catalogue.get(qualified_name.partition("/")[0])
        entry = None if pack is None else pack.capacities.get(qualified_name)
        return (qualified_name, *(entry.aliases if entry else ()))

    def slices(self, device: Device) -> int:
        """Return the compute slices of a device: those of its MIG profile, or all of its model's; 0 where none exist.

        7 where the driver divides its devices and this one cannot be told.
        """
        pack = self._catalogue.get(device.driver)
        if pack is None or not pack.models:
            return 0
        profile = profile_of(device)
        if profile:
            return slices_of_profile(profile)
        product = _text(device, "productName")
        return next((model.slices for model in pack.models if product in model.products), MOST_SLICES)


# Those of the catalogues asked about last; a catalogue is kept with its facts, so that no other has its identity.
_FACTS: BoundedCache[int, tuple[Mapping[str, DriverPack], DriverFacts]] = BoundedCache(4)


def facts_of(catalogue: Mapping[str, DriverPack]) -> DriverFacts:
    """Return what a catalogue tells; one object for one catalogue."""
    return _FACTS.get(id(catalogue), 1, lambda: (catalogue, DriverFacts(catalogue)))[1]


def profile_of(device: Device) -> str:
    """Return the MIG profile, the driver's own attribute `profile`; empty where there is none."""
    return _text(device, "profile")


def slices_of_profile(profile: str) -> int:
    """Return the compute slices of a profile such as `3g.40gb` or `1c.3g.40gb`: those of its GPU instance."""
    found = _PROFILE.match(profile)
    return min(int(found[1]), MOST_SLICES) if found else MOST_SLICES


def _text(device: Device, name: str) -> str:
    value = device.attribute(f"{device.driver}/{name}")
    return value if isinstance(value, str) else ""
