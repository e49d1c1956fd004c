"""A fix that a program can apply has been tried: it compiles, and the request matches a device."""

from collections.abc import Mapping

import pytest

from tests.support.build import claim_with, device, make_class, make_slice, make_view
from webhook.core.finding import Edit, Finding, Fix, Replacement, Severity, Span
from webhook.inventory.case import Case
from webhook.inventory.trying import with_tried_edits

TEXT = "device.attributes['gpu.example.com'].type == 'a'"
VALUE = Span(TEXT.index("'a'"), len(TEXT))
VIEW = make_view(
    make_slice(device("gpu-0", type="gpu"), device("gpu-1", type="mig")),
    classes=[make_class(), make_class("mig", "device.attributes['gpu.example.com'].type == 'mig'")],
)
CASE = Case(claim_with(TEXT), "team-a", VIEW)
[(SELECTOR, ALTERNATIVE)] = CASE.selectors()
assert ALTERNATIVE is not None
CLASS = ALTERNATIVE.path.child("deviceClassName")


def to(value: str) -> Fix:
    return Fix(value, replacements=(Replacement(VALUE, value),))


def finding(*fixes: Fix) -> Finding:
    return Finding("r", Severity.DENY, SELECTOR.path, "wrong", fixes, TEXT, VALUE)


def tried(*fixes: Fix) -> tuple[str, Mapping[str, object]]:
    [found] = with_tried_edits(CASE, [finding(*fixes)])
    return found.fixes[0].message, {str(edit.path): edit.value for edit in found.fixes[0].edits}


def whole(value: str) -> dict[str, str]:
    return {str(SELECTOR.path): TEXT.replace("'a'", value)}


def test_the_first_fix_that_matches_a_device_comes_first_and_carries_its_edit() -> None:
    assert tried(to("'nothing'"), to("'gpu'"), to("'mig'")) == ("'gpu'", whole("'gpu'"))


@pytest.mark.parametrize(
    "fixes",
    [
        pytest.param((to("'nothing'"),), id="matches no device"),
        pytest.param((to("= 'gpu'"),), id="does not compile"),
        pytest.param((Fix("ask somebody"),), id="words alone"),
    ],
)
def test_a_fix_that_does_not_help_has_no_edits(fixes: tuple[Fix, ...]) -> None:
    assert tried(*fixes) == (fixes[0].message, {})


def test_a_fix_may_edit_the_class_and_is_tried_with_it() -> None:
    of_class = Fix("ask for class 'mig'", edits=(Edit(CLASS, "mig"),))
    [found] = with_tried_edits(CASE, [finding(of_class)])
    assert found.fixes[0].edits == ()  # type is 'a' on no device of that class either
    case = Case(claim_with(TEXT.replace("'a'", "'mig'"), device_class="nvidia"), "team-a", VIEW)
    [found] = with_tried_edits(case, [finding(of_class)])
    assert found.fixes[0].edits == (Edit(CLASS, "mig"),)


def test_all_findings_on_a_field_carry_the_same_edit() -> None:
    name = Span(TEXT.index("type"), TEXT.index("type") + 4)
    fix = Fix("as it is", replacements=(Replacement(name, "type"),))
    other = Finding("s", Severity.DENY, SELECTOR.path, "wrong", (fix,), TEXT, name)
    found = with_tried_edits(CASE, [finding(to("'mig'")), other])
    assert {one.fixes[0].edits for one in found} == {(Edit(SELECTOR.path, whole("'mig'")[str(SELECTOR.path)]),)}


def test_a_selector_that_goes_takes_what_else_is_wrong_with_it_along() -> None:
    entry = SELECTOR.path.parent().parent()
    found = with_tried_edits(CASE, [finding(to("'nothing'")), finding(Fix("out", edits=(Edit(entry, None),)))])
    assert {one.fixes[0].edits for one in found} == {(Edit(entry, None),)}
