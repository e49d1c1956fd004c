"""`drawbridge migrate`: the rewritten documents on standard output, the report on standard error."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from webhook.cli import main

DEPLOYMENT = """\
# Training jobs of team ml.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: trainer   # the name
  namespace: ml
spec:
  replicas: 2
  template:
    metadata:
      labels: {app: trainer}
    spec:
      containers:
      - name: main
        image: "cuda:12"
        resources:
          limits:
            nvidia.com/gpu: 2  # both cards
            memory: 4Gi
"""
SERVICE = """\
---
# Not a workload.
apiVersion: v1
kind: Service
metadata: {name: trainer,   namespace: ml}
"""
CLASSES = """\
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu.nvidia.com}
---
apiVersion: v1
kind: Namespace
metadata: {name: ml}
"""


def _migrate(*arguments: str | Path, text: str = "") -> Result:
    return CliRunner().invoke(main, ["migrate", *map(str, arguments)], input=text, catch_exceptions=False)


def _documents(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "trainer.yaml"
    path.write_text(DEPLOYMENT + SERVICE)
    return path


def test_templates_stand_before_their_workload_and_the_rest_stays(manifest: Path) -> None:
    result = _migrate(manifest)
    assert result.exit_code == 0
    template, deployment, service = _documents(result.stdout)
    assert (template["kind"], template["metadata"]["namespace"]) == ("ResourceClaimTemplate", "ml")
    assert template["metadata"]["labels"] == {"drawbridge.dev/generated": "true"}
    pod = deployment["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"] == {"limits": {"memory": "4Gi"}, "claims": [{"name": "gpu"}]}
    assert pod["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": template["metadata"]["name"]}]
    assert service["kind"] == "Service"
    assert result.stdout.endswith(SERVICE)
    for comment in ("# Training jobs of team ml.", "  name: trainer   # the name", "# both cards", 'image: "cuda:12"'):
        assert comment in result.stdout


def test_a_second_migration_changes_nothing(manifest: Path) -> None:
    once = _migrate(manifest).stdout
    manifest.write_text(once)
    assert _migrate(manifest).stdout == once


def test_standard_input_and_a_workload_without_namespace() -> None:
    text = DEPLOYMENT.replace("  namespace: ml\n", "")
    result = _migrate("-", text=text)
    template, _ = _documents(result.stdout)
    assert "namespace" not in template["metadata"], "both go where they are applied"
    assert "Deployment default/trainer: rewritten" in result.stderr
    assert "Deployment team-a/trainer: rewritten" in _migrate("-", "--namespace", "team-a", text=text).stderr


def test_workloads_that_ask_the_same_share_a_template_that_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(DEPLOYMENT + "---\n" + DEPLOYMENT.replace("trainer", "other"))
    kinds = [document["kind"] for document in _documents(_migrate(path).stdout)]
    assert kinds == ["ResourceClaimTemplate", "Deployment", "Deployment"]


POD_SPEC = {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": 1}}}]}
TEMPLATE = {"spec": POD_SPEC}


@pytest.mark.parametrize(
    ("api_version", "kind", "body"),
    [
        ("v1", "Pod", {"spec": POD_SPEC}),
        ("v1", "PodTemplate", {"template": TEMPLATE}),
        ("v1", "ReplicationController", {"spec": {"template": TEMPLATE}}),
        ("apps/v1", "ReplicaSet", {"spec": {"template": TEMPLATE}}),
        ("apps/v1", "Deployment", {"spec": {"template": TEMPLATE}}),
        ("apps/v1", "StatefulSet", {"spec": {"template": TEMPLATE}}),
        ("apps/v1", "DaemonSet", {"spec": {"template": TEMPLATE}}),
        ("batch/v1", "Job", {"spec": {"template": TEMPLATE}}),
        ("batch/v1", "CronJob", {"spec": {"jobTemplate": {"spec": {"template": TEMPLATE}}}}),
    ],
)
def test_each_kind_of_workload_is_rewritten(api_version: str, kind: str, body: dict[str, Any]) -> None:
    text = yaml.safe_dump({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **body})
    result = _migrate("-", text=text)
    assert [document["kind"] for document in _documents(result.stdout)] == ["ResourceClaimTemplate", kind]
    assert "nvidia.com/gpu:" not in result.stdout


def test_a_kind_of_another_group_is_none_of_ours() -> None:
    text = yaml.safe_dump({"apiVersion": "example.com/v1", "kind": "Job", "spec": {"template": TEMPLATE}})
    assert _migrate("-", text=text).stdout == text


def test_a_list_is_rewritten_inside() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "ml"}, "spec": POD_SPEC}
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [pod, {**pod, "metadata": {"name": "b"}}]})
    documents = _documents(_migrate("-", text=text).stdout)
    assert [document["kind"] for document in documents] == ["ResourceClaimTemplate", "ResourceClaimTemplate", "List"]
    assert [document["metadata"].get("namespace") for document in documents[:2]] == ["ml", None]
    assert all("claims" in item["spec"]["containers"][0]["resources"] for item in documents[2]["items"])


def test_json_stays_json_and_gets_its_templates_in_a_list() -> None:
    raw = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": POD_SPEC}
    once = _migrate("-", text=json.dumps(raw, indent=2)).stdout
    whole = json.loads(once)
    assert (whole["kind"], [item["kind"] for item in whole["items"]]) == ("List", ["ResourceClaimTemplate", "Pod"])
    assert whole["items"][1]["spec"]["resourceClaims"]
    assert once.startswith('{\n  "apiVersion"')
    assert _migrate("-", text=once).stdout == once
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [raw, raw]})
    kinds = [item["kind"] for item in json.loads(_migrate("-", text=listed).stdout)["items"]]
    assert kinds == ["ResourceClaimTemplate", "Pod", "Pod"]


def test_anchors_shared_by_containers_are_told_apart() -> None:
    text = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: a
    resources: &gpu
      limits: {nvidia.com/gpu: 1}   # one each
  - name: b
    resources: *gpu
"""
    _, pod = _documents(_migrate("-", text=text).stdout)
    first, second = pod["spec"]["containers"]
    assert (first["resources"], second["resources"]) == ({"claims": [{"name": "gpu"}]}, {"claims": [{"name": "gpu-2"}]})


