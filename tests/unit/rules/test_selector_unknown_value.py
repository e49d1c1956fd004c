"""Values that a driver never has are refused, others that nobody has are warned of, with what may be meant."""

import pytest

from tests.support.build import claim_with, device, make_class, make_slice, make_view
from tests.support.findings import DOMAIN, found_by, mended_by
from webhook.core.catalogue import CatalogueAttribute, DriverPack, KnownMistake, MistakeKind, Model, Profile
from webhook.core.cluster import ClusterView
from webhook.core.finding import Severity
from webhook.inventory.case import Case
from webhook.rules import COMPILING, SCHEMA, judged
from webhook.rules.selector_unknown_value import check

A100, H100 = "NVIDIA A100-SXM4-80GB", "NVIDIA H100 80GB HBM3"
TYPE, PRODUCT, ARCHITECTURE = f"{DOMAIN}.type", f"{DOMAIN}.productName", f"{DOMAIN}.architecture"
PACK = DriverPack(
    "gpu.example.com",
    version="1.0",
    attributes={
        entry.name: entry
        for entry in (
            CatalogueAttribute(
                "gpu.example.com/type", types=frozenset({"string"}), values=("gpu", "mig", "vfio"), closed=True
            ),
            CatalogueAttribute(
                "gpu.example.com/architecture", types=frozenset({"string"}), values=("Ampere", "Hopper", "Ada Lovelace")
            ),
            CatalogueAttribute("gpu.example.com/productName", types=frozenset({"string"})),
            CatalogueAttribute("gpu.example.com/profile", types=frozenset({"string"})),
        )
    },
    models=(Model((A100,), 7, None, (Profile("3g.40gb", 3),)),),
    mistakes=(KnownMistake(MistakeKind.VALUE, "datacenter", H100, of="productName"),),
)
CATALOGUE = {PACK.driver: PACK}


def cluster(*products: str) -> ClusterView:
    devices = (
        device(f"gpu-{number}", type="gpu", productName=name, architecture="Ampere", profile="1g.10gb", index=number)
        for number, name in enumerate(products)
    )
    return make_view(make_slice(*devices), catalogue=CATALOGUE)


LIVE = cluster(A100, H100)
NO_DEVICES = make_view(catalogue=CATALOGUE)


@pytest.mark.parametrize("view", [LIVE, NO_DEVICES])
def test_a_value_outside_a_closed_set_is_refused(view: ClusterView) -> None:
    [finding] = found_by(check, f"{TYPE} == 'GPU'", view=view)
    assert (finding.severity, finding.message) == (Severity.DENY, "attribute `type` is never 'GPU'")
    assert finding.fixes[0].message == "write 'gpu' (values are case-sensitive)"


def test_a_value_that_no_device_has_today_is_warned_of() -> None:
    [finding] = found_by(check, f"{PRODUCT} == 'MI300X'", view=LIVE)
    assert (finding.severity, finding.message) == (Severity.WARN, "no device has `productName` 'MI300X'")
    assert finding.fixes[0].message == f"known values: '{A100}', '{H100}'"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (f"{PRODUCT} == 'A100'", f"{PRODUCT} == '{A100}'"),
        (f'{PRODUCT} == "A100"', f'{PRODUCT} == "{A100}"'),
        (f"'A100' == {PRODUCT}", f"'{A100}' == {PRODUCT}"),
        (f"{PRODUCT} == 'A100 80GB'", f"{PRODUCT} == '{A100}'"),
        (f"{PRODUCT} == 'NVIDIA-A100-SXM4-80GB'", f"{PRODUCT} == '{A100}'"),
        (f"{PRODUCT} == 'nvidia a100-sxm4-80gb'", f"{PRODUCT} == '{A100}'"),
        (f"{PRODUCT} == 'NVIDIA'", f"{PRODUCT}.contains('NVIDIA')"),
        (f"{PRODUCT} == 'datacenter'", f"{PRODUCT} == '{H100}'"),
        (f"{PRODUCT} in ['A100', 'H100']", f"{PRODUCT} in ['{A100}', '{H100}']"),
        (f"{ARCHITECTURE} == 'ampere'", f"{ARCHITECTURE} == 'Ampere'"),
        (f"{TYPE} == 'gpuu'", f"{TYPE} == 'gpu'"),
    ],
)
def test_the_value_that_is_meant_is_put_in_with_the_rest_kept(wrong: str, right: str) -> None:
    rest = f" && {DOMAIN}.index < 2"
    findings = found_by(check, wrong + rest, view=LIVE)
    assert findings
    assert {edit.value for finding in findings for edit in finding.fixes[0].edits} == {right + rest}


