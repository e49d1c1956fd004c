"""What `/mutate/pods` will say is said of manifests as well, at the paths of the manifest."""

from typing import Any

import pytest

from tests.support.rewriting import NAMESPACE, Raw, make_cluster, mapping_object
from webhook.rules.legacy import outlook

GPU = {"name": "nvidia.com/gpu", "deviceClassName": "gpu.nvidia.com"}


def _deployment(**spec: Any) -> Raw:
    containers = [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": 1}}}]
    template = {"spec": {"containers": containers, **spec}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": template}}


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("Rewrite", []),
        ("Report", [("legacy-report", "spec.template.spec.containers[0]")]),
        ("Deny", [("legacy-denied", "spec.template.spec.containers[0].resources.limits[nvidia.com/gpu]")]),
        ("Off", []),
    ],
)
def test_a_workload_hears_what_its_pods_will_hear(mode: str, said: list[tuple[str, str]]) -> None:
    view = make_cluster(mappings=[mapping_object({"mode": mode, "resources": [GPU]})])
    assert [(found.rule, str(found.path)) for found in outlook(_deployment(), NAMESPACE, view)[0]] == said


def test_a_workload_whose_pods_will_be_left_alone_is_told() -> None:
    view = make_cluster(mappings=[mapping_object({"resources": [GPU]})])
    [found], rewritten = outlook(_deployment(schedulerName="volcano"), NAMESPACE, view)
    assert rewritten is None
    assert (found.rule, found.message) == ("legacy-left-alone", "left alone: other-scheduler")


def test_nothing_is_said_of_other_objects() -> None:
    view = make_cluster(mappings=[mapping_object({"mode": "Deny", "resources": [GPU]})])
    assert outlook({**_deployment(), "kind": "Service"}, NAMESPACE, view) == ((), None)
