"""`drawbridge serve --cluster DIR` as a real process: its folder, its ledger, its templates."""

import base64
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests.controlplane.drawbridge import DRAWBRIDGE, ServeProcess
from tests.controlplane.programs import Programs
from tests.controlplane.waiting import wait_for
from tests.support.build import claim_object, class_object, device, request, slice_object
from tests.support.standalone import Standalone, write

Json = dict[str, Any]

QUOTA = {
    "apiVersion": "drawbridge.dev/v1alpha1",
    "kind": "DeviceQuota",
    "metadata": {"name": "gpus", "namespace": "team-a"},
    "spec": {"limits": [{"name": "devices", "match": {"driver": "gpu.example.com"}, "devices": 5}]},
}
MAPPING = {
    "apiVersion": "drawbridge.dev/v1alpha1",
    "kind": "LegacyMapping",
    "metadata": {"name": "gpus"},
    "spec": {"resources": [{"name": "example.com/gpu", "deviceClassName": "gpu.example.com"}]},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "old", "namespace": "team-a"},
    "spec": {"containers": [{"name": "main", "resources": {"limits": {"example.com/gpu": "2"}}}]},
}
MISSPELT = "device.attributes['gpu.example.com'].productname == 'A100'"


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    folder = tmp_path / "cluster"
    folder.mkdir()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}
    gpu = device("gpu-0", {"memory": "40Gi"}, productName="A100")
    write(folder, "cluster.yaml", namespace, class_object(), slice_object(gpu), QUOTA, MAPPING)
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    with Programs(tmp_path / "logs") as running:
        yield running


def claim(name: str = "c", count: int = 1, *selectors: str) -> Json:
    return claim_object(request("gpu", *selectors, count=count), name=name, uid=str(uuid4()))


def test_a_quota_is_exact_under_two_servers_that_share_a_ledger(
    programs: Programs, cluster: Path, tmp_path: Path
) -> None:
    servers = [Standalone(programs, cluster, tmp_path), Standalone(programs, cluster, tmp_path)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: servers[n % 2].admits(claim(f"c{n}")), range(40)))
    assert sum(answers) == 5


def test_nothing_is_charged_twice_or_on_a_dry_run_and_a_deletion_gives_back(
    programs: Programs, cluster: Path, tmp_path: Path
) -> None:
    server = Standalone(programs, cluster, tmp_path)
    large = claim("large", 4)

    assert server.admits(large, dry_run=True)
    assert server.admits(large)
    assert server.admits(large)
    assert not server.admits(claim("other", 2))
    assert server.admits(large, operation="DELETE")
    assert server.admits(claim("other", 2))


def test_charges_outlive_the_process(programs: Programs, cluster: Path, tmp_path: Path) -> None:
    first = Standalone(programs, cluster, tmp_path)
    assert first.admits(claim("large", 4))
    first.process.kill()

    denied = Standalone(programs, cluster, tmp_path).ask("/validate/claims", claim("other", 2))

    assert denied["status"]["code"] == 403
    assert (
        "exceeded quota: 'devices' in namespace 'team-a', requested: 2, used: 4, limited: 5"
        in (denied["status"]["message"])
    )


def test_a_claim_that_a_lowered_rule_lets_pass_is_charged(programs: Programs, cluster: Path, tmp_path: Path) -> None:
    server = Standalone(programs, cluster, tmp_path, "--rule", "quota-exceeded=info")
    answers = [server.ask("/validate/claims", claim(f"c{n}", 4)) for n in range(3)]
    assert all(answer["allowed"] for answer in answers)
    said = ["\n".join(answer["warnings"]) for answer in answers]
    assert "[quota-exceeded]" not in said[0]
    assert "requested: 4, used: 4, limited: 5" in said[1]
    assert "requested: 4, used: 8, limited: 5" in said[2]


def test_a_change_of_the_folder_is_seen_without_a_restart(programs: Programs, cluster: Path, tmp_path: Path) -> None:
    server = Standalone(programs, cluster, tmp_path)
    gold = claim("gold", 1, "device.attributes['gpu.example.com'].productname == 'A100'")
    assert not server.admits(gold)

    write(cluster, "more.yaml", slice_object(device("gpu-1", productname="A100"), node="node-2"))

    wait_for("the new slice to be known", lambda: server.admits(gold) or None, seconds=10)


