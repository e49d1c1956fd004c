"""Versions and gates."""

import pytest

from webhook.core.versions import CONSUMABLE_CAPACITY, LIST_ATTRIBUTES, ServerTruth, default_gate, minor, supported


@pytest.mark.parametrize(("text", "number"), [("1.36", 36), ("v1.36.2", 36), ("1.36+", 36), ("1.37-alpha.1", 37)])
def test_minor_reads_what_servers_and_people_write(text: str, number: int) -> None:
    assert minor(text) == number


@pytest.mark.parametrize("text", ["", "2.1", "1", "1.x", "latest"])
def test_minor_refuses_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes version"):
        minor(text)


@pytest.mark.parametrize(("text", "nearest"), [("1.30", "1.34"), ("1.35.3", "1.35"), ("1.40", "1.37")])
def test_another_version_is_judged_as_the_nearest_supported_one(text: str, nearest: str) -> None:
    assert supported(text) == nearest


def test_gates_follow_the_version() -> None:
    assert not default_gate(CONSUMABLE_CAPACITY, "1.35")
    assert default_gate(CONSUMABLE_CAPACITY, "1.36")
    assert not default_gate(LIST_ATTRIBUTES, "1.37")


def test_a_gate_of_a_live_server_is_not_known_unless_seen() -> None:
    assert ServerTruth("1.36").gate(CONSUMABLE_CAPACITY) is None
    assert ServerTruth("1.36", gates={CONSUMABLE_CAPACITY: False}).gate(CONSUMABLE_CAPACITY) is False
    assert ServerTruth("1.36", assume_defaults=True).gate(CONSUMABLE_CAPACITY) is True
