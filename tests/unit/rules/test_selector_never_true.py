"""Contradictions are refused where they are certain, told where they stand, and mended with everything else kept."""

import pytest

from tests.support.build import claim_with, device, make_claim, make_class, make_slice, make_view, request
from tests.support.findings import CAPACITY, DOMAIN, VIEW, found_by, mended_by
from webhook.core.catalogue import CatalogueAttribute, DriverPack
from webhook.core.finding import Severity
from webhook.inventory.case import Case
from webhook.rules import judged
from webhook.rules.selector_never_true import check

TYPE, INDEX, VERSION = f"{DOMAIN}.type", f"{DOMAIN}.index", f"{DOMAIN}.driverVersion"
MEMORY = f"{CAPACITY}.memory"
OTHER = "other.example.com"
TWO_CLASSES = make_view(
    *VIEW.slices.values(),
    make_slice(device("other-0", type="x"), driver=OTHER, node="node-2"),
    classes=[make_class(), make_class(OTHER, f"device.driver == '{OTHER}'")],
)


@pytest.mark.parametrize(
    "text",
    [
        "false",
        "1 == 2",
        "[1, 2].exists(n, n == 3)",
        f"{TYPE} == 'gpu' && {TYPE} == 'mig'",
        f"{TYPE} == 'gpu' && {TYPE} != 'gpu'",
        f"{TYPE} in ['a', 'b'] && {TYPE} in ['c']",
        f"{TYPE} in ['a', 'b'] && {TYPE} != 'a' && {TYPE} != 'b'",
        f"{TYPE} == 'gpu' && !has({TYPE})",
        f"has({TYPE}) && !('type' in {DOMAIN})",
        f"{TYPE}.startsWith('a') && {TYPE}.startsWith('b')",
        f"{TYPE} == 'gpu' && {TYPE}.matches('^mig')",
        f"({TYPE} == 'a' || {TYPE} == 'b') && {TYPE}.lowerAscii() == 'c'",
        f"{INDEX} > 5 && {INDEX} < 3",
        f"{INDEX} > 5 && {INDEX} < 6",
        f"{INDEX} >= 5 && {INDEX} <= 5 && {INDEX} != 5",
        f"{INDEX} > 5 && {INDEX} == 'a'",
        f"{VERSION}.isGreaterThan(semver('2.0.0')) && {VERSION}.isLessThan(semver('1.0.0'))",
        f"{VERSION}.compareTo(semver('1.0.0')) == 0 && {VERSION}.compareTo(semver('1.0.1')) >= 0",
        f"{VERSION}.isGreaterThan(semver('1.0.0')) && {VERSION}.isLessThan(semver('1.0.1-0'))",
        f"{MEMORY}.compareTo(quantity('80Gi')) >= 0 && {MEMORY}.compareTo(quantity('40Gi')) < 0",
        f"{MEMORY}.isGreaterThan(quantity('1')) && {MEMORY} == quantity('1')",
        f"{DOMAIN}.?type.orValue('a') == 'b' && {TYPE} == 'c'",
        "device.driver == 'gpu.example.com' && device.driver == 'b'",
        "device.allowMultipleAllocations && !device.allowMultipleAllocations",
        f"!({TYPE} == 'a' || {TYPE} != 'a')",
        f"({TYPE} == 'a' && {INDEX} == 1 || {TYPE} == 'a' && {INDEX} == 2) && {INDEX} == 3",
        f"{TYPE} == 'a' ? {TYPE} == 'b' : {TYPE} == 'a'",
    ],
)
def test_what_no_device_can_satisfy_is_refused(text: str) -> None:
    [finding] = found_by(check, text)
    assert finding.severity is Severity.DENY


@pytest.mark.parametrize(
    "text",
    [
        f"{TYPE} == 'gpu' || {TYPE} == 'mig'",
        f"{TYPE} != 'gpu' && {TYPE} != 'mig'",
        f"{INDEX} > 5 && {INDEX} < 7",
        f"{INDEX} > 5.0 && {INDEX} < 6.5",
        f"{INDEX} == 2.0",
        f"{VERSION}.isGreaterThan(semver('1.0.0')) && {VERSION}.isLessThan(semver('1.0.1'))",
        f"{MEMORY}.isGreaterThan(quantity('1')) && {MEMORY}.isLessThan(quantity('1000001u'))",
        f"{TYPE}.startsWith('a') && {TYPE}.startsWith('ab') && {TYPE}.endsWith('b')",
        f"{TYPE}.contains('a') && {TYPE}.contains('b') && !{TYPE}.contains('c')",
        f"{TYPE}.matches('a') && {TYPE}.matches('b')",
        f"{TYPE} > 'a' && {TYPE} < 'b'",
        f"has({TYPE}) ? {TYPE} == 'a' : true",
        f"!has({TYPE}) || {TYPE} == 'a'",
        f"{TYPE} == {DOMAIN}.model && {TYPE} == 'a'",
        f"{DOMAIN}.?type.orValue('a') == 'a' && !has({TYPE})",
        "device.attributes['a.com'].type == 'x' && device.attributes['b.com'].type == 'y'",
        f"cel.bind(t, {TYPE}, t == 'a' && t == 'b')",
        f"{DOMAIN}.exists(name, name == 'a') && {DOMAIN}.exists(name, name == 'b')",
        f"{TYPE} == 'a' || ({TYPE} == 'b' && {TYPE} == 'c')",
    ],
)
def test_what_some_device_could_satisfy_is_silent(text: str) -> None:
    assert found_by(check, text) == ()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{DOMAIN}.type == quantity('1') && {TYPE} == 'gpu'", id="a wrong type"),
        pytest.param(f"{MEMORY} == quantity('1GiB')", id="a bad literal"),
        pytest.param(f"{TYPE}.string == 'gpu'", id="a nested value"),
    ],
)
def test_what_another_rule_explains_is_silent(text: str) -> None:
    assert found_by(check, text) == ()