def test_the_report_as_json(manifest: Path) -> None:
    result = _migrate(manifest, "--report", "json")
    report = json.loads(result.stderr)
    assert (report["apiVersion"], report["kind"]) == ("drawbridge.dev/v1alpha1", "MigrationReport")
    (entry,) = report["objects"]
    assert entry["object"] == {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "ml", "name": "trainer"}
    assert (entry["outcome"], entry["reason"], entry["line"]) == ("rewritten", None, 2)
    ((container,), (template,)) = entry["containers"], entry["templates"]
    assert container["name"] == "main"
    assert container["requests"][0]["count"] == 2
    assert container["requests"][0]["templates"] == [template]
    assert template in result.stdout


def test_the_report_as_a_page_escapes_what_manifests_say() -> None:
    text = DEPLOYMENT.replace("name: trainer ", "name: <b>x</b> ")
    page = _migrate("-", "--report", "html", text=text).stderr
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


def test_a_workload_without_legacy_limits_needs_nothing() -> None:
    text = DEPLOYMENT.replace("            nvidia.com/gpu: 2  # both cards\n", "")
    result = _migrate("-", "--report", "json", text=text)
    assert result.stdout == text
    assert [entry["outcome"] for entry in json.loads(result.stderr)["objects"]] == ["not-needed"]


def test_a_name_that_the_scheduler_serves_needs_nothing(manifest: Path, tmp_path: Path) -> None:
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text(CLASSES.replace("}\n---", "}\nspec: {extendedResourceName: nvidia.com/gpu}\n---", 1))
    result = _migrate(manifest, "--cluster", cluster, "--report", "json")
    assert result.stdout == DEPLOYMENT + SERVICE
    (entry,) = json.loads(result.stderr)["objects"]
    assert (entry["outcome"], entry["reason"]) == ("not-needed", "served-by-scheduler")
    older = _migrate(manifest, "--cluster", cluster, "--kubernetes-version", "1.34", "--report", "json")
    assert json.loads(older.stderr)["objects"][0]["outcome"] == "rewritten"


def test_a_reason_to_leave_alone_is_told_and_can_be_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(DEPLOYMENT.replace("      containers:", "      schedulerName: volcano\n      containers:"))
    result = _migrate(path)
    assert result.stdout == path.read_text()
    assert "left-alone (other-scheduler): scheduler 'volcano' may know nothing of claims" in result.stderr
    assert "rewritten" in _migrate(path, "--ignore", "other-scheduler,opted-out").stderr


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("no-such-code", "'no-such-code' is no reason code; there are mapping-conflict"),
        ("too-many-devices", "'too-many-devices' cannot be passed over"),
    ],
)
def test_a_code_that_cannot_be_ignored_is_a_wrong_call(manifest: Path, written: str, said: str) -> None:
    result = _migrate(manifest, "--ignore", written)
    assert result.exit_code == 2
    assert said in result.stderr


def test_in_place_writes_the_file_and_prints_nothing(manifest: Path) -> None:
    expected = _migrate(manifest).stdout
    assert _migrate(manifest, "--in-place").stdout == ""
    assert manifest.read_text() == expected


def test_diff_shows_what_would_change(manifest: Path) -> None:
    lines = _migrate(manifest, "--diff").stdout.splitlines()
    assert "-            nvidia.com/gpu: 2  # both cards" in lines
    assert "+            # both cards" in lines
    assert manifest.read_text() == DEPLOYMENT + SERVICE


