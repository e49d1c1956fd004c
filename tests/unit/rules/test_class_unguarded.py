"""class-unguarded: a class is asked of devices of every driver, and an error stops the pod on the node."""

import pytest

from tests.support.build import device, make_claim, make_class, make_slice, make_view, request
from webhook.core.catalogue import CatalogueAttribute, DeviceKind, DriverPack
from webhook.core.cluster import ClusterView
from webhook.core.finding import Severity
from webhook.inventory.case import Case
from webhook.rules import SCHEMA, judged

A = "device.attributes['gpu.example.com']"
OWN = "device.driver == 'gpu.example.com'"
GPU = make_slice(device("gpu-0", type="gpu"), device("part-0", type="part", profile="1g"))
NIC = make_slice(device("nic-0", speed=100), driver="nic.example.com", node="node-2")


def said(cluster: ClusterView, *selectors: str) -> list[tuple[str, str | None]]:
    """Return message and first edit of each finding of the rule."""
    found = judged(Case(make_class("new", *selectors), "", cluster), SCHEMA)
    mine = [finding for finding in found if finding.rule == "class-unguarded"]
    assert all(finding.severity is Severity.WARN for finding in mine)
    edits = [finding.fixes[0].edits for finding in mine]
    return [(finding.message, str(edit[0].value) if edit else None) for finding, edit in zip(mine, edits, strict=True)]


def test_a_class_that_fails_on_devices_of_another_driver_gets_a_guard() -> None:
    assert said(make_view(GPU, NIC), f"{A}.type == 'gpu'") == [
        ("ends in an error on 1 of 3 devices: no `type` there", f"{OWN} && {A}.type == 'gpu'")
    ]


@pytest.mark.parametrize("cluster", [make_view(GPU), make_view()], ids=["alone", "nothing published"])
def test_another_driver_may_come(cluster: ClusterView) -> None:
    assert said(cluster, f"{A}.type == 'gpu'") == [
        ("ends in an error on every device of another driver: no `type` there", f"{OWN} && {A}.type == 'gpu'")
    ]


def test_a_guard_in_the_selector_before_it_counts() -> None:
    assert said(make_view(GPU, NIC), OWN, f"{A}.type == 'gpu'") == []
    assert said(make_view(GPU, NIC), OWN, f"{A}.profile == '1g'") == [
        ("ends in an error on 1 of 2 devices: no `profile` there", f"has({A}.profile) && {A}.profile == '1g'")
    ]


@pytest.mark.parametrize(
    "selector",
    [
        f"{OWN} && {A}.type == 'gpu'",
        f"{A}.type == 'gpu' && {OWN}",
        f"has({A}.type) && {A}.type == 'gpu'",
        f"{A}.?type.orValue('') == 'gpu'",
        "'gpu.example.com' in device.attributes && " + f"{A}.type == 'gpu'",
        "true",
        OWN,
    ],
)
def test_a_guarded_class_is_left_alone(selector: str) -> None:
    assert said(make_view(GPU, NIC), selector) == []


def test_a_standard_attribute_is_asked_for_and_no_driver_is_called_so() -> None:
    root = "device.attributes['resource.kubernetes.io'].pcieRoot"
    [(message, edit)] = said(make_view(GPU, NIC), f"{root} == 'pci0000:00'")
    assert "`pcieRoot`" in message
    assert edit == f"has({root}) && {root} == 'pci0000:00'"


def test_claims_are_none_of_its_business() -> None:
    case = Case(make_claim(request("gpu", f"{A}.profile == '1g'")), "team-a", make_view(GPU, NIC))
    assert "class-unguarded" not in {finding.rule for finding in judged(case, SCHEMA)}


def test_what_a_device_need_not_have_is_warned_of_though_all_have_it() -> None:
    link = CatalogueAttribute("gpu.example.com/link", optional=True, types=frozenset({"string"}))
    pack = DriverPack("gpu.example.com", attributes={link.name: link})
    cluster = make_view(make_slice(device("gpu-0", link="nv")), catalogue={pack.driver: pack})
    read = f"{OWN} && {A}.link == 'nv'"
    assert said(cluster, read) == [
        (
            "ends in an error without `link`, which devices of 'gpu.example.com' need not have",
            f"{OWN} && has({A}.link) && {A}.link == 'nv'",
        )
    ]
    assert said(cluster, OWN, f"has({A}.link)", f"{A}.link == 'nv'") == []


def test_what_no_kind_has_that_the_class_leaves_is_told_where_none_is_there() -> None:
    kinds = tuple(DeviceKind(name, {"gpu.example.com/type": name}) for name in ("gpu", "part"))
    profile = CatalogueAttribute("gpu.example.com/profile", frozenset({"part"}), types=frozenset({"string"}))
    type_ = CatalogueAttribute("gpu.example.com/type", types=frozenset({"string"}))
    pack = DriverPack("gpu.example.com", kinds=kinds, attributes={one.name: one for one in (type_, profile)})
    whole = f"{OWN} && {A}.type == 'gpu' && {A}.profile == '1g'"
    assert [message for message, _ in said(make_view(catalogue={pack.driver: pack}), whole)] == [
        "ends in an error on every device that it could accept: no `profile` on devices of kind 'gpu'"
    ]
