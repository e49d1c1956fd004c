"""Conditions as Kubernetes writes them."""

from collections.abc import Sequence
from typing import Any

from webhook.core.conditions import condition, merged
from webhook.core.raw import RawObject

OLD = {
    "type": "Ready",
    "status": "True",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "reason": "Counted",
    "message": "all is counted",
}
OTHERS = {**OLD, "type": "example.com/Checked"}
NOW = "2026-11-21T00:00:00Z"


def renewed(before: Sequence[RawObject], wanted: RawObject) -> list[Any]:
    return merged(before, [{**wanted, "observedGeneration": 2}], NOW)


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    (found,) = renewed([OLD], condition("Ready", True, "Recounted", "again"))
    assert found == {**OLD, "observedGeneration": 2, "reason": "Recounted", "message": "again"}


def test_a_condition_that_turns_gets_the_time_of_now() -> None:
    (found,) = renewed([OLD], condition("Ready", False, "Unreadable", "no"))
    assert (found["status"], found["lastTransitionTime"]) == ("False", NOW)


def test_a_new_condition_begins_now() -> None:
    (found,) = renewed([], condition("Ready", True, "Counted", ""))
    assert found["lastTransitionTime"] == NOW


def test_conditions_of_others_stay_as_they_are() -> None:
    found = renewed([OTHERS, OLD], condition("Ready", False, "Unreadable", "no"))
    assert [one["type"] for one in found] == ["example.com/Checked", "Ready"]
    assert found[0] == OTHERS


def test_a_message_is_no_longer_than_the_schema_takes() -> None:
    (found,) = renewed([], condition("Ready", False, "Unreadable", "x" * 40_000))
    assert len(found["message"]) == 32_768
