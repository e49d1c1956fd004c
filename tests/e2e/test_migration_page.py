"""Every command of the page on migrating runs in order, and does on a real cluster what the page says."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.controlplane.api import Json
from tests.controlplane.build import control_plane
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE, ControllerProcess, ServeProcess
from tests.controlplane.gate import Gate
from tests.controlplane.objects import CLASSES, PODS, make_device_class, make_pod
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "migrate-gpu-limits.md"
KEY = "nvidia.com/gpu"
ORIGINAL = "drawbridge.dev/original-resources"
TEAM = "team-a"
_SECOND = 1.1
"""kubectl refuses to restart what was restarted within the past second."""

POD = {"containers": [{"name": "main", "image": "none", "resources": {"limits": {KEY: "1"}}}]}
TRAINER = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "trainer", "namespace": TEAM},
    "spec": {
        "selector": {"matchLabels": {"app": "trainer"}},
        "template": {"metadata": {"labels": {"app": "trainer"}}, "spec": POD},
    },
}
QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "gpus", "namespace": TEAM},
    "spec": {"hard": {f"requests.{KEY}": "8"}},
}


@pytest.fixture
def team(cluster: ControlPlane, gate: Gate, replica: ServeProcess, controller: ControllerProcess) -> Iterator[str]:  # noqa: ARG001 - it only has to run
    """The namespaces of the page, of which the replica guards the one that moves."""
    with (
        cluster.named_namespace(TEAM),
        cluster.named_namespace("team-b"),
        gate.guarding(TEAM, replica.port),
        cluster.api.temporarily(CLASSES, make_device_class()),
    ):
        yield TEAM


def test_the_page(cluster: ControlPlane, team: str, tmp_path: Path) -> None:
    for folder in ("manifests", "overlays/team-a"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "trainer.yaml").write_text(yaml.safe_dump(TRAINER))
    (tmp_path / "overlays/team-a/kustomization.yaml").write_text("resources: [trainer.yaml]\n")
    cluster.kubectl("apply", "-f", "-", manifests=[QUOTA, TRAINER])
    before = (tmp_path / "manifests" / "trainer.yaml").read_text()
    checks: dict[str, Callable[[], object]] = {
        "1. Coexist": lambda: cluster.kubectl("get", "devicequota", "gpus", "--namespace", team),
        "2. Report": lambda: wait_for("a report", lambda: _warned(cluster, "would claim 1 of 'gpu.nvidia.com'")),
        "3. Rewrite": lambda: wait_for("a rewritten pod", lambda: _newest_is_rewritten(cluster)),
        "And back": lambda: wait_for("a pod as it was", lambda: not _newest_is_rewritten(cluster)),
        "4. Change the manifests": lambda: _names_claims(cluster),
    }
    for title, script in _sections():
        if title == "5. Deny":
            first, back, gone = script
            _run(first, cluster, tmp_path)
            wait_for("a refusal", lambda: _is_refused(cluster))
            _run(back, cluster, tmp_path)
            wait_for("no refusal", lambda: not _is_refused(cluster))
            _run(gone, cluster, tmp_path)
            continue
        for block in script:
            time.sleep(_SECOND if "rollout restart" in block else 0)
            _run(block, cluster, tmp_path)
        if title in checks:
            checks.pop(title)()
    assert not checks
    assert (tmp_path / "plan.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "manifests" / "trainer.yaml").read_text() != before


def _sections() -> Iterator[tuple[str, list[str]]]:
    for section in re.split(r"^##+ ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        yield section.partition("\n")[0], re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def _run(script: str, cluster: ControlPlane, folder: Path) -> None:
    programs = (DRAWBRIDGE.parent, control_plane().program("kubectl").parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "KUBECONFIG": str(cluster.kubeconfig()),
        "HOME": str(folder),
    }
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script}{done.stdout}{done.stderr}"


def _newest_is_rewritten(cluster: ControlPlane) -> bool:
    pods = [pod for pod in cluster.api.list_all(PODS, TEAM) if "ownerReferences" in pod["metadata"]]
    newest = max(pods, key=lambda pod: int(pod["metadata"]["resourceVersion"]))
    return ORIGINAL in newest["metadata"].get("annotations", {})


def _probe() -> Json:
    return make_pod(TEAM, "probe", nvidia_com__gpu="1")


def _warned(cluster: ControlPlane, said: str) -> bool:
    pod = cluster.kubectl("create", "--dry-run=server", "-f", "-", manifests=[_probe()])
    return said in pod.stderr


def _is_refused(cluster: ControlPlane) -> bool:
    pod = cluster.kubectl("create", "--dry-run=server", "-f", "-", manifests=[_probe()], check=False)
    return f"`{KEY}` must not be a limit here any more" in pod.stderr


def _names_claims(cluster: ControlPlane) -> None:
    spec = cluster.api.get("apps/v1/deployments", "trainer", TEAM)["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"] == {"claims": [{"name": "gpu"}]}
