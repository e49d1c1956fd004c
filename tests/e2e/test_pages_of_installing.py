"""The commands of docs/how-to/{install,upgrade,uninstall,fail-open-or-closed}.md, on a control plane of their own.

Nobody runs containers here: the tests start the programs, as the pods' specs say, under their service accounts.
"""

import base64
import os
from collections.abc import Iterator

import pytest

from tests.controlplane.api import ApiError, Json
from tests.controlplane.build import helm
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess
from tests.controlplane.objects import make_claim_object, make_exact_request
from tests.controlplane.pods import pod_of, pods, run_as_pod
from tests.controlplane.shell import commands_of, complaints, run_shown, running_shown
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import RESOURCES

pytestmark = pytest.mark.e2e

NAMESPACE = "drawbridge-system"
CRDS = "apiextensions.k8s.io/v1/customresourcedefinitions"
NOT_RUN = {
    "kubectl rollout status ": "no node runs pods here",
    "kubectl logs ": "no node runs pods here",
    "docker build ": "an image needs a container engine",
}


@pytest.fixture(scope="module")
def own(cluster: ControlPlane) -> Iterator[ControlPlane]:  # noqa: ARG001 - skips where there is no control plane
    if not helm().is_done():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Helm is not built: run `make controlplane`")
    with ControlPlane() as control_plane:
        yield control_plane


def _shown(page: str, heading: str) -> list[str]:
    commands = commands_of(f"docs/how-to/{page}.md", heading)
    return [command for command in commands if not command.startswith(tuple(NOT_RUN))]


def _configurations(cluster: ControlPlane) -> list[Json]:
    return [found for each in RESOURCES.values() if (found := cluster.api.find(each, "drawbridge"))]


def _kept(cluster: ControlPlane) -> tuple[Json, set[str]]:
    """Return the certificates of the installation, and what the API server trusts."""
    data: Json = cluster.api.get("v1/secrets", "drawbridge-tls", NAMESPACE).get("data", {})
    bundles = {
        webhook["clientConfig"].get("caBundle", "")
        for configuration in _configurations(cluster)
        for webhook in configuration["webhooks"]
    }
    return data, {base64.b64decode(bundle).decode() for bundle in bundles}


def _is_created(cluster: ControlPlane) -> bool:
    """Return whether a claim is admitted; it is not stored."""
    claim = make_claim_object("default", "any", make_exact_request(1, "any"))
    try:
        cluster.api.create(f"{claim['apiVersion']}/resourceclaims", claim, dry_run=True)
    except ApiError as error:
        if "failed calling webhook" not in error.message:
            raise
        return False
    return True


def _of_the_operator(kind: str) -> Json:
    """Return a CRD that takes whatever the Prometheus operator's would."""
    group, plural = "monitoring.coreos.com", f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    metadata = {"name": f"{plural}.{group}"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }


def _are_served(cluster: ControlPlane) -> bool:
    listed = cluster.kubectl("api-resources", "--api-group", "monitoring.coreos.com", "--output", "name", check=False)
    return len(listed.stdout.split()) == 2


def _uninstall_with_helm(cluster: ControlPlane, command: str) -> None:
    with running_shown(cluster, command) as uninstalling:
        run_as_pod(cluster, pod_of(cluster, "uninstall"))
        assert _configurations(cluster) == []
        _, complained = uninstalling.communicate(timeout=60)
    assert uninstalling.returncode == 0, complained
    assert complaints(complained) == []


def test_fm_07_with_helm_it_is_installed_upgraded_let_open_and_uninstalled(own: ControlPlane) -> None:
    for command in _shown("install", "With Helm"):
        run_shown(own, command)
    # Restricted pod security, the priority class and its quota let all pods in.
    wait_for("pods of all programs", lambda: len(pods(own)) == 6)
    wait_for("effect of the webhooks", lambda: not _is_created(own))
    kubeconfig = own.service_account_kubeconfig(NAMESPACE, "drawbridge-certs")
    certs = ControllerProcess(own.programs, kubeconfig, ["--certificates", "--look-seconds", "1"], "certs")
    wait_for("certificate", lambda: _kept(own)[0])
    wait_for("caBundle", lambda: all("BEGIN CERTIFICATE" in bundle for bundle in _kept(own)[1]))
    kept = _kept(own)
    assert len(kept[1]) == 1
    assert certs.stop() == 0
    for command in _shown("upgrade", "With Helm"):
        run_shown(own, command)
    assert _kept(own) == kept
    for kind in ("ServiceMonitor", "PrometheusRule"):
        own.api.create(CRDS, _of_the_operator(kind))
    wait_for("kinds of the operator", lambda: _are_served(own))
    for command in (*_shown("alerts", "Install"), *_shown("alerts", "What each means")):
        run_shown(own, command)
    for command in _shown("fail-open-or-closed", "In an emergency"):
        run_shown(own, command)
    policies = {webhook["failurePolicy"] for each in _configurations(own) for webhook in each["webhooks"]}
    assert policies == {"Ignore"}
    wait_for("effect of failing open", lambda: _is_created(own))
    uninstall, *rest = _shown("uninstall", "With Helm")
    _uninstall_with_helm(own, uninstall)
    for command in rest:
        run_shown(own, command)
    _check_that_nothing_blocks(own)
    quota = {"limits": [{"name": "gpus", "devices": 8}]}
    place = {"name": "gpus", "namespace": "default"}
    manifest = {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "DeviceQuota", "metadata": place, "spec": quota}
    own.api.create("drawbridge.dev/v1alpha1/devicequotas", manifest)
    for command in _shown("install", "With Helm"):
        run_shown(own, command)
    assert own.api.get("drawbridge.dev/v1alpha1/devicequotas", "gpus", "default")["spec"]["limits"] == quota["limits"]
    _uninstall_with_helm(own, uninstall)
    for command in (*rest, *_shown("uninstall", "What stays")):
        run_shown(own, command)


def test_fm_07_with_kustomize_it_is_installed_upgraded_and_uninstalled(own: ControlPlane) -> None:
    for command in (*_shown("install", "With kustomize"), *_shown("upgrade", "With kustomize")):
        run_shown(own, command)
    wait_for("pods of all programs", lambda: len(pods(own)) == 6)
    wait_for("effect of the webhooks", lambda: not _is_created(own))
    for command in _shown("uninstall", "With kustomize"):
        run_shown(own, command)
    _check_that_nothing_blocks(own)


def _check_that_nothing_blocks(cluster: ControlPlane) -> None:
    assert _configurations(cluster) == []
    assert cluster.api.find("v1/namespaces", NAMESPACE) is None
    wait_for("claims without the webhooks", lambda: _is_created(cluster))
    container = {"name": "c", "image": "i", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "default"}}
    cluster.api.create("v1/pods", {**pod, "spec": {"containers": [container]}})
    cluster.end_pod("default", "x")
