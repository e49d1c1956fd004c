"""A bare amount gets the unit that it lacks, by what devices have."""

import pytest

from tests.support.build import claim_with, device, make_slice, make_view
from webhook.inventory.case import Case
from webhook.inventory.units import with_units
from webhook.rules import COMPILING, SCHEMA, judged

MEMORY = "device.capacity['gpu.example.com'].memory"
CORES = "device.capacity['gpu.example.com'].cores"
VIEW = make_view(
    make_slice(
        device("gpu-0", {"memory": "80Gi", "cores": "100"}), device("gpu-1", {"memory": "40960Mi", "cores": "50"})
    )
)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (f"{MEMORY}.compareTo(quantity('40')) > 0", f"{MEMORY}.compareTo(quantity('40Gi')) > 0"),
        (f'quantity("80") == {MEMORY}', f'quantity("80Gi") == {MEMORY}'),
        (f"{MEMORY}.isGreaterThan(quantity('40960'))", f"{MEMORY}.isGreaterThan(quantity('40960Mi'))"),
        (
            f"{MEMORY}.isGreaterThan(quantity('40')) && {CORES}.isGreaterThan(quantity('40'))",
            f"{MEMORY}.isGreaterThan(quantity('40Gi')) && {CORES}.isGreaterThan(quantity('40'))",
        ),
        (f"{MEMORY}.isGreaterThan(quantity('0'))", None),
        (f"{MEMORY}.isGreaterThan(quantity('40Ki'))", None),
        (f"{MEMORY}.isGreaterThan(quantity('42949672960'))", None),
        (f"{MEMORY}.isGreaterThan(quantity('9000'))", f"{MEMORY}.isGreaterThan(quantity('9000Mi'))"),
        ("device.capacity['other.example.com'].memory.isGreaterThan(quantity('40'))", None),
        (f"{MEMORY} > 40", None),
    ],
)
def test_only_an_amount_that_no_device_is_near_gets_the_nearest_unit(text: str, right: str | None) -> None:
    assert with_units(VIEW, text) == right


@pytest.mark.parametrize("text", [f"{MEMORY} > 40", f"{MEMORY}.isGreaterThan(40)"])
def test_the_fix_with_the_unit_comes_first_and_is_applied(text: str) -> None:
    findings = judged(Case(claim_with(text), "team-a", VIEW), (*COMPILING, *SCHEMA))
    assert [str(edit.value).count("'40Gi'") for finding in findings for edit in finding.fixes[0].edits] == [1]


def test_a_unit_with_which_nothing_matches_is_not_taken() -> None:
    (finding,) = judged(Case(claim_with(f"{MEMORY} > 80"), "team-a", VIEW), (*COMPILING, *SCHEMA))
    assert str(finding.fixes[0].edits[0].value).endswith("compareTo(quantity('80')) > 0")
