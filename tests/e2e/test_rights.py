"""The programs need every right that deploy/ gives them, and no other: the audit log of an API server shows both.

The control plane is one of its own, for what is installed here under the names of deploy/. The chart gives the same
rights (test_chart.py). What all other tests on control planes ask for is in test_whole_suite.py.
"""

import copy
import json
from collections.abc import Iterator

import pytest

from tests.controlplane.api import Api, Json
from tests.controlplane.audit import RARE, Asked, refused
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess, issue_certificates
from tests.controlplane.gate import Gate, create_quota, denied_by
from tests.controlplane.installation import NAMESPACE, install
from tests.controlplane.objects import (
    CLAIMS,
    CLUSTER_DEVICE_QUOTAS,
    GPU_DRIVER,
    LEGACY_MAPPINGS,
    PODS,
    TEMPLATES,
    make_claim_object,
    make_cluster_device_quota,
    make_device_class,
    make_device_quota,
    make_exact_request,
    make_gpu,
    make_legacy_mapping,
    make_node,
    make_pod,
    make_slice,
    make_template,
)
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import RESOURCES
from tests.support.deployment import grants

pytestmark = pytest.mark.e2e

ROLES = ("drawbridge", "drawbridge-controller", "drawbridge-certs")
KEY = "nvidia.com/gpu"
POLICIES = "drawbridge.dev/v1alpha1/claimpolicies"
READS = {"get", "list", "watch"}
OF_EVERY_ACCOUNT = {"authentication.k8s.io", "authorization.k8s.io"}
MAY_WRITE = {
    "drawbridge": {
        "create events",
        "update devicequotas/status.drawbridge.dev",
        "update clusterdevicequotas/status.drawbridge.dev",
    },
    "drawbridge-controller": {
        "create events",
        "update devicequotas/status.drawbridge.dev",
        "update clusterdevicequotas/status.drawbridge.dev",
        "update claimpolicies/status.drawbridge.dev",
        "update legacymappings/status.drawbridge.dev",
        "create resourceclaimtemplates.resource.k8s.io",
        "delete resourceclaimtemplates.resource.k8s.io",
    },
    "drawbridge-certs": {
        "patch mutatingwebhookconfigurations.admissionregistration.k8s.io drawbridge",
        "patch validatingwebhookconfigurations.admissionregistration.k8s.io drawbridge",
    },
}
MAY_WRITE_AT_HOME = {
    "drawbridge": set[str](),
    "drawbridge-controller": {
        "create leases.coordination.k8s.io",
        "update leases.coordination.k8s.io drawbridge-controller",
    },
    "drawbridge-certs": {
        "create leases.coordination.k8s.io",
        "update leases.coordination.k8s.io drawbridge-certs",
        "update secrets drawbridge-ca drawbridge-tls",
    },
}


@pytest.fixture(scope="module")
def own(cluster: ControlPlane) -> Iterator[ControlPlane]:  # noqa: ARG001 - it skips where there is no control plane
    with ControlPlane() as control_plane:
        yield control_plane


