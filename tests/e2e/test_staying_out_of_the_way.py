"""What goes on while nobody answers for Drawbridge, and what never asks it.

Two namespaces, each with a gate that has nobody behind it: in `unguarded` the webhooks are as deploy/ has them, in
`shut` all of them fail closed, the system's namespaces included as far as the manifests let them be, so that what is
asked for is refused.
"""

import copy
from collections.abc import Iterator
from functools import partial

import pytest

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.cluster import ControlPlane, free_port
from tests.controlplane.drawbridge import ServeProcess
from tests.controlplane.gate import Gate, denied_by, wait_until_asked
from tests.controlplane.objects import (
    CLAIMS,
    CLASSES,
    DEVICE_QUOTAS,
    NODES,
    PODS,
    make_claim_object,
    make_device_class,
    make_device_quota,
    make_exact_request,
    make_node,
    make_pod,
)
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import NAMESPACE_NAME, RESOURCES, installed_webhooks

pytestmark = pytest.mark.e2e
OWN = "drawbridge-system"
SYSTEM = ("kube-system", "kube-public", "kube-node-lease", OWN)
MISTAKE = make_exact_request(1, "any")
MISTAKE["exactly"]["capacity"] = {"requests": {"memory": "-1"}}
HELD = {"finalizers": ["example.com/hold"]}
GPU = {"nvidia.com/gpu": "1"}
# Our own namespace enforces the restricted standard.
RESTRICTED: Json = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module")
def unguarded(gate: Gate) -> Iterator[str]:
    """A namespace whose gate has nobody behind it."""
    api, namespace = gate.cluster.api, gate.cluster.create_namespace()
    with installed_webhooks(api, gate.installation.webhooks, _nowhere(), gate.ca_file, namespace):
        wait_for("effect of the webhooks", lambda: _is_asked(api, CLAIMS, _claim(namespace)))
        yield namespace
    gate.cluster.delete_namespace(namespace)


@pytest.fixture(scope="module")
def shut(gate: Gate) -> Iterator[str]:
    """A namespace with a stored quota and claim, where whatever would ask us is refused."""
    api, namespace = gate.cluster.api, gate.cluster.create_namespace()
    api.create(CLAIMS, _held(_claim(namespace, "kept")))
    api.create(DEVICE_QUOTAS, _held(make_device_quota(namespace, "kept", {"name": "all", "devices": 1})))
    closed = []
    for manifest in gate.installation.webhooks:
        # Of device classes the whole cluster would hear.
        namespaced = [webhook for webhook in manifest["webhooks"] if "namespaceSelector" in webhook]
        closed.append({**manifest, "webhooks": [{**webhook, "failurePolicy": "Fail"} for webhook in namespaced]})
    with installed_webhooks(api, closed, _nowhere(), gate.ca_file, namespace, *SYSTEM):
        for resource, asking in (
            (CLAIMS, _claim(namespace)),
            (PODS, _pod(namespace, GPU_POD)),
            (DEVICE_QUOTAS, make_device_quota(namespace, "other", {"name": "all", "devices": 1})),
            _workload(namespace, "Deployment", GPU_POD),
        ):
            wait_for("effect of the webhooks", partial(_is_asked, api, resource, asking))
        yield namespace
    gate.cluster.delete_namespace(namespace)


def _nowhere() -> str:
    return f"https://127.0.0.1:{free_port()}"


def _claim(namespace: str, name: str = "new") -> Json:
    return make_claim_object(namespace, name, make_exact_request())


def _held(manifest: Json) -> Json:
    return {**manifest, "metadata": {**manifest["metadata"], **HELD}}


def _is_asked(api: Api, resource: str, manifest: Json) -> bool:
    """Return whether the API server would ask us to create the object, which it cannot."""
    try:
        api.create(resource, manifest, dry_run=True)
    except ApiError as error:
        if "failed calling webhook" in error.message:
            return True
        raise
    return False


# Where everything that asks is refused


