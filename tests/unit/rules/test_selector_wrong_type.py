"""Attributes and capacities used as values of types that they never have, and the same with the right literal."""

import pytest

from tests.support.build import device, make_class, make_slice, make_view
from tests.support.findings import CAPACITY, DOMAIN, VIEW, found_by, mended_by
from webhook.core.catalogue import CatalogueAttribute, DriverPack
from webhook.core.finding import Severity
from webhook.core.versions import LIST_ATTRIBUTES, ServerTruth
from webhook.inventory.case import Case
from webhook.rules import judged
from webhook.rules.selector_wrong_type import check

KEPT = f" && {DOMAIN}.type == 'gpu'"
NOTHING_KNOWN = make_view()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{DOMAIN}.memory == quantity('40Gi')", id="a quantity"),
        pytest.param(f"{DOMAIN}.memory.compareTo(quantity('40Gi')) >= 0", id="a method of quantities"),
        pytest.param(f"{DOMAIN}.memory.isGreaterThan(quantity('40Gi'))", id="another method of quantities"),
        pytest.param(f"{DOMAIN}.model == ['a', 'b']", id="a list"),
        pytest.param(f"{DOMAIN}.share == 2.5", id="a fraction"),
        pytest.param(f"{DOMAIN}.model == b'a'", id="bytes"),
        pytest.param(f"{DOMAIN}.model == null", id="null"),
        pytest.param(f"{DOMAIN}.model == {{'a': 1}}", id="a map"),
        pytest.param(f"{DOMAIN}.age < duration('1h')", id="a duration"),
        pytest.param(f"{DOMAIN}.model in [quantity('1'), quantity('2')]", id="one of some quantities"),
        pytest.param(f"{DOMAIN}.a == {CAPACITY}.memory", id="a capacity"),
        pytest.param(f"{CAPACITY}.memory == dyn('40Gi')", id="a capacity as a text"),
        pytest.param(f"{DOMAIN}.type == 'gpu' || {DOMAIN}.model == ['a']", id="in an alternative"),
    ],
)
def test_what_no_driver_publishes_is_refused_whatever_is_known(text: str) -> None:
    [finding] = found_by(check, text, view=NOTHING_KNOWN)
    assert finding.severity is Severity.DENY


@pytest.mark.parametrize(
    "text",
    [
        f"{DOMAIN}.a == 2.0",
        f"{DOMAIN}.a == 1u",
        f"{DOMAIN}.a > 2.5",
        f"{DOMAIN}.a == 'x'",
        f"{DOMAIN}.a == semver('1.0.0')",
        f"{DOMAIN}.a == {DOMAIN}.b",
        f"{DOMAIN}.?a.orValue('x') == 'x'",
        f"{DOMAIN}.?a == optional.of('x')",
        f"type({DOMAIN}.a) == string",
        f"[{DOMAIN}.a] == ['x']",
        f"size({DOMAIN}.a) > 1",
        f"{DOMAIN}.all(name, name != 'x')",
        f"'a' in {DOMAIN}",
        f"cel.bind(x, {DOMAIN}.a, x == 'a')",
        f"{CAPACITY}.memory == quantity('1Gi')",
        f"{CAPACITY}.memory.compareTo(quantity('1Gi')) >= 0",
        f"device.driver == {DOMAIN}.a",
    ],
)
def test_what_some_driver_may_publish_is_silent_where_nothing_is_known(text: str) -> None:
    assert found_by(check, text, view=NOTHING_KNOWN) == ()


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (f"{DOMAIN}.index == '0'", f"{DOMAIN}.index == 0"),
        (f"'0' == {DOMAIN}.index", f"0 == {DOMAIN}.index"),
        (f"{DOMAIN}.index in ['0', '1']", f"{DOMAIN}.index in [0, 1]"),
        (f"{DOMAIN}.index < '8'", f"{DOMAIN}.index < 8"),
        (f"{DOMAIN}.index.startsWith('8')", f"string({DOMAIN}.index).startsWith('8')"),
        (f"{DOMAIN}.healthy == 'true'", f"{DOMAIN}.healthy == true"),
        (f"{DOMAIN}.healthy == 'False'", f"{DOMAIN}.healthy == false"),
        (f"{DOMAIN}.healthy == 1", f"{DOMAIN}.healthy == true"),
        (f"{DOMAIN}.cudaComputeCapability == '8.0'", f"{DOMAIN}.cudaComputeCapability == semver('8.0.0')"),
        (f"{DOMAIN}.cudaComputeCapability == 8.0", f"{DOMAIN}.cudaComputeCapability == semver('8.0.0')"),
        (
            f"{DOMAIN}.cudaComputeCapability in ['8.0', '9.0']",
            f"{DOMAIN}.cudaComputeCapability in [semver('8.0.0'), semver('9.0.0')]",
        ),
        (
            f"{DOMAIN}.driverVersion >= '550.54.14'",
            f"{DOMAIN}.driverVersion.compareTo(semver('550.54.14')) >= 0",
        ),
        (f"'550' <= {DOMAIN}.driverVersion", f"{DOMAIN}.driverVersion.compareTo(semver('550.0.0')) >= 0"),
        (f"{DOMAIN}.driverVersion.startsWith('550.')", f"{DOMAIN}.driverVersion.major() == 550"),
        (
            f"{DOMAIN}.driverVersion.startsWith('550.54')",
            f"({DOMAIN}.driverVersion.major() == 550 && {DOMAIN}.driverVersion.minor() == 54)",
        ),
        (f"{DOMAIN}.driverVersion.matches('^550')", f"{DOMAIN}.driverVersion.major() == 550"),
        (
            f"{DOMAIN}.driverVersion.matches('550[.]54.*')",
            f"({DOMAIN}.driverVersion.major() == 550 && {DOMAIN}.driverVersion.minor() == 54)",
        ),
        (f"semver({DOMAIN}.driverVersion).major() == 550", f"{DOMAIN}.driverVersion.major() == 550"),
        (f"int({DOMAIN}.driverVersion) >= 550", f"{DOMAIN}.driverVersion.major() >= 550"),
        (f"{CAPACITY}.memory == dyn('80Gi')", f"{CAPACITY}.memory == quantity('80Gi')"),
        (f"{DOMAIN}.model == ['OLDER-GPU-MODEL']", f"{DOMAIN}.model in ['OLDER-GPU-MODEL']"),
        (f"{DOMAIN}.model == b'OLDER-GPU-MODEL'", f"{DOMAIN}.model == 'OLDER-GPU-MODEL'"),
    ],
)
def test_the_edit_uses_the_type_that_devices_publish_and_keeps_the_rest(wrong: str, right: str) -> None:
    assert mended_by(check, wrong + KEPT) == right + KEPT


