"""The mappings that Drawbridge ships can be read whole, and what they yield compiles."""

from pathlib import Path

import pytest

from tests.support.rewriting import NAMESPACE, make_cluster, shipped
from webhook.cel.compile import Verdict
from webhook.core.mappings import MainResource, parse_mapping
from webhook.core.versions import ServerTruth
from webhook.inventory.case import compiled_new
from webhook.rewrite.rewriting import Rewritten, rewrite

NAMES = sorted(path.stem for path in (Path(__file__).parents[3] / "policies" / "mappings").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_mapping_is_whole_and_named_like_its_file(name: str) -> None:
    mapping = parse_mapping(shipped(name))
    assert not mapping.misfits
    assert mapping.name == name
    assert not mapping.namespace_selector.requirements


@pytest.mark.parametrize("name", NAMES)
def test_its_selectors_compile(name: str) -> None:
    for resource in parse_mapping(shipped(name)).resources:
        if isinstance(resource, MainResource) and resource.selector is not None:
            groups = resource.pattern.groups() if resource.pattern else ()
            expression = resource.selector.filled(dict.fromkeys(groups, "1g.10gb"))
            assert compiled_new(expression, ServerTruth()).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("mapping", "limits", "device_class", "capacity"),
    [
        ("amd", {"amd.com/gpu": "1"}, "gpu.amd.com", ()),
        ("intel", {"gpu.intel.com/xe": "1"}, "gpu.intel.com", ()),
        ("tpu", {"google.com/tpu": "4"}, "tpu.google.com", ()),
        (
            "hami",
            {"nvidia.com/gpu": "1", "nvidia.com/gpumem": "3000", "nvidia.com/gpucores": "30"},
            "hami-core-gpu.project-hami.io",
            (("cores", "30"), ("memory", "3000Mi")),
        ),
    ],
)
def test_what_a_vendors_limits_become(
    mapping: str, limits: dict[str, str], device_class: str, capacity: tuple[tuple[str, str], ...]
) -> None:
    view = make_cluster(
        {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": device_class}},
        mappings=[shipped(mapping)],
    )
    pod = {"spec": {"containers": [{"name": "main", "resources": {"limits": limits}}]}}
    outcome = rewrite(pod, NAMESPACE, view)
    assert isinstance(outcome, Rewritten)
    (claim,) = outcome.plan.claims
    assert (claim.shape.device_class_name, claim.shape.capacity) == (device_class, capacity)
