"""The manifests of deploy/ and examples/ before a real API server: accepted without a warning, no wider than meant."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane.api import Api, ApiError, Json, path_of
from tests.controlplane.cluster import ControlPlane
from tests.support.deployment import BASE, Manifest, base, crds
from tests.support.golang import REPOSITORY
from tests.support.whole_objects import OWN, PLURALS, WHOLE, make_whole

pytestmark = pytest.mark.e2e

EXAMPLES = REPOSITORY / "examples"


def _try(api: Api, manifest: Json) -> tuple[str, ...]:
    """Create the object in a dry run, unknown fields refused, and return the warnings."""
    plural = PLURALS[manifest["kind"]]
    path = path_of(f"{OWN}/{plural}", manifest["metadata"].get("namespace"))
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    return api.send("POST", path, manifest, query=query).warnings


@pytest.mark.usefixtures("installation")
@pytest.mark.parametrize("crd", crds(), ids=lambda crd: crd["metadata"]["name"])
def test_a_crd_is_accepted_without_a_warning(cluster: ControlPlane, crd: Manifest) -> None:
    path = path_of("apiextensions.k8s.io/v1/customresourcedefinitions", name=crd["metadata"]["name"])
    query = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "test", "force": "true"}
    answer = cluster.api.send("PATCH", path, crd, query=query, content_type="application/apply-patch+yaml")
    assert answer.warnings == ()
    conditions = {c["type"]: c["status"] for c in answer.body["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}, (
        "a schema that is not structural is told here"
    )


@pytest.mark.usefixtures("installation")
def test_the_base_is_accepted_without_a_warning(cluster: ControlPlane) -> None:
    applied = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-k", str(BASE))
    assert applied.stderr == ""
    assert len(applied.stdout.splitlines()) == len(base())


@pytest.mark.usefixtures("installation")
@pytest.mark.parametrize("kind", WHOLE)
def test_an_object_with_every_field_is_stored_as_it_is(cluster: ControlPlane, kind: str) -> None:
    manifest = make_whole(kind, WHOLE[kind])
    assert _try(cluster.api, manifest) == ()
    assert cluster.api.create(f"{OWN}/{PLURALS[kind]}", manifest, dry_run=True)["spec"] == WHOLE[kind]


def _changed(spec: Json, path: str, value: Any) -> Json:
    """Return the spec with the value at a path like "limits.0.name"; None takes the field away."""
    changed = copy.deepcopy(spec)
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
    target: Any = changed
    for step in steps:
        target = target[step]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return changed


WRONG = [
    ("DeviceQuota", "mode", "Refuse", "spec.mode: Unsupported value"),
    ("DeviceQuota", "warnAt", 101, "spec.warnAt"),
    ("DeviceQuota", "limits", None, "spec.limits: Required value"),
    ("DeviceQuota", "limits", [], "spec.limits"),
    ("DeviceQuota", "limits.0.name", None, "spec.limits[0].name: Required value"),
    ("DeviceQuota", "limits.1.name", "whole-gpus", "spec.limits[1]: Duplicate value"),
    ("DeviceQuota", "limits.0.devices", None, "must have exactly one of `devices`, `capacity` and `slices`"),
    ("DeviceQuota", "limits.0.slices", 1, "must have exactly one of `devices`, `capacity` and `slices`"),
    ("DeviceQuota", "limits.0.devices", -1, "spec.limits[0].devices"),
    ("DeviceQuota", "limits.0.match.selector", "", "spec.limits[0].match.selector"),
    ("DeviceQuota", "limits.1.capacity.quantity", "10GiB", "spec.limits[1].capacity.quantity"),
    ("DeviceQuota", "limits.1.capacity.quantity", "-1Gi", "spec.limits[1].capacity.quantity"),
    ("DeviceQuota", "limits.1.capacity.name", None, "spec.limits[1].capacity.name: Required value"),
    ("DeviceQuota", "limits.0.device", 1, 'unknown field "spec.limits[0].device"'),
    (
        "ClusterDeviceQuota",
        "namespaceSelector.matchExpressions",
        [{"key": "a", "operator": "In"}],
        "must be given for In",
    ),
    ("LegacyMapping", "mode", "On", "spec.mode: Unsupported value"),
    ("LegacyMapping", "resources.0.name", "gpu", "spec.resources[0].name"),
    ("LegacyMapping", "resources.0.name", None, "must have exactly one of `name` and `pattern`"),
    ("LegacyMapping", "resources.0.pattern", "x/y", "must have exactly one of `name` and `pattern`"),
    ("LegacyMapping", "resources.0.deviceClassName", None, "must have exactly one of `deviceClassName` and `capacity`"),
    ("LegacyMapping", "resources.0.values", {"a": "b"}, "may have `values` only with `pattern`"),
    ("LegacyMapping", "resources.2.capacity.percent", True, "may not have both `unit` and `percent`"),
    ("LegacyMapping", "resources.2.capacity.unit", "MiB", "spec.resources[2].capacity.unit: Unsupported value"),
    ("LegacyMapping", "resources.5.constraints.0", {}, "must have exactly one of `matchAttribute`"),
    ("LegacyMapping", "resources.5.requests.memory", "much", "spec.resources[5].requests.memory"),
    ("DeviceInventory", "driver", None, "spec.driver: Required value"),
    ("DeviceInventory", "devices.0.count", 0, "spec.devices[0].count"),
    ("DeviceInventory", "devices.0.perNode", 65, "`perNode` must be less than or equal to `count`"),
    ("DeviceInventory", "devices.0.attributes.type", {}, "spec.devices[0].attributes.type"),
    ("DeviceInventory", "devices.0.attributes.type", {"string": "a", "int": 1}, "spec.devices[0].attributes.type"),
    (
        "DeviceInventory",
        "devices.0.capacity.memory.value",
        None,
        "spec.devices[0].capacity.memory.value: Required value",
    ),
    ("DeviceInventory", "devices.0.capacity.shares.requestPolicy.default", None, "must have a `default`"),
    ("ClaimPolicy", "match.resources", ["services"], "spec.match.resources[0]: Unsupported value"),
    ("ClaimPolicy", "validations.0.expression", None, "spec.validations[0].expression: Required value"),
    ("ClaimPolicy", "validations.0.reason", "NotFound", "spec.validations[0].reason: Unsupported value"),
    ("ClaimPolicy", "paramKind", None, "must have both or neither of `paramKind`"),
    ("ClaimPolicy", "defaults.1.label", {"key": "a", "value": "b"}, "must have exactly one of `toleration`"),
    ("ClaimPolicy", "defaults.0.toleration.value", "x", "may not have a `value` with Exists"),
    ("ClaimPolicy", "exceptions.0.until", "next year", "spec.exceptions[0].until"),
    ("ClaimPolicy", "exceptions.0.namespaces", None, "must say for whom it is"),
    ("ClaimPolicy", "percent", 101, "spec.percent"),
]


@pytest.mark.usefixtures("installation")
@pytest.mark.parametrize(("kind", "path", "value", "expected"), WRONG, ids=[f"{w[0]} {w[1]} {w[2]}" for w in WRONG])
def test_the_schema_refuses_and_names_the_field(
    cluster: ControlPlane, kind: str, path: str, value: Any, expected: str
) -> None:
    with pytest.raises(ApiError) as refusal:
        _try(cluster.api, make_whole(kind, _changed(WHOLE[kind], path, value)))
    assert refusal.value.code in (400, 422)
    assert expected in refusal.value.message


@pytest.mark.usefixtures("installation")
def test_the_ledger_is_kept_whole_and_shown_in_columns(cluster: ControlPlane, namespace: str) -> None:
    quotas = f"{OWN}/devicequotas"
    manifest = make_whole("DeviceQuota", WHOLE["DeviceQuota"])
    manifest["metadata"] = {"name": "gpus", "namespace": namespace}
    cluster.api.create(quotas, manifest)
    status = {
        "observedGeneration": 1,
        "observedResourceVersion": "8123",
        "summary": "whole-gpus 3/8 (37%)",
        "limits": [
            {"name": "whole-gpus", "hard": "8", "used": "3", "reserved": "1"},
            {"name": "memory", "hard": "320Gi", "used": "81559Mi", "reserved": "0"},
        ],
        "reservations": [
            {
                "uid": "0b4cd2c8",
                "name": "train",
                "amounts": {"whole-gpus": "1"},
                "attempts": ["a1"],
                "undecided": True,
                "expires": "2026-11-21T10:00:00Z",
            }
        ],
        "conditions": [],
    }
    cluster.api.patch(quotas, "gpus", {"status": status}, namespace, "status")
    assert cluster.api.get(quotas, "gpus", namespace)["status"] == status
    shown = cluster.kubectl("get", "dq", "-n", namespace).stdout.splitlines()
    assert shown[0].split() == ["NAME", "MODE", "USE", "AGE"]
    assert shown[1].split()[:5] == ["gpus", "Audit", "whole-gpus", "3/8", "(37%)"]


@pytest.mark.usefixtures("installation")
def test_our_kinds_of_the_example_cluster_are_accepted(cluster: ControlPlane) -> None:
    manifests = [m for m in _examples("cluster") if m["apiVersion"] == OWN]
    assert len(manifests) == 5
    for manifest in manifests:
        if "namespace" in manifest["metadata"]:
            manifest["metadata"]["namespace"] = "default"
        assert _try(cluster.api, manifest) == ()


def test_the_rest_of_the_examples_is_accepted_but_for_selectors_that_do_not_compile(
    cluster: ControlPlane, namespace: str
) -> None:
    refused = []
    for manifest in _examples("cluster", "claims", "pods"):
        if manifest["apiVersion"] != OWN:
            metadata = manifest["metadata"]
            metadata |= {"namespace": namespace} if "namespace" in metadata else {}
            flags = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
            done = cluster.kubectl(*flags, manifests=[manifest], check=False)
            refused += [] if done.returncode == 0 else [metadata["name"]]
    assert sorted(refused) == ["not-a-bool", "quantity-against-a-number", "syntax", "unknown-function"]


def _examples(*folders: str) -> list[Json]:
    files = [file for folder in folders for file in sorted((EXAMPLES / folder).glob("*.yaml"))]
    return [manifest for file in files for manifest in yaml.safe_load_all(Path(file).read_text())]
