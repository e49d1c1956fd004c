"""Quotas and mappings as /validate/config judges them."""

from typing import Any

import pytest

from tests.support.build import make_class, make_view
from tests.support.quota import NVIDIA
from webhook.core.cluster import ClusterView, Namespace
from webhook.core.decision import Allow, Deny
from webhook.core.finding import Finding
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
