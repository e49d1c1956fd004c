"""Names that no driver publishes: refused when a slip of the pen explains them, else warned of, else silent."""

import pytest

from tests.support.build import claim_with, device, make_class, make_slice, make_view
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.devices import DeviceClass
from webhook.core.finding import Edit, Finding, Severity
from webhook.endpoints import validate_claims
from webhook.inventory.case import Case
from webhook.rules import SCHEMA, Rulebook, judged

A100 = device("gpu-0", {"memory": "40Gi"}, productName="A100", brand="Example", partition1=0)


def view() -> ClusterView:
    return make_view(make_slice(A100, device("gpu-1", {"memory": "80Gi"}, productName="H100", brand="Example")))


ANY_CLASS = make_view(make_slice(A100), classes=[make_class("any", "true")])


def findings(subject: Claim | DeviceClass, cluster: ClusterView | None = None) -> tuple[Finding, ...]:
    return judged(Case(subject, "team-a", cluster or view()), SCHEMA)


def attribute(name: str) -> str:
    return f"device.attributes['gpu.example.com'].{name} == 'A100'"


def test_a_mistyped_attribute_is_refused_with_the_edit_that_mends_it() -> None:
    claim = claim_with(attribute("productname"))

    [finding] = findings(claim)

    assert (finding.rule, finding.severity) == ("selector-unknown-attribute", Severity.DENY)
    assert finding.message == "driver 'gpu.example.com' publishes no attribute `productname`"
    assert finding.span is not None
    assert finding.source[finding.span.start : finding.span.end] == "productname"
    assert finding.fixes[0].message == "did you mean `productName`? (names are case-sensitive)"
    assert finding.fixes[0].edits == (Edit(finding.path, attribute("productName")),)


def test_two_mistyped_names_in_one_selector_carry_one_edit_that_mends_both() -> None:
    domain = "device.attributes['gpu.example.com']"
    found = findings(claim_with(f"{domain}.productname == 'A100' && {domain}.brnad == 'Example'"))

    whole = f"{domain}.productName == 'A100' && {domain}.brand == 'Example'"
    assert [f.fixes[0].edits for f in found] == [(Edit(found[0].path, whole),)] * 2


def test_an_edit_that_matches_no_device_is_not_given() -> None:
    [finding] = findings(claim_with("device.attributes['gpu.example.com'].productname == 'B200'"))
    assert finding.fixes[0].message.startswith("did you mean `productName`?")
    assert finding.fixes[0].edits == ()


def test_a_name_that_nothing_explains_is_only_a_warning_that_lists_what_is_published() -> None:
    [finding] = findings(claim_with(attribute("tensorCores")))
    assert finding.severity is Severity.WARN
    assert finding.fixes[0].message == "published: `brand`, `partition1`, `productName`"


def test_another_number_is_no_slip_of_the_pen() -> None:
    [finding] = findings(claim_with("device.attributes['gpu.example.com'].partition2 == 1"))
    assert finding.severity is Severity.WARN


PUBLISHED = "device.attributes['gpu.example.com']"


@pytest.mark.parametrize(
    "guarded",
    [
        "has(device.attributes['gpu.example.com'].productname)",
        f"has({PUBLISHED}.productname) && {PUBLISHED}.productname == ''",
        f"'productname' in {PUBLISHED} && {PUBLISHED}.productname == ''",
        "'productname' in device.attributes['gpu.example.com']",
        "device.attributes['gpu.example.com'].?productname.orValue('') == ''",
    ],
)
def test_a_guarded_name_is_portable_style(guarded: str) -> None:
    assert {finding.severity for finding in findings(claim_with(guarded))} <= {Severity.INFO}


def test_a_capacity_named_as_an_attribute_is_told_apart() -> None:
    [finding] = findings(claim_with("device.attributes['gpu.example.com'].memory == 1"))
    assert finding.fixes[0].message == "`memory` is a capacity: write device.capacity['gpu.example.com'].memory"


def test_a_mistyped_capacity_is_refused() -> None:
    text = "device.capacity['gpu.example.com'].{}.compareTo(quantity('40Gi')) >= 0"
    [finding] = findings(claim_with(text.format("memroy")))
    assert (finding.rule, finding.severity) == ("selector-unknown-capacity", Severity.DENY)
    assert finding.fixes[0].edits == (Edit(finding.path, text.format("memory")),)


