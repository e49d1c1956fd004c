"""MIG profiles that no GPU offers."""

import pytest

from tests.support.build import Raw, claim_with, make_class
from tests.support.nvidia import A100, H100, MIG, gpu, nvidia_view, partition, profile_is
from webhook.core.claims import Claim
from webhook.core.devices import DeviceClass
from webhook.core.finding import Finding, Severity
from webhook.inventory.case import Case
from webhook.inventory.trying import with_tried_edits
from webhook.rules.mig_unknown_profile import check

PROFILE = "device.attributes['gpu.nvidia.com'].profile"
STATIC = (partition("m-0", "3g.40gb"), partition("m-1", "1g.10gb"))


def findings(subject: Claim | DeviceClass, *devices: Raw) -> list[Finding]:
    case = Case(subject, "team-a", nvidia_view(*devices))
    return list(with_tried_edits(case, check(case)))


def asked(selector: str, *devices: Raw) -> list[Finding]:
    return findings(claim_with(selector, device_class=MIG), *devices)


@pytest.mark.parametrize("profile", ["3g.40gb", "1g.10gb+me", "7g.80gb"])
def test_a_profile_that_the_model_offers_is_no_finding(profile: str) -> None:
    assert asked(profile_is(profile), gpu("gpu-0"), *STATIC) == []


@pytest.mark.parametrize("wrong", ["3g.40g", "3G.40GB", "3g-40gb", "3g.40gbb", "3g40gb"])
@pytest.mark.parametrize("devices", [(), STATIC])
def test_a_misspelt_profile_is_refused_with_the_edit(wrong: str, devices: tuple[Raw, ...]) -> None:
    [finding] = asked(profile_is(wrong), *devices)
    assert (finding.rule, finding.severity) == ("mig-unknown-profile", Severity.DENY)
    assert finding.message == f"no known model of GPU offers the MIG profile '{wrong}'"
    assert finding.span is not None
    assert finding.source[finding.span.start : finding.span.end] == wrong
    assert finding.fixes[0].edits[0].value == profile_is("3g.40gb")


def test_a_profile_of_no_model_is_refused_where_every_model_is_known() -> None:
    [finding] = asked(profile_is("5g.55gb"), *STATIC)
    assert finding.severity is Severity.DENY


@pytest.mark.parametrize("devices", [(), (gpu("gpu-0", "NVIDIA X999"), *STATIC)])
def test_it_is_warned_of_where_a_model_may_be_there_that_nobody_knows(devices: tuple[Raw, ...]) -> None:
    [finding] = asked(profile_is("5g.55gb"), *devices)
    assert finding.severity is Severity.WARN


def test_a_profile_that_only_other_models_offer_is_warned_of_with_one_of_as_many_slices() -> None:
    [finding] = asked(profile_is("3g.20gb"), *STATIC)
    assert finding.severity is Severity.WARN
    assert finding.message == "no GPU here offers the MIG profile '3g.20gb'"
    assert finding.why == "the models here are 'NVIDIA H100 80GB HBM3'"
    assert finding.fixes[0].edits[0].value == profile_is("3g.40gb")


def test_a_model_that_nobody_knows_may_offer_what_others_do() -> None:
    assert asked(profile_is("3g.20gb"), gpu("gpu-0", "NVIDIA X999"), *STATIC) == []
    assert asked(profile_is("3g.20gb"), gpu("gpu-0", A100), *STATIC) == []
    assert asked(profile_is("3g.20gb")) == []


def test_a_profile_that_a_device_publishes_is_known() -> None:
    assert asked(profile_is("5g.55gb"), partition("m-0", "5g.55gb", product=H100)) == []


@pytest.mark.parametrize(
    "selector",
    [
        f"{profile_is('3g.20gb')} || {profile_is('3g.40gb')}",
        f"{PROFILE} in ['1g.5gb', '1g.10gb', '5g.55gb']",
        f"{PROFILE} != '5g.55gb'",
        f"device.driver != 'gpu.nvidia.com' || {profile_is('5g.55gb')}",
        f"{PROFILE}.startsWith('1g.')",
        "device.attributes['gpu.nvidia.com'].?profile.orValue('none') == 'none'",
        "device.attributes['other.example.com'].profile == '5g.55gb'",
    ],
)
def test_a_selector_that_leaves_another_profile_is_portable(selector: str) -> None:
    assert asked(selector, *STATIC) == []


def test_a_misspelt_one_among_several_is_warned_of() -> None:
    [finding] = asked(f"{PROFILE} in ['1g.10gb', '3g.40g']", *STATIC)
    assert finding.severity is Severity.WARN
    assert finding.fixes[0].edits[0].value == f"{PROFILE} in ['1g.10gb', '3g.40gb']"


@pytest.mark.parametrize(
    "selector",
    [
        f"has({PROFILE}) && {profile_is('3g.40g')}",
        "device.attributes['gpu.nvidia.com'].?profile.orValue('') == '3g.40g'",
        f"'3g.40g' == {PROFILE}",
        f"{PROFILE} in ['3g.40g']",
    ],
)
def test_the_profile_is_found_however_it_is_compared(selector: str) -> None:
    [finding] = asked(selector, *STATIC)
    assert finding.severity is Severity.DENY
    assert finding.fixes[0].edits[0].value == selector.replace("3g.40g", "3g.40gb")


def test_a_class_is_judged_as_well() -> None:
    [finding] = findings(make_class("third.example.com", profile_is("3g.40g")))
    assert str(finding.path) == "spec.selectors[0].cel.expression"
