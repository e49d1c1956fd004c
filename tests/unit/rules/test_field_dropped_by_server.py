"""Fields that the API server takes away, by its version and the gates that are known."""

from typing import Any

import pytest

from tests.support.build import Raw, claim_object, make_claim, make_class, make_view, request
from webhook.core.claims import parse_claim
from webhook.core.finding import Finding
from webhook.core.versions import ServerTruth
from webhook.inventory.case import Case
from webhook.rules.field_dropped_by_server import check

SHARE = request("share", capacity={"memory": "10Gi"})
TOLERANT = request("gpu", tolerations=[{"key": "a", "operator": "Exists"}])
LISTED = {"name": "gpu", "firstAvailable": [{"name": "a", "deviceClassName": "x", **SHARE["exactly"]}]}
DISTINCT = [{"distinctAttribute": "gpu.example.com/board"}]


def found(raw: Raw, version: str, **gates: bool) -> list[Finding]:
    server = ServerTruth(version, gates=gates, assume_defaults=True)
    return list(check(Case(parse_claim(raw), "team-a", make_view(server=server))))


CASES: list[tuple[Raw, str, dict[str, bool], list[str]]] = [
    (claim_object(SHARE), "1.34", {}, ["spec.devices.requests[0].exactly.capacity"]),
    (claim_object(SHARE), "1.35", {}, ["spec.devices.requests[0].exactly.capacity"]),
    (claim_object(SHARE), "1.36", {}, []),
    (claim_object(SHARE), "1.34", {"DRAConsumableCapacity": True}, []),
    (claim_object(SHARE), "1.37", {"DRAConsumableCapacity": False}, ["spec.devices.requests[0].exactly.capacity"]),
    (claim_object(TOLERANT), "1.35", {}, ["spec.devices.requests[0].exactly.tolerations"]),
    (claim_object(TOLERANT), "1.36", {}, []),
    (claim_object(constraints=DISTINCT), "1.34", {}, ["spec.devices.constraints[0].distinctAttribute"]),
    (claim_object(constraints=[{"matchAttribute": "a/b"}]), "1.34", {}, []),
    (claim_object(LISTED), "1.34", {}, ["spec.devices.requests[0].firstAvailable[0].capacity"]),
    (claim_object(LISTED), "1.34", {"DRAPrioritizedList": False}, ["spec.devices.requests[0].firstAvailable"]),
    (claim_object(request(adminAccess=True)), "1.34", {}, []),
    (
        claim_object(request(adminAccess=True)),
        "1.34",
        {"DRAAdminAccess": False},
        ["spec.devices.requests[0].exactly.adminAccess"],
    ),
    (claim_object(request(adminAccess=False)), "1.34", {"DRAAdminAccess": False}, []),
    (claim_object(request(capacity={})), "1.34", {}, []),
]


@pytest.mark.parametrize(("raw", "version", "gates", "paths"), CASES)
def test_a_field_is_dropped_where_its_gate_is_off(
    raw: Raw, version: str, gates: dict[str, bool], paths: list[str]
) -> None:
    assert [str(finding.path) for finding in found(raw, version, **gates)] == paths


def test_the_path_is_that_of_the_version_that_was_sent() -> None:
    raw = claim_object({"name": "share", **SHARE["exactly"]})
    raw["apiVersion"] = "resource.k8s.io/v1beta1"
    assert [str(finding.path) for finding in found(raw, "1.34")] == ["spec.devices.requests[0].capacity"]


@pytest.mark.parametrize(
    ("gates", "said"), [({}, "is off by default in 1.34"), ({"DRAConsumableCapacity": False}, "is off")]
)
def test_it_is_told_whether_the_gate_is_known_to_be_off(gates: dict[str, bool], said: str) -> None:
    [finding] = found(claim_object(SHARE), "1.34", **gates)
    assert finding.message == f"the server drops it: DRAConsumableCapacity {said}"


def of_class(before: Any, **gates: bool) -> list[str]:
    server = ServerTruth("1.34", gates=gates)
    named = make_class("gpu", extendedResourceName="example.com/gpu")
    case = Case(named, "", make_view(server=server), before=before)
    return [str(finding.path) for finding in check(case)]


def test_a_class_loses_its_extended_resource_unless_it_had_one_before() -> None:
    assert of_class(None) == ["spec.extendedResourceName"]
    assert of_class(make_class("gpu")) == ["spec.extendedResourceName"]
    assert of_class(make_class("gpu", extendedResourceName="example.com/old")) == []
    assert of_class(None, DRAExtendedResource=True) == []


def test_a_plain_claim_loses_nothing() -> None:
    server = ServerTruth("1.34")
    assert list(check(Case(make_claim(), "team-a", make_view(server=server)))) == []
