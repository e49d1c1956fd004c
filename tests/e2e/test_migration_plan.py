"""`drawbridge migrate plan` and the commands of its steps, against the real API server and controllers."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE
from tests.controlplane.objects import (
    GPU_DRIVER,
    NODES,
    PODS,
    make_device_class,
    make_gpu,
    make_node,
    make_pod,
    make_slice,
)
from tests.controlplane.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("installation")]
KEY = "nvidia.com/gpu"
LIMITS = {"limits": {KEY: "1"}}


def test_a_live_cluster_is_planned_and_its_quota_opens_the_way(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    node = f"node-{namespace}"
    published = make_slice(node, [make_gpu(0), make_gpu(1)])
    with cluster.with_devices([make_node(node, nvidia_com__gpu="2")], [make_device_class()], [published]):
        _create_workloads(cluster, namespace)
        live = ("--kubeconfig", str(cluster.kubeconfig()))
        report = _plan(*live)
        assert {"name": node, "resource": KEY, "driver": GPU_DRIVER} in report["cluster"]["sharedNodes"]
        (ours,) = [one for one in report["namespaces"] if one["name"] == namespace]
        owners = {owner["object"]["kind"]: owner for owner in ours["owners"]}
        assert {kind: owner["pods"] for kind, owner in owners.items()} == {"Deployment": 2, "CronJob": 1, "Pod": 1}
        assert _codes(owners["Deployment"]) == ["device-plugin-present", "quota-continuity"]

        saved = tmp_path / "saved.json"
        _drawbridge("inventory", "save", str(saved), *live)
        assert [one for one in _plan("--cluster", str(saved))["namespaces"] if one["name"] == namespace] == [ours]

        quotas = yaml.safe_load_all(_drawbridge("migrate", "quota", *live))
        cluster.kubectl(
            "apply", "-f", "-", manifests=[quota for quota in quotas if quota["metadata"]["namespace"] == namespace]
        )
        cluster.api.delete(NODES, node)
        (ours,) = [one for one in _plan(*live)["namespaces"] if one["name"] == namespace]
        assert [owner["outcome"] for owner in ours["owners"]] == ["moves"] * 3
        for phase in ("report", "rewrite", "deny"):
            mapping = _drawbridge("migrate", "mapping", "--phase", phase)
            cluster.kubectl("create", "--dry-run=server", "-f", "-", manifests=mapping)


def _create_workloads(cluster: ControlPlane, namespace: str) -> None:
    spec = {"containers": [{"name": "main", "image": "none", "resources": LIMITS}]}
    labels = {"app": "trainer"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    job = {"template": {"spec": {**spec, "restartPolicy": "Never"}}}
    quota = {"hard": {f"requests.{KEY}": "8"}}
    deployment = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    cron_job = {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}}
    for resource, kind, name, body in (
        ("v1/resourcequotas", "ResourceQuota", "gpus", quota),
        ("apps/v1/deployments", "Deployment", "trainer", deployment),
        ("batch/v1/cronjobs", "CronJob", "nightly", cron_job),
    ):
        group = resource.rpartition("/")[0]
        metadata = {"name": name, "namespace": namespace}
        cluster.api.create(resource, {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": body})
    cluster.api.create(PODS, make_pod(namespace, "loose", **{"nvidia.com/gpu": "1"}))
    wait_for("the Deployment's pods", lambda: len(cluster.api.list_all(PODS, namespace)) == 3)


def _codes(owner: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in owner["reasons"]]


def _plan(*arguments: str) -> Any:
    return json.loads(_drawbridge("migrate", "plan", "-o", "json", *arguments))


def _drawbridge(*arguments: str) -> str:
    done = subprocess.run([str(DRAWBRIDGE), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
