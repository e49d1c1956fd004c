"""Requests that name a class which the cluster does not have."""

from dataclasses import replace

import pytest

from tests.support.build import DRIVER, claim_with, device, make_claim, make_class, make_slice, make_view, request
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.finding import Edit, Finding, Severity
from webhook.inventory.case import Case
from webhook.rules.request_unknown_class import check

TYPE = "device.attributes['gpu.example.com'].type"
CLASSES = (
    make_class(
        "gpu.example.com", f"device.driver == '{DRIVER}'", f"{TYPE} == 'gpu'", extendedResourceName="ex.com/gpu"
    ),
    make_class("gpus.example.com", f"device.driver == '{DRIVER}'", f"{TYPE} == 'part'"),
)
VIEW = make_view(make_slice(device("gpu-0", type="gpu"), device("part-0", type="part")), classes=CLASSES)


def findings(claim: Claim, view: ClusterView = VIEW) -> list[Finding]:
    return list(check(Case(claim, "team-a", view)))


def test_a_class_that_is_there_is_no_finding() -> None:
    assert findings(claim_with(f"{TYPE} == 'gpu'")) == []


def test_a_class_that_is_not_there_is_warned_of_at_its_field() -> None:
    [finding] = findings(claim_with(device_class="tpu.example.com"))
    assert (finding.rule, finding.severity) == ("request-unknown-class", Severity.WARN)
    assert str(finding.path) == "spec.devices.requests[0].exactly.deviceClassName"
    assert finding.message == "device class 'tpu.example.com' does not exist"


def test_the_near_class_comes_first_whose_devices_the_request_accepts() -> None:
    [finding] = findings(claim_with(f"{TYPE} == 'part'", device_class="gpu.exampel.com"))
    assert finding.fixes[0].edits == (Edit(finding.path, "gpus.example.com"),)
    assert len(finding.fixes) == 1


def test_a_near_class_that_helps_nothing_is_named_without_an_edit() -> None:
    [finding] = findings(claim_with(f"{TYPE} == 'tpu'", device_class="gpu.exampel.com"))
    assert finding.fixes
    assert all(fix.edits == () for fix in finding.fixes)


def test_a_class_of_another_vendor_that_helps_nothing_is_not_what_is_meant() -> None:
    [finding] = findings(claim_with(f"{TYPE} == 'tpu'", device_class="gpu.amd.com"))
    assert finding.fixes[0].message.startswith("create the class, or name one that exists")


@pytest.mark.parametrize(
    "name", ["ex.com/gpu", "deviceclass.resource.kubernetes.io/gpu.example.com", "example.com/gpu"]
)
def test_the_name_of_an_extended_resource_stands_for_its_class(name: str) -> None:
    [finding] = findings(claim_with(device_class=name))
    assert finding.fixes[0].edits == (Edit(finding.path, "gpu.example.com"),)


def test_where_nothing_is_near_the_classes_are_listed() -> None:
    [finding] = findings(claim_with(device_class="network"))
    assert finding.fixes[0].message.endswith("the cluster has `gpu.example.com`, `gpus.example.com`")


def test_each_alternative_is_looked_at() -> None:
    ways = [
        {"name": "big", "deviceClassName": "gpu.example.com"},
        {"name": "small", "deviceClassName": "gpu.example.org"},
    ]
    [finding] = findings(make_claim({"name": "gpu", "firstAvailable": ways}))
    assert str(finding.path) == "spec.devices.requests[0].firstAvailable[1].deviceClassName"


def test_without_a_cluster_nothing_is_known_to_be_absent() -> None:
    assert findings(claim_with(device_class="tpu"), replace(VIEW, given=False)) == []


def test_thousands_of_requests_end_with_the_time() -> None:
    answers = iter([False] * 10)
    claim = make_claim(*(request(f"r-{n}", device_class="nope") for n in range(3000)))
    case = Case(claim, "team-a", VIEW, lambda: next(answers, True))
    assert len(list(check(case))) < 20
