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


def _default_mapping(page: str) -> Raw:
    if page != "node-labels":
        return shipped("nvidia")
    return mapping_object(
        {
            "tolerations": "Keep",
            "resources": [{"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}],
            "nodeLabels": [{"label": "nvidia.com/gpu.product", "selector": _PRODUCT}],
        }
    )


def test_there_are_many_shapes() -> None:
    assert len(SHAPES) >= 40


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
