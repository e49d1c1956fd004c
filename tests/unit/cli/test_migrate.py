"""`drawbridge migrate`: the rewritten documents on standard output, the report on standard error."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.support.html import PageStructure
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


@pytest.mark.parametrize(
    ("resource", "device_class"),
    [
        ("nvidia.com/gpu", "gpu.nvidia.com"),
        ("amd.com/gpu", "gpu.amd.com"),
        ("gpu.intel.com/xe", "gpu.intel.com"),
        ("google.com/tpu", "tpu.google.com"),
    ],
)
def test_the_devices_of_all_vendors_move_by_what_is_shipped(resource: str, device_class: str) -> None:
    done = _migrate("-", text=DEPLOYMENT.replace("nvidia.com/gpu", resource))
    template, _ = _documents(done.stdout)
    [request] = template["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"]["deviceClassName"] == device_class


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
        ("no-such-code", "'no-such-code' is no reason code; there are namespace-unknown"),
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


def test_what_cannot_be_changed_without_loss_is_left_and_told() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n    ? a # why\n    : b\nspec:\n  containers:\n"
    text = pod + "  - name: main\n    resources: {limits: {nvidia.com/gpu: 1}}\n"
    result = _migrate("-", text=text)
    assert (result.exit_code, result.stdout) == (1, text)
    assert "<stdin>:1: its text cannot be changed without loss" in result.stderr


def test_a_list_of_one_kind_is_rewritten_inside() -> None:
    items = [{"metadata": {"name": "a"}, "spec": POD_SPEC}]
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "PodList", "items": items})
    _, pods = _documents(_migrate("-", text=text).stdout)
    assert pods["items"][0]["spec"]["resourceClaims"]


def test_a_file_without_a_last_line_end_gets_no_empty_lines() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: main\n"
    text = pod + "    resources:\n      limits:\n        nvidia.com/gpu: 1"
    after = _migrate("-", text=text).stdout
    assert "\n\n" not in after


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


def _report(*arguments: str | Path, text: str = "") -> Any:
    return json.loads(_migrate(*arguments, "--report", "json", text=text).stderr)


def test_the_report_says_what_a_quota_must_allow(manifest: Path) -> None:
    (entry,) = _report(manifest)["objects"]
    assert entry["devices"] == [{"deviceClassName": "gpu.nvidia.com", "perPod": 2, "pods": 2, "total": 4}]
    assert "  needs 4 of class 'gpu.nvidia.com' for 2 pods\n" in _migrate(manifest).stderr


def test_the_report_holds_the_quota_that_is_needed_first(manifest: Path, tmp_path: Path) -> None:
    cluster = tmp_path / "cluster.yaml"
    quota = "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: gpus, namespace: %s}\n"
    quota += "spec: {hard: {requests.nvidia.com/gpu: 4}}\n"
    cluster.write_text(CLASSES + quota % "ml" + quota % "other")
    printed = _documents(_migrate("quota", "--cluster", cluster).stdout)
    assert [made["metadata"]["namespace"] for made in printed] == ["ml", "other"]
    assert _report(manifest, "--cluster", cluster)["quotas"] == printed[:1]
    assert "    devices: 4\n" in _migrate(manifest, "--cluster", cluster).stderr
    moved = _report(manifest, "--cluster", cluster, "--ignore", "quota-continuity")
    assert (moved["quotas"], moved["objects"][0]["outcome"]) == ([], "rewritten")


@pytest.mark.parametrize(
    ("form", "said"), [("text", "lost: limit `nvidia.com/priority`: HAMi"), ("html", "lost: limit")]
)
def test_what_no_claim_can_say_is_reported_and_never_dropped_unasked(form: str, said: str) -> None:
    text = DEPLOYMENT.replace("memory: 4Gi", "nvidia.com/priority: 1")
    kept = _migrate("-", "--mapping", "hami", text=text)
    assert kept.stdout == text
    assert "left-alone (no-counterpart): limit `nvidia.com/priority` has no counterpart in a claim" in kept.stderr
    told = _migrate("-", "--mapping", "hami", "--ignore", "no-counterpart", "--report", form, text=text)
    assert "nvidia.com/priority: 1" not in told.stdout
    assert said in told.stderr
    (entry,) = _report("-", "--mapping", "hami", "--ignore", "no-counterpart", text=text)["objects"]
    assert [lost["what"] for lost in entry["lost"]] == ["limit `nvidia.com/priority`"]


def test_a_preference_that_is_lost_is_told() -> None:
    metadata = {"annotations": {"hami.io/gpu-scheduler-policy": "binpack"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", **metadata}, "spec": POD_SPEC}
    (entry,) = _report("-", "--mapping", "hami", text=yaml.safe_dump(pod))["objects"]
    assert entry["outcome"] == "rewritten"
    assert [lost["what"] for lost in entry["lost"]] == ["annotation `hami.io/gpu-scheduler-policy`"]


def test_a_kind_that_is_not_known_is_told_where_it_asks_the_old_way() -> None:
    jobs = [{"name": "w", "template": {"spec": {"template": TEMPLATE}}}]
    raw = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": "js"}}
    text = yaml.safe_dump({**raw, "spec": {"replicatedJobs": jobs}})
    result = _migrate("-", text=text)
    assert (result.exit_code, result.stdout) == (0, text)
    assert "JobSet default/js: left-alone (unknown-kind): something in it asks for `nvidia.com/gpu`" in result.stderr
    assert _report("-", text=text)["objects"][0]["reason"] == "unknown-kind"


def test_what_the_api_server_cannot_read_is_told_and_not_called_moved(manifest: Path) -> None:
    manifest.write_text(DEPLOYMENT.replace("labels: {app: trainer}", "annotations: {prometheus.io/port: 9400}"))
    result = _migrate(manifest)
    assert (result.exit_code, result.stdout) == (0, manifest.read_text())
    assert "left-alone (invalid-field): `spec.template.metadata.annotations[prometheus.io/port]` must" in result.stderr
    (entry,) = _report(manifest)["objects"]
    assert (entry["outcome"], entry["reason"]) == ("left-alone", "invalid-field")
    manifest.write_text(manifest.read_text().replace("nvidia.com/gpu", "memory.example"))
    assert _report(manifest)["objects"][0]["outcome"] == "not-needed"


@pytest.mark.parametrize("form", ["json", "html"])
def test_warnings_stand_in_the_report_so_that_programs_can_read_it(manifest: Path, tmp_path: Path, form: str) -> None:
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    (cluster / "broken.yaml").write_text("a: [\n")
    flags = ("--cluster", cluster, "--kubernetes-version", "1.99")
    told = ("Kubernetes 1.99 is not known; it is judged as 1.37", f"{cluster / 'broken.yaml'}:")
    written = _migrate(manifest, *flags, "--report", form).stderr
    assert written.startswith({"json": "{", "html": "<!doctype html>"}[form])
    warnings = json.loads(written)["warnings"] if form == "json" else [written] * 2
    assert all(part in warning for part, warning in zip(told, warnings, strict=True))
    lines = _migrate(manifest, *flags).stderr.splitlines()
    assert [line.startswith(f"drawbridge: {part}") for part, line in zip(told, lines, strict=False)] == [True, True]


@pytest.mark.parametrize("written", ["2", "2e0", "2.0", '"2"'])
def test_a_number_is_recorded_as_the_api_server_would_have_it(manifest: Path, written: str) -> None:
    manifest.write_text(DEPLOYMENT.replace("nvidia.com/gpu: 2 ", f"nvidia.com/gpu: {written} "))
    _, deployment = _documents(_migrate(manifest).stdout)
    recorded = deployment["spec"]["template"]["metadata"]["annotations"]["drawbridge.dev/original-resources"]
    assert json.loads(recorded) == {"containers": {"main": {"nvidia.com/gpu": "2"}}}


def test_a_name_that_no_mapping_serves_is_told(manifest: Path) -> None:
    manifest.write_text(DEPLOYMENT.replace("memory: 4Gi", "rdma/hca: 1"))
    assert "  note: still asks for `rdma/hca`, which no mapping serves\n" in _migrate(manifest).stderr
    manifest.write_text(DEPLOYMENT.replace("nvidia.com/gpu", "rdma/hca"))
    assert "not-needed\n  note: asks for `rdma/hca`, which no mapping serves\n" in _migrate(manifest).stderr


def test_a_workload_of_a_queue_needs_its_class_there(manifest: Path) -> None:
    queued = "  namespace: ml\n  labels: {kueue.x-k8s.io/queue-name: gpus}\n"
    manifest.write_text(DEPLOYMENT.replace("  namespace: ml\n", queued, 1))
    said = "  note: Kueue admits it only where its `deviceClassMappings` have 'gpu.nvidia.com'\n"
    assert said in _migrate(manifest).stderr


def test_what_changes_for_all_is_told_once_and_only_where_something_moved(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(DEPLOYMENT + "---\n" + DEPLOYMENT.replace("trainer", "other"))
    assert _migrate(path).stderr.count("a quota refuses the claim, not the pod") == 1
    path.write_text(SERVICE)
    assert _report(path)["changes"] == []


def test_a_limit_of_nothing_goes_and_that_is_told(manifest: Path) -> None:
    manifest.write_text(DEPLOYMENT.replace("nvidia.com/gpu: 2", "nvidia.com/gpu: 0"))
    assert "  limits of 0 go, and nothing is claimed\n" in _migrate(manifest).stderr


def test_the_page_of_the_report_is_well_formed(manifest: Path, tmp_path: Path) -> None:
    chart = tmp_path / "chart" / "Chart.yaml"
    chart.parent.mkdir()
    chart.write_text("name: c\n")
    page = PageStructure(_migrate(manifest.parent, "--report", "html").stderr)
    assert page.open == []
    assert {attributes.get("scope") for tag, attributes in page.seen if tag == "th"} == {"col", "row"}
    text = "".join(page.text)
    assert "1 rewritten, 0 left-alone, 0 not-needed" in text
    assert "this is a chart: run" in text
    assert "What changes for all that was rewritten" in text


def test_labels_that_the_pod_still_demands_must_stay_on_nodes(manifest: Path) -> None:
    demanded = "      nodeSelector: {nvidia.com/gpu.product: Tesla-T4}\n      containers:"
    manifest.write_text(DEPLOYMENT.replace("      containers:", demanded))
    (entry,) = _report(manifest)["objects"]
    assert "nodes must keep label `nvidia.com/gpu.product`, for the pod still demands it of them" in entry["notes"]
