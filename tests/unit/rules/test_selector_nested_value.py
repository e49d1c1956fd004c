"""Values are single: what is read of one is refused, and the text without it proposed."""

import pytest

from tests.support.build import make_view
from tests.support.findings import DOMAIN, found_by, mended_by
from webhook.core.finding import Severity
from webhook.core.versions import LIST_ATTRIBUTES, ServerTruth
from webhook.rules.selector_nested_value import check

DOTTED = "device.attributes.gpu.example.com"
NO_DEVICES = make_view()
WITH_LISTS = make_view(server=ServerTruth("1.37", gates={LIST_ATTRIBUTES: True}))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        pytest.param(f"{DOMAIN}.model.string", f"{DOMAIN}.model", id="the box that slices have"),
        pytest.param(f"{DOMAIN}['model']['string']", f"{DOMAIN}['model']", id="the box, quoted"),
        pytest.param(f"{DOMAIN}.model.value.string", f"{DOMAIN}.model", id="two of them"),
        pytest.param(f"{DOMAIN}.model[0]", f"{DOMAIN}.model", id="an index"),
    ],
)
def test_the_edit_reads_the_value_itself(wrong: str, right: str) -> None:
    text = "{} == 'OLDER-GPU-MODEL' && device.driver == 'gpu.example.com'"
    assert mended_by(check, text.format(wrong)) == text.format(right)


def test_a_member_of_a_single_value_is_the_value_or_a_part_of_it() -> None:
    assert mended_by(check, f"'OLDER-GPU-MODEL' in {DOMAIN}.model") == f"{DOMAIN}.model == 'OLDER-GPU-MODEL'"
    assert mended_by(check, f"'OLDER' in {DOMAIN}.model") == f"{DOMAIN}.model.contains('OLDER')"


def test_a_domain_with_dots_is_put_in_brackets() -> None:
    text = "device.attributes.gpu.other.com.model == 'x'"
    assert mended_by(check, text, view=NO_DEVICES) == "device.attributes['gpu.other.com'].model == 'x'"


def test_a_known_domain_with_dots_is_another_rules_matter() -> None:
    assert found_by(check, f"{DOTTED}.model == 'x'") == ()


@pytest.mark.parametrize(
    "text",
    [
        f"has({DOMAIN}.model.string)",
        f"{DOMAIN}.type == 'gpu' || {DOMAIN}.model.x == 'a'",
        f"{DOMAIN}.model.x.y.z == 'a'",
        f"[1, 2].exists(n, {DOMAIN}.model.x == n)",
    ],
)
def test_it_is_refused_once_wherever_it_stands(text: str) -> None:
    for view in (make_view(), WITH_LISTS):
        assert [one.severity for one in found_by(check, text, view=view)] == [Severity.DENY]


@pytest.mark.parametrize(
    "text",
    [
        f"{DOMAIN}.model == 'a'",
        f"{DOMAIN}.?model.orValue('') == 'a'",
        f"{DOMAIN}['model'] == 'a'",
        f"'model' in {DOMAIN}",
        f"has({DOMAIN}.model)",
        f"{DOMAIN}.model in ['a', 'b']",
        f"{DOMAIN}.exists(name, name == 'model')",
        f"{DOMAIN}.driverVersion.major() == 550",
        "'gpu.example.com' in device.attributes",
        f"{{'a': {{'b': {DOMAIN}.model}}}}.a.b == 'x'",
        "device.attributes.simple.model == 'a'",
    ],
)
def test_values_and_maps_of_values_are_silent(text: str) -> None:
    assert found_by(check, text) == ()


@pytest.mark.parametrize("text", [f"{DOMAIN}.model[0] == 'a'", f"'a' in {DOMAIN}.model"])
def test_lists_may_be_indexed_where_they_are_possible(text: str) -> None:
    assert len(found_by(check, text)) == 1
    assert found_by(check, text, view=WITH_LISTS) == ()
    assert found_by(check, text, view=make_view(server=ServerTruth("1.37"))) == ()
