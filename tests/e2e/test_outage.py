"""What goes on while nobody answers for Drawbridge, and the namespaces that it never touches."""

from collections.abc import Iterator

import pytest

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.cluster import ControlPlane, free_port
from tests.controlplane.drawbridge import ServeProcess
from tests.controlplane.gate import Gate, denied_by, wait_until_asked
from tests.controlplane.objects import (
    CLAIMS,
    CLASSES,
    PODS,
    make_claim_object,
    make_device_class,
    make_exact_request,
    make_pod,
)
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import installed_webhooks

pytestmark = pytest.mark.e2e
SYSTEM = ("kube-system", "kube-public", "kube-node-lease", "drawbridge-system")
MISTAKE = make_exact_request(1, "any")
MISTAKE["exactly"]["capacity"] = {"requests": {"memory": "-1"}}


@pytest.fixture
def unguarded(gate: Gate, namespace: str) -> Iterator[str]:
    """A namespace with a stored claim, whose gate has nobody behind it any more."""
    api = gate.cluster.api
    kept = make_claim_object(namespace, "kept", make_exact_request())
    kept["metadata"]["finalizers"] = ["example.com/hold"]
    api.create(CLAIMS, kept)
    probe = make_claim_object(namespace, "probe", make_exact_request())
    url = f"https://127.0.0.1:{free_port()}"
    with installed_webhooks(api, gate.installation.webhooks, url, gate.ca_file, namespace):
        wait_for("effect of the webhooks", lambda: not _is_creatable(api, probe))
        yield namespace


def test_a_new_claim_is_refused_with_the_reason(cluster: ControlPlane, unguarded: str) -> None:
    with pytest.raises(ApiError, match=r'failed calling webhook "claims\.validate\.drawbridge\.dev"') as refusal:
        cluster.api.create(CLAIMS, make_claim_object(unguarded, "new", make_exact_request()))
    assert refusal.value.code == 500


def test_a_stored_claim_ends(cluster: ControlPlane, unguarded: str) -> None:
    api = cluster.api
    api.delete(CLAIMS, "kept", unguarded)
    api.patch(CLAIMS, "kept", {"metadata": {"finalizers": None}}, unguarded)
    assert api.find(CLAIMS, "kept", unguarded) is None


def test_a_driver_is_installed_and_upgraded(cluster: ControlPlane, unguarded: str) -> None:
    device_class = make_device_class(f"class-{unguarded}")
    with cluster.api.temporarily(CLASSES, device_class):
        device_class["spec"]["selectors"] = [{"cel": {"expression": "device.driver == 'next.example.com'"}}]
        cluster.kubectl("replace", "-f", "-", manifests=[device_class])


def test_pods_and_workloads_are_created(cluster: ControlPlane, unguarded: str) -> None:
    """Legacy limits stay as they are then; the pod is rewritten by nobody later."""
    for name, pod in (
        ("plain", make_pod(unguarded, "plain")),
        ("legacy", make_pod(unguarded, "legacy", nvidia_com__gpu="1")),
        ("claiming", make_pod(unguarded, "claiming", "some-template")),
    ):
        created = cluster.api.create(PODS, pod)
        assert created["spec"].get("resourceClaims") == pod["spec"].get("resourceClaims"), name
    template = {"metadata": {"labels": {"app": "x"}}, "spec": make_pod(unguarded, "", nvidia_com__gpu="1")["spec"]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": unguarded, "name": "train"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": template},
    }
    assert cluster.api.create("apps/v1/deployments", deployment)


def test_system_namespaces_never_ask(gate: Gate) -> None:
    """Everywhere else nobody could be asked, and a claim is refused."""
    api, url = gate.cluster.api, f"https://127.0.0.1:{free_port()}"
    with installed_webhooks(api, gate.installation.webhooks, url, gate.ca_file):
        elsewhere = make_claim_object("default", "new", make_exact_request())
        wait_for("effect of the webhooks", lambda: not _is_creatable(api, elsewhere))
        claims = [make_claim_object(namespace, "new", make_exact_request()) for namespace in SYSTEM]
        assert all(_is_creatable(api, claim) for claim in claims)


def _is_creatable(api: Api, claim: Json) -> bool:
    try:
        api.create(CLAIMS, claim, dry_run=True)
    except ApiError as error:
        if "connection refused" not in error.message:
            raise
        return False
    return True


def test_a_replica_that_is_asked_all_the_same_leaves_system_namespaces_alone(gate: Gate, replica: ServeProcess) -> None:
    api = gate.cluster.api
    everywhere = [
        {**manifest, "webhooks": [{**webhook, "namespaceSelector": {}} for webhook in manifest["webhooks"]]}
        for manifest in gate.installation.webhooks
    ]
    with installed_webhooks(api, everywhere, replica.url, gate.ca_file):
        wait_until_asked(api, "default")
        before = replica.answered()
        for namespace in SYSTEM:
            assert denied_by(api, make_claim_object(namespace, "negative", MISTAKE)) == set()
        wait_for("every answer to be logged", lambda: replica.answered() >= before + len(SYSTEM) or None)