def test_a_broken_document_is_kept_and_told_and_the_others_are_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    broken = "---\nkind: [Pod\n"
    path.write_text(DEPLOYMENT + broken + SERVICE)
    result = _migrate(path)
    assert result.exit_code == 1
    assert broken in result.stdout
    assert "resourceClaims:" in result.stdout
    assert f"{path}:" in result.stderr


def test_a_chart_template_gets_advice(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("apiVersion: v1\nkind: Pod\nmetadata: {{ include x . }}\n")
    result = _migrate(path)
    assert result.exit_code == 1
    assert "helm template" in result.stderr


KUSTOMIZATION = "resources: [base, other/pod.yaml]\nnamePrefix: dev-\n"


@pytest.mark.parametrize(
    ("files", "target", "said"),
    [
        (
            {"k/kustomization.yaml": KUSTOMIZATION, "k/base/pod.yaml": DEPLOYMENT, "k/other/pod.yaml": DEPLOYMENT},
            "k",
            "k/kustomization.yaml:1: this is a source of kustomize: run `kubectl kustomize k | drawbridge migrate -`",
        ),
        (
            {"k/kustomization.yaml": KUSTOMIZATION, "k/base/pod.yaml": DEPLOYMENT},
            "k/base/pod.yaml",
            "k/kustomization.yaml:1: this is a source of kustomize: run `kubectl kustomize k | drawbridge migrate -`",
        ),
        (
            {"c/Chart.yaml": "name: c\n", "c/values.yaml": "gpus: 1\n", "c/templates/a.yaml": DEPLOYMENT},
            "c",
            "c/Chart.yaml:1: this is a chart: run `helm template c | drawbridge migrate -`",
        ),
    ],
)
def test_what_makes_manifests_is_left_with_one_advice(
    files: dict[str, str], target: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    result = _migrate(target, "--in-place")
    assert (result.exit_code, result.stderr) == (1, f"{said}\n")
    assert {name: (tmp_path / name).read_text() for name in files} == files


def test_a_manifest_that_a_kustomization_beside_it_does_not_name_is_migrated(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [other.yaml]\n")
    (tmp_path / "pod.yaml").write_text(DEPLOYMENT)
    assert _migrate(tmp_path / "pod.yaml").exit_code == 0


def test_a_byte_order_mark_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("\ufeff" + SERVICE)
    _migrate(path, "--in-place")
    assert path.read_text() == "\ufeff" + SERVICE


def test_a_folder_is_read_and_a_missing_file_is_a_wrong_call(manifest: Path) -> None:
    assert _migrate(manifest.parent).stdout == _migrate(manifest).stdout
    assert _migrate(manifest.parent / "none.yaml").exit_code == 2


def test_a_mapping_among_the_manifests_is_used_instead_of_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    mapping = "apiVersion: drawbridge.dev/v1alpha1\nkind: LegacyMapping\nmetadata: {name: own}\nspec:\n  mode: 'Off'\n"
    mapping += "  resources: [{name: nvidia.com/gpu, deviceClassName: own-gpus}]\n---\n"
    path.write_text(mapping + DEPLOYMENT)
    template = next(d for d in _documents(_migrate(path).stdout) if d["kind"] == "ResourceClaimTemplate")
    assert template["spec"]["spec"]["devices"]["requests"][0]["exactly"]["deviceClassName"] == "own-gpus"
    shipped = next(d for d in _documents(_migrate(path, "--mapping", "nvidia").stdout) if "Template" in d["kind"])
    assert shipped["spec"]["spec"]["devices"]["requests"][0]["exactly"]["deviceClassName"] == "gpu.nvidia.com"


def test_an_unknown_mapping_is_a_wrong_call(manifest: Path) -> None:
    result = _migrate(manifest, "--mapping", "nvidja")
    assert result.exit_code == 2
    assert "'nvidja' cannot be read; shipped are" in result.stderr


def test_the_quotas_that_migrate_prints_make_the_move_possible(manifest: Path, tmp_path: Path) -> None:
    cluster = tmp_path / "cluster.yaml"
    quota = "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: gpus, namespace: ml}\n"
    cluster.write_text(CLASSES + quota + "spec: {hard: {requests.nvidia.com/gpu: 4, requests.cpu: 8}}\n")
    assert "(quota-continuity)" in _migrate(manifest, "--cluster", cluster).stderr
    printed = _migrate("quota", "--cluster", cluster).stdout
    (made,) = _documents(printed)
    assert made["metadata"] == {"name": "gpus", "namespace": "ml"}
    assert made["spec"]["limits"] == [
        {"name": "nvidia-com-gpu", "match": {"deviceClassName": "gpu.nvidia.com"}, "devices": 4}
    ]
    cluster.write_text(cluster.read_text() + printed)
    assert ": rewritten" in _migrate(manifest, "--cluster", cluster).stderr