def test_a_broken_manifest_is_named_and_the_others_are_used(programs: Programs, cluster: Path, tmp_path: Path) -> None:
    (cluster / "broken.yaml").write_text("apiVersion: v1\nkind: Node\nmetadata:\n  name: [\n")
    write(cluster, "odd.yaml", {**QUOTA, "spec": {"limits": [{"name": "x", "devices": "many"}]}})

    server = Standalone(programs, cluster, tmp_path)

    assert not server.admits(claim("c", 1, MISSPELT))
    logged = server.process.program.output()
    assert "broken.yaml:" in logged
    assert "spec.limits[0].devices" in logged


@pytest.mark.parametrize("version", ["v1", "v1beta2", "v1beta1"])
def test_all_three_versions_get_the_same_words_with_the_path_of_their_own(
    programs: Programs, cluster: Path, tmp_path: Path, version: str
) -> None:
    manifest = claim("c", 1, MISSPELT)
    manifest["apiVersion"] = f"resource.k8s.io/{version}"
    path = "spec.devices.requests[0].exactly.selectors[0].cel.expression"
    if version == "v1beta1":
        [one] = manifest["spec"]["devices"]["requests"]
        one.update(one.pop("exactly"))
        path = path.replace(".exactly", "")

    status = Standalone(programs, cluster, tmp_path).ask("/validate/claims", manifest)["status"]

    assert (status["code"], status["reason"]) == (422, "Invalid")
    [cause] = status["details"]["causes"]
    assert cause["field"] == path
    assert cause["message"].startswith("driver 'gpu.example.com' publishes no attribute `productname`")


def test_a_pod_is_rewritten_and_its_template_written(programs: Programs, cluster: Path, tmp_path: Path) -> None:
    templates = cluster / "templates"
    server = Standalone(programs, cluster, tmp_path, "--write-templates", templates)

    response = server.ask("/mutate/pods", POD)

    assert response["patchType"] == "JSONPatch"
    operations = json.loads(base64.b64decode(response["patch"]))
    [named] = [o["value"] for o in operations if o["path"].startswith("/spec/resourceClaims")]
    [file] = templates.glob("*.yaml")
    template = yaml.safe_load(file.read_text())
    assert template["metadata"]["name"] in json.dumps(named)
    assert template["metadata"]["namespace"] == "team-a"
    assert template["metadata"]["labels"] == {"drawbridge.dev/generated": "true"}
    assert template["spec"]["spec"]["devices"]["requests"][0]["exactly"]["count"] == 2


def test_a_dry_run_writes_no_template(programs: Programs, cluster: Path, tmp_path: Path) -> None:
    templates = tmp_path / "templates"
    server = Standalone(programs, cluster, tmp_path, "--write-templates", templates)
    assert "patch" in server.ask("/mutate/pods", POD, dry_run=True)
    assert list(templates.iterdir()) == []


def test_without_a_place_for_templates_one_warning_names_the_one_that_is_missing(
    programs: Programs, cluster: Path, tmp_path: Path
) -> None:
    [warning] = Standalone(programs, cluster, tmp_path).ask("/mutate/pods", POD)["warnings"]
    assert "drawbridge-" in warning
    assert "drawbridge migrate" in warning


def test_without_a_folder_for_certificates_they_are_kept_with_the_users_state(
    programs: Programs, cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert ServeProcess(programs, ["--cluster", cluster, "--drain-seconds", "0"]).port
    assert (tmp_path / "state" / "drawbridge" / "certs" / "ca.crt").exists()


def test_wrong_settings_are_all_listed_and_the_exit_code_is_2() -> None:
    options = ["--port", "99999", "--tls-min-version", "1.1", "--rule", "cel-cost=loud", "--feature-gates", "X"]
    done = subprocess.run([str(DRAWBRIDGE), "serve", *options], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    for setting in ("port", "tls_min_version", "rules", "feature_gates"):
        assert f"setting '{setting}'" in done.stderr


def test_a_missing_cluster_folder_is_a_settings_error(tmp_path: Path) -> None:
    command = [str(DRAWBRIDGE), "serve", "--cluster", str(tmp_path / "nowhere"), "--cert-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert "nowhere" in done.stderr
