"""Pods of our namespace. Nobody runs containers here: what a pod would run the tests run."""

import subprocess

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE
from tests.controlplane.installation import NAMESPACE
from tests.controlplane.waiting import wait_for


def pods(cluster: ControlPlane) -> list[Json]:
    """Return the pods of the installation."""
    return cluster.api.list_all("v1/pods", NAMESPACE)


def pod_of(cluster: ControlPlane, component: str) -> Json:
    """Wait for a pod of one of our programs."""
    key = "app.kubernetes.io/component"

    def found() -> Json | None:
        return next((pod for pod in pods(cluster) if pod["metadata"].get("labels", {}).get(key) == component), None)

    return wait_for(f"pod of {component}", found)


def run_as_pod(cluster: ControlPlane, pod: Json) -> str:
    """Play the kubelet: the pod's container runs to its end, under its service account; returns what it prints."""
    [container] = pod["spec"]["containers"]
    kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, pod["spec"]["serviceAccountName"])
    command = [str(DRAWBRIDGE), *container["args"], "--kubeconfig", str(kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ended = {"name": container["name"], "image": container["image"], "imageID": "", "ready": False, "restartCount": 0}
    ended["state"] = {"terminated": {"exitCode": 0}}
    status = {"phase": "Succeeded", "containerStatuses": [ended]}
    cluster.api.patch("v1/pods", pod["metadata"]["name"], {"status": status}, NAMESPACE, "status")
    return done.stdout