def test_both_values_are_accepted_with_every_other_clause_kept() -> None:
    text = f"{INDEX} == 0 && {TYPE} == 'gpu' && {DOMAIN}.healthy && {TYPE} == 'mig'"
    assert mended_by(check, text) == f"{INDEX} == 0 && {TYPE} in ['gpu', 'mig'] && {DOMAIN}.healthy"


def test_of_two_bounds_one_goes_and_the_rest_stays() -> None:
    text = f"{INDEX} > 5 && {INDEX} < 3 && {TYPE} == 'gpu'"
    assert mended_by(check, text) == f"{INDEX} > 5 && {TYPE} == 'gpu'"
    assert mended_by(check, f"{INDEX} > 9 && {INDEX} < 3") == f"{INDEX} < 3"


def test_contradictions_between_selectors_stand_at_the_later_one() -> None:
    [finding] = found_by(check, f"{TYPE} == 'gpu'", f"{INDEX} == 0 && {TYPE} == 'mig'")
    assert str(finding.path).endswith("selectors[1].cel.expression")
    assert finding.source[finding.span.start : finding.span.end] == f"{TYPE} == 'mig'" if finding.span else False
    assert "selectors[0]" in finding.why
    assert [edit.value for edit in finding.fixes[0].edits] == [f"{INDEX} == 0"]


def test_a_contradiction_with_the_class_asks_for_a_class_that_matches() -> None:
    text = f"device.driver == '{OTHER}'"
    [finding] = found_by(check, text, view=TWO_CLASSES)
    assert finding.message == (
        f"`driver == '{OTHER}'` contradicts class 'gpu.example.com', which demands `driver == 'gpu.example.com'`"
    )
    [edit] = finding.fixes[0].edits
    assert (str(edit.path), edit.value) == ("spec.devices.requests[0].exactly.deviceClassName", OTHER)


def test_of_several_classes_the_narrowest_comes_first() -> None:
    classes = [make_class(), make_class("any", "true"), make_class("other", f"device.driver == '{OTHER}'")]
    view = make_view(*TWO_CLASSES.slices.values(), classes=classes)
    [finding] = found_by(check, f"device.driver == '{OTHER}'", view=view)
    assert [fix.message for fix in finding.fixes][:2] == [
        "ask for class 'other', whose devices match",
        "ask for class 'any', whose devices match",
    ]


def test_a_class_that_nobody_knows_contradicts_nothing() -> None:
    case = Case(claim_with("device.driver == 'a'", device_class="unknown"), "team-a", VIEW)
    assert judged(case, [check]) == ()


def test_a_class_that_contradicts_itself_is_no_fault_of_the_claim() -> None:
    view = make_view(classes=[make_class("c", "device.driver == 'a'", "device.driver == 'b'")])
    case = Case(claim_with("device.driver == 'a'", device_class="c"), "team-a", view)
    assert judged(case, [check]) == ()


def test_a_class_is_refused_for_its_own_contradiction() -> None:
    case = Case(make_class("c", "device.driver == 'a'", "device.driver == 'b'"), "", VIEW)
    assert [(one.severity, str(one.path)) for one in judged(case, [check])] == [
        (Severity.DENY, "spec.selectors[1].cel.expression")
    ]


def test_each_alternative_is_judged_by_itself() -> None:
    bad, good = (request("gpu", text)["exactly"] for text in (f"{TYPE} == 'a' && {TYPE} == 'b'", f"{TYPE} == 'gpu'"))
    claim = make_claim({"name": "gpu", "firstAvailable": [{"name": "x", **bad}, {"name": "y", **good}]})
    [finding] = judged(Case(claim, "team-a", VIEW), [check])
    assert "firstAvailable[0]" in str(finding.path)


def test_two_contradictions_are_two_findings_with_one_edit() -> None:
    text = f"{TYPE} == 'gpu' && {TYPE} == 'x' && {INDEX} > 5 && {INDEX} < 3"
    one, other = found_by(check, text)
    assert one.fixes[0].edits == other.fixes[0].edits
    assert [edit.value for edit in one.fixes[0].edits] == [f"{TYPE} in ['gpu', 'x'] && {INDEX} > 5"]


def test_what_the_second_engine_sees_otherwise_is_only_warned_of() -> None:
    """cel-python takes true and 1 for equal."""
    [finding] = found_by(check, f"{DOMAIN}.healthy == true && {DOMAIN}.healthy == 1")
    assert (finding.severity, finding.disputed) == (Severity.WARN, True)


def test_a_value_outside_a_closed_set_is_another_rules_matter() -> None:
    types = CatalogueAttribute("gpu.example.com/type", types=frozenset({"string"}), values=("gpu", "mig"), closed=True)
    pack = DriverPack("gpu.example.com", version="1.0", attributes={types.name: types})
    view = make_view(classes=[make_class("gpu", f"{TYPE} == 'gpu'")], catalogue={pack.driver: pack})
    case = Case(claim_with(f"{TYPE} == 'GPU'", device_class="gpu"), "team-a", view)
    assert judged(case, [check]) == ()
    case = Case(claim_with(f"{TYPE} == 'mig'", device_class="gpu"), "team-a", view)
    assert len(judged(case, [check])) == 1
