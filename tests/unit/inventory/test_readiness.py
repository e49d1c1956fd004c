"""What pods wait for once devices are chosen (KEP-5007), and what drivers report of devices (KEP-4817)."""

from collections.abc import Mapping
from typing import Any

from tests.support.build import Raw, claim_object, device, make_slice, make_view
from webhook.core.claims import parse_claim
from webhook.core.versions import BINDING_CONDITIONS, ServerTruth
from webhook.inventory.inventory import inventory_of
from webhook.inventory.readiness import awaited, reported

BINDING = {"bindingConditions": ["Attached"], "bindingFailureConditions": ["Broken", "Gone"], "bindsToNode": True}
LATE = make_slice({**device("gpu-0"), **BINDING}, {**device("gpu-1"), **BINDING}, device("gpu-2"))
WAITED = (
    "2 of 3 matches are not ready at once: a pod waits until `Attached` is true of its device, "
    "and is scheduled anew once `Broken` or `Gone` is"
)


def test_binding_conditions_are_read_and_told_with_how_many_matches_have_them() -> None:
    view = make_view(LATE)
    assert list(awaited(view, inventory_of(view), b"\1\1\1")) == [WAITED]
    assert list(awaited(view, inventory_of(view), b"\0\0\1")) == []


def test_a_server_that_drops_binding_conditions_waits_for_nothing() -> None:
    view = make_view(LATE, server=ServerTruth(gates={BINDING_CONDITIONS: False}))
    assert list(awaited(view, inventory_of(view), b"\1\1\1")) == []


def told(*conditions: Mapping[str, str], result: Mapping[str, Any] = BINDING) -> list[str]:
    """Return what is told of a claim with one device, of which a driver reports these conditions."""
    whose = {"driver": "gpu.example.com", "pool": "node-1", "device": "gpu-0"}
    others = {**whose, "device": "gpu-9", "conditions": [{"type": "Ready", "status": "False"}]}
    status = {
        "allocation": {"devices": {"results": [{"request": "gpu", **whose, **result}]}},
        "devices": [others, {**whose, "conditions": list(conditions)}],
    }
    raw: Raw = {**claim_object(name="c"), "status": status}
    return list(reported(make_view(claims={("team-a", "c"): parse_claim(raw)})))


OF = "claim 'team-a/c': "
DEVICE = "device 'gpu.example.com/node-1/gpu-0'"


def test_a_device_that_is_not_bound_yet_is_waited_for() -> None:
    waits = f"{OF}its pods wait for {DEVICE}: `Attached` is not true yet"
    assert told() == [waits]
    assert told({"type": "Attached", "status": "Unknown"}) == [waits]
    assert told({"type": "Attached", "status": "True"}) == []


def test_a_device_whose_binding_failed_is_told_with_the_message() -> None:
    broken = {"type": "Broken", "status": "True", "message": "no cable"}
    assert told(broken) == [f"{OF}{DEVICE} has failed: `Broken` is true (no cable)"]


def test_a_device_that_is_reported_broken_is_told_and_one_that_is_well_is_not() -> None:
    broken = {"type": "Ready", "status": "False", "message": "link down"}
    assert told(broken, result={}) == [f"{OF}{DEVICE} is reported broken: `Ready` is false (link down)"]
    assert told({"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}, result={}) == []
