"""In a cluster too, what users keep in objects is in no log, no metric and no audit annotation of ours."""

import json
import urllib.request
from typing import Any

import pytest

from tests.controlplane.api import ApiError
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess
from tests.controlplane.objects import CLAIMS, PODS, make_claim_object, make_exact_request, make_pod
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e

CANARY = "hunter2-canary"


def with_secrets(manifest: dict[str, Any]) -> dict[str, Any]:
    manifest["metadata"]["annotations"] = {"example.com/password": CANARY}
    for container in manifest["spec"].get("containers", ()):
        container["env"] = [{"name": "TOKEN", "value": CANARY}]
        container["args"] = ["--token", CANARY]
    if "devices" in manifest["spec"]:
        parameters = {"apiVersion": "v1", "kind": "Key", "value": CANARY}
        manifest["spec"]["devices"]["config"] = [{"opaque": {"driver": "keys.example.com", "parameters": parameters}}]
    return manifest


def test_t_17_a_replica_and_the_controller_keep_secrets_to_themselves(
    cluster: ControlPlane, replica: ServeProcess, controller: ControllerProcess, guarded: str
) -> None:
    cluster.api.create(PODS, with_secrets(make_pod(guarded, "warned", template="absent")))
    cluster.api.create(CLAIMS, with_secrets(make_claim_object(guarded, "allowed", make_exact_request(1, "any"))))
    wrong = make_claim_object(guarded, "refused", make_exact_request(1, "any", "device.nothing"))
    with pytest.raises(ApiError, match="cel-type") as refused:
        cluster.api.create(CLAIMS, with_secrets(wrong))
    with urllib.request.urlopen(f"{replica.health_url}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    wait_for("line of the refusal", lambda: '"name":"refused"' in replica.program.output())
    assert "drawbridge_admission_requests_total" in metrics
    told = json.dumps([cluster.audit_annotations(resource, guarded) for resource in ("pods", "resourceclaims")])
    assert "cel-type" in told
    texts = (replica.program.output(), controller.program.output(), metrics, str(refused.value), told)
    assert [text for text in texts if CANARY in text] == []
