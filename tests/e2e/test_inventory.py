"""`drawbridge inventory` on the real API server, and what it saves as a cluster of its own."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE
from tests.controlplane.objects import CLASSES, GPU_DRIVER, SLICES, make_device_class, make_gpu, make_slice

pytestmark = pytest.mark.e2e


def test_a_snapshot_of_the_live_cluster_shows_the_same_devices(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    name = f"node-{namespace}"
    published = make_slice(name, [make_gpu(0), make_gpu(1)])
    device_class = make_device_class(f"class-{namespace}")
    with cluster.api.temporarily(SLICES, published), cluster.api.temporarily(CLASSES, device_class):
        live = ("--kubeconfig", str(cluster.kubeconfig()))
        saved = tmp_path / "saved.json"
        _inventory(*live, "save", str(saved))
        told = json.loads(_inventory(*live, "-o", "json"))
        assert GPU_DRIVER in [driver["driver"] for driver in told["drivers"]]
        assert json.loads(_inventory("--cluster", str(saved), "-o", "json")) == told
        note = json.loads(saved.read_text())["items"][0]
        assert note["kubernetesVersion"] == "1.37"
        assert note["featureGates"]["DRAConsumableCapacity"] is True


def _inventory(*arguments: str) -> str:
    done = subprocess.run([str(DRAWBRIDGE), "inventory", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
