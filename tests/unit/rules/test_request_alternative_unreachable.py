"""Alternatives that an earlier one always forestalls."""

from typing import Any

import pytest

from tests.support.build import claim_object, make_claim, make_class, make_view
from webhook.core.claims import parse_claim
from webhook.core.finding import Finding, Severity
from webhook.core.mending import edited
from webhook.inventory.case import Case
from webhook.rules.request_alternative_unreachable import check

MEMORY = "device.capacity['gpu.example.com'].memory.compareTo(quantity('{}')) >= 0"
MODEL = "device.attributes['gpu.example.com'].model == '{}'"
VIEW = make_view(
    classes=(
        make_class("any", "device.driver == 'gpu.example.com'"),
        make_class("big", "device.driver == 'gpu.example.com'", MEMORY.format("80Gi")),
    )
)


def way(*selectors: str, device_class: str = "any", **fields: Any) -> dict[str, Any]:
    listed = [{"cel": {"expression": text}} for text in selectors]
    return {"deviceClassName": device_class, "selectors": listed, **fields}


def findings(*ways: dict[str, Any], **devices: Any) -> list[Finding]:
    named = [{"name": f"way-{number}", **one} for number, one in enumerate(ways)]
    return list(check(Case(make_claim({"name": "gpu", "firstAvailable": named}, **devices), "team-a", VIEW)))


def asking(amount: str) -> dict[str, Any]:
    return {"capacity": {"requests": {"memory": amount}}}


TOLERATING: dict[str, Any] = {"tolerations": [{"key": "busy", "operator": "Exists"}]}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(way(), way(), id="the same"),
        pytest.param(way(), way(MODEL.format("A")), id="any device before a certain one"),
        pytest.param(way(), way(count=2), id="one before two"),
        pytest.param(way(MEMORY.format("40Gi")), way(MEMORY.format("80Gi")), id="the looser bound first"),
        pytest.param(way(MEMORY.format("40Gi")), way(device_class="big"), id="a class that is stricter"),
        pytest.param(
            way("device.attributes['gpu.example.com'].model in ['A', 'B']"), way(MODEL.format("B")), id="one of a list"
        ),
        pytest.param(way(MODEL.format("A")), way(f"true && {MODEL.format('A')}"), id="said in another way"),
        pytest.param(way(**asking("10Gi")), way(**asking("20Gi")), id="less of a capacity first"),
        pytest.param(way(**TOLERATING), way(), id="a toleration more"),
        pytest.param(way(allocationMode="All"), way(allocationMode="All"), id="all of the same"),
    ],
)
def test_the_later_one_is_never_taken(first: dict[str, Any], second: dict[str, Any]) -> None:
    [finding] = findings(first, second)
    assert (finding.rule, finding.severity) == ("request-alternative-unreachable", Severity.WARN)
    assert str(finding.path) == "spec.devices.requests[0].firstAvailable[1]"
    assert finding.message == "never taken: 'gpu/way-0' before it suits as well"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(way(MODEL.format("A")), way(), id="a certain device, else any"),
        pytest.param(way(MODEL.format("A")), way(MODEL.format("B")), id="two models"),
        pytest.param(way(count=2), way(), id="two, else one"),
        pytest.param(way(MEMORY.format("80Gi")), way(MEMORY.format("40Gi")), id="the stricter bound first"),
        pytest.param(way(**asking("20Gi")), way(**asking("10Gi")), id="less of a capacity later"),
        pytest.param(way(), way(**asking("10Gi")), id="the whole, else a share"),
        pytest.param(way(**asking("10Gi")), way(), id="a share may fit where other capacities do not"),
        pytest.param(way(), way(**TOLERATING), id="free of taints, else tainted"),
        pytest.param(way(device_class="unknown"), way(), id="an unknown class"),
        pytest.param(way(allocationMode="All"), way(MODEL.format("A"), allocationMode="All"), id="all of more"),
        pytest.param(way(allocationMode="All"), way(), id="all of a node, else one"),
        pytest.param(way("device.nonsense"), way(), id="what does not compile"),
        pytest.param(
            way(f"cel.bind(d, device.attributes['gpu.example.com'], {MODEL.format('A')})"),
            way("device.attributes['gpu.example.com'].exists(k, k == 'model')"),
            id="what cannot be told",
        ),
    ],
)
def test_both_may_be_taken(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert findings(first, second) == []


def mended(*ways: dict[str, Any]) -> tuple[list[str], list[Finding]]:
    """Return the names of the alternatives as the fixes leave them, and what is found then."""
    named = [{"name": f"way-{number}", **one} for number, one in enumerate(ways)]
    raw = claim_object({"name": "gpu", "firstAvailable": named})
    found = check(Case(parse_claim(raw), "team-a", VIEW, raw=raw))
    after, _ = edited(raw, [edit for finding in found for edit in finding.fixes[0].edits])
    left = after["spec"]["devices"]["requests"][0]["firstAvailable"]
    return [one["name"] for one in left], list(check(Case(parse_claim(after), "team-a", VIEW, raw=after)))


def test_the_fix_puts_what_asks_for_more_first() -> None:
    certain = way(MODEL.format("A"))
    assert mended(way(), certain) == (["way-1", "way-0"], [])
    assert mended(way(count=4), way(count=1), certain) == (["way-0", "way-2", "way-1"], [])


def test_of_two_that_are_the_same_the_fix_drops_the_later() -> None:
    assert mended(way(), way(count=1), way(count=1)) == (["way-0"], [])


def test_several_in_the_wrong_order_are_told_without_an_edit() -> None:
    names, found = mended(way(), way(MODEL.format("A")), way(MODEL.format("B")))
    assert (names, len(found)) == (["way-0", "way-1", "way-2"], 2)


def test_an_alternative_that_a_constraint_names_apart_may_be_the_only_one_that_meets_it() -> None:
    constraint = {"matchAttribute": "gpu.example.com/root", "requests": ["gpu/way-0"]}
    assert findings(way(), way(), constraints=[constraint]) == []
    assert len(findings(way(), way(), constraints=[{**constraint, "requests": ["gpu"]}])) == 1


def test_two_of_one_name_are_the_api_servers_business() -> None:
    twice = {"name": "gpu", "firstAvailable": [{"name": "a", **way()}, {"name": "a", **way()}]}
    assert list(check(Case(make_claim(twice), "team-a", VIEW))) == []


def test_a_list_that_is_too_long_is_the_api_servers_business() -> None:
    assert findings(*(way() for _ in range(500))) == []
