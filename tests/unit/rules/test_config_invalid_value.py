"""Values and combinations that a driver refuses, or falls over, when the pod is already on its node."""

from typing import Any

import pytest

from tests.support.build import Raw
from tests.support.configs import entry, gpu_config, in_claim
from webhook.core.finding import Finding, Severity
from webhook.rules.config_invalid_value import check

PARAMETERS = "spec.devices.config[0].opaque.parameters"
DOMAIN = "compute-domain.nvidia.com"
TPU = {"apiVersion": "tpu.resource.google.com/v1alpha1", "kind": "TpuConfig"}


def only(*config: Raw) -> Finding:
    [finding] = in_claim(check, *config)
    assert finding.severity is Severity.DENY
    return finding


def mps(**fields: Any) -> Raw:
    return entry(gpu_config(sharing={"strategy": "MPS", "mpsConfig": fields}))


def channel(**fields: Any) -> Raw:
    return entry(gpu_config("ComputeDomainChannelConfig", **fields), DOMAIN)


@pytest.mark.parametrize(
    ("config", "where", "message", "edit"),
    [
        (
            entry(gpu_config(sharing={"strategy": "Timeslicing"})),
            "sharing.strategy",
            "must be one of 'TimeSlicing', 'MPS', not 'Timeslicing'",
            "TimeSlicing",
        ),
        (
            entry(gpu_config(sharing={"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "medium"}})),
            "sharing.timeSlicingConfig.interval",
            "must be one of 'Default', 'Short', 'Medium', 'Long', not 'medium'",
            "Medium",
        ),
        (
            entry(gpu_config("VfioDeviceConfig", iommu={"backendPolicy": "PreferIommuFd"})),
            "iommu.backendPolicy",
            "must be one of 'LegacyOnly', 'PreferIommuFD', not 'PreferIommuFd'",
            "PreferIommuFD",
        ),
        (
            mps(defaultActiveThreadPercentage="50"),
            "sharing.mpsConfig.defaultActiveThreadPercentage",
            "must be an integer",
            50,
        ),
        (mps(multiUser="true"), "sharing.mpsConfig.multiUser", "must be true or false", True),
    ],
)
def test_a_value_that_a_slip_explains_is_refused_with_the_edit(
    config: Raw, where: str, message: str, edit: object
) -> None:
    finding = only(config)
    assert (str(finding.path), finding.message) == (f"{PARAMETERS}.{where}", message)
    assert [(str(e.path), e.value) for e in finding.fixes[0].edits] == [(f"{PARAMETERS}.{where}", edit)]


@pytest.mark.parametrize(
    ("config", "fixes"),
    [
        (mps(defaultPinnedDeviceMemoryLimit="10GB"), ["write '10G'", "write '10Gi'"]),
        (mps(defaultPinnedDeviceMemoryLimit="much"), ["write a quantity of at least '1Mi', such as '4Gi'"]),
        (mps(defaultActiveThreadPercentage="50%"), ["write an integer"]),
    ],
)
def test_what_may_be_meant_is_offered(config: Raw, fixes: list[str]) -> None:
    assert [fix.message for fix in only(config).fixes] == fixes


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (mps(defaultActiveThreadPercentage=101), "must be less than or equal to 100, not 101"),
        (mps(defaultActiveThreadPercentage=-1), "must be greater than or equal to 0, not -1"),
        (mps(defaultPinnedDeviceMemoryLimit="512Ki"), "must be greater than or equal to '1Mi', not '512Ki'"),
        (mps(defaultPinnedDeviceMemoryLimit="4GiB"), "must be a quantity such as '4Gi', not '4GiB'"),
        (mps(defaultPinnedDeviceMemoryLimit=1000), "must be greater than or equal to '1Mi', not '1k'"),
        (mps(defaultPerDevicePinnedMemoryLimit={"0": "10"}), "must be greater than or equal to '1Mi', not '10'"),
        (
            mps(defaultPerDevicePinnedMemoryLimit={"gpu-0": "1Gi"}),
            "the key 'gpu-0' must be the index of a device of the claim, or its UUID",
        ),
        (entry(gpu_config(sharing={})), "`strategy` must be set"),
        (entry(gpu_config(sharing="MPS")), "must be an object"),
        (channel(), "`domainID` must be set"),
        (channel(domainID=""), "must not be empty"),
        (channel(domainID="x" * 64), "must have at most 63 characters"),
        (entry({**TPU, "logging": {"level": 4}}, "tpu.google.com"), "must be less than or equal to 3, not 4"),
    ],
)
def test_a_value_out_of_range_is_refused(config: Raw, message: str) -> None:
    finding = only(config)
    assert finding.message == message
    assert finding.fixes


def test_a_path_as_a_domain_is_refused() -> None:
    assert only(channel(domainID="../../etc")).message.startswith("must match the regular expression")


def test_an_empty_time_slicing_configuration_is_refused_before_it_crashes_the_driver() -> None:
    finding = only(entry(gpu_config(sharing={"strategy": "TimeSlicing", "timeSlicingConfig": {}})))
    assert finding.why == "an empty `timeSlicingConfig` crashes the driver's plugin"
    assert [(str(e.path).rpartition(".")[2], e.value) for e in finding.fixes[0].edits] == [("interval", "Default")]


@pytest.mark.parametrize(
    ("strategy", "other"),
    [("TimeSlicing", {"mpsConfig": {"multiUser": False}}), ("MPS", {"timeSlicingConfig": {"interval": "Long"}})],
)
def test_the_configuration_of_the_other_strategy_is_refused(strategy: str, other: Raw) -> None:
    finding = only(entry(gpu_config(sharing={"strategy": strategy, **other})))
    [name] = other
    assert finding.message == f"`{name}` must not be set with the strategy '{strategy}'"
    assert [e.value for e in finding.fixes[0].edits] == [None]


def test_what_stands_under_a_wrong_name_is_not_said_to_be_missing() -> None:
    assert in_claim(check, entry(gpu_config(sharing={"Strategy": "MPS"}))) == []


@pytest.mark.parametrize(
    "right",
    [
        entry(gpu_config(sharing={"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Default"}})),
        entry(gpu_config(sharing={"strategy": "TimeSlicing"})),
        mps(defaultActiveThreadPercentage=100, defaultPinnedDeviceMemoryLimit="1Mi"),
        mps(defaultPerDevicePinnedMemoryLimit={"0": "2Gi", "GPU-2fa81118-5a5f": "1Gi"}),
        channel(domainID="6c0bd1f0-8d0b-4d2a-9d0a-1f0f3a1b2c3d", allocationMode="All"),
        entry({"interface": {"dhcp": False, "addresses": ["10.0.0.1/24"]}}, "dra.net"),
    ],
)
def test_what_the_driver_takes_is_accepted(right: Raw) -> None:
    assert in_claim(check, right) == []


def test_two_ways_to_an_address_are_one_too_many() -> None:
    [finding] = in_claim(check, entry({"interface": {"dhcp": True, "addresses": ["10.0.0.1/24"]}}, "dra.net"))
    assert finding.severity is Severity.WARN  # the pack knows the driver in part
    assert finding.message == "`dhcp` and `addresses` are two ways to get an address"
