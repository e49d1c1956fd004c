"""Parameters of a kind that the driver does not take."""

import pytest

from tests.support.build import Raw
from tests.support.configs import GPU, NVIDIA, entry, gpu_config, in_claim, in_class, view_of
from webhook.core.finding import Severity
from webhook.rules.config_unknown_kind import check

PARAMETERS = "spec.devices.config[0].opaque.parameters"


@pytest.mark.parametrize(
    ("parameters", "edits"),
    [
        (gpu_config("GPUConfig"), {"kind": "GpuConfig"}),
        (gpu_config("MigConfig"), {"kind": "MigDeviceConfig"}),
        ({"apiVersion": "resource.nvidia.com/v1", "kind": "GpuConfig"}, {"apiVersion": "resource.nvidia.com/v1beta1"}),
        (
            {"apiVersion": "gpu.nvidia.com/v1alpha1", "kind": "GpuConfig"},
            {"apiVersion": "resource.nvidia.com/v1beta1"},
        ),
        ({"kind": "GpuConfig"}, {"apiVersion": "resource.nvidia.com/v1beta1"}),
        (
            {"apiVersion": "gpu.nvidia.com/v1", "kind": "gpuconfig"},
            {"apiVersion": "resource.nvidia.com/v1beta1", "kind": "GpuConfig"},
        ),
    ],
)
def test_a_kind_that_a_slip_explains_is_refused_with_the_edit(parameters: Raw, edits: dict[str, str]) -> None:
    [finding] = in_claim(check, entry(parameters))
    assert finding.severity is Severity.DENY
    assert str(finding.path) == PARAMETERS
    assert {str(edit.path).removeprefix(f"{PARAMETERS}."): edit.value for edit in finding.fixes[0].edits} == edits


@pytest.mark.parametrize("parameters", [gpu_config("Sharing"), {}, {"sharing": {}}, {"apiVersion": 1, "kind": 2}])
def test_a_kind_that_nothing_explains_is_refused_with_what_the_driver_takes(parameters: Raw) -> None:
    [finding] = in_claim(check, entry(parameters))
    assert finding.severity is Severity.DENY
    assert "`GpuConfig`, `MigDeviceConfig`, `VfioDeviceConfig`" in finding.fixes[0].message
    assert finding.fixes[0].edits == ()


def test_a_known_mistake_says_why() -> None:
    [finding] = in_claim(check, entry({"apiVersion": "gpu.nvidia.com/v1alpha1", "kind": "GpuConfig"}))
    assert finding.why == "the driver's configuration moved to `resource.nvidia.com/v1beta1` in 25.3"


def test_a_kind_of_a_later_version_is_unknown_before_it() -> None:
    config = entry(gpu_config("VfioDeviceConfig"))
    assert in_claim(check, config, view=view_of((NVIDIA, "25.12.0", {}))) == []
    [finding] = in_claim(check, config, view=view_of((NVIDIA, "25.8.0", {})))
    assert finding.severity is Severity.DENY


def test_a_driver_newer_than_its_pack_is_only_warned_of_unless_a_slip_explains_it() -> None:
    newer = view_of((NVIDIA, "1.0", {}))
    [unheard] = in_claim(check, entry(gpu_config("FabricConfig")), view=newer)
    [slip] = in_claim(check, entry(gpu_config("GPUConfig")), view=newer)
    assert (unheard.severity, slip.severity) == (Severity.WARN, Severity.DENY)


def test_a_class_is_judged_like_a_claim() -> None:
    [finding] = in_class(check, GPU, entry(gpu_config("GPUConfig")))
    assert finding.severity is Severity.DENY
    assert str(finding.path) == "spec.config[0].opaque.parameters"


@pytest.mark.parametrize("driver", ["npu.vendor.io", "gpu.intel.com"])
def test_a_driver_of_whose_configuration_nothing_is_known_has_no_opinion(driver: str) -> None:
    assert in_claim(check, entry(gpu_config("Anything"), driver)) == []


def test_parameters_without_a_kind_are_right_where_the_driver_has_none() -> None:
    assert in_claim(check, entry({"interface": {"name": "net1"}}, "dra.net")) == []