def test_a_mistyped_domain_is_refused() -> None:
    [finding] = findings(claim_with("device.attributes['gpu.exmaple.com'].productName == 'A100'"))
    assert (finding.rule, finding.severity) == ("selector-unknown-domain", Severity.DENY)
    assert finding.fixes[0].edits == (Edit(finding.path, attribute("productName")),)


def test_the_domain_of_an_unknown_driver_stays_without_an_opinion() -> None:
    claim = claim_with("device.attributes['other.vendor.io'].anything == 1", device_class="other.vendor.io")
    assert {finding.rule for finding in findings(claim)} <= {"request-unknown-class"}


def test_a_domain_foreign_to_the_drivers_of_the_class_is_a_warning() -> None:
    [finding] = findings(claim_with("device.attributes['other.vendor.io'].anything == 1"))
    assert (finding.rule, finding.severity) == ("selector-unknown-domain", Severity.WARN)


def test_without_any_devices_there_is_no_opinion() -> None:
    assert findings(claim_with(attribute("productname")), make_view()) == ()


def test_standard_attributes_are_known_though_nobody_publishes_them() -> None:
    [finding] = findings(claim_with("device.attributes['resource.kubernetes.io'].pcieRoot == 'pci0000:00'"))
    assert (finding.rule, finding.severity) == ("selector-may-fail", Severity.WARN)


def test_in_a_class_an_unknown_name_is_refused_in_a_file_and_warned_of_at_admission() -> None:
    """A driver's chart installs its class before its slices."""
    device_class = make_class("new", attribute("productname"))
    [finding] = findings(device_class)
    [admitted] = validate_claims(Case(device_class, "", view()), Rulebook())
    assert (finding.severity, admitted.severity) == (Severity.DENY, Severity.WARN)


def test_an_incomplete_pool_publishes_nothing() -> None:
    cluster = make_view(make_slice(A100, count=2))
    assert findings(claim_with(attribute("productname")), cluster) == ()


def test_a_name_in_brackets_is_judged_like_one_after_a_dot() -> None:
    [finding] = findings(claim_with("device.attributes['gpu.example.com']['productname'] == 'A100'"))
    assert finding.fixes[0].edits == (
        Edit(finding.path, "device.attributes['gpu.example.com']['productName'] == 'A100'"),
    )


OTHER = "device.attributes['npu.vendor.io'].model == 'Z'"


@pytest.mark.parametrize(
    "selectors",
    [
        (f"device.driver == 'npu.vendor.io' && {OTHER} || device.driver == 'gpu.example.com'",),
        (f"device.driver != 'npu.vendor.io' || {OTHER}",),
        (f"device.driver in ['npu.vendor.io'] ? {OTHER} : true",),
        ("device.driver == 'npu.vendor.io'", OTHER),
    ],
)
def test_a_driver_that_the_selectors_ask_for_is_none_of_which_anything_is_known(selectors: tuple[str, ...]) -> None:
    found = findings(claim_with(*selectors, device_class="any"), ANY_CLASS)
    assert [finding for finding in found if finding.rule == "selector-unknown-domain"] == []


@pytest.mark.parametrize("guard", ["device.driver == 'fpga.vendor.io'", "device.driver != 'npu.vendor.i'"])
def test_a_domain_that_is_not_asked_for_by_its_own_name_is_warned_of(guard: str) -> None:
    [finding] = findings(claim_with(f"{guard} || {OTHER}", device_class="any"), ANY_CLASS)
    assert (finding.rule, finding.severity) == ("selector-unknown-domain", Severity.WARN)


def test_a_name_of_another_domain_of_the_driver_is_refused_with_that_domain() -> None:
    cluster = make_view(make_slice(device("gpu-0", {}, **{"model": "E100", "example.org/board": "b1"})))
    [finding] = findings(claim_with("device.attributes['gpu.example.com'].board == 'b1'"), cluster)
    assert (finding.rule, finding.severity) == ("selector-unknown-attribute", Severity.DENY)
    assert finding.fixes[0].message == "did you mean `example.org/board`?"
    assert [edit.value for edit in finding.fixes[0].edits] == ["device.attributes['example.org'].board == 'b1'"]
