"""Constraints over attributes that a driver of their requests does not publish."""

from typing import Any

import pytest

from tests.support.build import device, make_claim, make_class, make_slice, make_view, request
from tests.support.nvidia import CLASSES, MIG, gpu, nvidia_view, partition
from webhook.core.cluster import ClusterView
from webhook.core.finding import Edit, Finding, Severity
from webhook.inventory.case import Case
from webhook.kube.shipped import shipped_catalogue
from webhook.rules.constraint_unknown_attribute import check

PAIR = (request("a"), request("b"))
LIVE = make_view(make_slice(device("gpu-0", rack="r1")))
ROOT = "resource.kubernetes.io/pcieRoot"


def findings(view: ClusterView, *requests: dict[str, Any], **constraint: Any) -> list[Finding]:
    return list(check(Case(make_claim(*requests, constraints=[constraint]), "team-a", view)))


def matching(attribute: str, view: ClusterView = LIVE) -> list[Finding]:
    return findings(view, *PAIR, matchAttribute=attribute)


def test_an_attribute_that_devices_publish_is_no_finding() -> None:
    assert matching("gpu.example.com/rack") == []


def test_a_slip_of_the_pen_is_refused_with_the_edit() -> None:
    [finding] = matching("gpu.example.com/racks")
    assert (finding.rule, finding.severity) == ("constraint-unknown-attribute", Severity.DENY)
    assert str(finding.path) == "spec.devices.constraints[0].matchAttribute"
    assert finding.message == "'a' gets no device with `gpu.example.com/racks`"
    assert finding.why == "driver 'gpu.example.com' does not publish it"
    assert finding.fixes[0].edits == (Edit(finding.path, "gpu.example.com/rack"),)


def test_distinct_attributes_are_judged_as_well_and_of_both_only_the_first() -> None:
    [finding] = findings(LIVE, *PAIR, distinctAttribute="gpu.example.com/racks")
    assert str(finding.path) == "spec.devices.constraints[0].distinctAttribute"
    both = {"matchAttribute": "gpu.example.com/rack", "distinctAttribute": "gpu.example.com/racks"}
    assert findings(LIVE, *PAIR, **both) == []


def test_an_attribute_unlike_all_that_is_published_is_warned_of() -> None:
    [finding] = matching("gpu.example.com/switch")
    assert finding.severity is Severity.WARN


def test_the_domain_of_nobody_is_warned_of() -> None:
    [finding] = matching("vendor.example/rack")
    assert finding.severity is Severity.WARN
    assert finding.why.endswith("drivers of several vendors have only standard attributes in common")


def test_a_driver_that_nobody_knows_is_not_judged() -> None:
    assert matching("gpu.example.com/racks", make_view(classes=[make_class("gpu.example.com", "true")])) == []
    assert findings(LIVE, request(device_class="unknown"), matchAttribute="gpu.example.com/racks") == []


@pytest.mark.parametrize("attribute", ["rack", "/rack", "a/b/c", "gpu.example.com/", ""])
def test_a_name_that_is_not_qualified_is_the_api_servers_business(attribute: str) -> None:
    assert matching(attribute) == []


# With a catalogue


def of_two(attribute: str, *, standard: bool = True) -> list[Finding]:
    """Return what is found of a GPU and a network device under one constraint."""
    at: dict[str, Any] = {ROOT.replace("/", "__"): "pci0"} if standard else {}
    nic = make_slice(device("eth0", mac="x", **at), driver="nic.example.com", node="node-1", pool="nics")
    card = make_slice(gpu("gpu-0", **at), driver="gpu.nvidia.com")
    classes = (*CLASSES, make_class("nic", "device.driver == 'nic.example.com'"))
    view = make_view(card, nic, classes=classes, catalogue=shipped_catalogue())
    wanted = request("gpu", device_class="gpu.nvidia.com"), request("nic", device_class="nic")
    return findings(view, *wanted, matchAttribute=attribute)


def test_a_standard_attribute_compares_devices_of_two_drivers() -> None:
    assert of_two(ROOT) == []


def test_a_vendors_attribute_does_not_and_the_standard_one_is_offered() -> None:
    [finding] = of_two("gpu.nvidia.com/pcieRoot")
    assert finding.severity is Severity.DENY
    assert finding.fixes[0].edits == (Edit(finding.path, ROOT),)


def test_a_vendors_attribute_that_is_real_is_none_of_the_other_driver() -> None:
    [finding] = of_two("gpu.nvidia.com/uuid")
    assert (finding.severity, finding.fixes[0].edits) == (Severity.WARN, ())
    assert finding.message == "'nic' gets no device with `gpu.nvidia.com/uuid`"
    assert finding.fixes[0].message == f"published for all of them: `{ROOT}`"


def test_the_api_group_is_no_domain_of_attributes() -> None:
    [finding] = of_two("resource.k8s.io/pcieRoot")
    assert finding.fixes[0].edits == (Edit(finding.path, ROOT),)


def test_a_standard_attribute_that_a_driver_does_not_publish_now_is_warned_of() -> None:
    [finding] = of_two(ROOT, standard=False)
    assert finding.severity is Severity.WARN
    assert finding.message == f"'nic' gets no device with `{ROOT}`"


def test_a_known_mistake_is_refused_without_devices() -> None:
    [finding] = findings(nvidia_view(), request(device_class=MIG), matchAttribute="gpu.nvidia.com/parentUuid")
    assert finding.severity is Severity.DENY
    assert finding.fixes[0].edits == (Edit(finding.path, "gpu.nvidia.com/parentUUID"),)


def test_an_attribute_of_the_catalogue_is_legal_though_no_device_has_it_now() -> None:
    view = nvidia_view(gpu("gpu-0"))
    assert findings(view, request(device_class=MIG), matchAttribute="gpu.nvidia.com/parentUUID") == []


def test_only_the_requests_that_the_constraint_names_are_judged() -> None:
    view = nvidia_view(partition("m-0", "1g.10gb"))
    wanted = request("part", device_class=MIG), request("other", device_class="unknown")
    assert len(findings(view, *wanted, matchAttribute="gpu.nvidia.com/nope", requests=["part"])) == 1
    assert findings(view, *wanted, matchAttribute="gpu.nvidia.com/nope", requests=["other"]) == []


def test_where_another_alternative_may_meet_it_it_is_warned_of() -> None:
    classes = [make_class("gpu.example.com"), make_class("npu", "device.driver == 'npu.example.com'")]
    npu = make_slice(device("npu-0", lane=1), driver="npu.example.com", node="node-2")
    view = make_view(make_slice(device("gpu-0", rack="r1")), npu, classes=classes)
    ways = [{"name": "npu", "deviceClassName": "npu"}, {"name": "gpu", "deviceClassName": "gpu.example.com"}]
    wanted = {"name": "any", "firstAvailable": ways}
    [finding] = findings(view, wanted, matchAttribute="gpu.example.com/rack")
    assert finding.severity is Severity.WARN
    assert finding.message == "'any/npu' gets no device with `gpu.example.com/rack`"
