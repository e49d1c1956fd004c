"""A pod with every field that the API server knows of goes through a rewrite as it came, but for what is ours."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.support.rewriting import NAMESPACE, make_cluster, shipped
from webhook.core.patch import apply
from webhook.rewrite.original import ANNOTATION
from webhook.rewrite.rewriting import Rewritten, rewrite

pytestmark = pytest.mark.e2e
GPU = "nvidia.com/gpu"
SCHEMAS = "/openapi/v3/api/v1"
POD = "io.k8s.api.core.v1.Pod"
DEEPEST = 8
"""Where a schema holds itself, as that of JSON schemas does."""


def filled(schema: Json, schemas: Json, depth: int = 0) -> Any:
    """Return a value with every field of an OpenAPI schema."""
    for parts in ("allOf", "oneOf"):
        if parts in schema:
            return filled(schema[parts][0], schemas, depth)
    if "$ref" in schema:
        return filled(schemas[schema["$ref"].rpartition("/")[2]], schemas, depth + 1) if depth < DEEPEST else {}
    match schema.get("type"):
        case "object" if "properties" in schema:
            return {name: filled(inner, schemas, depth) for name, inner in schema["properties"].items()}
        case "object":
            return {"key": filled(schema.get("additionalProperties", {}), schemas, depth)}
        case "array":
            return [filled(schema["items"], schemas, depth)]
        case "integer" | "number":
            return 7
        case "boolean":
            return True
        case _:
            return "text"


def whole_pod(cluster: ControlPlane) -> Json:
    """Return a pod of all fields, two containers of which ask for GPUs as they did before claims."""
    schemas = cluster.api.send("GET", SCHEMAS).body["components"]["schemas"]
    pod: Json = filled(schemas[POD], schemas)
    spec = pod["spec"]
    del spec["nodeName"]  # who says where a pod runs is left alone
    spec["schedulerName"] = "default-scheduler"
    for number, container in enumerate(containers(spec)):
        container |= {"name": f"container-{number}", "restartPolicy": "Always"}
        container["resources"] |= {"limits": {GPU: "1", "cpu": "1"}, "requests": {GPU: "1", "cpu": "1"}}
    return pod


def containers(spec: Json) -> Iterator[Json]:
    yield from spec["initContainers"]
    yield from spec["containers"]


def test_fm_37_every_field_that_the_api_server_knows_of_a_pod_survives(cluster: ControlPlane) -> None:
    pod = whole_pod(cluster)
    outcome = rewrite(pod, NAMESPACE, make_cluster(mappings=[shipped("nvidia")]))
    assert isinstance(outcome, Rewritten), outcome
    after = apply(pod, outcome.patch)
    assert [each["name"] for each in after["spec"]["resourceClaims"]] == ["text", "gpu", "gpu-2"]
    assert without_ours(after) == without_ours(pod)
    assert len(str(pod)) > 20_000, "a schema that is not understood gives an empty pod"


def without_ours(pod: Json) -> Json:
    """Return the pod without what a rewrite owns."""
    rest = copy.deepcopy(pod)
    rest["metadata"]["annotations"].pop(ANNOTATION, None)
    spec = rest["spec"]
    spec["resourceClaims"] = spec["resourceClaims"][:1]
    spec["tolerations"] = spec["tolerations"][:1]
    for container in containers(spec):
        resources = container["resources"]
        resources["claims"] = resources["claims"][:1]
        for amounts in (resources["limits"], resources["requests"]):
            amounts.pop(GPU, None)
    return rest
