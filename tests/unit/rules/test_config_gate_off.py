"""Configuration that needs a feature gate of the driver."""

import pytest

from tests.support.build import Raw
from tests.support.configs import NVIDIA, entry, gpu_config, in_claim, view_of
from webhook.core.finding import Severity
from webhook.rules.config_gate_off import check

TIME_SLICING = entry(gpu_config(sharing={"strategy": "TimeSlicing"}))


@pytest.mark.parametrize("gates", [{}, {"TimeSlicingSettings": False}, {"MPSSupport": True}])
def test_a_gate_that_a_stated_driver_has_off_is_warned_of(gates: dict[str, bool]) -> None:
    [finding] = in_claim(check, TIME_SLICING, view=view_of((NVIDIA, "0.5.0", gates)))
    assert finding.severity is Severity.WARN
    assert str(finding.path) == "spec.devices.config[0].opaque.parameters.sharing.strategy"
    assert finding.message == (
        "`strategy: TimeSlicing` needs the feature gate `TimeSlicingSettings` of driver 'gpu.nvidia.com', which is off"
    )


def test_a_gate_that_is_on_is_accepted() -> None:
    assert in_claim(check, TIME_SLICING, view=view_of((NVIDIA, "0.5.0", {"TimeSlicingSettings": True}))) == []


def test_of_a_driver_that_nobody_states_only_the_default_is_told() -> None:
    [finding] = in_claim(check, TIME_SLICING)
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize(
    ("parameters", "gates"),
    [
        (gpu_config(sharing={"strategy": "MPS"}), ["MPSSupport"]),
        (gpu_config("VfioDeviceConfig"), ["PassthroughSupport"]),
        (gpu_config("VfioDeviceConfig", iommu={"enableAPIDevice": True}), ["DeviceMetadata", "PassthroughSupport"]),
        (gpu_config("VfioDeviceConfig", iommu={"enableAPIDevice": False}), ["PassthroughSupport"]),
        (gpu_config(), []),
    ],
)
def test_each_field_needs_its_gate(parameters: Raw, gates: list[str]) -> None:
    found = in_claim(check, entry(parameters))
    assert sorted(finding.message.split("`")[3] for finding in found) == gates
