"""Names that a catalogued driver does not publish: refused, with what was meant, cluster or no cluster."""

import pytest

from tests.support.build import claim_with, device, make_class, make_slice, make_view
from webhook.core.catalogue import StatedDriver
from webhook.core.cluster import ClusterView
from webhook.core.finding import Edit, Finding, Severity
from webhook.inventory.case import Case
from webhook.kube.shipped import shipped_catalogue
from webhook.rules import judged, selector_unknown_attribute, selector_unknown_capacity, selector_unknown_domain

NVIDIA = "gpu.nvidia.com"
CHECKS = (selector_unknown_domain.check, selector_unknown_attribute.check, selector_unknown_capacity.check)
OFFLINE = ClusterView(catalogue=shipped_catalogue())
H100 = device("gpu-0", {"memory": "80Gi"}, type="gpu", productName="NVIDIA H100 80GB HBM3", uuid="GPU-1")
MIG = device("mig-0", {"memory": "40Gi"}, type="mig", profile="3g.40gb", productName="NVIDIA H100 80GB HBM3")
A, C = f"device.attributes['{NVIDIA}']", f"device.capacity['{NVIDIA}']"


def cluster(version: str = "") -> ClusterView:
    return make_view(
        make_slice(H100, MIG, driver=NVIDIA),
        classes=[make_class(NVIDIA, f"device.driver == '{NVIDIA}'")],
        catalogue=shipped_catalogue(),
        drivers={NVIDIA: StatedDriver(version)} if version else {},
    )


def findings(*selectors: str, view: ClusterView = OFFLINE) -> tuple[Finding, ...]:
    return judged(Case(claim_with(*selectors, device_class=NVIDIA), "team-a", view), CHECKS)


def the_edit(finding: Finding) -> object:
    [edit] = finding.fixes[0].edits
    assert edit.path == finding.path
    return edit.value


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (f"{A}.migProfile == '3g.40gb'", f"{A}.profile == '3g.40gb'"),
        (f"{A}.model == 'x'", f"{A}.productName == 'x'"),
        (f"{A}.product == 'x'", f"{A}.productName == 'x'"),
        (f"{A}.productname == 'x'", f"{A}.productName == 'x'"),
        (f"{A}['computeCapability'].major() >= 9", f"{A}['cudaComputeCapability'].major() >= 9"),
        ("device.attributes['nvidia.com'].type == 'gpu'", f"{A}.type == 'gpu'"),
        ("device.attributes['mig.nvidia.com'].migProfile == '1g.10gb'", f"{A}.profile == '1g.10gb'"),
        ("device.attributes['gpu.nvida.com'].type == 'gpu'", f"{A}.type == 'gpu'"),
        ("device.attributes.gpu.nvidia.com.type == 'gpu'", f"{A}.type == 'gpu'"),
        ("device.attributes.gpu .nvidia. com.model == 'x'", f"{A}.productName == 'x'"),
        (f"{A}.memory == '80Gi'", f"{C}.memory.compareTo(quantity('80Gi')) == 0"),
        (f"42949672960 < {A}.memory", f"{C}.memory.compareTo(quantity('42949672960')) > 0"),
        (f"{A}.multiprocessors >= 98", f"{C}.multiprocessors.compareTo(quantity('98')) >= 0"),
        (f"{A}.memory.isGreaterThan(quantity('40Gi'))", f"{C}.memory.isGreaterThan(quantity('40Gi'))"),
        (f"{C}.vram.isGreaterThan(quantity('40Gi'))", f"{C}.memory.isGreaterThan(quantity('40Gi'))"),
        (f"{A}.numaNode == 0", "device.attributes['resource.kubernetes.io'].numaNode == 0"),
    ],
)
def test_without_a_cluster_what_the_catalogue_lacks_is_refused_with_what_was_meant(wrong: str, right: str) -> None:
    [finding] = findings(wrong)
    assert finding.severity is Severity.DENY
    assert the_edit(finding) == right


