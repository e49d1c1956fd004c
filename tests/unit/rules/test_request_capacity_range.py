"""Amounts that no device gives, or that the driver rounds up."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.build import claim_with, device, make_claim, make_slice, make_view
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.finding import Edit, Finding, Severity
from webhook.core.versions import ServerTruth
from webhook.inventory.case import Case
from webhook.rules.request_capacity_range import check

RANGE = {"default": "63Gi", "validRange": {"min": "1Gi", "max": "64Gi", "step": "2Gi"}}
LIST = {"default": "10Gi", "validValues": ["10Gi", "20Gi", "40Gi"]}


def view(*capacities: Mapping[str, Any], shared: bool = True, server: ServerTruth | None = None) -> ClusterView:
    devices = (device(f"gpu-{n}", capacity) for n, capacity in enumerate(capacities))
    return make_view(make_slice(*({**one, "allowMultipleAllocations": shared} for one in devices)), server=server)


def findings(claim: Claim, cluster: ClusterView) -> list[Finding]:
    return list(check(Case(claim, "team-a", cluster)))


def asked(amount: str, policy: Mapping[str, Any], name: str = "memory") -> list[Finding]:
    return findings(claim_with(capacity={name: amount}), view({"memory": {"value": "80Gi", "requestPolicy": policy}}))


@pytest.mark.parametrize("amount", ["1Gi", "3Gi", "63Gi", "3072Mi"])
def test_an_amount_that_is_given_as_it_is_asked_is_no_finding(amount: str) -> None:
    assert asked(amount, RANGE) == []


@pytest.mark.parametrize(
    ("amount", "rounded"), [("2Gi", "3Gi"), ("500Mi", "1Gi"), ("0", "1Gi"), ("10G", "11Gi"), ("1e9", "1Gi")]
)
def test_an_amount_between_the_steps_is_said_with_what_is_taken(amount: str, rounded: str) -> None:
    [finding] = asked(amount, RANGE)
    assert (finding.rule, finding.severity) == ("request-capacity-range", Severity.WARN)
    assert f"is rounded up to '{rounded}'" in finding.message
    assert finding.fixes[0].edits == (Edit(finding.path, rounded),)


def test_an_amount_off_the_list_is_rounded_up_to_the_next_of_it() -> None:
    [finding] = asked("12Gi", LIST)
    assert finding.message == "'12Gi' of `memory` is rounded up to '20Gi'"
    assert finding.why == "the driver gives '10Gi', '20Gi', '40Gi' and nothing between"


@pytest.mark.parametrize(("policy", "most"), [(RANGE, "63Gi"), (LIST, "40Gi")])
def test_more_than_any_device_gives_is_said_with_the_most(policy: Mapping[str, Any], most: str) -> None:
    [finding] = asked("65Gi", policy)
    assert finding.message == f"no match gives '65Gi' of `memory`, the most is '{most}'"
    assert finding.fixes[0].edits == (Edit(finding.path, most),)


def test_the_edit_for_too_much_is_given_by_the_device() -> None:
    [finding] = asked("100Gi", RANGE)
    edited = finding.fixes[0].edits[0].value
    assert isinstance(edited, str)
    assert asked(edited, RANGE) == []


def test_a_bare_number_with_its_unit_forgotten_is_offered_the_unit_first() -> None:
    [finding] = asked("63", RANGE)
    assert [fix.edits[0].value for fix in finding.fixes] == ["63Gi", "1Gi"]


def test_the_qualified_name_is_the_same_capacity() -> None:
    assert len(asked("2Gi", RANGE, "gpu.example.com/memory")) == 1


def test_one_device_that_gives_the_amount_is_enough() -> None:
    small, large = ({"memory": {"value": f"{size}Gi"}} for size in (24, 80))
    assert findings(claim_with(capacity={"memory": "40Gi"}), view(small, large)) == []
    assert len(findings(claim_with(capacity={"memory": "40Gi"}), view(small, small))) == 1


def test_a_device_that_is_not_shared_must_have_the_amount() -> None:
    cluster = view({"memory": "24Gi"}, shared=False)
    [finding] = findings(claim_with(capacity={"memory": "40Gi"}), cluster)
    assert "the most is '24Gi'" in finding.message


def test_only_devices_that_the_selectors_accept_count() -> None:
    cluster = view({"memory": "24Gi"}, {"memory": "80Gi"})
    selector = "device.capacity['gpu.example.com'].memory.compareTo(quantity('40Gi')) < 0"
    assert len(findings(claim_with(selector, capacity={"memory": "40Gi"}), cluster)) == 1


def test_each_alternative_is_judged_by_its_own_amount() -> None:
    ways = [
        {"name": name, "deviceClassName": "gpu.example.com", "capacity": {"requests": {"memory": amount}}}
        for name, amount in (("big", "100Gi"), ("small", "40Gi"))
    ]
    cluster = view({"memory": "80Gi"})
    [finding] = findings(make_claim({"name": "gpu", "firstAvailable": ways}), cluster)
    assert str(finding.path) == "spec.devices.requests[0].firstAvailable[0].capacity.requests[memory]"


def test_a_negative_amount_is_left_to_the_rule_about_those() -> None:
    assert asked("-10Gi", RANGE) == []


def test_an_absurd_amount_is_judged_like_any_other() -> None:
    [finding] = asked("9" * 400 + "e900", RANGE)
    assert "the most is '63Gi'" in finding.message


def test_a_server_that_drops_capacity_has_no_range() -> None:
    server = ServerTruth(version="1.34", assume_defaults=True)
    cluster = view({"memory": "80Gi"}, server=server)
    assert findings(claim_with(capacity={"memory": "100Gi"}), cluster) == []


def test_when_the_time_is_over_nothing_is_concluded() -> None:
    answers = iter((False,))
    case = Case(
        claim_with(capacity={"memory": "99Gi"}), "team-a", view({"memory": "80Gi"}), lambda: next(answers, True)
    )
    assert list(check(case)) == []
