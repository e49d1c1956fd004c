"""What the controller derives from a pod, and what a forged annotation gains: nothing."""

import json
from dataclasses import replace
from typing import Any

from tests.support.rewriting import NAMESPACE, Raw, make_cluster, mapping_object, shipped
from webhook.core.claims import parse_claim
from webhook.core.mappings import MappingMode, parse_mapping
from webhook.rewrite.derive import derive
from webhook.rewrite.original import ANNOTATION
from webhook.rewrite.rewriting import Rewritten, rewrite
from webhook.rewrite.templates import Shape, Template, holds, make_template

VIEW = make_cluster(mappings=[shipped("nvidia")])


def _pod(containers: Raw, references: list[str], **spec: Any) -> Raw:
    """Return a pod whose annotation records the containers, and that refers to templates."""
    return {
        "metadata": {"annotations": {ANNOTATION: json.dumps({"containers": containers})}},
        "spec": {
            "containers": [{"name": name} for name in containers],
            "resourceClaims": [
                {"name": f"c-{index}", "resourceClaimTemplateName": name} for index, name in enumerate(references)
            ],
            **spec,
        },
    }


def _template(count: int, device_class: str = "gpu.nvidia.com", **fields: Any) -> Template:
    return make_template(Shape(device_class, **fields), count)


def test_a_template_that_follows_from_the_annotation_is_derived() -> None:
    wanted = _template(2)
    derived = derive(_pod({"main": {"nvidia.com/gpu": "2"}}, [wanted.name]), NAMESPACE, VIEW)
    assert dict(derived.templates) == {wanted.name: wanted}
    assert derived.underivable == ()


def test_a_name_that_does_not_follow_is_told_and_the_others_are_derived() -> None:
    wanted, forged = _template(2), "drawbridge-0123456789abcdef"
    derived = derive(_pod({"main": {"nvidia.com/gpu": "2"}}, [forged, wanted.name]), NAMESPACE, VIEW)
    assert list(derived.templates) == [wanted.name]
    assert derived.underivable == (forged,)


def test_a_long_lived_container_gets_its_count_and_no_other() -> None:
    smaller = _template(1)
    assert derive(_pod({"main": {"nvidia.com/gpu": "2"}}, [smaller.name]), NAMESPACE, VIEW).underivable


def test_any_shortage_of_an_init_container_follows() -> None:
    smaller = _template(1)
    pod = _pod({}, [smaller.name], initContainers=[{"name": "init"}])
    pod["metadata"]["annotations"][ANNOTATION] = json.dumps({"containers": {"init": {"nvidia.com/gpu": "2"}}})
    assert not derive(pod, NAMESPACE, VIEW).underivable


def test_a_container_that_the_pod_does_not_have_gains_nothing() -> None:
    wanted = _template(2)
    pod = _pod({"main": {"nvidia.com/gpu": "2"}}, [wanted.name])
    pod["spec"]["containers"] = [{"name": "other"}]
    assert derive(pod, NAMESPACE, VIEW).underivable == (wanted.name,)


def test_more_devices_than_a_claim_holds_gain_nothing() -> None:
    wanted = _template(33)
    assert derive(_pod({"main": {"nvidia.com/gpu": "33"}}, [wanted.name]), NAMESPACE, VIEW).underivable


