"""Quotas and mappings as /validate/config judges them."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.build import device, make_class, make_slice, make_view
from tests.support.quota import NVIDIA, cluster, full_gpu
from webhook.core.cluster import ClusterView, Namespace
from webhook.core.decision import Allow, Deny
from webhook.core.finding import Finding, Severity
from webhook.core.mappings import parse_mapping
from webhook.core.review import Resource, Review
from webhook.endpoints import config_findings, validate_config
from webhook.rules import Rulebook

Json = dict[str, Any]


def quota(*limits: Json) -> Json:
    return {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "DeviceQuota",
        "metadata": {"name": "q", "namespace": "team-a"},
        "spec": {"limits": [{"name": f"limit-{number}", **limit} for number, limit in enumerate(limits)]},
    }


def mapping(name: str, *resources: Json, **spec: Any) -> Json:
    return {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "LegacyMapping",
        "metadata": {"name": name},
        "spec": {"resources": list(resources), **spec},
    }


def found(raw: Json, view: ClusterView) -> list[tuple[str, str]]:
    return [(finding.rule, str(finding.path)) for finding in findings(raw, view)]


def findings(raw: Json, view: ClusterView) -> tuple[Finding, ...]:
    return config_findings(raw, raw["kind"], view)


GPU = {"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}
VIEW = make_view(classes=[make_class("gpu.nvidia.com")])


def test_a_selector_of_a_quota_that_does_not_compile_is_refused_at_its_place() -> None:
    raw = quota({"match": {"selector": "device.driver = 'x'"}, "devices": 1})
    assert found(raw, VIEW) == [("cel-syntax", "spec.limits[0].match.selector")]
    (finding,) = findings(raw, VIEW)
    assert finding.fixes[0].edits[0].value == "device.driver == 'x'"


def test_a_missing_domain_in_a_quota_is_that_of_its_driver() -> None:
    raw = quota({"match": {"driver": NVIDIA, "selector": "device.attributes.type == 'gpu'"}, "devices": 1})
    finding = next(finding for finding in findings(raw, VIEW) if finding.rule == "cel-type")
    assert finding.fixes[0].edits[0].value == f"device.attributes['{NVIDIA}'].type == 'gpu'"


def test_a_limit_on_an_unknown_class_is_warned_of_where_a_cluster_is_known() -> None:
    raw = quota({"match": {"deviceClassName": "gpu.nvidia.co"}, "devices": 1})
    assert found(raw, VIEW) == [("quota-without-effect", "spec.limits[0].match.deviceClassName")]
    assert found(raw, ClusterView()) == []


@pytest.mark.parametrize("other", [{"devices": 2}, {"devices": 1, "match": {}}])
def test_of_two_limits_on_the_same_the_higher_has_no_effect(other: Json) -> None:
    assert found(quota({"devices": 1}, other), VIEW) == [("quota-without-effect", "spec.limits[1]")]


CATALOGUED = cluster(full_gpu("a"))
EFFECTLESS: dict[str, tuple[Json, str, str]] = {
    "a driver of which nothing is known": (
        {"match": {"driver": "gpu.nvidia.co"}, "devices": 1},
        "match.driver",
        "did you mean 'gpu.nvidia.com'?",
    ),
    "a capacity that the driver does not publish": (
        {"match": {"driver": NVIDIA}, "capacity": {"name": "Memory", "quantity": "1Gi"}},
        "capacity.name",
        "did you mean `memory`?",
    ),
    "a capacity that no driver publishes": (
        {"capacity": {"name": "memroy", "quantity": "1Gi"}},
        "capacity.name",
        "did you mean `memory`?",
    ),
    "a qualified capacity that its driver does not publish": (
        {"capacity": {"name": f"{NVIDIA}/memroy", "quantity": "1Gi"}},
        "capacity.name",
        "did you mean `memory`?",
    ),
    "a class that excludes the driver": (
        {"match": {"deviceClassName": "nic", "driver": NVIDIA}, "devices": 1},
        "match",
        "name a class of that kind, or leave one of the two out",
    ),
    "a selector that excludes the driver": (
        {"match": {"driver": NVIDIA, "selector": "device.driver == 'nic.example.com'"}, "devices": 1},
        "match.selector",
        "leave one of the two out",
    ),
    "a selector that excludes the profile": (
        {
            "match": {
                "driver": NVIDIA,
                "migProfile": "3g.40gb",
                "selector": f"device.attributes['{NVIDIA}'].profile == '1g.10gb'",
            },
            "devices": 1,
        },
        "match.selector",
        "leave one of the two out",
    ),
    "a MIG profile that is misspelt": (
        {"match": {"driver": NVIDIA, "migProfile": "3g.40GB"}, "devices": 1},
        "match.migProfile",
        "did you mean '3g.40gb'?",
    ),
    "compute slices of devices that have none": (
        {"match": {"driver": "gpu.example.com"}, "slices": 3},
        "slices",
        "limit `devices` or a `capacity`",
    ),
    "a minimum of which not one share fits": (
        {"capacity": {"name": "memory", "quantity": "1Gi", "minimum": "10Gi"}},
        "capacity.minimum",
        "write a minimum below the quantity",
    ),
}


@pytest.mark.parametrize(("limit", "place", "fix"), EFFECTLESS.values(), ids=EFFECTLESS.keys())
def test_a_limit_without_effect_is_told_with_its_place_and_what_to_do(limit: Json, place: str, fix: str) -> None:
    view = replace(CATALOGUED, slices={**CATALOGUED.slices, "other": make_slice(device("d"))})
    (finding,) = findings(quota(limit), view)
    assert (finding.rule, str(finding.path)) == ("quota-without-effect", f"spec.limits[0].{place}")
    assert finding.fixes[0].message == fix


COUNTING: dict[str, Json] = {
    "a capacity that some driver publishes": {"capacity": {"name": "memory", "quantity": "1Gi"}},
    "its other name": {"capacity": {"name": "addressableMemory", "quantity": "1Gi"}},
    "a profile that a model offers": {"match": {"migProfile": "3g.40gb"}, "devices": 1},
    "a class of the driver": {"match": {"deviceClassName": "gpu.nvidia.com", "driver": NVIDIA}, "devices": 1},
    "slices of a driver that divides": {"match": {"driver": NVIDIA}, "slices": 7},
    "a limit of nothing, which forbids": {"devices": 0},
    "a minimum as large as the quantity": {"capacity": {"name": "memory", "quantity": "1Gi", "minimum": "1Gi"}},
}


@pytest.mark.parametrize("limit", COUNTING.values(), ids=COUNTING.keys())
def test_nothing_is_said_of_a_limit_that_counts(limit: Json) -> None:
    assert found(quota(limit), CATALOGUED) == []


REFUSED: dict[str, tuple[Json, str, str]] = {
    "a dimension that there is not": ({"gpus": 4}, "", "write what it counts, such as `devices: 8`"),
    "two dimensions": ({"devices": 1, "slices": 1}, "", "make it several limits: each counts one thing"),
    "a quantity that cannot be read": (
        {"capacity": {"name": "memory", "quantity": "10GiB"}},
        ".capacity.quantity",
        "write '10Gi'",
    ),
    "a limit below zero": ({"devices": -1}, ".devices", "write 0, or leave it out"),
    "half a device": ({"devices": 1.5}, ".devices", "write a whole number"),
    "a capacity without a name": (
        {"capacity": {"quantity": "1Gi"}},
        ".capacity",
        "write both, such as `{name: memory, quantity: 320Gi}`",
    ),
}


@pytest.mark.parametrize(("limit", "place", "fix"), REFUSED.values(), ids=REFUSED.keys())
def test_a_limit_that_cannot_be_meant_is_refused_once_with_its_place_and_what_to_do(
    limit: Json, place: str, fix: str
) -> None:
    (finding,) = findings(quota(limit), VIEW)
    assert (finding.rule, str(finding.path)) == ("invalid-field", f"spec.limits[0]{place}")
    assert finding.severity is Severity.DENY
    assert finding.fixes[0].message == fix
    assert isinstance(validate_config(review(quota(limit)), VIEW, Rulebook()), Deny)


def test_a_thousand_limits_are_refused_and_told_to_be_divided() -> None:
    limits = ({"match": {"deviceClassName": f"class-{number}"}, "devices": 1} for number in range(1000))
    (finding,) = findings(quota(*limits), ClusterView())
    assert str(finding.path) == "spec.limits"
    assert finding.message == "must have at most 64 limits, not 1000"
    assert finding.fixes[0].message.startswith("divide the limits among several quotas")


def test_limits_on_different_things_stand_side_by_side() -> None:
    match = {"selector": "device.driver == 'a'"}
    assert found(quota({"devices": 1}, {"slices": 1}, {"devices": 2, "match": match}), VIEW) == []


def test_a_template_is_compiled_with_each_of_its_values() -> None:
    resource = {
        "pattern": "nvidia.com/mig-(?P<profile>.+)",
        "deviceClassName": "mig.nvidia.com",
        "values": {"odd": "["},
        "selector": f"device.attributes['{NVIDIA}'].profile.matches('{{profile}}')",
    }
    (finding,) = findings(mapping("m", resource), VIEW)
    assert (finding.rule, str(finding.path)) == ("cel-type", "spec.resources[0].selector")
    assert finding.why == "with '{profile}' as '['"
    assert found(mapping("m", {**resource, "values": {}}), VIEW) == []


def test_a_node_label_with_a_selector_that_does_not_compile_is_refused() -> None:
    label = {"label": "a.com/b", "selector": "device.driver == 1"}
    assert found(mapping("m", GPU, nodeLabels=[label]), VIEW) == [("cel-type", "spec.nodeLabels[0].selector")]


def with_mapping(raw: Json, **labels: str) -> ClusterView:
    namespaces = {"team-a": Namespace("team-a", labels)}
    stored = parse_mapping(raw)
    return ClusterView(given=True, mappings={stored.name: stored}, namespaces=namespaces)


def test_two_mappings_of_one_priority_conflict_where_their_namespaces_meet() -> None:
    of_a = mapping("first", GPU, namespaceSelector={"matchLabels": {"team": "a"}})
    conflict = [("mapping-conflict", "spec.resources[0]")]
    assert found(mapping("second", GPU), with_mapping(mapping("first", GPU))) == conflict
    assert found(mapping("second", GPU), with_mapping(of_a, team="a")) == conflict
    assert found(mapping("second", GPU), with_mapping(of_a, team="b")) == []
    assert found(mapping("second", GPU, priority=1), with_mapping(mapping("first", GPU))) == []
    assert found(mapping("second", GPU, mode="Off"), with_mapping(mapping("first", GPU))) == []
    assert found(mapping("first", GPU), with_mapping(mapping("first", GPU))) == []
    assert found(mapping("second", GPU), with_mapping(mapping("first", GPU, mode="Odd"))) == []


def test_a_resource_that_names_nothing_conflicts_with_nothing() -> None:
    unnamed = mapping("second", {"deviceClassName": "gpu.nvidia.com"})
    assert "mapping-conflict" not in [rule for rule, _ in found(unnamed, with_mapping(mapping("first", GPU)))]


def review(raw: Json, old: Json | None = None) -> Review:
    kind = Resource("drawbridge.dev", "v1alpha1", raw["kind"])
    operation = "CREATE" if old is None else "UPDATE"
    return Review("uid", operation, kind, Resource("drawbridge.dev", "v1alpha1", "x"), object=raw, old_object=old)


def test_an_update_that_leaves_the_spec_alone_is_not_judged() -> None:
    raw = mapping("second", GPU)
    view = with_mapping(mapping("first", GPU))
    assert isinstance(validate_config(review(raw), view, Rulebook()), Deny)
    assert (
        validate_config(review(raw, {**raw, "metadata": {"name": "second", "labels": {}}}), view, Rulebook()) == Allow()
    )