@pytest.mark.parametrize(
    "right",
    [
        f"{A}.profile == '3g.40gb' && {A}.driverVersion.isGreaterThan(semver('580.0.0'))",
        f"{C}.addressableMemory.isGreaterThan(quantity('40Gi'))",
        f"{A}.index == 0",
        f"{A}.partition4 == 1",
        "device.attributes['resource.kubernetes.io'].pcieRoot == 'pci0000:00'",
        "device.attributes['npu.vendor.io'].cores == 4",
        "device.attributes['npu.intel.com'].type == 'npu'",
    ],
)
def test_without_a_cluster_a_name_of_any_version_or_of_an_unknown_driver_is_accepted(right: str) -> None:
    assert findings(right) == ()


def test_a_standard_attribute_under_a_near_name_is_refused_and_one_nobody_has_heard_of_is_warned_of() -> None:
    standard = "device.attributes['resource.kubernetes.io']"
    [near] = findings(f"{standard}.pcieRot == 'x'")
    [unheard] = findings(f"{standard}.rackName == 'x'")
    assert (near.severity, unheard.severity) == (Severity.DENY, Severity.WARN)
    assert the_edit(near) == f"{standard}.pcieRoot == 'x'"


def test_a_renamed_attribute_is_refused_where_the_version_is_stated() -> None:
    [finding] = findings(f"{A}.pcieBusID == '0000:17:00.0'", view=cluster("0.5.0"))
    assert finding.severity is Severity.DENY
    assert finding.why == "the driver publishes it before version 0.3 only"
    assert finding.fixes[0].message == "did you mean `resource.kubernetes.io/pciBusID`?"


def test_a_dropped_attribute_is_refused_where_live_devices_show_the_version() -> None:
    [finding] = findings(f"{A}.index == 0", view=cluster())
    assert finding.severity is Severity.DENY
    assert finding.fixes[0].message == "did you mean `uuid`?"
    assert finding.fixes[0].edits == ()


def test_a_driver_known_to_be_newer_is_warned_of_unless_a_slip_explains_it() -> None:
    newer = cluster("0.9.0")
    [unheard] = findings(f"{A}.tensorCores == 4", view=newer)
    [slip] = findings(f"{A}.productNmae == 'NVIDIA H100 80GB HBM3'", view=newer)
    assert (unheard.severity, slip.severity) == (Severity.WARN, Severity.DENY)


@pytest.mark.parametrize("confused", [f"{A}.memory == '80Gi'", f"{A}.migProfile == '3g.40gb'"])
def test_without_devices_a_driver_known_to_be_newer_is_warned_of_where_a_mistake_explains_it(confused: str) -> None:
    newer = ClusterView(catalogue=shipped_catalogue(), drivers={NVIDIA: StatedDriver("0.9.0")})
    assert findings(f"{A}.tensorCores == 4", view=newer) == ()
    [finding] = findings(confused, view=newer)
    assert finding.severity is Severity.WARN
    assert the_edit(finding)


def test_an_edit_that_matches_no_device_is_not_given() -> None:
    [finding] = findings(f"{A}.migProfile == '7g.80gb'", view=cluster())
    assert finding.severity is Severity.DENY
    assert finding.fixes[0].edits == ()


def test_several_mistakes_in_one_selector_are_mended_together() -> None:
    found = findings(f"{A}.model == 'NVIDIA H100 80GB HBM3' && {A}.migProfile == '3g.40gb'", view=cluster())
    whole = f"{A}.productName == 'NVIDIA H100 80GB HBM3' && {A}.profile == '3g.40gb'"
    assert [finding.fixes[0].edits for finding in found] == [(Edit(found[0].path, whole),)] * 2


def test_a_domain_that_the_only_driver_asked_for_does_not_have_is_refused() -> None:
    [finding] = findings("device.attributes['vendor.io'].anything == 1", view=cluster())
    assert finding.severity is Severity.DENY
    [finding] = findings(f"device.driver == '{NVIDIA}' && device.attributes['vendor.io'].anything == 1")
    assert finding.severity is Severity.DENY


def test_a_guarded_mistake_is_portable_style() -> None:
    [finding] = findings(f"has({A}.migProfile)", view=cluster())
    assert finding.severity is Severity.INFO


def test_in_the_file_of_a_class_a_mistake_is_refused_too() -> None:
    [finding] = judged(Case(make_class("mig", f"{A}.migProfile == '3g.40gb'"), "", OFFLINE), CHECKS)
    assert finding.severity is Severity.DENY
    assert finding.fixes[0].edits[0].value == f"{A}.profile == '3g.40gb'"
