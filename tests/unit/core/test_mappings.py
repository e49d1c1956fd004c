"""LegacyMapping as it is read: what it means, and every problem told at once."""

from typing import Any

import pytest

from tests.support.rewriting import mapping_object, shipped
from webhook.core.mappings import (
    Coexistence,
    Companion,
    LegacyMapping,
    MainResource,
    MappingMode,
    QuotaContinuity,
    Tolerations,
    is_extended,
    parse_mapping,
)
from webhook.core.quantity import parse_quantity


def _parse(**spec: Any) -> LegacyMapping:
    return parse_mapping(mapping_object(spec))


def _problems(**spec: Any) -> list[str]:
    return [f"{misfit.path}: {misfit.message}" for misfit in _parse(**spec).misfits]


GPU = {"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}


def test_an_empty_mapping_has_the_defaults_of_the_contract() -> None:
    mapping = _parse()
    assert not mapping.misfits
    assert (mapping.mode, mapping.priority, mapping.drop_labels) == (MappingMode.REWRITE, 0, False)
    assert mapping.coexistence is Coexistence.LEAVE_ALONE
    assert mapping.quota_continuity is QuotaContinuity.REQUIRE
    assert mapping.tolerations is Tolerations.ADD
    assert mapping.namespace_selector.matches({})


def test_a_mapping_in_full_is_read() -> None:
    mapping = _parse(
        mode="Deny",
        priority=7,
        coexistence="Rewrite",
        quotaContinuity="Ignore",
        tolerations="Keep",
        dropLabels=True,
        namespaceSelector={"matchLabels": {"team": "red"}},
        resources=[
            {**GPU, "requests": {"memory": "10Gi"}, "constraints": [{"matchAttribute": "a.b/c"}], "config": [{"x": 1}]},
            {"name": "nvidia.com/gpumem", "capacity": {"of": "nvidia.com/gpu", "name": "memory", "unit": "Mi"}},
        ],
        nodeLabels=[{"label": "product", "selector": "device.driver == '{value}'"}],
    )
    assert not mapping.misfits
    main, companion = mapping.resources
    assert isinstance(main, MainResource)
    assert main.capacity == {"memory": parse_quantity("10Gi")}
    assert (main.constraints, main.config) == (({"matchAttribute": "a.b/c"},), ({"x": 1},))
    assert isinstance(companion, Companion)
    assert companion.unit == parse_quantity("1Mi")
    assert mapping.node_labels[0].selector.filled({"value": "d"}) == "device.driver == 'd'"
    assert not mapping.namespace_selector.matches({"team": "blue"})


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        pytest.param(
            {"resources": [{"deviceClassName": "c"}]},
            "spec.resources[0]: must have exactly one of `name` and `pattern`",
            id="neither name nor pattern",
        ),
        pytest.param(
            {"resources": [{**GPU, "pattern": "x"}]},
            "spec.resources[0]: must have exactly one of `name` and `pattern`",
            id="both name and pattern",
        ),
        pytest.param(
            {"resources": [{"name": "cpu", "deviceClassName": "c"}]},
            "spec.resources[0].name: must be the name of an extended resource such as 'vendor.com/gpu', not 'cpu'",
            id="a resource of Kubernetes",
        ),
        pytest.param(
            {"resources": [{"name": "nvidia.com/gpu"}]},
            "spec.resources[0]: must have a `deviceClassName`, or a `capacity` of another resource",
            id="no class",
        ),
        pytest.param(
            {"resources": [{"pattern": "nvidia.com/(", "deviceClassName": "c"}]},
            "spec.resources[0].pattern: must be an RE2 pattern: missing ): nvidia.com/(",
            id="a broken pattern",
        ),
        pytest.param(
            {"resources": [{"pattern": "a" * 1025, "deviceClassName": "c"}]},
            "spec.resources[0].pattern: must be at most 1024 characters long",
            id="an endless pattern",
        ),
        pytest.param(
            {"resources": [{**GPU, "selector": "device.driver == '{profile}'"}]},
            "spec.resources[0].selector: placeholder '{profile}' has no value: "
            "the name must be a pattern with a group of that name",
            id="a placeholder beside a literal name",
        ),
        pytest.param(
            {"resources": [GPU, GPU]},
            "spec.resources[1]: must not map 'nvidia.com/gpu' again",
            id="the same name twice",
        ),
        pytest.param(
            {"resources": [{"name": "a.b/mem", "capacity": {"of": "a.b/gpu", "name": "memory"}}]},
            "spec.resources[0].capacity.of: must name a resource of this mapping that has a class, not 'a.b/gpu'",
            id="a companion of nothing",
        ),
        pytest.param(
            {"resources": [GPU, {"name": "a.b/m", "capacity": {"of": "nvidia.com/gpu"}}]},
            "spec.resources[1].capacity: must say `of` which resource and the `name` of the capacity",
            id="a companion without a capacity",
        ),
        pytest.param(
            {
                "resources": [
                    GPU,
                    {"name": "a.b/m", "capacity": {"of": GPU["name"], "name": "m", "unit": "Mi", "percent": True}},
                ]
            },
            "spec.resources[1].capacity: must not have both `unit` and `percent`",
            id="unit and percent",
        ),
        pytest.param(
            {"resources": [GPU, {"name": "a.b/m", "capacity": {"of": GPU["name"], "name": "m", "unit": "MiB"}}]},
            "spec.resources[1].capacity.unit: must be the suffix of a quantity such as 'Mi', not 'MiB'",
            id="a unit that is none",
        ),
        pytest.param(
            {"resources": [GPU, {"name": "a.b/m", "capacity": {"of": GPU["name"], "name": "m", "unit": "0"}}]},
            "spec.resources[1].capacity.unit: must be the suffix of a quantity such as 'Mi', not '0'",
            id="a unit that is a digit",
        ),
        pytest.param(
            {
                "resources": [
                    GPU,
                    {"name": "a.b/m", "deviceClassName": "c", "capacity": {"of": GPU["name"], "name": "m"}},
                ]
            },
            "spec.resources[1].deviceClassName: must not stand beside `capacity`: "
            "the resource has no request of its own",
            id="a companion with a class",
        ),
        pytest.param({"mode": "On"}, "spec.mode: must be one of 'Off', 'Report', 'Rewrite', 'Deny'", id="a mode"),
        pytest.param({"nodeLabels": [{"label": "x"}]}, "spec.nodeLabels[0]: must have a `selector`", id="half a label"),
        pytest.param(
            {"withoutCounterpart": [{"resource": "a.b/x", "annotation": "y", "why": "z"}]},
            "spec.withoutCounterpart[0]: must have exactly one of `resource`, `annotation`, `nodeLabel`",
            id="two things without a counterpart",
        ),
        pytest.param(
            {"withoutCounterpart": [{"resource": "a.b/x"}]},
            "spec.withoutCounterpart[0]: must say `why`",
            id="nobody knows why",
        ),
        pytest.param(
            {"withoutCounterpart": [{"nodeLabel": "x", "why": "y", "value": "("}]},
            "spec.withoutCounterpart[0].value: must be an RE2 pattern: missing ): (",
            id="a value that is no pattern",
        ),
        pytest.param(
            {"withoutCounterpart": [{"nodeLabel": "x", "why": "y", "action": "Drop"}]},
            "spec.withoutCounterpart[0].action: must be one of 'LeaveAlone', 'Rewrite'",
            id="an action that there is not",
        ),
        pytest.param({"priority": "1"}, "spec.priority: must be a 64-bit integer", id="a priority that is text"),
    ],
)
def test_problem_is_told(spec: dict[str, Any], problem: str) -> None:
    assert _problems(**spec) == [problem]