def test_an_attribute_that_is_not_known_is_another_rules_matter() -> None:
    assert found_by(check, f"{DOMAIN}.memory.compareTo(quantity('80Gi')) == 0") == ()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{DOMAIN}.index == '0' || {DOMAIN}.index == 0", id="an alternative for each type"),
        pytest.param(f"type({DOMAIN}.index) == int ? {DOMAIN}.index == 0 : {DOMAIN}.index == '0'", id="the type asked"),
        pytest.param(f"{DOMAIN}.index == 0", id="the right type"),
        pytest.param(f"{DOMAIN}.driverVersion.major() >= 550", id="a method of versions"),
        pytest.param(f"string({DOMAIN}.index) == '0'", id="converted"),
        pytest.param(f"{DOMAIN}.nosuch == '0'", id="a name that is not known"),
        pytest.param("device.attributes['other.example.com'].index == '0'", id="another driver"),
    ],
)
def test_what_fits_or_provides_for_it_is_silent(text: str) -> None:
    assert found_by(check, text) == ()


def test_types_that_devices_disagree_about_are_all_right() -> None:
    view = make_view(make_slice(device("a", index=0), device("b", index="0")))
    assert found_by(check, f"{DOMAIN}.index == '0'", view=view) == ()
    assert found_by(check, f"{DOMAIN}.index == 0", view=view) == ()
    [finding] = found_by(check, f"{DOMAIN}.index == true", view=view)
    assert "an int or a string" in finding.message


def test_the_catalogue_knows_types_without_devices() -> None:
    entry = CatalogueAttribute("gpu.example.com/index", types=frozenset({"int"}))
    pack = DriverPack("gpu.example.com", version="1.0", attributes={entry.name: entry})
    [finding] = found_by(check, f"{DOMAIN}.index == '0'", view=make_view(catalogue={pack.driver: pack}))
    assert finding.severity is Severity.DENY
    assert finding.message == "attribute `index` is an int, and never equals a string"


def test_what_is_always_true_only_misleads() -> None:
    assert [one.severity for one in found_by(check, f"{DOMAIN}.index != '0'")] == [Severity.WARN]
    assert [one.severity for one in found_by(check, f"{DOMAIN}.driverVersion != '550'")] == [Severity.DENY]


def test_a_class_is_only_warned_for_what_its_driver_publishes_now() -> None:
    text = f"{DOMAIN}.index == '0'"
    case = Case(make_class("c", text), "", VIEW)
    assert [one.severity for one in judged(case, [check])] == [Severity.WARN]
    case = Case(make_class("c", f"{DOMAIN}.index == quantity('1')"), "", VIEW)
    assert [one.severity for one in judged(case, [check])] == [Severity.DENY]


def test_lists_are_possible_unless_their_gate_is_known_to_be_off() -> None:
    text = f"{DOMAIN}.a == ['x']"
    for server, count in (
        (ServerTruth("1.37"), 0),
        (ServerTruth("1.37", gates={LIST_ATTRIBUTES: True}), 0),
        (ServerTruth("1.37", gates={LIST_ATTRIBUTES: False}), 1),
        (ServerTruth("1.37", assume_defaults=True), 1),
        (ServerTruth("1.35"), 1),
    ):
        assert len(found_by(check, text, view=make_view(server=server))) == count
