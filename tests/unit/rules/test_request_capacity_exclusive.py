"""Capacity asked of devices that a claim takes whole."""

from typing import Any

from tests.support.build import DRIVER, claim_with, device, make_claim, make_class, make_slice, make_view
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.devices import ResourceSlice
from webhook.core.finding import Finding, Severity
from webhook.core.versions import ServerTruth
from webhook.inventory.case import Case
from webhook.rules.request_capacity_exclusive import check

ASKING = claim_with(capacity={"memory": "10Gi"})


def part(*shared: bool, **fields: Any) -> ResourceSlice:
    devices = (device(f"gpu-{n}", {"memory": "80Gi"}, shared=one) for n, one in enumerate(shared))
    listed = ({**one, "allowMultipleAllocations": on} for one, on in zip(devices, shared, strict=True))
    return make_slice(*listed, **fields)


def findings(claim: Claim, view: ClusterView) -> list[Finding]:
    return list(check(Case(claim, "team-a", view)))


def test_a_device_that_is_not_shared_is_taken_whole() -> None:
    [finding] = findings(ASKING, make_view(part(False)))
    assert (finding.rule, finding.severity) == ("request-capacity-exclusive", Severity.WARN)
    assert str(finding.path) == "spec.devices.requests[0].exactly.capacity"
    assert finding.message == "no match is a shared device: the claim takes it whole"


def test_one_shared_device_that_could_serve_is_enough() -> None:
    assert findings(ASKING, make_view(part(False, True))) == []


def test_a_shared_device_that_the_selectors_refuse_does_not_count() -> None:
    claim = claim_with("!device.attributes['gpu.example.com'].shared", capacity={"memory": "10Gi"})
    assert len(findings(claim, make_view(part(False, True)))) == 1


def test_a_request_without_capacity_takes_its_devices_whole_by_intent() -> None:
    assert findings(claim_with(), make_view(part(False))) == []


def test_what_no_device_could_serve_is_left_to_the_rule_about_the_range() -> None:
    assert findings(claim_with(capacity={"memory": "99Gi"}), make_view(part(False))) == []


def test_a_class_whose_devices_are_shared_is_named() -> None:
    driver, shared = f"device.driver == '{DRIVER}'", "device.attributes['gpu.example.com'].shared"
    classes = (make_class("gpu.example.com", driver, f"!{shared}"), make_class("share.example.com", driver, shared))
    [finding] = findings(ASKING, make_view(part(False, True), classes=classes))
    assert finding.fixes[0].message.startswith("devices of the class 'share.example.com' are shared")


def test_a_class_that_also_gives_other_devices_is_not_named() -> None:
    driver, shared = f"device.driver == '{DRIVER}'", "device.attributes['gpu.example.com'].shared"
    whole = make_class("gpu.example.com", driver, f"!{shared}")
    other = make_class("raw.example.com", "device.driver == 'raw.example.com'")
    foreign = part(True, driver="raw.example.com")
    view = make_view(part(False, True), foreign, classes=(make_class("any", "true"), other, whole))
    [finding] = findings(ASKING, view)
    assert len(finding.fixes) == 1
    assert finding.fixes[0].message.startswith("leave `capacity` out")


def test_each_alternative_is_judged() -> None:
    ways = [
        {"name": "share", "deviceClassName": "gpu.example.com", "capacity": {"requests": {"memory": "1Gi"}}},
        {"name": "whole", "deviceClassName": "gpu.example.com"},
    ]
    [finding] = findings(make_claim({"name": "gpu", "firstAvailable": ways}), make_view(part(False)))
    assert str(finding.path) == "spec.devices.requests[0].firstAvailable[0].capacity"


def test_without_devices_nothing_is_known() -> None:
    assert findings(ASKING, make_view()) == []


def test_a_server_that_drops_capacity_is_told_by_another_rule() -> None:
    server = ServerTruth(version="1.34", assume_defaults=True)
    assert findings(ASKING, make_view(part(False), server=server)) == []
