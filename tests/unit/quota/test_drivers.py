"""What charging takes from the driver packs: other names of a capacity, compute slices of a device."""

from typing import Any

import pytest

from tests.support.build import device, make_slice
from webhook.kube.shipped import shipped_catalogue
from webhook.quota.drivers import MOST_SLICES, DriverFacts, facts_of

FACTS = facts_of(shipped_catalogue())
NVIDIA = "gpu.nvidia.com"


def slices(driver: str = NVIDIA, **attributes: Any) -> int:
    [published] = make_slice(device("gpu-0", **attributes), driver=driver).devices
    return FACTS.slices(published)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"type": "gpu", "productName": "NVIDIA A30"}, 4),
        ({"type": "gpu", "productName": "NVIDIA H100 80GB HBM3"}, 7),
        ({"type": "gpu", "productName": "NVIDIA RTX PRO 6000 Blackwell Server Edition"}, 4),
        ({"type": "vfio", "productName": "NVIDIA H200"}, 7),
        ({"type": "gpu", "productName": "NVIDIA Something New"}, MOST_SLICES),
        ({"type": "mig", "productName": "NVIDIA A30", "profile": "2g.12gb"}, 2),
        ({"type": "mig", "profile": "1c.3g.40gb"}, 3),
        ({"type": "mig", "profile": "odd"}, MOST_SLICES),
    ],
)
def test_slices_of_a_device_are_its_profiles_or_its_models(attributes: dict[str, str], expected: int) -> None:
    assert slices(**attributes) == expected


def test_devices_of_drivers_that_divide_nothing_have_no_slices() -> None:
    assert slices("nic.example.com", profile="3g.40gb") == 0
    assert slices("gpu.amd.com", type="amdgpu") == 0


def test_one_capacity_has_the_names_that_the_pack_gives_it() -> None:
    assert FACTS.spellings(f"{NVIDIA}/memory") == (f"{NVIDIA}/memory", f"{NVIDIA}/addressableMemory")
    assert FACTS.spellings(f"{NVIDIA}/addressableMemory") == (f"{NVIDIA}/addressableMemory", f"{NVIDIA}/memory")
    assert FACTS.spellings("nic.example.com/memory") == ("nic.example.com/memory",)


def test_without_a_catalogue_nothing_is_known() -> None:
    facts = DriverFacts({})
    assert facts.spellings(f"{NVIDIA}/memory") == (f"{NVIDIA}/memory",)
    assert (facts.dividing, facts.aliasing) == (frozenset(), frozenset())
    assert (FACTS.dividing, FACTS.aliasing) == (frozenset({NVIDIA}), frozenset({NVIDIA}))
