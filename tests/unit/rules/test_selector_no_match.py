"""selector-no-match: none of the class's devices matches now, and which smallest change would let one through."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.build import claim_object, device, make_claim, make_class, make_slice, make_view, request
from webhook.core.claims import parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.devices import parse_inventory
from webhook.core.finding import Finding, Severity
from webhook.inventory.case import Case
from webhook.rules import SCHEMA, judged
from webhook.rules.selector_no_match import check

A = "device.attributes['gpu.example.com']"
MEMORY = "device.capacity['gpu.example.com'].memory"
DEVICES = (
    device("small", {"memory": "24Gi"}, model="E50-24GB", cores=40, arch={"version": "8.6.0"}),
    device("large", {"memory": "80Gi"}, model="E100-80GB", cores=120, arch={"version": "9.0.0"}),
)


def view() -> ClusterView:
    return make_view(make_slice(*DEVICES))


def findings(*selectors: str, cluster: ClusterView | None = None) -> Sequence[Finding]:
    return judged(Case(make_claim(request("gpu", *selectors)), "team-a", cluster or view()), [check])


@pytest.mark.parametrize(
    ("selector", "fix", "mended"),
    [
        pytest.param(
            f"{A}.model == 'E100'", "write 'E100-80GB' instead of 'E100'", f"{A}.model == 'E100-80GB'", id="text"
        ),
        pytest.param(
            f'{A}.model == "E50" && {A}.cores > 10',
            'write "E50-24GB" instead of "E50"',
            f'{A}.model == "E50-24GB" && {A}.cores > 10',
            id="text among others, in its own quotes",
        ),
        pytest.param(
            f"device.driver == 'gpu.exmple.com' && {A}.cores > 100",
            "write 'gpu.example.com' instead of 'gpu.exmple.com'",
            f"device.driver == 'gpu.example.com' && {A}.cores > 100",
            id="driver",
        ),
        pytest.param(f"{A}.cores >= 200", "write 120 instead of 200", f"{A}.cores >= 120", id="bound"),
        pytest.param(f"{A}.cores > 120", "write 119 instead of 120", f"{A}.cores > 119", id="strict bound"),
        pytest.param(f"30 > {A}.cores", "write 41 instead of 30", f"41 > {A}.cores", id="bound on the left"),
        pytest.param(
            f"{MEMORY}.compareTo(quantity('100Gi')) >= 0",
            "write '80Gi' instead of '100Gi'",
            f"{MEMORY}.compareTo(quantity('80Gi')) >= 0",
            id="amount",
        ),
        pytest.param(
            f"{A}.arch.compareTo(semver('9.1.0')) >= 0",
            "write '9.0.0' instead of '9.1.0'",
            f"{A}.arch.compareTo(semver('9.0.0')) >= 0",
            id="version",
        ),
        pytest.param(
            f"{A}.model in ['E200', 'E300']",
            "write 'E100-80GB' instead of 'E200'",
            f"{A}.model in ['E100-80GB', 'E300']",
            id="one of a list",
        ),
        pytest.param(
            f"{A}.cores == 40 && ({A}.model != 'E50-24GB')",
            "write 120 instead of 40",
            f"{A}.cores == 120 && ({A}.model != 'E50-24GB')",
            id="what must not be is no literal to change",
        ),
        pytest.param(
            f"{MEMORY}.isGreaterThan(quantity('80Gi')) && {A}.cores > 100",
            f"leave out `{MEMORY}.isGreaterThan(quantity('80Gi'))`",
            f"{A}.cores > 100",
            id="a clause less where no literal helps",
        ),
        pytest.param(
            f"{A}.model == 'E200' && {A}.cores > 500",
            "write 'E100-80GB' instead of 'E200'; write 121 instead of 500",
            None,
            id="two changes where one is not enough",
        ),
    ],
)
def test_the_smallest_change_has_been_tried(selector: str, fix: str, mended: str | None) -> None:
    [finding] = findings(selector)
    assert finding.severity is Severity.WARN
    first = finding.fixes[0]
    if mended is not None:
        assert first.message.startswith(f"{fix}: 1 device matches")
        assert [edit.value for edit in first.edits] == [mended]
    [edit] = first.edits
    assert not findings(str(edit.value))


def test_the_fix_stands_where_the_clause_is_to_be_changed_and_keeps_every_other_clause() -> None:
    [finding] = findings(f"{A}.cores == 40", f"{A}.model.startsWith('E') && {MEMORY}.compareTo(quantity('30Gi')) > 0")
    assert finding.span is not None
    assert finding.source[finding.span.start : finding.span.end] == f"{A}.cores == 40"
    assert [edit.value for edit in finding.fixes[0].edits] == [f"{A}.cores == 120"]


def test_a_selector_of_one_clause_can_be_left_out_whole() -> None:
    [finding] = findings(f"{A}.cores > 100", f"{MEMORY}.isGreaterThan(quantity('80Gi'))")
    [edit] = finding.fixes[0].edits
    assert (str(edit.path), edit.value) == ("spec.devices.requests[0].exactly.selectors[1]", None)


def test_the_message_tells_the_last_stage_and_the_nearest_device() -> None:
    [finding] = findings(f"{A}.cores > 100 && {MEMORY}.compareTo(quantity('96Gi')) >= 0")
    assert finding.message == "none of 2 devices of class 'gpu.example.com' matches; 'large' has `memory` 80Gi"
    assert finding.why == (
        f"of these devices are left: 1 after {A}.cores > 100, 0 after {MEMORY}.compareTo(quantity('96Gi')) >= 0"
    )


def test_where_nothing_is_known_to_be_absent_it_is_silent() -> None:
    wanted = f"{A}.model == 'E100'"
    assert not findings(wanted, cluster=replace(view(), given=False))
    assert not findings(wanted, cluster=make_view())
    assert not findings(wanted, cluster=make_view(make_slice(*DEVICES), classes=[]))
    assert not findings(
        wanted, cluster=make_view(make_slice(*DEVICES), classes=[make_class("gpu.example.com", "false")])
    )


def test_a_pool_that_is_scaled_to_zero_matches() -> None:
    spec = {"driver": "gpu.example.com", "devices": [{**device("e200", model="E200"), "count": 8, "perNode": 8}]}
    planned = parse_inventory({"metadata": {"name": "order"}, "spec": spec})
    cluster = make_view(make_slice(*DEVICES), inventories={"order": planned})
    assert not findings(f"{A}.model == 'E200'", cluster=cluster)


def test_an_alternative_that_matches_makes_the_others_wishes() -> None:
    def claim(*models: str) -> Case:
        ways = [
            {"name": f"way-{n}", **request("gpu", f"{A}.model == '{model}'")["exactly"]}
            for n, model in enumerate(models)
        ]
        raw = claim_object({"name": "gpu", "firstAvailable": ways})
        return Case(parse_claim(raw), "team-a", view())

    assert judged(claim("E200", "E50-24GB"), [check]) == ()
    found = judged(claim("E200", "E300"), [check])
    assert [str(finding.path) for finding in found] == [
        f"spec.devices.requests[0].firstAvailable[{n}].selectors[0].cel.expression" for n in (0, 1)
    ]


@pytest.mark.parametrize(
    "selector", [f"{A}.modle == 'E100-80GB'", f"has({A}.link) && {A}.link == 'X'", f"{A}.model == 'E100-81GB'"]
)
def test_what_another_rule_says_of_the_request_explains_it(selector: str) -> None:
    case = Case(make_claim(request("gpu", selector)), "team-a", view())
    assert {finding.rule.rpartition("-")[0] for finding in judged(case, SCHEMA)} == {"selector-unknown"}


def test_when_the_time_is_over_nothing_is_said() -> None:
    case = Case(make_claim(request("gpu", f"{A}.model == 'E100'")), "team-a", view(), lambda: True)
    assert {finding.rule for finding in judged(case, SCHEMA)} <= {"unjudged"}


def test_an_error_on_every_device_is_said_by_another_rule() -> None:
    root = "device.attributes['resource.kubernetes.io'].pcieRoot"
    case = Case(make_claim(request("gpu", f"{root} == 'pci0000:00'")), "team-a", view())
    assert [finding.rule for finding in judged(case, SCHEMA)] == ["selector-may-fail"]
