"""The smallest change of amounts, tolerations and count with which some node has enough devices: applied, it has."""

from typing import Any

import pytest

from tests.support.build import Raw, claim_object, device, make_slice, make_view, request
from webhook.core.claims import parse_claim
from webhook.core.mending import edited
from webhook.inventory.case import Case
from webhook.inventory.funnel import Funnel, funnel_of
from webhook.inventory.relaxing import relaxations

POLICY = {"default": "10Gi", "validRange": {"min": "10Gi", "max": "40Gi", "step": "10Gi"}}


def shared(name: str, index: int) -> Raw:
    memory = {"value": "48Gi", "requestPolicy": POLICY}
    return {**device(name, {"memory": memory, "cores": "100"}, index=index), "allowMultipleAllocations": True}


def tainted(name: str, index: int, *keys: str, value: str = "") -> Raw:
    taints = [{"key": key, "effect": "NoSchedule", **({"value": value} if value else {})} for key in keys]
    return {**device(name, {"memory": "80Gi"}, index=index), "taints": taints}


VIEW = make_view(
    make_slice(shared("gpu-0", 0), device("gpu-1", {"memory": "80Gi"}, index=1)),
    make_slice(*(device(f"gpu-{n}", {"memory": "24Gi"}, index=10 + n) for n in range(3)), node="node-2"),
    make_slice(
        tainted("gpu-0", 20, "example.com/old"),
        tainted("gpu-1", 20, "example.com/old", "example.com/hot"),
        tainted("gpu-2", 21, "example.com/slow", value="yes"),
        node="node-3",
    ),
)
INDEX = "device.attributes['gpu.example.com'].index"


def funnel(raw: Raw) -> tuple[Case, Funnel]:
    claim = parse_claim(raw)
    case = Case(claim, "team-a", VIEW)
    found = funnel_of(case, claim.requests[0].alternatives[0])
    assert found is not None
    return case, found


def fits(found: Funnel) -> bool:
    return any(found.fits(count) for _, count in found.nodes)


def asked(*selectors: str, **fields: Any) -> Raw:
    return claim_object(request("gpu", *selectors, **fields))


OLD = {"key": "example.com/slow", "operator": "Exists", "tolerationSeconds": 60}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        pytest.param(
            asked(f"{INDEX} == 0", capacity={"memory": "60Gi"}),
            "ask for '40Gi' of `memory` instead of '60Gi': 1 device matches",
            id="an amount beyond what is shared",
        ),
        pytest.param(
            asked(capacity={"memory": "1Ti"}),
            "ask for '80Gi' of `memory` instead of '1Ti': 1 device matches",
            id="the largest amount that exists",
        ),
        pytest.param(
            asked(f"{INDEX} == 0", capacity={"memory": "20Gi", "cores": "200"}),
            "ask for '100' of `cores` instead of '200': 1 device matches",
            id="only what is too much",
        ),
        pytest.param(
            asked(f"{INDEX} == 1", capacity={"memory": "20Gi", "cores": "50"}),
            "leave `cores` out of the capacity: 1 device matches",
            id="a capacity that such devices do not publish",
        ),
        pytest.param(
            asked(f"{INDEX} == 20"), "tolerate 'example.com/old:NoSchedule': 1 device matches", id="the fewest taints"
        ),
        pytest.param(
            asked(f"{INDEX} == 21", tolerations=[{"key": "example.com/other", "operator": "Exists", "value": ""}]),
            "tolerate 'example.com/slow=yes:NoSchedule': 1 device matches",
            id="a taint with a value beside another toleration",
        ),
        pytest.param(
            asked(f"{INDEX} >= 20", capacity={"memory": "96Gi"}, tolerations=[OLD]),
            "ask for '80Gi' of `memory` instead of '96Gi': 1 device matches",
            id="a tolerated device before one that is not",
        ),
        pytest.param(
            asked(f"{INDEX} == 20", capacity={"memory": "96Gi"}, tolerations=[OLD]),
            "ask for '80Gi' of `memory` instead of '96Gi'; tolerate 'example.com/old:NoSchedule': 1 device matches",
            id="an amount and a taint",
        ),
        pytest.param(
            asked(f"{INDEX} >= 10 && {INDEX} < 20", count=5),
            "ask for 3 instead of 5, the most on one node: 3 devices match",
            id="a count beyond the largest node",
        ),
        pytest.param(
            asked(f"{INDEX} >= 20", allocationMode="All"),
            "tolerate 'example.com/old:NoSchedule' and 'example.com/hot:NoSchedule' and "
            "'example.com/slow=yes:NoSchedule': 3 devices match",
            id="all of a node of which some are tainted",
        ),
    ],
)
def test_the_smallest_change_is_tried_and_written(raw: Raw, said: str) -> None:
    case, found = funnel(raw)
    assert not fits(found)
    (fix,) = relaxations(case, found)
    assert fix.message == said
    mended, made = edited(raw, fix.edits)
    assert made == len(fix.edits)
    assert fits(funnel(mended)[1])


def test_tolerations_that_are_there_stay_as_they_are() -> None:
    case, found = funnel(asked(f"{INDEX} == 20", tolerations=[OLD]))
    (fix,) = relaxations(case, found)
    assert fix.edits[0].value == [OLD, {"key": "example.com/old", "operator": "Exists", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(asked(), id="it fits"),
        pytest.param(asked(f"{INDEX} == 99", capacity={"memory": "1Ti"}), id="the selectors leave nothing"),
        pytest.param(asked(device_class="nothing"), id="no such class"),
    ],
)
def test_nothing_is_offered_where_less_would_not_help(raw: Raw) -> None:
    assert list(relaxations(*funnel(raw))) == []
