"""Literals that no conversion can parse are refused, with the text that was meant."""

import pytest

from tests.support.findings import CAPACITY, DOMAIN, found_by, mended_by
from webhook.core.finding import Severity
from webhook.rules.selector_bad_literal import check


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("quantity('40GiB')", "quantity('40Gi')"),
        ("quantity('40 Gi')", "quantity('40Gi')"),
        ("quantity('40gi')", "quantity('40Gi')"),
        ("quantity('40gibibytes')", "quantity('40Gi')"),
        ("quantity('41,943,040Ki')", "quantity('41943040Ki')"),
        ('quantity("40GiB")', 'quantity("40Gi")'),
        ("quantity('40GB')", "quantity('40Gi')"),  # 40G is on no device, and the binary one is
    ],
)
def test_a_quantity_gets_the_suffix_that_was_meant(wrong: str, right: str) -> None:
    text = f"{CAPACITY}.memory.compareTo({{}}) == 0 && {DOMAIN}.type == 'gpu'"
    assert mended_by(check, text.format(wrong)) == text.format(right)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("semver('8.0')", "semver('8.0.0')"),
        ("semver('8')", "semver('8.0.0')"),
        ("semver('v8.0.0')", "semver('8.0.0')"),
        ("semver('8.0.0.1')", "semver('8.0.0')"),
        ("semver('08.00.0', false)", "semver('8.0.0', false)"),
    ],
)
def test_a_version_gets_its_three_numbers(wrong: str, right: str) -> None:
    text = f"{DOMAIN}.cudaComputeCapability == {{}}"
    assert mended_by(check, text.format(wrong)) == text.format(right)


def test_a_driver_version_loses_its_leading_zeros() -> None:
    text = f"{DOMAIN}.driverVersion.compareTo(semver('{{}}')) >= 0"
    assert mended_by(check, text.format("535.104.05")) == text.format("535.104.5")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("ip('10.0.0.01').family() == 4", "ip('10.0.0.1').family() == 4"),
        ("ip('10.0.0.0/8').family() == 4", "ip('10.0.0.0').family() == 4"),
        ("cidr('10.0.0.1').prefixLength() == 32", "cidr('10.0.0.1/32').prefixLength() == 32"),
        ("cidr('10.0.0.0/8').containsIP('10.1')", None),
        ("cidr('10.0.0.0/8').containsCIDR('10.0.0.01/32')", "cidr('10.0.0.0/8').containsCIDR('10.0.0.1/32')"),
        ("url('example.com').getHost() == 'example.com'", "url('https://example.com').getHost() == 'example.com'"),
        ("semver('newest').major() > 3", None),
    ],
)
def test_addresses_networks_and_urls_too(wrong: str, right: str | None) -> None:
    assert mended_by(check, wrong) == right


def test_it_is_refused_whatever_stands_beside_it() -> None:
    [finding] = found_by(check, f"{DOMAIN}.type == 'gpu' || {CAPACITY}.memory == quantity('40GiB')")
    assert finding.severity is Severity.DENY
    assert finding.message == "'40GiB' is not a quantity"


def test_two_of_them_are_two_findings_with_one_edit() -> None:
    text = f"{CAPACITY}.memory == quantity('{{}}') && {DOMAIN}.cudaComputeCapability == semver('{{}}')"
    one, other = found_by(check, text.format("40GiB", "8.0"))
    assert one.fixes[0].edits == other.fixes[0].edits
    assert [edit.value for edit in one.fixes[0].edits] == [text.format("40Gi", "8.0.0")]


@pytest.mark.parametrize(
    "text",
    [
        f"{CAPACITY}.memory.compareTo(quantity('40Gi')) >= 0",
        f"{CAPACITY}.memory.compareTo(quantity('1.5e3')) >= 0",
        "isQuantity('40GiB')",
        "isSemver('8.0')",
        "semver('v8.0', true).major() == 8",
        f"semver({DOMAIN}.model).major() == 8",
        "quantity('1' + '0Gi').isInteger()",
        "cel.bind(amount, '40GiB', isQuantity(amount))",
        "url('/path').getEscapedPath() == '/path'",
    ],
)
def test_what_parses_or_is_not_known_is_silent(text: str) -> None:
    assert found_by(check, text) == ()
