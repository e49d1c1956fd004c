"""Every pod shape of tests/golden/rewrite: what it was, what it must become, and why."""

import json
from pathlib import Path

import pytest

from tests.support.rewriting import Raw, Shape, mapping_object, shapes, shipped, shown
from webhook.core.patch import apply
from webhook.rewrite.derive import derive
from webhook.rewrite.refusals import LeftAlone
from webhook.rewrite.rewriting import Rewritten, rewrite

PAGES = sorted((Path(__file__).parents[2] / "golden" / "rewrite").glob("*.md"))
SHAPES = [pytest.param(page.stem, shape, id=f"{page.stem}: {shape.title}") for page in PAGES for shape in shapes(page)]

_PRODUCT = "device.attributes['gpu.nvidia.com'].productName == '{value}'"
_KEEP = "Keep"
_HAMI = [
    {"name": "nvidia.com/gpu", "deviceClassName": "shared-gpu.nvidia.com"},
    {"name": "nvidia.com/gpumem", "capacity": {"of": "nvidia.com/gpu", "name": "memory", "unit": "Mi"}},
    {"name": "nvidia.com/gpumem-percentage", "capacity": {"of": "nvidia.com/gpu", "name": "memory", "percent": True}},
    {"name": "nvidia.com/gpucores", "capacity": {"of": "nvidia.com/gpu", "name": "cores"}},
]


def _default_mapping(page: str) -> Raw:
    """Return the mapping of the pages of a file that name none of their own."""
    nvidia = shipped("nvidia")
    match page:
        case "node-labels":
            labels = [{"label": "nvidia.com/gpu.product", "selector": _PRODUCT}]
            gpu = [{"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}]
            return mapping_object({"tolerations": _KEEP, "resources": gpu, "nodeLabels": labels})
        case "companions":
            return mapping_object({"tolerations": _KEEP, "resources": _HAMI})
        case "init-containers" | "second-pass" | "fields-and-names":
            return {**nvidia, "spec": {**nvidia["spec"], "tolerations": _KEEP}}
        case _:
            return nvidia


def test_there_are_many_shapes() -> None:
    assert len(SHAPES) >= 120


@pytest.mark.parametrize(("page", "shape"), SHAPES)
def test_shape(page: str, shape: Shape) -> None:
    view = shape.cluster(_default_mapping(page))
    pod, namespace = shape.pod()
    received = json.loads(json.dumps(pod))
    outcome = rewrite(pod, namespace, view)
    assert pod == received, "the pod as received must stay as it is"
    if "after" in shape.blocks:
        assert isinstance(outcome, Rewritten), outcome
        assert shown(dict(outcome.pod), outcome.made()) == shape.documents("after")[0]
        assert apply(pod, outcome.patch) == outcome.pod
        assert rewrite(outcome.pod, namespace, view) is None
        made = derive(outcome.pod, namespace, view).templates
        assert {name: made[name] for name in (t.name for t in outcome.made())} == {t.name: t for t in outcome.made()}
    elif "left alone" in shape.blocks:
        assert isinstance(outcome, LeftAlone), outcome
        assert outcome.code.value == shape.blocks["left alone"].strip()
    else:
        assert "untouched" in shape.blocks
        assert outcome is None
