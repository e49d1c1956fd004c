"""`drawbridge inventory`: devices by driver and shape, schema, idle claims, snapshots."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.support.build import Raw, claim_object, class_object, request, slice_object
from tests.support.quota import NVIDIA, full_gpu
from webhook.cli import main
from webhook.core.versions import CONSUMABLE_CAPACITY
from webhook.kube.folder import load_folder

GPU = class_object("gpu.nvidia.com", f"device.driver == '{NVIDIA}'")


def gpu(name: str, number: int, **attributes: Any) -> Raw:
    raw = full_gpu(name)
    return {**raw, "attributes": {**raw["attributes"], "uuid": {"string": f"GPU-{number}"}, **attributes}}


def allocated(name: str, *consumers: str) -> Raw:
    result = {"request": "gpu", "driver": NVIDIA, "pool": "pool", "device": "gpu-0"}
    status = {
        "allocation": {"devices": {"results": [result]}},
        "reservedFor": [{"resource": "pods", "name": pod, "uid": pod} for pod in consumers],
    }
    return {**claim_object(request("gpu", device_class="gpu.nvidia.com"), name=name), "status": status}


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    two = slice_object(gpu("gpu-0", 0), gpu("gpu-1", 1), gpu("odd", 2, brand={"string": "Other"}), driver=NVIDIA)
    half = slice_object(gpu("gpu-9", 9), driver=NVIDIA)
    half = {**half, "metadata": {"name": "half"}}
    half["spec"] = {**half["spec"], "pool": {"name": "half", "generation": 1, "resourceSliceCount": 2}}
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump_all([GPU, two, half, allocated("busy", "pod-1"), allocated("idle")]))
    return path


def run(cluster: Path, *arguments: str) -> str:
    done = CliRunner().invoke(main, ["inventory", "--cluster", str(cluster), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_devices_that_differ_in_identity_alone_are_one_shape(cluster: Path) -> None:
    (driver,) = json.loads(run(cluster, "-o", "json"))["drivers"]
    assert (driver["driver"], driver["pools"], driver["devices"]) == (NVIDIA, 2, 3)
    assert [shape["devices"] for shape in driver["shapes"]] == [2, 1]
    assert all(f"{NVIDIA}/uuid" not in shape["attributes"] for shape in driver["shapes"])


def test_an_incomplete_pool_is_named_and_its_devices_do_not_count(cluster: Path) -> None:
    (driver,) = json.loads(run(cluster, "-o", "json"))["drivers"]
    assert driver["incompletePools"] == ["half"]
    assert run(cluster).splitlines()[1].split()[0] == NVIDIA
    assert run(cluster).splitlines()[1].endswith("  half")


def test_the_text_says_what_tells_shapes_apart(cluster: Path) -> None:
    text = run(cluster)
    assert "\nall: " in text
    *_, last, _, note = text.splitlines()
    assert "brand='Other'" in last
    assert note.startswith("note: pool 'half' of driver")


def test_the_schema_tells_types_and_values_with_counts(cluster: Path) -> None:
    (domain,) = json.loads(run(cluster, "schema", NVIDIA, "-o", "json"))["domains"]
    assert domain["attributes"]["uuid"]["types"] == {"string": 3}
    assert {"value": "Other", "devices": 1} in domain["attributes"]["brand"]["values"]
    assert domain["capacities"]["memory"] == 3
    assert "uuid" in run(cluster, "schema")
    assert run(cluster, "schema", "nobody.example.com") == "no devices are published\n"


def test_the_cluster_may_stand_behind_the_subcommand(cluster: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    for arguments in (("schema", NVIDIA), ("save", str(saved))):
        done = CliRunner().invoke(main, ["inventory", *arguments, "--cluster", str(cluster)])
        assert done.exit_code == 0, done.output
    assert run(saved) == run(cluster)


def test_idle_claims_are_those_that_no_pod_may_use(cluster: Path) -> None:
    (claim,) = json.loads(run(cluster, "--idle", "-o", "json"))["claims"]
    assert (claim["name"], claim["devices"]) == ("idle", [f"{NVIDIA}/pool/gpu-0"])
    assert "idle" in run(cluster, "--idle")


def test_a_snapshot_says_what_the_cluster_said_its_version_and_gates_too(cluster: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    gates = f"{CONSUMABLE_CAPACITY}=false"
    run(cluster, "--kubernetes-version", "1.35", "--feature-gates", gates, "save", str(saved))
    assert run(saved) == run(cluster)
    view, problems = load_folder([saved])
    assert problems == ()
    assert (view.server.version, view.server.gate(CONSUMABLE_CAPACITY)) == ("1.35", False)
    assert load_folder([saved], kubernetes_version="1.37")[0].server.version == "1.37"


def test_without_a_cluster_it_says_what_is_needed() -> None:
    done = CliRunner().invoke(main, ["inventory"])
    assert (done.exit_code, done.stderr) == (2, "drawbridge: --cluster DIR or --kubeconfig FILE is needed\n")
