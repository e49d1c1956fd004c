"""Fields that a configuration's kind does not have; drivers decode strictly."""

import pytest

from tests.support.build import Raw
from tests.support.configs import entry, gpu_config, in_claim, view_of
from webhook.core.finding import Finding, Severity
from webhook.rules.config_unknown_field import check

PARAMETERS = "spec.devices.config[0].opaque.parameters"


def edits(finding: Finding) -> dict[str, object]:
    return {str(edit.path).removeprefix(f"{PARAMETERS}."): edit.value for edit in finding.fixes[0].edits}


@pytest.mark.parametrize(
    ("fields", "where", "wanted"),
    [
        (
            {"Sharing": {"strategy": "MPS"}},
            "Sharing",
            {"Sharing": None, "sharing": {"strategy": "MPS"}},
        ),
        (
            {"sharing": {"strategy": "TimeSlicing", "timeslicingConfig": {"interval": "Long"}}},
            "sharing.timeslicingConfig",
            {"sharing.timeslicingConfig": None, "sharing.timeSlicingConfig": {"interval": "Long"}},
        ),
        (
            {"sharing": {"strategy": "TimeSlicing", "timeSlicingConfig": {}, "interval": "Short"}},
            "sharing.interval",
            {"sharing.interval": None, "sharing.timeSlicingConfig": {"interval": "Short"}},
        ),
        (
            {"sharing": {"mpsConfig": {}}, "strategy": "MPS"},
            "strategy",
            {"strategy": None, "sharing.strategy": "MPS"},
        ),
        ({"colour": "blue"}, "colour", {"colour": None}),
    ],
)
def test_an_unknown_field_is_refused_at_its_place(fields: Raw, where: str, wanted: Raw) -> None:
    [finding] = in_claim(check, entry(gpu_config(**fields)))
    assert finding.severity is Severity.DENY
    assert str(finding.path) == f"{PARAMETERS}.{where}"
    assert edits(finding) == wanted


def test_a_field_of_another_level_says_where_it_belongs() -> None:
    [finding] = in_claim(check, entry(gpu_config(sharing={"strategy": "MPS", "defaultActiveThreadPercentage": 50})))
    assert finding.fixes[0].message == "`defaultActiveThreadPercentage` belongs to `sharing.mpsConfig`"


def test_mig_devices_have_no_time_slicing_configuration() -> None:
    sharing = {"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Long"}}
    [finding] = in_claim(check, entry(gpu_config("MigDeviceConfig", sharing=sharing)))
    assert finding.message == "`MigDeviceConfig` of driver 'gpu.nvidia.com' has no field `timeSlicingConfig` here"


def test_a_driver_that_may_be_newer_is_only_warned_of() -> None:
    newer = view_of(("gpu.nvidia.com", "1.0", {}))
    [finding] = in_claim(check, entry(gpu_config(colour="blue")), view=newer)
    assert finding.severity is Severity.WARN


def test_a_configuration_without_kind_has_no_such_field() -> None:
    found = in_claim(check, entry({"apiVersion": "v1", "kind": "NetworkConfig"}, "dra.net"))
    assert [finding.path.steps[-1] for finding in found] == ["apiVersion", "kind"]


@pytest.mark.parametrize(
    "right",
    [
        gpu_config(),
        gpu_config(sharing=None),
        gpu_config(sharing={"strategy": "MPS", "mpsConfig": {"multiUser": True}}),
        gpu_config("VfioDeviceConfig", iommu={"backendPolicy": "LegacyOnly", "enableAPIDevice": True}),
    ],
)
def test_every_field_of_a_kind_is_accepted(right: Raw) -> None:
    assert in_claim(check, entry(right)) == []
