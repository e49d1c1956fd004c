"""What the structural rules for files refuse, a real API server refuses; what they leave alone, it takes."""

import pytest

from tests.controlplane.api import ApiError, path_of
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.objects import CLAIMS, CLASSES, PODS, SLICES, TEMPLATES
from tests.support.structural import RIGHT, WRONG, Json

pytestmark = pytest.mark.e2e

KINDS = {
    "ResourceClaim": CLAIMS,
    "ResourceClaimTemplate": TEMPLATES,
    "DeviceClass": CLASSES,
    "ResourceSlice": SLICES,
    "Pod": PODS,
}


def test_the_api_server_refuses_what_the_rules_refuse(cluster: ControlPlane, namespace: str) -> None:
    taken = [name for name, case in WRONG.items() if _refusal(cluster, namespace, case.object) is None]
    assert taken == []


def test_the_api_server_takes_what_the_rules_leave_alone(cluster: ControlPlane, namespace: str) -> None:
    refused = {name: said for name, raw in RIGHT.items() if (said := _refusal(cluster, namespace, raw)) is not None}
    assert refused == {}


def _refusal(cluster: ControlPlane, namespace: str, raw: Json) -> str | None:
    """Return what the API server says against an object that it is shown, strictly and without storing it."""
    resource = KINDS[raw["kind"]]
    where = None if resource in (CLASSES, SLICES) else namespace
    try:
        query = {"dryRun": "All", "fieldValidation": "Strict"}
        cluster.api.send("POST", path_of(resource, where), raw, query=query)
    except ApiError as error:
        return error.message
    return None
