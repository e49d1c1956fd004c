"""Tolerations that fit no taint, while taints stand in the way."""

import pytest

from tests.support.build import claim_with, device, make_slice, make_view
from webhook.core.finding import Edit, Finding, Json, Severity
from webhook.inventory.case import Case
from webhook.rules.request_toleration_unknown import check

DRAINED = {"key": "example.com/drained", "value": "yes", "effect": "NoSchedule"}


def findings(*tolerations: dict[str, str], taints: list[dict[str, str]] | None = None, free: int = 0) -> list[Finding]:
    """Return what is found of one device with taints, and as many as said without."""
    listed = [DRAINED] if taints is None else taints
    view = make_view(make_slice({**device("gpu-0"), "taints": listed}, *(device(f"free-{n}") for n in range(free))))
    return list(check(Case(claim_with(tolerations=list(tolerations)), "team-a", view)))


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": "example.com/drained", "value": "yes"},
        {"key": "example.com/drained", "operator": "Exists"},
        {"operator": "Exists"},
        {"key": "example.com/drained", "operator": "Exists", "effect": "NoSchedule"},
    ],
)
def test_a_toleration_that_fits_a_taint_is_no_finding(toleration: dict[str, str]) -> None:
    assert findings(toleration) == []


@pytest.mark.parametrize(
    ("toleration", "edits"),
    [
        ({"key": "example.com/draned", "operator": "Exists"}, {"key": "example.com/drained"}),
        ({"key": "example.com/drained"}, {"value": "yes"}),
        ({"key": "example.com/drained", "value": "no"}, {"value": "yes"}),
        ({"key": "example.com/drained", "operator": "Exists", "effect": "NoExecute"}, {"effect": "NoSchedule"}),
        ({"key": "Example.com/Drained", "value": "Yes"}, {"key": "example.com/drained", "value": "yes"}),
    ],
)
def test_a_toleration_that_misses_a_taint_is_mended(toleration: dict[str, str], edits: dict[str, Json]) -> None:
    [finding] = findings(toleration)
    assert (finding.rule, finding.severity) == ("request-toleration-unknown", Severity.WARN)
    assert str(finding.path) == "spec.devices.requests[0].exactly.tolerations[0]"
    assert finding.fixes[0].edits == tuple(Edit(finding.path.child(name), value) for name, value in edits.items())
    assert findings({**toleration, **{name: str(value) for name, value in edits.items()}}) == []


def test_a_toleration_unlike_every_taint_is_told_which_there_are() -> None:
    [finding] = findings({"key": "vendor.example/fault", "operator": "Exists"})
    assert finding.why == "not tolerated is 'example.com/drained=yes:NoSchedule'"
    assert finding.fixes[0].edits == ()


def test_a_toleration_that_nothing_depends_on_may_stand() -> None:
    """Taints come and go: a manifest may tolerate one that is not there now."""
    idle = {"key": "vendor.example/fault", "operator": "Exists"}
    assert findings(idle, taints=[]) == []
    assert findings(idle, free=1) == []
    assert findings({"key": "example.com/drained", "operator": "Exists"}, idle) == []


def test_a_near_miss_is_told_though_other_devices_are_free() -> None:
    assert len(findings({"key": "example.com/draned", "operator": "Exists"}, free=1)) == 1


def test_only_the_toleration_that_fits_nothing_is_named() -> None:
    other = {"key": "example.com/hot", "effect": "NoExecute"}
    found = findings(
        {"key": "example.com/hot", "operator": "Exists"},
        {"key": "example.com/draned", "operator": "Exists"},
        taints=[DRAINED, other],
    )
    assert [str(finding.path)[-14:] for finding in found] == ["tolerations[1]"]
