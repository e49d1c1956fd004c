"""Configuration for a driver, or a kind of device, that its requests cannot get."""

import pytest

from tests.support.configs import AMD, GPU, MIG, NVIDIA, entry, gpu_config, in_claim, in_class
from webhook.core.finding import Severity
from webhook.rules.config_driver_mismatch import check

AMD_CONFIG = {"apiVersion": "gpu.resource.amd.com/v1alpha1", "kind": "GpuConfig"}
DRIVER = "spec.devices.config[0].opaque.driver"


def test_a_driver_that_no_request_can_get_is_warned_of() -> None:
    [finding] = in_claim(check, entry(AMD_CONFIG, "gpu.amd.com"))
    assert finding.severity is Severity.WARN
    assert str(finding.path) == DRIVER


def test_the_driver_of_the_devices_is_offered_where_it_takes_such_parameters() -> None:
    [finding] = in_claim(check, entry(gpu_config(), "gpu.amd.com"))
    assert [edit.value for edit in finding.fixes[0].edits] == [NVIDIA]


def test_no_edit_hands_parameters_to_a_driver_that_would_refuse_them() -> None:
    [finding] = in_claim(check, entry(AMD_CONFIG, "gpu.amd.com"))
    [fix] = finding.fixes
    assert fix.edits == ()
    assert fix.message == (
        "the driver of these devices is 'gpu.nvidia.com': remove the configuration, or write it for that one"
    )


@pytest.mark.parametrize(("requests", "count"), [((), 0), (("r0",), 1), (("r1",), 0)])
def test_with_two_drivers_the_named_requests_count(requests: tuple[str, ...], count: int) -> None:
    assert len(in_claim(check, entry(AMD_CONFIG, "gpu.amd.com", *requests), classes=(NVIDIA, "gpu.amd.com"))) == count


def test_a_mistyped_driver_is_warned_of() -> None:
    [finding] = in_claim(check, entry(gpu_config(), "gpu.nvida.com"), classes=("unheard-of",))
    assert finding.fixes[0].message == "did you mean `gpu.nvidia.com`?"


def test_a_mistyped_driver_is_named_without_an_edit_where_its_parameters_are_of_no_kind_either() -> None:
    [finding] = in_claim(check, entry(gpu_config("GPUConfig"), "gpu.nvida.com"), classes=("unheard-of",))
    [fix] = finding.fixes
    assert (fix.message, fix.edits) == ("did you mean `gpu.nvidia.com`?", ())


def test_the_domain_of_the_device_plugin_is_no_driver() -> None:
    [finding] = in_claim(check, entry(gpu_config(), "nvidia.com"), classes=("unheard-of",))
    assert [edit.value for edit in finding.fixes[0].edits] == [NVIDIA]


def test_a_kind_for_whole_gpus_does_not_fit_mig_devices() -> None:
    [finding] = in_claim(check, entry(gpu_config()), classes=("mig.nvidia.com",))
    assert finding.message == "`GpuConfig` is for devices of kind gpu, which request 'r0' cannot get"
    assert finding.fixes[0].message == "the kind for these devices is `MigDeviceConfig`"


@pytest.mark.parametrize(("requests", "count"), [((), 0), (("r0",), 0), (("r1",), 1), (("r0", "r1"), 1)])
def test_a_kind_must_fit_every_request_that_it_names(requests: tuple[str, ...], count: int) -> None:
    found = in_claim(check, entry(gpu_config(), NVIDIA, *requests), classes=(NVIDIA, "mig.nvidia.com"))
    assert len(found) == count


def test_a_class_is_judged_by_its_own_selectors() -> None:
    assert len(in_class(check, AMD, entry(gpu_config()))) == 1
    assert len(in_class(check, MIG, entry(gpu_config()))) == 1
    assert in_class(check, GPU, entry(gpu_config())) == []


@pytest.mark.parametrize("classes", [("unheard-of",), (NVIDIA,), (NVIDIA, "unheard-of")])
def test_a_driver_that_a_request_may_get_is_accepted(classes: tuple[str, ...]) -> None:
    assert in_claim(check, entry(gpu_config()), classes=classes) == []
    assert in_claim(check, entry({"anything": 1}, "npu.vendor.io"), classes=("unheard-of",)) == []
