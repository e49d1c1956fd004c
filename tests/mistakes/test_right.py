"""Of what is right, however tricky, nothing is said: a false alarm costs more trust than silence."""

from functools import cache

import pytest

from tests.mistakes.suite import CLUSTER, HERE, Json, asking, documents, findings, right_selectors
from webhook.bootstrap.offline import Offline, offline
from webhook.core.finding import Severity
from webhook.settings import read_settings

SELECTORS = tuple(right_selectors())
MANIFESTS = documents("right.yaml")


def test_there_are_many() -> None:
    assert len(SELECTORS) + len(MANIFESTS) >= 60


@pytest.mark.parametrize(("device_class", "expression"), SELECTORS, ids=[text for _, text in SELECTORS])
def test_nothing_is_said_of_a_right_selector(device_class: str, expression: str) -> None:
    assert [f"{found.rule}: {found.message}" for found in findings(asking(device_class, expression))] == []


@cache
def judge() -> Offline:
    given = {"cluster": (CLUSTER, HERE / "classes.yaml"), "namespace": "mistakes"}
    return offline(read_settings(given, None, {}), MANIFESTS)


@pytest.mark.parametrize("raw", MANIFESTS, ids=[raw["metadata"]["name"] for raw in MANIFESTS])
def test_nothing_is_said_of_a_right_manifest(raw: Json) -> None:
    found = (finding for finding in judge().findings(raw) if finding.severity is not Severity.INFO)
    assert [f"{finding.rule}: {finding.message}" for finding in found] == []