@pytest.fixture(scope="module")
def asked(own: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> frozenset[Asked]:
    """All that was asked for in a short life of the installation."""
    folder = tmp_path_factory.mktemp("certificates")
    issue_certificates(folder)
    gate = Gate(own, install(own), folder)
    _live(gate)
    return own.asked()


def _live(gate: Gate) -> None:
    """Certificates are made, claims charged, a pod rewritten and its template collected, a policy judged."""
    own, api = gate.cluster, gate.cluster.api
    for manifest in gate.installation.webhooks:
        api.create(RESOURCES[manifest["kind"]], _for_nobody(manifest))
    kubeconfig = own.service_account_kubeconfig(NAMESPACE, "drawbridge-certs")
    certs = ControllerProcess(own.programs, kubeconfig, ["--certificates", "--look-seconds", "0.5"], "certs")
    wait_for("certificates", lambda: "data" in api.get("v1/secrets", "drawbridge-tls", NAMESPACE))
    serve = ["--kubeconfig", str(gate.installation.serve_kubeconfig), "--cert-secret", "drawbridge-tls"]
    by_secret = ServeProcess(own.programs, serve, "serve-by-secret")
    wait_for("readiness", by_secret.is_ready)
    replica, controller = gate.serve("--drain-seconds", "0"), gate.controller()
    wait_for("readiness", replica.is_ready)
    names = own.create_namespace()
    node = make_node(f"node-{names}")
    with (
        own.with_devices([node], [make_device_class()], [make_slice(node["metadata"]["name"], [make_gpu(0)])]),
        gate.guarding(names, replica.port),
    ):
        _charge(gate, names)
        _rewrite(gate, names)
        spec = {"match": {"resources": ["claims"]}, "validations": [{"expression": "true", "message": "m"}]}
        policy = {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "ClaimPolicy", "metadata": {"name": "any"}}
        with api.temporarily(POLICIES, {**policy, "spec": spec}):
            wait_for("judged policy", lambda: api.get(POLICIES, "any").get("status"))
    for program in (by_secret, replica, controller, certs):
        program.stop()


def _for_nobody(manifest: Json) -> Json:
    """Return the webhook configuration under its own name, that no namespace reaches and that lets all else in."""
    changed = copy.deepcopy(manifest)
    for webhook in changed["webhooks"]:
        webhook["failurePolicy"] = "Ignore"
        if "namespaceSelector" in webhook:
            webhook["namespaceSelector"] = {"matchLabels": {"example.com/nobody": "true"}}
    return changed


def _charge(gate: Gate, namespace: str) -> None:
    api = gate.cluster.api
    limit = {"name": "all", "devices": 3}
    api.create(CLUSTER_DEVICE_QUOTAS, make_cluster_device_quota("pot", [namespace], limit))
    create_quota(api, make_device_quota(namespace, "gpus", limit))
    wait_for("books of the pot", lambda: api.get(CLUSTER_DEVICE_QUOTAS, "pot").get("status"))
    wait_for("quotas", lambda: denied_by(api, make_claim_object(namespace, "four", make_exact_request(4))))
    api.create(CLAIMS, make_claim_object(namespace, "one", make_exact_request(1)))
    api.create(TEMPLATES, make_template(namespace, "four", make_exact_request(4)))
    api.create(PODS, make_pod(namespace, "waiting", "four"))
    wait_for("event", lambda: "ClaimDenied" in _told(api, namespace))


def _told(api: Api, namespace: str) -> list[str]:
    """Return the reasons of all Events."""
    return [event["reason"] for event in api.list_all("v1/events", namespace)]


def _rewrite(gate: Gate, namespace: str) -> None:
    """The controller tells of a template that somebody else made under the name, makes it itself, and collects it."""
    api = gate.cluster.api
    pod = make_pod(namespace, "legacy", **{KEY: "1"})
    mapping = make_legacy_mapping("gpus", namespace, {"name": KEY, "deviceClassName": GPU_DRIVER})

    def template() -> str:
        claims = api.create(PODS, pod, dry_run=True)["spec"].get("resourceClaims", ())
        return "".join(claim["resourceClaimTemplateName"] for claim in claims)

    with api.temporarily(LEGACY_MAPPINGS, mapping):
        name = wait_for("effect of the mapping", template)
        api.create(TEMPLATES, make_template(namespace, name, make_exact_request(2)))
        api.create(PODS, pod)
        wait_for("event", lambda: "TemplateDiffers" in _told(api, namespace))
        api.delete(TEMPLATES, name, namespace)
        wait_for("template", lambda: api.find(TEMPLATES, name, namespace))
        gate.cluster.end_pod(namespace, "legacy")
        wait_for("collection", lambda: not api.find(TEMPLATES, name, namespace))


def test_nothing_that_a_program_asks_for_is_forbidden(asked: frozenset[Asked]) -> None:
    assert {each.account for each in asked} == set(ROLES)
    assert refused(asked) == []


@pytest.mark.parametrize("role", ROLES)
def test_every_right_is_used(asked: frozenset[Asked], role: str) -> None:
    used = {each.right for each in asked if each.account == role}
    assert grants(role) - used <= RARE.get(role, set())


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("role", ROLES)
def test_t_22_the_api_server_lets_an_account_write_what_it_is_for_alone(own: ControlPlane, role: str) -> None:
    assert _writable(own, role, "default") == MAY_WRITE[role]
    assert _writable(own, role, NAMESPACE) == MAY_WRITE[role] | MAY_WRITE_AT_HOME[role]


def _writable(cluster: ControlPlane, role: str, namespace: str) -> set[str]:
    """Return what a service account may change in a namespace, or of the cluster, as the API server sees it."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    command = (
        "create",
        "--validate=false",
        "-o",
        "json",
        "-f",
        "-",
        "--as",
        f"system:serviceaccount:{NAMESPACE}:{role}",
    )
    status = json.loads(cluster.kubectl(*command, manifests=json.dumps(review)).stdout)["status"]
    assert not status["incomplete"]
    return {
        " ".join((verb, ".".join(filter(None, (resource, group))), *rule.get("resourceNames", ())))
        for rule in status["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in set(rule["verbs"]) - READS
        if group not in OF_EVERY_ACCOUNT
    }