GPU_POD: Json = {"containers": [{"resources": {"limits": GPU}}]}
ODD_PODS: list[tuple[str, Json, bool]] = [
    ("no resources", {"containers": [{}]}, False),
    ("empty resources", {"containers": [{"resources": {}}]}, False),
    ("null limits", {"containers": [{"resources": {"limits": None}}]}, False),
    ("cpu and memory", {"containers": [{"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}, False),
    ("huge pages", {"containers": [{"resources": {"limits": {"hugepages-2Mi": "2Mi", "cpu": "1"}}}]}, False),
    ("200 containers without", {"containers": [{} for _ in range(200)]}, False),
    ("resources of the pod", {"resources": {"limits": {"cpu": "1"}}, "containers": [{}]}, False),
    ("empty limits", {"containers": [{"resources": {"limits": {}, "requests": {}}}]}, False),
    ("requests alone", {"containers": [{"resources": {"requests": {"cpu": "1"}}}]}, False),
    ("null init containers and claims", {"containers": [{}], "initContainers": None, "resourceClaims": None}, False),
    ("an empty list of claims", {"containers": [{}], "resourceClaims": []}, False),
    ("an init container without resources", {"containers": [{}], "initContainers": [{}]}, False),
    ("a GPU", GPU_POD, True),
    ("a GPU in the last of 200", {"containers": [*({} for _ in range(199)), {"resources": {"limits": GPU}}]}, True),
    ("a GPU in an init container", {"containers": [{}], "initContainers": [{"resources": {"limits": GPU}}]}, True),
    (
        "a claim that no container uses",
        {"containers": [{}], "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "x"}]},
        True,
    ),
]
WORKLOADS: dict[str, tuple[str, Json]] = {
    "Deployment": ("apps/v1/deployments", {"selector": {"matchLabels": {"app": "x"}}}),
    "StatefulSet": ("apps/v1/statefulsets", {"selector": {"matchLabels": {"app": "x"}}, "serviceName": "x"}),
    "DaemonSet": ("apps/v1/daemonsets", {"selector": {"matchLabels": {"app": "x"}}}),
    "Job": ("batch/v1/jobs", {}),
    "CronJob": ("batch/v1/cronjobs", {"schedule": "0 * * * *"}),
}


def _pod_spec(spec: Json) -> Json:
    """Return the spec with names and images, which have no part in what is tested."""
    named: Json = copy.deepcopy(spec)
    for field in ("containers", "initContainers"):
        for index, container in enumerate(named.get(field) or ()):
            container |= {"name": f"{field.lower()}-{index}", "image": "example.com/train:1"}
            container["securityContext"] = RESTRICTED
    return named


def _pod(namespace: str, spec: Json, name: str = "x") -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _pod_spec(spec)}


def _workload(namespace: str, kind: str, spec: Json) -> tuple[str, Json]:
    resource, fields = WORKLOADS[kind]
    restart = "Never" if resource.startswith("batch") else "Always"
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {**_pod_spec(spec), "restartPolicy": restart}}
    whole = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    metadata = {"name": "x", "namespace": namespace}
    version = resource.rpartition("/")[0]
    return resource, {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": {**fields, **whole}}


def test_fm_01_system_namespaces_and_our_own_never_ask(cluster: ControlPlane, shut: str) -> None:
    for namespace in SYSTEM:
        assert not _is_asked(cluster.api, PODS, _pod(namespace, GPU_POD)), namespace
        assert not _is_asked(cluster.api, CLAIMS, _claim(namespace)), namespace
        for kind in WORKLOADS:
            assert not _is_asked(cluster.api, *_workload(namespace, kind, GPU_POD)), (namespace, kind)
    assert _is_asked(cluster.api, PODS, _pod(shut, GPU_POD))


def test_fm_02_only_pods_with_claims_or_extended_resources_ask(cluster: ControlPlane, shut: str) -> None:
    """So a network plugin in a namespace of its own starts, and with it the node that Drawbridge waits for."""
    asking = {name: _is_asked(cluster.api, PODS, _pod(shut, spec)) for name, spec, _ in ODD_PODS}
    assert asking == {name: wanted for name, _, wanted in ODD_PODS}


@pytest.mark.parametrize("kind", WORKLOADS)
def test_fm_02_only_workloads_with_such_pods_ask(cluster: ControlPlane, shut: str, kind: str) -> None:
    pods = [case for case in ODD_PODS if "200" not in case[0]]
    asking = {name: _is_asked(cluster.api, *_workload(shut, kind, spec)) for name, spec, _ in pods}
    assert asking == {name: wanted for name, _, wanted in pods}


def test_fm_03_what_nodes_and_leaders_write_never_asks(cluster: ControlPlane, shut: str) -> None:
    api = cluster.api
    cluster.add_node(make_node(f"node-{shut}"))
    api.delete(NODES, f"node-{shut}")
    name = {"name": "x", "namespace": shut}
    bound = {"kind": "Pod", "name": "x", "namespace": shut}
    for resource, kind, content in (
        ("coordination.k8s.io/v1/leases", "Lease", {"spec": {"holderIdentity": "a"}}),
        ("discovery.k8s.io/v1/endpointslices", "EndpointSlice", {"addressType": "IPv4", "endpoints": []}),
        ("v1/events", "Event", {"involvedObject": bound, "reason": "Test"}),
        ("v1/configmaps", "ConfigMap", {"data": {"a": "b"}}),
        ("v1/secrets", "Secret", {"stringData": {"a": "b"}}),
        ("v1/serviceaccounts", "ServiceAccount", {}),
        ("v1/services", "Service", {"spec": {"ports": [{"port": 80}]}}),
    ):
        manifest = {"apiVersion": resource.rpartition("/")[0], "kind": kind, "metadata": name, **content}
        stored = api.create(resource, manifest)
        stored["metadata"]["labels"] = {"changed": "yes"}
        assert api.replace(resource, stored)


def test_fm_04_of_two_webhooks_that_are_both_down_the_other_can_begin(cluster: ControlPlane, shut: str) -> None:
    """The other one looks at every pod, ours too. Its own pods do not ask us; once it answers, ours start."""
    api, other = cluster.api, cluster.create_namespace("other-")
    webhook: Json = {
        "name": "everything.example.com",
        "clientConfig": {"url": _nowhere()},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchExpressions": [{"key": NAMESPACE_NAME, "operator": "In", "values": [OWN, shut]}]},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
    }
    resource = RESOURCES["ValidatingWebhookConfiguration"]
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    ours = _pod(OWN, {"containers": [{}]})
    with api.temporarily(resource, {**kind, "metadata": {"name": "everything"}, "webhooks": [webhook]}):
        wait_for("effect of the other webhook", lambda: _is_asked(api, PODS, ours))
        assert not _is_asked(api, PODS, _pod(other, {"containers": [{}]}))
    wait_for("pods of ours", lambda: not _is_asked(api, PODS, ours))
    cluster.delete_namespace(other)


@pytest.mark.parametrize("resource", [CLAIMS, DEVICE_QUOTAS])
def test_fm_06_a_stored_object_loses_its_finalizer_and_ends(cluster: ControlPlane, shut: str, resource: str) -> None:
    cluster.api.delete(resource, "kept", shut)
    cluster.api.patch(resource, "kept", {"metadata": {"finalizers": None}}, shut)
    assert cluster.api.find(resource, "kept", shut) is None


def test_fm_08_the_configurations_can_be_deleted_while_everything_is_refused(gate: Gate, namespace: str) -> None:
    """Nobody can lock an administrator out: the API server asks no webhook about these objects, whatever the rules."""
    api = gate.cluster.api
    everything = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}]
    greedy = []
    for manifest in gate.installation.webhooks:
        [first, *_] = [{**webhook, "rules": everything, "failurePolicy": "Fail"} for webhook in manifest["webhooks"]]
        del first["namespaceSelector"]
        greedy.append({**manifest, "webhooks": [first]})
    anything = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": namespace}}
    with installed_webhooks(api, greedy, _nowhere(), gate.ca_file) as installed:
        wait_for("effect of the webhooks", lambda: _is_asked(api, "v1/configmaps", anything))
        for manifest in installed:
            resource, name = RESOURCES[manifest["kind"]], manifest["metadata"]["name"]
            api.patch(resource, name, {"metadata": {"labels": {"changed": "yes"}}})
            api.delete(resource, name)
            assert api.find(resource, name) is None
    wait_for("end of the webhooks", lambda: not _is_asked(api, "v1/configmaps", anything))


def test_fm_09_a_namespace_cannot_call_itself_one_of_the_system(cluster: ControlPlane, shut: str) -> None:
    """Whoever may label a namespace cannot change the label that exempts: the API server puts it right."""
    labels = {NAMESPACE_NAME: "kube-system", "control-plane": "true", "drawbridge.dev/ignore": "true"}
    patched = cluster.api.patch("v1/namespaces", shut, {"metadata": {"labels": labels}})
    assert patched["metadata"]["labels"] == {**labels, NAMESPACE_NAME: shut}
    assert _is_asked(cluster.api, CLAIMS, _claim(shut))


# As deployed


def test_a_new_claim_is_refused_with_the_reason(cluster: ControlPlane, unguarded: str) -> None:
    with pytest.raises(ApiError, match=r'failed calling webhook "claims\.validate\.drawbridge\.dev"') as refusal:
        cluster.api.create(CLAIMS, _claim(unguarded))
    assert refusal.value.code == 500


def test_a_driver_is_installed_and_upgraded(cluster: ControlPlane, unguarded: str) -> None:
    device_class = make_device_class(f"class-{unguarded}")
    with cluster.api.temporarily(CLASSES, device_class):
        device_class["spec"]["selectors"] = [{"cel": {"expression": "device.driver == 'next.example.com'"}}]
        cluster.kubectl("replace", "-f", "-", manifests=[device_class])


def test_fm_05_pods_and_workloads_are_created(cluster: ControlPlane, unguarded: str) -> None:
    """Legacy limits stay as they are then; the pod is rewritten by nobody later."""
    for name, pod in (
        ("plain", make_pod(unguarded, "plain")),
        ("legacy", make_pod(unguarded, "legacy", nvidia_com__gpu="1")),
        ("claiming", make_pod(unguarded, "claiming", "some-template")),
    ):
        created = cluster.api.create(PODS, pod)
        assert created["spec"].get("resourceClaims") == pod["spec"].get("resourceClaims"), name
    for kind in WORKLOADS:
        assert cluster.api.create(*_workload(unguarded, kind, GPU_POD))


def test_fm_06_a_namespace_with_claims_goes_away(gate: Gate) -> None:
    api, namespace = gate.cluster.api, gate.cluster.create_namespace()
    api.create(CLAIMS, _claim(namespace, "kept"))
    with installed_webhooks(api, gate.installation.webhooks, _nowhere(), gate.ca_file, namespace):
        wait_for("effect of the webhooks", lambda: _is_asked(api, CLAIMS, _claim(namespace)))
        gate.cluster.delete_namespace(namespace)
        wait_for("end of the namespace", lambda: api.find("v1/namespaces", namespace) is None, 60)


# By a replica that answers


def test_fm_01_a_replica_that_is_asked_all_the_same_leaves_system_namespaces_alone(
    gate: Gate, replica: ServeProcess
) -> None:
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
