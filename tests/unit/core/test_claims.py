"""Claims of all three versions read into one model."""

from copy import deepcopy
from typing import Any

import pytest

from tests.support.build import claim_object, request
from webhook.core.claims import AllocationMode, parse_claim
from webhook.core.quantity import parse_quantity

FLAT = {
    "apiVersion": "resource.k8s.io/v1beta1",
    "kind": "ResourceClaim",
    "metadata": {"name": "c"},
    "spec": {"devices": {"requests": [{"name": "gpu", "deviceClassName": "x", "count": 2}]}},
}


def flat(**fields: Any) -> dict[str, Any]:
    raw = deepcopy(FLAT)
    raw["spec"]["devices"]["requests"] = [{"name": "gpu", **fields}]  # type: ignore[index]  # plain JSON
    return raw


def test_v1_request_is_read_from_exactly() -> None:
    claim = parse_claim(claim_object(request("gpu", "true", count=2, capacity={"memory": "10Gi"})))

    [alternative] = claim.alternatives()
    assert alternative.count == 2
    assert alternative.capacity[0].quantity == parse_quantity("10Gi")
    assert str(alternative.selectors[0].path) == "spec.devices.requests[0].exactly.selectors[0].cel.expression"
    assert str(alternative.capacity[0].path) == "spec.devices.requests[0].exactly.capacity.requests[memory]"


def test_v1beta1_request_is_read_flat_with_flat_paths() -> None:
    raw = flat(deviceClassName="x", selectors=[{"cel": {"expression": "true"}}])

    [alternative] = parse_claim(raw).alternatives()

    assert alternative.device_class_name == "x"
    assert str(alternative.selectors[0].path) == "spec.devices.requests[0].selectors[0].cel.expression"


def test_template_paths_go_through_both_specs() -> None:
    raw = claim_object(request("gpu", "true"))
    raw["kind"] = "ResourceClaimTemplate"
    raw["spec"] = {"spec": raw["spec"]}

    [alternative] = parse_claim(raw).alternatives()

    assert str(alternative.path) == "spec.spec.devices.requests[0].exactly"


@pytest.mark.parametrize(
    ("fields", "asks_directly"),
    [
        pytest.param({"deviceClassName": "x"}, True, id="a class makes a main request"),
        pytest.param({"selectors": []}, True, id="an empty list of selectors counts as given"),
        pytest.param({"adminAccess": False}, True, id="adminAccess false counts as given"),
        pytest.param({"count": 0}, False, id="a count of zero does not"),
        pytest.param({"allocationMode": ""}, False, id="an empty mode does not"),
        pytest.param({"selectors": None}, False, id="null is absent"),
    ],
)
def test_v1beta1_main_request_exists_as_the_conversion_decides(fields: dict[str, Any], asks_directly: bool) -> None:
    assert bool(list(parse_claim(flat(**fields)).alternatives())) is asks_directly


def test_v1beta1_class_beside_first_available_gives_both() -> None:
    raw = flat(deviceClassName="x", firstAvailable=[{"name": "small", "deviceClassName": "y"}])

    assert [a.name for a in parse_claim(raw).alternatives()] == ["gpu", "gpu/small"]


def test_an_explicit_count_of_zero_becomes_one() -> None:
    [alternative] = parse_claim(claim_object(request(count=0))).alternatives()
    assert alternative.count == 1


def test_all_has_no_count() -> None:
    [alternative] = parse_claim(claim_object(request(allocationMode="All"))).alternatives()
    assert (alternative.mode, alternative.count) == (AllocationMode.ALL, 0)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"count": "2"}, "count", id="a count as a string"),
        pytest.param({"count": 2**63}, "count", id="a count beyond 64 bits"),
        pytest.param({"count": True}, "count", id="a count that is true"),
        pytest.param({"selectors": {}}, "selectors", id="selectors that are no list"),
        pytest.param({"capacity": {"memory": "10GiB"}}, "capacity.requests[memory]", id="10GiB"),
        pytest.param({"adminAccess": "yes"}, "adminAccess", id="adminAccess as a string"),
    ],
)
def test_a_wrongly_typed_field_is_noted_and_the_rest_is_read(fields: dict[str, Any], field: str) -> None:
    claim = parse_claim(claim_object(request(**fields), request("second")))

    assert [str(misfit.path) for misfit in claim.misfits] == [f"spec.devices.requests[0].exactly.{field}"]
    assert [a.name for a in claim.alternatives()] == ["gpu", "second"]


@pytest.mark.parametrize("spec", [None, {}, {"devices": None}, {"devices": {}}, {"devices": {"requests": []}}])
def test_a_claim_without_requests_asks_for_nothing(spec: Any) -> None:
    raw = claim_object()
    raw["spec"] = spec
    assert parse_claim(raw).requests == ()


def test_a_request_of_an_unknown_shape_has_no_alternatives() -> None:
    raw = claim_object({"name": "gpu", "fromTheFuture": {}})
    assert parse_claim(raw).requests[0].alternatives == ()
