"""Amounts of capacities that the devices of a request do not publish."""

import pytest

from tests.support.build import Raw, claim_with, device, make_claim, make_class, make_slice, make_view
from tests.support.nvidia import gpu, nvidia_view, partition
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Edit, Finding, Severity
from webhook.core.versions import ServerTruth
from webhook.inventory.case import Case
from webhook.rules.request_capacity_unknown import check

LIVE = make_view(make_slice(device("gpu-0", {"memory": "80Gi", "cores": "7"})))


def findings(claim: Claim, view: ClusterView) -> list[Finding]:
    return list(check(Case(claim, "team-a", view)))


def asked(name: str, view: ClusterView = LIVE, device_class: str = "gpu.example.com") -> list[Finding]:
    return findings(claim_with(capacity={name: "10Gi"}, device_class=device_class), view)


def nvidia(name: str, *devices: Raw) -> list[Finding]:
    return asked(name, nvidia_view(*devices), "gpu.nvidia.com")


@pytest.mark.parametrize("name", ["memory", "cores", "gpu.example.com/memory"])
def test_a_capacity_that_a_matching_device_publishes_is_no_finding(name: str) -> None:
    assert asked(name) == []


# Without a catalogue


def test_a_slip_of_the_pen_is_refused_with_the_edits_that_rename_it() -> None:
    [finding] = asked("memroy")
    assert (finding.rule, finding.severity) == ("request-capacity-unknown", Severity.DENY)
    assert str(finding.path) == "spec.devices.requests[0].exactly.capacity.requests[memroy]"
    assert finding.message == "driver 'gpu.example.com' publishes no capacity `memroy`"
    right = FieldPath(finding.path.steps[:-1]).key("memory")
    assert finding.fixes[0].edits == (Edit(finding.path, None), Edit(right, "10Gi"))


def test_a_name_unlike_all_that_is_published_is_warned_of() -> None:
    [finding] = asked("bandwidth")
    assert finding.severity is Severity.WARN
    assert finding.fixes[0].message == "matching devices publish `cores`, `memory`"


def test_of_a_driver_that_nobody_knows_there_is_no_opinion() -> None:
    assert asked("memroy", make_view()) == []
    assert asked("memroy", device_class="unknown") == []


# With a catalogue


def test_a_catalogued_driver_is_judged_without_devices() -> None:
    [finding] = nvidia("bandwidth")
    assert finding.severity is Severity.DENY


def test_a_known_mistake_is_mended() -> None:
    [finding] = nvidia("vram", gpu("gpu-0"))
    assert (finding.severity, finding.fixes[0].message) == (Severity.DENY, "did you mean `memory`?")


def test_a_capacity_of_the_catalogue_is_legal_though_no_device_has_it_now() -> None:
    assert nvidia("shares") == []


def test_a_capacity_of_another_kind_of_device_is_warned_of() -> None:
    [finding] = nvidia("addressableMemory", gpu("gpu-0"), partition("m-0", "1g.10gb"))
    assert finding.severity is Severity.WARN
    assert finding.message == "no match publishes the capacity `addressableMemory`"
    assert finding.fixes[0].message == "they publish `memory`"


def test_of_several_drivers_one_that_has_it_is_enough() -> None:
    other = make_slice(device("npu-0", {"lanes": "4"}), driver="npu.example.com", node="node-2")
    both = make_class("gpu.example.com", "true")
    view = make_view(make_slice(device("gpu-0", {"memory": "80Gi"})), other, classes=[both])
    assert asked("lanes", view) == []
    assert len(asked("bandwidth", view)) == 1


@pytest.mark.parametrize(
    ("published", "asked_as"), [("memory", "gpu.example.com/memory"), ("gpu.example.com/memory", "memory")]
)
def test_before_1_37_the_name_must_be_written_as_it_is_published(published: str, asked_as: str) -> None:
    def view(version: str) -> ClusterView:
        server = ServerTruth(version=version, assume_defaults=True)
        return make_view(make_slice(device("gpu-0", {published: "80Gi"})), server=server)

    [finding] = asked(asked_as, view("1.36"))
    assert (finding.severity, finding.message) == (Severity.WARN, f"matching devices publish it as `{published}`")
    right = FieldPath(finding.path.steps[:-1]).key(published)
    assert finding.fixes[0].edits == (Edit(finding.path, None), Edit(right, "10Gi"))
    assert asked(published, view("1.36")) == []
    assert asked(asked_as, view("1.37")) == []


def test_each_alternative_is_judged_by_its_own_names() -> None:
    ways = [
        {"name": name, "deviceClassName": "gpu.example.com", "capacity": {"requests": {name: "1"}}}
        for name in ("memory", "bandwidth")
    ]
    [finding] = findings(make_claim({"name": "gpu", "firstAvailable": ways}), LIVE)
    assert "firstAvailable[1]" in str(finding.path)