def test_all_problems_are_told_at_once() -> None:
    assert len(_problems(mode="x", coexistence="y", resources=[{"pattern": "(", "deviceClassName": "c"}, {}])) == 5


def test_a_literal_name_wins_over_a_pattern_and_then_list_order() -> None:
    mapping = _parse(
        resources=[
            {"pattern": "a.b/.+", "deviceClassName": "any"},
            {"pattern": "a.b/g.+", "deviceClassName": "later"},
            {"name": "a.b/gpu", "deviceClassName": "literal"},
        ]
    )
    assert _class_of(mapping, "a.b/gpu") == "literal"
    assert _class_of(mapping, "a.b/gap") == "any"
    assert mapping.find("b.a/gpu") is None


def _class_of(mapping: LegacyMapping, name: str) -> str:
    hit = mapping.find(name)
    assert hit is not None
    assert isinstance(hit[0], MainResource)
    return hit[0].device_class_name


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("nvidia.com/mig-1g.10gb", "1g.10gb"),
        ("nvidia.com/mig-1g.10gb.me", "1g.10gb+me"),
        ("nvidia.com/mig-1g.24gb.me.all", "1g.24gb+me.all"),
        ("nvidia.com/mig-2g.24gb.gfx", "2g.24gb+gfx"),
        ("nvidia.com/mig-1g.12gb-me", "1g.12gb-me"),
        ("nvidia.com/mig-1c.3g.40gb", "1c.3g.40gb"),
    ],
)
def test_the_shipped_mapping_reads_the_profiles_of_the_device_plugin(name: str, profile: str) -> None:
    mapping = parse_mapping(shipped("nvidia"))
    assert not mapping.misfits
    hit = mapping.find(name)
    assert hit is not None
    resource, captured = hit
    assert isinstance(resource, MainResource)
    assert resource.selector is not None
    assert resource.selector.filled(captured) == f"device.attributes['gpu.nvidia.com'].profile == '{profile}'"


def test_what_it_was_before_its_last_change_is_kept_for_pods_in_flight() -> None:
    raw = {**mapping_object({}), "status": {"previous": {"resources": [GPU]}}}
    mapping = parse_mapping(raw)
    assert mapping.find("nvidia.com/gpu") is None
    assert mapping.previous is not None
    assert mapping.previous.find("nvidia.com/gpu") is not None


@pytest.mark.parametrize(
    ("name", "extended"),
    [
        ("nvidia.com/gpu", True),
        ("cpu", False),
        ("requests.nvidia.com/gpu", False),
        ("kubernetes.io/batch-cpu", False),
        ("deviceclass.resource.kubernetes.io/gpu.nvidia.com", False),
    ],
)
def test_extended_resources_are_what_kubernetes_says(name: str, extended: bool) -> None:
    assert is_extended(name) is extended
