"""Kubernetes versions that Drawbridge speaks, and the feature gates that change what it judges.

Source: pkg/features/kube_features.go of each minor version.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

SUPPORTED = ("1.34", "1.35", "1.36", "1.37")
NEWEST = SUPPORTED[-1]

CONSUMABLE_CAPACITY = "DRAConsumableCapacity"
LIST_ATTRIBUTES = "DRAListTypeAttributes"
EXTENDED_RESOURCE = "DRAExtendedResource"
PRIORITIZED_LIST = "DRAPrioritizedList"
DEVICE_TAINTS = "DRADeviceTaints"
ADMIN_ACCESS = "DRAAdminAccess"
FRACTIONAL_RANGE = "DRAFractionalCapacityRange"
BINDING_CONDITIONS = "DRADeviceBindingConditions"

_ON_SINCE: Mapping[str, str | None] = {
    CONSUMABLE_CAPACITY: "1.36",
    LIST_ATTRIBUTES: None,
    EXTENDED_RESOURCE: "1.36",
    PRIORITIZED_LIST: "1.34",
    DEVICE_TAINTS: "1.36",
    ADMIN_ACCESS: "1.34",
    FRACTIONAL_RANGE: "1.37",
    BINDING_CONDITIONS: "1.36",
}


@lru_cache(maxsize=1024)
def default_gate(name: str, version: str) -> bool:
    """Return whether a gate that we know is on by default in a supported version."""
    since = _ON_SINCE[name]
    return since is not None and minor(version) >= minor(since)


def minor(version: str) -> int:
    """Return the minor number of `1.36`, `v1.36.2` or `1.36+`; ValueError for anything else."""
    major, _, rest = version.removeprefix("v").partition(".")
    digits = rest.split(".")[0].rstrip("+").split("-")[0]
    if major != "1" or not digits.isdigit():
        raise ValueError(f"'{version}' is not a Kubernetes version")
    return int(digits)


def supported(version: str) -> str:
    """Return the nearest supported version (contract 2: another version is judged as the nearest one)."""
    wanted = min(max(minor(version), minor(SUPPORTED[0])), minor(NEWEST))
    return f"1.{wanted}"


@dataclass(frozen=True, slots=True)
class ServerTruth:
    """What is known of the API server: its version and the gates known for certain.

    `version` is a supported one; `exact` is False where the server is newer or older than we support. `gates` holds
    only gates that are positively known (flags, the server's metric, or shown by what slices publish).
    `assume_defaults` is True where a gate that is not known takes its version's default (files).
    """

    version: str = NEWEST
    exact: bool = True
    gates: Mapping[str, bool] = field(default_factory=dict)
    assume_defaults: bool = False

    def gate(self, name: str) -> bool | None:
        """Return whether the gate is on; None where that is not known."""
        known = self.gates.get(name)
        if known is None and self.assume_defaults:
            return default_gate(name, self.version)
        return known

    def gate_or_default(self, name: str) -> bool:
        known = self.gates.get(name)
        return default_gate(name, self.version) if known is None else known
