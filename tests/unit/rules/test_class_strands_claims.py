"""Claims that wait, and what a change of their class's selectors does to them."""

from dataclasses import replace
from typing import Any

from tests.support.build import CLASS, Raw, claim_object, device, make_class, make_slice, make_view, request
from webhook.core.claims import parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.devices import DeviceClass
from webhook.inventory.case import Case
from webhook.rules.class_strands_claims import check

BEFORE = make_class()
H100 = make_class(CLASS, "device.attributes['gpu.example.com'].model == 'H100'")
A100_ONLY = "device.attributes['gpu.example.com'].model == 'A100'"
ANY = request("gpu", "device.attributes['gpu.example.com'].model.endsWith('100')")
OLD = request("gpu", A100_ONLY)


def cluster(*claims: Raw) -> ClusterView:
    view = make_view(make_slice(device("a", model="A100"), device("b", model="H100")))
    parsed = [parse_claim(raw) for raw in claims]
    return replace(view, claims={(one.metadata.namespace, one.metadata.name): one for one in parsed})


def told(*claims: Raw, after: DeviceClass = H100, before: DeviceClass | None = BEFORE, **how: Any) -> list[str]:
    return [finding.message for finding in check(Case(after, "", cluster(*claims), before=before, **how))]


def listed(*alternatives: Raw) -> Raw:
    subrequests = [{"name": f"way-{index}", **one["exactly"]} for index, one in enumerate(alternatives)]
    return {"name": "gpu", "firstAvailable": subrequests}


def test_a_claim_that_loses_its_last_device_is_told() -> None:
    assert told(claim_object(OLD)) == ["'team-a/claim' waits, and matches no device any more"]


def test_of_many_claims_the_first_is_named() -> None:
    claims = [claim_object(OLD, name=f"c-{number}") for number in range(3)]
    assert told(*claims) == ["'team-a/c-0' and 2 more claims that wait match no device any more"]


def test_a_claim_that_still_matches_a_device_is_not_stranded() -> None:
    assert told(claim_object(ANY)) == []


def test_a_claim_that_matched_none_before_is_not_stranded_by_the_change() -> None:
    assert told(claim_object(request("gpu", "device.attributes['gpu.example.com'].model == 'B200'"))) == []


def test_a_claim_that_has_its_devices_waits_for_none() -> None:
    assert told({**claim_object(OLD), "status": {"allocation": {"devices": {"results": []}}}}) == []


def test_claims_of_other_classes_are_not_concerned() -> None:
    assert told(claim_object(request("gpu", A100_ONLY, device_class="other"))) == []


def test_an_alternative_that_still_matches_saves_the_request() -> None:
    assert told(claim_object(listed(OLD, ANY))) == []
    assert len(told(claim_object(listed(OLD, OLD)))) == 1


def test_an_alternative_of_a_class_that_is_not_known_may_match() -> None:
    assert told(claim_object(listed(OLD, request("x", device_class="unknown")))) == []


def test_selectors_that_cannot_be_judged_strand_nobody() -> None:
    assert told(claim_object(OLD), after=make_class(CLASS, "device.nothing")) == []
    assert told(claim_object(OLD), before=make_class(CLASS, "device.nothing")) == []


def test_a_new_class_and_an_unchanged_one_strand_nobody() -> None:
    assert told(claim_object(OLD), before=None) == []
    assert told(claim_object(OLD), before=H100) == []


def test_what_is_left_when_the_time_is_over_is_not_looked_at() -> None:
    assert told(claim_object(OLD), expired=lambda: True) == []