def test_a_mapping_for_other_namespaces_gains_nothing() -> None:
    spec = {
        "namespaceSelector": {"matchLabels": {"team": "gold"}},
        "resources": [{"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}],
    }
    view = make_cluster(mappings=[mapping_object(spec)])
    wanted = _template(1)
    assert derive(_pod({"main": {"nvidia.com/gpu": "1"}}, [wanted.name]), NAMESPACE, view).underivable


def test_a_namespace_that_is_not_known_derives_nothing_yet() -> None:
    wanted = _template(1)
    assert derive(_pod({"main": {"nvidia.com/gpu": "1"}}, [wanted.name]), "nowhere", VIEW).underivable


def test_modes_and_reason_codes_do_not_count() -> None:
    wanted = _template(1)
    pod = _pod({"main": {"nvidia.com/gpu": "1"}}, [wanted.name], schedulerName="volcano")
    off = {name: replace(mapping, mode=MappingMode.OFF) for name, mapping in VIEW.mappings.items()}
    assert not derive(pod, NAMESPACE, replace(VIEW, mappings=off)).underivable


def test_the_mapping_before_its_last_change_counts_for_pods_in_flight() -> None:
    before = {"resources": [{"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}]}
    now = {"resources": [{"name": "nvidia.com/gpu", "deviceClassName": "mig.nvidia.com"}]}
    mapping = parse_mapping({**mapping_object(now), "status": {"previous": before}})
    view = replace(VIEW, mappings={"nvidia": mapping})
    wanted, other = _template(1), _template(1, "mig.nvidia.com")
    pod = _pod({"main": {"nvidia.com/gpu": "1"}}, [wanted.name, other.name])
    assert not derive(pod, NAMESPACE, view).underivable


def test_a_pod_without_generated_references_needs_nothing() -> None:
    derived = derive(_pod({"main": {"nvidia.com/gpu": "1"}}, ["mine"]), NAMESPACE, VIEW)
    assert (dict(derived.templates), derived.underivable) == ({}, ())


def test_an_annotation_that_cannot_be_read_derives_nothing() -> None:
    for text in (
        "",
        "[",
        "[]",
        "{}",
        '{"containers": []}',
        '{"containers": {"main": {"nvidia.com/gpu": 1}}}',
        "[" * 99999,
    ):
        pod = _pod({}, [_template(1).name])
        pod["metadata"]["annotations"][ANNOTATION] = text
        assert derive(pod, NAMESPACE, VIEW).underivable


def test_a_hostile_annotation_of_256_kib_is_bounded() -> None:
    names = {f"nvidia.com/mig-{number}": "32" for number in range(9000)}
    pod = _pod({"main": names}, ["drawbridge-0123456789abcdef"])
    assert derive(pod, NAMESPACE, VIEW).underivable


def test_a_percentage_follows_from_any_published_device() -> None:
    spec = {
        "resources": [
            {"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"},
            {"name": "nvidia.com/share", "capacity": {"of": "nvidia.com/gpu", "name": "memory", "percent": True}},
        ]
    }
    devices = [
        {
            "name": f"gpu-{size}",
            "attributes": {"type": {"string": "gpu"}},
            "capacity": {"memory": {"value": f"{size}Gi"}},
        }
        for size in (40, 80)
    ]
    pool = {"name": "n", "generation": 1, "resourceSliceCount": 1}
    sliced = {"driver": "gpu.nvidia.com", "nodeName": "n", "pool": pool, "devices": devices}
    slices = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "s"}, "spec": sliced}
    view = make_cluster(slices, mappings=[mapping_object(spec)])
    asked = {"nvidia.com/gpu": "1", "nvidia.com/share": "50"}
    for memory in ("20Gi", "40Gi"):
        wanted = _template(1, capacity=(("memory", memory),))
        assert not derive(_pod({"main": asked}, [wanted.name]), NAMESPACE, view).underivable


def test_a_node_label_that_came_after_the_rewrite_does_no_harm() -> None:
    spec = {
        "resources": [{"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}],
        "nodeLabels": [{"label": "gpu", "selector": "device.driver == '{value}'"}],
    }
    view = make_cluster(mappings=[mapping_object(spec)])
    wanted = _template(1)
    pod = _pod({"main": {"nvidia.com/gpu": "1"}}, [wanted.name], nodeSelector={"gpu": "x"})
    assert not derive(pod, NAMESPACE, view).underivable


def test_dropped_labels_are_derived_from_what_is_recorded() -> None:
    spec = {
        "dropLabels": True,
        "resources": [{"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}],
        "nodeLabels": [{"label": "gpu", "selector": "device.driver == '{value}'"}],
    }
    view = make_cluster(mappings=[mapping_object(spec)])
    raw = {
        "spec": {
            "nodeSelector": {"gpu": "x"},
            "containers": [{"name": "a", "resources": {"limits": {"nvidia.com/gpu": 1}}}],
        }
    }
    outcome = rewrite(raw, NAMESPACE, view)
    assert isinstance(outcome, Rewritten)
    assert "nodeSelector" not in outcome.pod["spec"]
    assert not derive(outcome.pod, NAMESPACE, view).underivable


def test_a_template_reads_as_a_claim_and_its_name_follows_from_its_spec() -> None:
    template = _template(3, selectors=("device.driver == 'x'",), capacity=(("memory", "1Gi"),))
    claim = parse_claim(template.manifest("ns"))
    assert not claim.misfits
    (alternative,) = claim.alternatives()
    assert (alternative.count, alternative.device_class_name) == (3, "gpu.nvidia.com")
    assert template.name == _template(3, selectors=("device.driver == 'x'",), capacity=(("memory", "1Gi"),)).name
    assert template.name != _template(2, selectors=("device.driver == 'x'",), capacity=(("memory", "1Gi"),)).name


def test_a_stored_template_is_compared_by_what_it_says() -> None:
    template = _template(1)
    stored = template.manifest("ns")
    assert holds(stored, template)
    assert holds({**stored, "spec": {**stored["spec"], "metadata": {"creationTimestamp": None}}}, template)
    assert not holds({**stored, "spec": {**stored["spec"], "metadata": {"labels": {"a": "b"}}}}, template)
    assert not holds(_template(2).manifest("ns"), template)
    assert not holds({"spec": "text"}, template)
