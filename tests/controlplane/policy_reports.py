"""CRDs of PolicyReport and ClusterPolicyReport (wgpolicyk8s.io/v1alpha2), as far as tests need the fields."""

from typing import Any

from tests.controlplane.api import Json

GROUP = "wgpolicyk8s.io"
VERSION = "v1alpha2"
CRDS = "apiextensions.k8s.io/v1/customresourcedefinitions"
REPORTS = f"{GROUP}/{VERSION}/policyreports"
CLUSTER_REPORTS = f"{GROUP}/{VERSION}/clusterpolicyreports"

_TEXT = {"type": "string"}
_RESULTS = ("pass", "fail", "warn", "error", "skip")


def _fields(**properties: Any) -> Json:
    return {"type": "object", "properties": properties}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


_REFERENCE = _fields(
    **dict.fromkeys(("apiVersion", "kind", "namespace", "name", "uid", "fieldPath", "resourceVersion"), _TEXT)
)
_RESULT = {
    **_fields(
        **dict.fromkeys(("source", "policy", "rule", "category", "message"), _TEXT),
        severity={"type": "string", "enum": ["critical", "high", "low", "medium", "info"]},
        result={"type": "string", "enum": list(_RESULTS)},
        scored={"type": "boolean"},
        timestamp=_fields(seconds={"type": "integer"}, nanos={"type": "integer"}),
        resources=_list(_REFERENCE),
        properties={"type": "object", "additionalProperties": _TEXT},
    ),
    "required": ["policy"],
}
_SCHEMA = _fields(
    apiVersion=_TEXT,
    kind=_TEXT,
    metadata={"type": "object"},
    scope=_REFERENCE,
    summary=_fields(**{result: {"type": "integer"} for result in _RESULTS}),
    results=_list(_RESULT),
)


def policy_report_crds() -> tuple[Json, Json]:
    """Return the two CRDs."""
    return _crd("PolicyReport", "Namespaced"), _crd("ClusterPolicyReport", "Cluster")


def _crd(kind: str, scope: str) -> Json:
    plural = f"{kind.lower()}s"
    # Whoever serves a group of k8s.io names the approval; here it is that no public API server is meant.
    annotations = {"api-approved.kubernetes.io": "unapproved, for tests"}
    version = {"name": VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": _SCHEMA}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "annotations": annotations},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }
