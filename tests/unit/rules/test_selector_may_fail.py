"""selector-may-fail: an error does not skip a device but stops the pod on its node."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.build import device, make_claim, make_class, make_slice, make_view, request
from webhook.core.catalogue import CatalogueAttribute, DeviceKind, DriverPack, StatedDriver
from webhook.core.cluster import ClusterView
from webhook.core.devices import ResourceSlice
from webhook.core.finding import Finding, Severity
from webhook.inventory.case import Case
from webhook.rules import SCHEMA, judged

DRIVER = "gpu.example.com"
A = f"device.attributes['{DRIVER}']"
OWN = f"device.driver == '{DRIVER}'"
CLASSES = (
    make_class("driver", OWN),
    make_class("whole", f"{OWN} && {A}.type == 'gpu'"),
    make_class("parts", f"{OWN} && {A}.type == 'part'"),
    make_class("everything", "true"),
)
GPUS = make_slice(
    device("gpu-0", type="gpu", model="E100"), device("part-0", type="part", model="E100", profile="1g.10gb")
)
NICS = make_slice(device("nic-0", speed=100), driver="nic.example.com", node="node-2")


def view(**fields: object) -> ClusterView:
    return make_view(GPUS, NICS, classes=CLASSES, **fields)  # type: ignore[arg-type]  # passed on as they are


def findings(device_class: str, *selectors: str, cluster: ClusterView | None = None) -> Sequence[Finding]:
    claim = make_claim(request("gpu", *selectors, device_class=device_class))
    return judged(Case(claim, "team-a", cluster or view()), SCHEMA)


@pytest.mark.parametrize(
    ("device_class", "selector", "mended"),
    [
        pytest.param(
            "driver",
            f"{A}.profile == '1g.10gb'",
            f"has({A}.profile) && {A}.profile == '1g.10gb'",
            id="optional attribute",
        ),
        pytest.param("everything", f"{A}.type == 'gpu'", f"{OWN} && {A}.type == 'gpu'", id="another driver"),
        pytest.param(
            "everything",
            f"{A}.type == 'gpu' || {A}.type == 'part'",
            f"{OWN} && ({A}.type == 'gpu' || {A}.type == 'part')",
            id="another driver, alternatives",
        ),
        pytest.param(
            "driver",
            f"{A}.profile == '1g.10gb' || {A}.type == 'gpu'",
            None,
            id="an error beside a true alternative is none",
        ),
        pytest.param("driver", f"{A}.profile == '1g.10gb' && {A}.type == 'part'", None, id="beside what is false"),
        pytest.param(
            "driver",
            f"{A}.type == 'none' || {A}.profile == '1g.10gb'",
            f"{A}.type == 'none' || has({A}.profile) && {A}.profile == '1g.10gb'",
            id="the guard stands in its alternative",
        ),
        pytest.param("driver", f"has({A}.profile) && {A}.profile == '1g.10gb'", None, id="guarded"),
        pytest.param("driver", f"{A}.?profile.orValue('') == '1g.10gb'", None, id="optional reading"),
        pytest.param("driver", f"'profile' in {A} && {A}.profile == '1g.10gb'", None, id="asked for by in"),
        pytest.param("parts", f"{A}.profile == '1g.10gb'", None, id="the class guards"),
        pytest.param("unknown", f"{A}.profile == '1g.10gb'", None, id="unknown class"),
    ],
)
def test_a_guard_is_proposed_that_fails_nowhere_and_accepts_the_same(
    device_class: str, selector: str, mended: str | None
) -> None:
    found = [finding for finding in findings(device_class, selector) if finding.rule == "selector-may-fail"]
    if mended is None:
        assert found == []
        return
    [finding] = found
    assert finding.severity is Severity.WARN
    assert [edit.value for edit in finding.fixes[0].edits] == [mended]
    assert not [finding for finding in findings(device_class, mended) if finding.rule.startswith("selector-")]


def test_a_selector_before_it_guards_as_well() -> None:
    assert findings("driver", f"{A}.type == 'part'", f"{A}.profile == '1g.10gb'") == ()
    [finding] = findings("driver", f"{A}.profile == '1g.10gb'", f"{A}.type == 'part'")
    assert finding.message == "ends in an error on 1 of 2 devices of class 'driver': no `profile` there"


def test_what_fails_on_every_device_of_the_class_is_refused_and_the_right_class_named() -> None:
    [finding] = findings("whole", f"{A}.profile == '1g.10gb'")
    assert (finding.rule, finding.severity) == ("selector-may-fail", Severity.DENY)
    assert finding.fixes[0].message == "ask for class 'parts', whose devices match"
    assert [(str(edit.path), edit.value) for edit in finding.fixes[0].edits] == [
        ("spec.devices.requests[0].exactly.deviceClassName", "parts")
    ]


def pack(**marks: str) -> DriverPack:
    """Return a pack whose kind of these marks publishes `profile`."""
    attribute = CatalogueAttribute(f"{DRIVER}/profile", frozenset({"kind"}), types=frozenset({"string"}))
    known = {name: CatalogueAttribute(f"{DRIVER}/{name}", types=frozenset({"string"})) for name in ("type", "model")}
    kind = DeviceKind("kind", {f"{DRIVER}/{name}": value for name, value in marks.items()})
    attributes = {attribute.name: attribute, **{f"{DRIVER}/{name}": entry for name, entry in known.items()}}
    return DriverPack(DRIVER, kinds=(kind,), attributes=attributes)


@pytest.mark.parametrize(
    ("marks", "severity"),
    [
        pytest.param({"type": "gpu"}, Severity.WARN, id="the class could get one that has it"),
        pytest.param({"type": "part"}, Severity.DENY, id="only what the class excludes has it"),
    ],
)
def test_what_the_catalogue_allows_is_not_refused(marks: dict[str, str], severity: Severity) -> None:
    found = findings("whole", f"{A}.profile == '1g.10gb'", cluster=view(catalogue={DRIVER: pack(**marks)}))
    assert [(f.rule, f.severity) for f in found if f.rule == "selector-may-fail"] == [("selector-may-fail", severity)]


def test_a_device_of_another_driver_is_none_that_the_class_could_get() -> None:
    nics = make_class("nics", "device.driver == 'nic.example.com'")
    cluster = make_view(GPUS, NICS, classes=(nics,), catalogue={DRIVER: pack(type="gpu")})
    [finding] = findings("nics", f"{A}.type == 'gpu'", cluster=cluster)
    assert (finding.rule, finding.severity) == ("selector-may-fail", Severity.DENY)


def test_a_misspelt_name_explains_the_error() -> None:
    assert {finding.rule for finding in findings("driver", f"{A}.modle == 'E100'")} == {"selector-unknown-attribute"}


def test_only_what_the_error_names_is_guarded_and_told() -> None:
    speed = "device.attributes['nic.example.com'].speed"
    part = make_slice(device("disk-0", size=1), driver="disk.example.com", node="node-3")
    cluster = make_view(GPUS, NICS, part, classes=CLASSES)
    selector = f"device.driver == 'nic.example.com' ? {speed} > 50 : {A}.type == 'gpu'"
    [finding] = findings("everything", selector, cluster=cluster)
    assert finding.message == "ends in an error on 1 of 4 devices of class 'everything': no `type` there"
    assert finding.span is not None
    assert selector[finding.span.start : finding.span.end] == f"{A}.type"
    [edit] = finding.fixes[0].edits
    assert edit.value == f"device.driver == 'nic.example.com' ? {speed} > 50 : has({A}.type) && {A}.type == 'gpu'"


def test_all_that_is_missing_is_guarded_where_one_guard_is_not_enough() -> None:
    selector = f"device.attributes['nic.example.com'].speed > 50 || {A}.type == 'gpu'"
    part = make_slice(device("disk-0", size=1), driver="disk.example.com", node="node-3")
    [finding] = findings("everything", selector, cluster=make_view(GPUS, NICS, part, classes=CLASSES))
    [edit] = finding.fixes[0].edits
    assert str(edit.value).count("has(") == 2


KINDS = tuple(DeviceKind(name, {f"{DRIVER}/type": name}) for name in ("gpu", "part"))
ENTRIES = (
    CatalogueAttribute("type", types=frozenset({"string"})),
    CatalogueAttribute("model", types=frozenset({"string"})),
    CatalogueAttribute("link", optional=True, types=frozenset({"string"})),
    CatalogueAttribute("uuid", optional=True, optional_kinds=frozenset({"part"}), types=frozenset({"string"})),
    CatalogueAttribute("profile", frozenset({"part"}), types=frozenset({"string"})),
    CatalogueAttribute("pairing", optional=True, gate="Pairing", types=frozenset({"string"})),
)
DOCUMENTED = DriverPack(
    DRIVER,
    kinds=KINDS,
    attributes={f"{DRIVER}/{entry.name}": replace(entry, name=f"{DRIVER}/{entry.name}") for entry in ENTRIES},
)
COMPLETE = make_slice(
    device("gpu-0", type="gpu", model="E100", link="nv", uuid="a", pairing="1"),
    device("part-0", type="part", model="E100", link="nv", uuid="b", profile="1g", pairing="2"),
)


def documented(device_class: str, selector: str, *slices: ResourceSlice, **fields: object) -> list[tuple[str, ...]]:
    """Return severity, message and first edit of the findings of this rule where the catalogue is known."""
    cluster = make_view(*slices, classes=CLASSES, catalogue={DRIVER: DOCUMENTED}, **fields)  # type: ignore[arg-type]
    found = [one for one in findings(device_class, selector, cluster=cluster) if one.rule == "selector-may-fail"]
    edits = [one.fixes[0].edits for one in found]
    return [
        (one.severity.value, one.message, *(str(edit.value) for edit in made))
        for one, made in zip(found, edits, strict=True)
    ]


@pytest.mark.parametrize("slices", [(), (COMPLETE,)], ids=["nothing published", "all have it"])
def test_what_a_device_need_not_have_is_warned_of_with_a_guard_though_all_have_it(
    slices: Sequence[ResourceSlice],
) -> None:
    read = f"{A}.link == 'nv'"
    without = f"ends in an error without `link`, which devices of '{DRIVER}' need not have"
    assert documented("driver", read, *slices) == [("warn", without, f"has({A}.link) && {read}")]


def test_only_the_kinds_count_that_class_and_request_leave() -> None:
    without = f"ends in an error without `uuid`, which devices of '{DRIVER}' of kind 'part' need not have"
    assert [said[:2] for said in documented("parts", f"{A}.uuid == 'b'", COMPLETE)] == [("warn", without)]
    assert [said[:2] for said in documented("driver", f"{A}.uuid == 'b'", COMPLETE)] == [("warn", without)]
    assert documented("whole", f"{A}.uuid == 'a'", COMPLETE) == []
    assert documented("driver", f"{A}.uuid == 'a' && {A}.type == 'gpu'", COMPLETE) == []


def test_a_kind_that_is_not_there_does_not_count_where_others_are() -> None:
    whole = make_slice(device("gpu-0", type="gpu", model="E100", uuid="a"))
    assert documented("driver", f"{A}.uuid == 'a'", whole) == []


@pytest.mark.parametrize(
    "selector",
    [
        f"has({A}.link) && {A}.link == 'nv'",
        f"{A}.?link.orValue('') == 'nv'",
        f"'link' in {A} && {A}.link == 'nv'",
        f"{A}.model == 'E100' || {A}.link == 'nv'",
        f"{A}.model == 'E100' ? {A}.link == 'nv' : true",
        f"{A}.model == 'E100'",
    ],
)
def test_what_is_guarded_or_beside_another_way_out_is_left_alone(selector: str) -> None:
    assert documented("driver", selector, COMPLETE) == []


def test_an_attribute_whose_gate_is_on_is_not_optional() -> None:
    read = f"{A}.pairing == '1'"
    assert len(documented("driver", read, COMPLETE)) == 1
    assert documented("driver", read, COMPLETE, drivers={DRIVER: StatedDriver(gates={"Pairing": True})}) == []


def test_what_no_documented_device_of_the_class_has_is_refused_where_none_is_there() -> None:
    message = "ends in an error on every device of class 'whole': no `profile` on devices of kind 'gpu'"
    assert [said[:2] for said in documented("whole", f"{A}.profile == '1g'")] == [("deny", message)]
    assert documented("parts", f"{A}.profile == '1g'") == []
    assert documented("driver", f"{A}.profile == '1g'") == []


def test_what_is_remembered_of_one_class_says_nothing_of_another() -> None:
    cluster = make_view(COMPLETE, classes=CLASSES, catalogue={DRIVER: DOCUMENTED})
    read = f"{A}.uuid == 'b'"
    for _ in range(2):
        said = {name: [one.message for one in findings(name, read, cluster=cluster)] for name in ("parts", "whole")}
        without = f"ends in an error without `uuid`, which devices of '{DRIVER}' of kind 'part' need not have"
        assert without in said["parts"]
        assert without not in said["whole"]