def test_a_part_of_a_value_may_be_meant_as_well() -> None:
    [finding] = found_by(check, f"{PRODUCT} == 'A100'", view=LIVE)
    assert [fix.message for fix in finding.fixes] == [
        f"write '{A100}'",
        f"for every value with it, write {PRODUCT}.contains('A100')",
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{PRODUCT} == '{A100}'", id="a value of some device"),
        pytest.param(f"{ARCHITECTURE} == 'Hopper'", id="a documented value"),
        pytest.param(f"{TYPE} == 'vfio'", id="of the closed set, though no device has it"),
        pytest.param(f"{PRODUCT} in ['{A100}', 'AMD MI300X']", id="a list for several clusters"),
        pytest.param(f"{PRODUCT} == '{A100}' || {PRODUCT} == 'AMD MI300X'", id="alternatives for several clusters"),
        pytest.param(f"{PRODUCT} == 'AMD MI300X' || {DOMAIN}.index == 0", id="another way out"),
        pytest.param(f"{PRODUCT} == 'AMD MI300X' ? true : {DOMAIN}.index == 0", id="a condition"),
        pytest.param(f"{PRODUCT} != 'AMD MI300X'", id="a value to stay away from"),
        pytest.param(f"!({PRODUCT} in ['AMD MI300X'])", id="values to stay away from"),
        pytest.param(f"{PRODUCT}.contains('A100')", id="a part"),
        pytest.param(f"{DOMAIN}.profile == '9g.90gb'", id="a MIG profile, which another rule judges"),
        pytest.param(f"{DOMAIN}.nosuch == 'x'", id="an attribute that is not known"),
        pytest.param(f"{DOMAIN}.index == 'x'", id="an attribute of another type"),
        pytest.param("device.attributes['other.example.com'].type == 'x'", id="another driver"),
        pytest.param("device.driver == 'x'", id="the driver"),
    ],
)
def test_what_is_known_or_portable_is_silent(text: str) -> None:
    assert found_by(check, text, view=LIVE) == ()


@pytest.mark.parametrize(
    "text",
    [
        f"{PRODUCT} != 'NVIDIA-A100-SXM4-80GB'",
        f"{PRODUCT} in ['{A100}', 'NVIDIA-H100-80GB-HBM3']",
        f"{PRODUCT} == 'nvidia h100 80gb hbm3' || {DOMAIN}.index == 0",
        f"{TYPE} in ['gpu', 'migg']",
    ],
)
def test_a_slip_is_warned_of_even_beside_others(text: str) -> None:
    assert [one.severity for one in found_by(check, text, view=LIVE)] == [Severity.WARN]


def test_documented_values_are_examples_where_no_device_is_known() -> None:
    assert found_by(check, f"{ARCHITECTURE} == 'Rubin'", view=NO_DEVICES) == ()
    assert mended_by(check, f"{ARCHITECTURE} == 'hopper'", view=NO_DEVICES) == f"{ARCHITECTURE} == 'Hopper'"


def test_each_of_several_unknown_values_is_told() -> None:
    assert len(found_by(check, f"{PRODUCT} in ['MI300X', 'MI250']", view=LIVE)) == 2


def test_serial_numbers_are_not_compared_one_by_one() -> None:
    view = make_view(make_slice(*(device(f"gpu-{number}", serial=f"S-{number:06}") for number in range(1100))))
    [finding] = found_by(check, f"{DOMAIN}.serial == 'S-xxxxxx'", view=view)
    assert finding.fixes[0].message == (
        "known values: 'S-000000', 'S-000001', 'S-000002', 'S-000003', 'S-000004' and 1095 more"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(f"{DOMAIN}.productname == 'A100'", id="in a name and its value"),
        pytest.param(f"{DOMAIN}.productName.string == 'A100'", id="around a value"),
        pytest.param("device.attributes['gpu.exampel.com'].productName == 'A100'", id="in a domain and a value"),
        pytest.param(f"{DOMAIN}.productName = 'A100'", id="in an operator and a value"),
    ],
)
def test_a_slip_behind_another_slip_is_mended_with_it(wrong: str) -> None:
    checks = (*COMPILING, *SCHEMA)
    case = Case(claim_with(f"{wrong} && {DOMAIN}.index < 2"), "team-a", LIVE)
    edits = {edit.value for one in judged(case, checks) for fix in one.fixes[:1] for edit in fix.edits}
    assert edits == {f"{PRODUCT} == '{A100}' && {DOMAIN}.index < 2"}


def test_a_slip_in_a_request_for_the_wrong_class_is_mended_with_the_class() -> None:
    classes = [make_class(f"{kind}s", f"{TYPE} == '{kind}'") for kind in ("gpu", "mig")]
    view = make_view(
        make_slice(device("gpu-0", type="gpu"), device("mig-0", type="mig")), classes=classes, catalogue=CATALOGUE
    )
    case = Case(claim_with(f"{TYPE} == 'MIG'", device_class="gpus"), "team-a", view)
    edits = {edit.path.steps[-1]: edit.value for one in judged(case, SCHEMA) for edit in one.fixes[0].edits}
    assert edits == {"deviceClassName": "migs", "expression": f"{TYPE} == 'mig'"}
