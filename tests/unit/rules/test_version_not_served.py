"""Versions of the API that are off, and the same in v1."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.build import Raw, claim_object, class_object, make_view, request
from webhook.core.claims import Alternative, Claim, parse_claim
from webhook.core.devices import parse_device_class
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Severity
from webhook.core.mending import edited
from webhook.core.raw import RawObject
from webhook.inventory.case import Case
from webhook.rules.version_not_served import check, unknown_kinds

FULL: Raw = request(
    "gpu",
    "true",
    count=2,
    capacity={"memory": "1Gi"},
    adminAccess=True,
    allocationMode="ExactCount",
    tolerations=[{"key": "a", "operator": "Exists"}],
)
FLAT: Raw = {"name": "gpu", **FULL["exactly"]}
LISTED: Raw = {"name": "gpu", "firstAvailable": [{"name": "a", "deviceClassName": "x"}]}


def found(raw: RawObject) -> list[Finding]:
    subject = parse_device_class(raw) if raw["kind"] == "DeviceClass" else parse_claim(raw)
    return list(check(Case(subject, "team-a", make_view(), raw=raw)))


def in_version(version: str, *requests: Raw, kind: str = "ResourceClaim") -> Raw:
    raw = claim_object(*requests)
    spec: Any = {"spec": raw["spec"]} if kind == "ResourceClaimTemplate" else raw["spec"]
    return {**raw, "apiVersion": f"resource.k8s.io/{version}", "kind": kind, "spec": spec}


def meaning(raw: RawObject) -> tuple[Claim, tuple[Alternative, ...]]:
    """Return what a claim asks for, without the places of it."""
    claim = parse_claim(raw)
    assert not claim.misfits
    parts = tuple(
        replace(
            one,
            path=ROOT,
            selectors=tuple(replace(selector, path=ROOT) for selector in one.selectors),
            capacity=tuple(replace(asked, path=ROOT) for asked in one.capacity),
            tolerations=tuple(replace(toleration, path=ROOT) for toleration in one.tolerations),
        )
        for one in claim.alternatives()
    )
    return replace(claim, api_version="", requests=()), parts


def test_v1_is_served() -> None:
    assert found(in_version("v1", FULL)) == []
    assert found(class_object()) == []


@pytest.mark.parametrize("kind", ["ResourceClaim", "ResourceClaimTemplate"])
@pytest.mark.parametrize("requests", [[FULL], [LISTED], [FULL, LISTED]])
def test_v1beta2_is_v1_by_its_name_alone(kind: str, requests: list[Raw]) -> None:
    raw = in_version("v1beta2", *requests, kind=kind)
    [finding] = found(raw)
    assert finding.message == "'resource.k8s.io/v1beta2' is off by default in Kubernetes 1.37"
    result, _ = edited(raw, finding.fixes[0].edits)
    assert result == {**raw, "apiVersion": "resource.k8s.io/v1"}


@pytest.mark.parametrize("kind", ["ResourceClaim", "ResourceClaimTemplate"])
@pytest.mark.parametrize("requests", [[FLAT], [LISTED], [FLAT, LISTED], [FLAT, {"name": "b", "deviceClassName": "y"}]])
def test_v1beta1_asks_for_the_same_in_v1(kind: str, requests: list[Raw]) -> None:
    raw = in_version("v1beta1", *requests, kind=kind)
    [finding] = found(raw)
    edits = finding.fixes[0].edits
    result, made = edited(raw, edits)
    assert made == len(edits)
    assert result["apiVersion"] == "resource.k8s.io/v1"
    assert meaning(result) == meaning(raw)
    assert found(result) == []


@pytest.mark.parametrize(
    "odd", [{"name": "gpu"}, {**FLAT, **LISTED}, {**FLAT, "exactly": FULL["exactly"]}], ids=["none", "both", "mixed"]
)
def test_what_v1_cannot_say_is_not_rewritten(odd: Raw) -> None:
    [finding] = found(in_version("v1beta1", FLAT, odd))
    assert finding.fixes[0].edits == ()


def test_a_request_that_v1beta1_cannot_read_is_left_to_the_rule_for_its_fields() -> None:
    [finding] = found(in_version("v1beta1", FULL))
    assert finding.fixes[0].edits == ()


def test_a_class_needs_the_version_alone() -> None:
    [finding] = found({**class_object(), "apiVersion": "resource.k8s.io/v1beta1"})
    assert [str(edit.path) for edit in finding.fixes[0].edits] == ["apiVersion"]


def test_a_version_that_is_gone_is_not_converted() -> None:
    [finding] = found(in_version("v1alpha3", FULL))
    assert finding.message == "'resource.k8s.io/v1alpha3' is not served in Kubernetes 1.37"
    assert finding.fixes[0].edits == ()


@pytest.mark.parametrize(
    ("api_version", "kind", "field", "right"),
    [
        ("resource.k8s.io", "ResourceClaim", "apiVersion", "resource.k8s.io/v1"),
        ("resource.k8s.io/v1", "ResourceClaims", "kind", "ResourceClaim"),
        ("resource.k8s.io/v1", "deviceclass", "kind", "DeviceClass"),
    ],
)
def test_what_is_of_no_kind_is_told_with_the_one_that_is_meant(
    api_version: str, kind: str, field: str, right: str
) -> None:
    [finding] = unknown_kinds({"apiVersion": api_version, "kind": kind})
    assert (finding.rule, finding.severity, str(finding.path)) == ("version-not-served", Severity.WARN, field)
    assert [edit.value for edit in finding.fixes[0].edits] == [right]


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [("resource.k8s.io/v1", "SomethingNew"), ("resource.k8s.io/v1", "ResourceSlice"), ("v1", "ResourceClaims")],
)
def test_a_kind_that_may_be_of_a_later_release_or_of_others_is_let_pass(api_version: str, kind: str) -> None:
    assert list(unknown_kinds({"apiVersion": api_version, "kind": kind})) == []
