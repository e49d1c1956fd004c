"""`drawbridge migrate plan`: who still asks the old way, what blocks, and the order."""

import itertools
import json
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from tests.support.html import PageStructure
from webhook.cli import main

GPU = "nvidia.com/gpu"


def _plan(cluster: Path, *arguments: str, color: bool = False) -> Result:
    flags = ["migrate", "plan", "--cluster", str(cluster), *arguments]
    return CliRunner().invoke(main, flags, catch_exceptions=False, color=color)


def _report(cluster: Path, *arguments: str) -> Any:
    result = _plan(cluster, "-o", "json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def _owners(report: Any) -> dict[str, Any]:
    return {
        f"{owner['object']['kind']} {owner['object']['namespace']}/{owner['object']['name']}": owner
        for namespace in report["namespaces"]
        for owner in namespace["owners"]
    }


def _namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _class(name: str, **spec: Any) -> dict[str, Any]:
    selectors = [{"cel": {"expression": f"device.driver == '{name}'"}}]
    metadata = {"name": name}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": metadata,
        "spec": {"selectors": selectors, **spec},
    }


def _deployment(name: str, namespace: str, limits: dict[str, Any], **pod: Any) -> dict[str, Any]:
    containers = [{"name": "main", "resources": {"limits": limits}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 3, "template": {"spec": {"containers": containers, **pod}}},
    }


def _node(name: str, **allocatable: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"allocatable": allocatable}}


def _slice(node: str) -> dict[str, Any]:
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "gpu.nvidia.com", "nodeName": node, "pool": pool, "devices": [{"name": "gpu-0"}]}
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": node}, "spec": spec}


QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "gpus", "namespace": "team-b"},
    "spec": {"hard": {f"requests.{GPU}": "8"}},
}
LIMIT_RANGE = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "most", "namespace": "team-b"},
    "spec": {"limits": [{"type": "Container", "max": {GPU: "2"}}]},
}
MAPPING = {
    "apiVersion": "drawbridge.dev/v1alpha1",
    "kind": "LegacyMapping",
    "metadata": {"name": "own"},
    "spec": {"mode": "Report", "resources": [{"name": GPU, "deviceClassName": "gpu.nvidia.com"}]},
}
BASE = (_namespace("team-a"), _namespace("team-b"), _class("gpu.nvidia.com"))


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    path = tmp_path / "cluster"
    path.mkdir()
    _write(path, *BASE, _deployment("trainer", "team-a", {GPU: 2}))
    return path


def _write(cluster: Path, *objects: dict[str, Any]) -> None:
    (cluster / "all.yaml").write_text(yaml.safe_dump_all(objects))


def test_who_asks_and_what_serves_them(cluster: Path) -> None:
    report = _report(cluster)
    assert (report["apiVersion"], report["kind"]) == ("drawbridge.dev/v1alpha1", "MigrationPlan")
    assert report["summary"] == {"moves": 1, "blocked": 0, "not-needed": 0, "moved": 0}
    owner = _owners(report)["Deployment team-a/trainer"]
    assert (owner["pods"], owner["outcome"], owner["reasons"]) == (3, "moves", [])
    assert owner["requests"] == [
        {
            "container": "main",
            "resource": GPU,
            "count": 2,
            "mapping": "nvidia",
            "entry": GPU,
            "deviceClassName": "gpu.nvidia.com",
            "selectors": [],
            "capacity": {},
        }
    ]


def test_every_reason_is_told_with_the_quota_that_migrate_quota_prints(cluster: Path) -> None:
    blocked = _deployment("b", "team-b", {GPU: 1}, schedulerName="volcano")
    _write(cluster, *BASE, QUOTA, LIMIT_RANGE, _node("n", **{GPU: "4"}), blocked)
    report = _report(cluster)
    owner = _owners(report)["Deployment team-b/b"]
    codes = [reason["code"] for reason in owner["reasons"]]
    assert codes == ["other-scheduler", "device-plugin-present", "limit-range", "quota-continuity"]
    printed = CliRunner().invoke(main, ["migrate", "quota", "--cluster", str(cluster)]).stdout
    assert report["namespaces"][0]["deviceQuotas"] == list(yaml.safe_load_all(printed))
    text = _plan(cluster).stdout
    row = "team-b     coexist  Deployment b  3     main: 1 nvidia.com/gpu  1 gpu.nvidia.com  nvidia   blocked: other-s"
    assert row in text
    assert "    |     devices: 8" in text
    assert "    kubectl edit limitrange most --namespace team-b" in text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"schedulerName": "volcano"}, "other-scheduler"),
        ({"nodeName": "n"}, "node-name-set"),
        ({"containers": [{"name": "m", "resources": {"limits": {GPU: "1.5"}}}]}, "unparsable-quantity"),
        ({"containers": [{"name": "m", "resources": {"limits": {GPU: 33}}}]}, "too-many-devices"),
        ({"containers": [{"name": "m", "resources": {"limits": {"nvidia.com/mig-1g.5gb": 1}}}]}, "class-missing"),
        ({"nodeSelector": {"nvidia.com/gpu.product": "T4-SHARED"}}, "no-counterpart"),
    ],
)
def test_a_reason_of_the_pod_blocks(cluster: Path, change: dict[str, Any], code: str) -> None:
    _write(cluster, *BASE, _deployment("d", "team-a", {GPU: 1}, **change))
    owner = _owners(_report(cluster))["Deployment team-a/d"]
    assert (owner["outcome"], [reason["code"] for reason in owner["reasons"]]) == ("blocked", [code])
    assert owner["requests"][0]["mapping"] == "nvidia"


def test_an_opted_out_namespace_blocks(cluster: Path) -> None:
    out = _namespace("team-a", **{"drawbridge.dev/rewrite": "off"})
    _write(cluster, out, _class("gpu.nvidia.com"), _deployment("d", "team-a", {GPU: 1}))
    assert [reason["code"] for reason in _owners(_report(cluster))["Deployment team-a/d"]["reasons"]] == ["opted-out"]


def test_what_the_scheduler_serves_needs_nothing_but_only_where_it_serves_all(cluster: Path) -> None:
    served = _class("gpu.nvidia.com", extendedResourceName=GPU)
    half = _deployment("half", "team-a", {GPU: 1, "nvidia.com/mig-1g.10gb": 1})
    _write(cluster, *BASE[:2], served, _class("mig.nvidia.com"), _deployment("all", "team-a", {GPU: 1}), half)
    owners = _owners(_report(cluster))
    assert owners["Deployment team-a/all"]["outcome"] == "not-needed"
    assert owners["Deployment team-a/half"]["outcome"] == "blocked"
    denying = _report(cluster)["phases"][3]["steps"]
    assert "leave namespace 'team-a' out of this phase" in denying[-1]["text"]
    assert not any("namespace team-a" in command for step in denying for command in step["run"])
    older = _owners(_report(cluster, "--kubernetes-version", "1.34"))
    assert older["Deployment team-a/all"]["outcome"] == "moves"


def test_a_node_with_both_hands_a_card_out_twice(cluster: Path) -> None:
    nodes = (_node("both", **{GPU: "4"}), _node("plugin", **{GPU: "4"}), _node("driver"))
    _write(cluster, *BASE, *nodes, _slice("both"), _slice("driver"), _deployment("d", "team-a", {GPU: 1}))
    report = _report(cluster)
    assert report["cluster"]["sharedNodes"] == [{"name": "both", "resource": GPU, "driver": "gpu.nvidia.com"}]
    (step, *_) = report["phases"][0]["steps"]
    assert "node 'both' would hand the same card out twice" in step["text"]


def test_an_autoscaler_that_ignores_claims_is_a_step(cluster: Path) -> None:
    autoscaler = _deployment("cluster-autoscaler", "kube-system", {})
    _write(cluster, *BASE, autoscaler, _deployment("d", "team-a", {GPU: 1}))
    report = _report(cluster)
    assert [one["kind"] for one in report["cluster"]["autoscalers"]] == ["cluster-autoscaler"]
    assert "cluster-autoscaler heeds claims" in report["phases"][0]["steps"][0]["text"]


def test_labels_that_pods_demand_of_nodes_must_stay(cluster: Path) -> None:
    demanded = {"nvidia.com/gpu.product": "Tesla-T4", "nvidia.com/gpu.memory": "16384", "zone": "west"}
    _write(cluster, *BASE, _deployment("d", "team-a", {GPU: 1}, nodeSelector=demanded))
    report = _report(cluster)
    (step,) = report["phases"][0]["steps"]
    assert step["text"].endswith("pods demand `nvidia.com/gpu.memory`, `nvidia.com/gpu.product`")
    owner = _owners(report)["Deployment team-a/d"]
    assert "productName.replace(' ', '-') == 'Tesla-T4'" in owner["requests"][0]["selectors"][0]
    (note,) = owner["notes"]
    assert note.startswith("the demand In on node label `nvidia.com/gpu.memory` stays on the node alone: it is the")


def test_what_moved_in_git_and_what_was_rewritten_at_admission(cluster: Path) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "p",
            "namespace": "team-a",
            "annotations": {"drawbridge.dev/original-resources": "{}"},
            "ownerReferences": [{"kind": "Deployment", "name": "trainer", "controller": True}],
        },
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": "Running"},
    }
    moved = _deployment("moved", "team-a", {})
    moved["spec"]["template"]["metadata"] = {"annotations": {"drawbridge.dev/original-resources": "{}"}}
    _write(cluster, *BASE, _deployment("trainer", "team-a", {GPU: 1}), pod, moved)
    owners = _owners(_report(cluster))
    assert owners["Deployment team-a/moved"]["outcome"] == "moved"
    trainer = owners["Deployment team-a/trainer"]
    assert (trainer["outcome"], trainer["rewritten"], trainer["pods"]) == ("moves", 1, 3)
    assert "moves (1 of 3 pods have)" in _plan(cluster).stdout


def test_names_that_no_mapping_serves_are_told(cluster: Path) -> None:
    _write(cluster, *BASE, _deployment("d", "team-a", {"rdma/hca": 1, "cpu": 1, "hugepages-2Mi": "2Mi"}))
    report = _report(cluster)
    assert report["cluster"]["unmapped"] == [{"resource": "rdma/hca", "askedBy": ["Deployment team-a/d"]}]
    assert report["namespaces"] == []
    assert _plan(cluster).stdout.splitlines() == [
        "nobody asks the old way for what the mappings serve",
        "no mapping serves `rdma/hca`, which Deployment team-a/d asks for",
    ]


def test_namespaces_are_in_the_order_in_which_they_can_move(cluster: Path) -> None:
    many, few = _deployment("many", "team-c", {GPU: 1}), _deployment("few", "team-a", {GPU: 1})
    few["spec"]["replicas"] = 1
    _write(cluster, *BASE, _namespace("team-c"), QUOTA, _deployment("b", "team-b", {GPU: 1}), many, few)
    report = _report(cluster)
    assert [namespace["name"] for namespace in report["namespaces"]] == ["team-a", "team-c", "team-b"]
    rewriting = report["phases"][2]["steps"]
    assert rewriting[0]["run"] == ["drawbridge migrate mapping nvidia --phase rewrite | kubectl apply -f -"]
    assert rewriting[1]["run"] == [
        "kubectl label namespace team-a drawbridge.dev/phase=rewrite --overwrite",
        "kubectl rollout restart deployment/few --namespace team-a",
    ]
    assert all("team-b" not in command for step in rewriting for command in step["run"])


def test_a_mapping_of_the_cluster_says_the_phase_and_is_patched(cluster: Path) -> None:
    _write(cluster, *BASE, MAPPING, _deployment("d", "team-a", {GPU: 1}))
    report = _report(cluster)
    assert report["cluster"]["mappings"] == ["own"]
    assert report["namespaces"][0]["phase"] == "report"
    run = report["phases"][2]["steps"][0]["run"]
    assert run == ["""kubectl patch legacymapping own --type merge --patch '{"spec":{"mode":"Rewrite"}}'"""]
    chosen = _report(cluster, "--mapping", "nvidia")
    assert (chosen["cluster"]["mappings"], chosen["namespaces"][0]["phase"]) == (["nvidia"], "coexist")


def test_a_plan_of_a_migration_under_way_goes_on_by_labels(cluster: Path) -> None:
    for phase in ("report", "rewrite"):
        printed = CliRunner().invoke(main, ["migrate", "mapping", "--phase", phase]).stdout
        (cluster / f"{phase}.yaml").write_text(printed)
    moving = _namespace("team-b", **{"drawbridge.dev/phase": "rewrite"})
    workloads = (_deployment("a", "team-a", {GPU: 1}), _deployment("b", "team-b", {GPU: 1}))
    _write(cluster, _namespace("team-a"), moving, _class("gpu.nvidia.com"), *workloads)
    report = _report(cluster)
    assert {one["name"]: one["phase"] for one in report["namespaces"]} == {"team-a": "report", "team-b": "rewrite"}
    commands = {phase["name"]: [run for step in phase["steps"] for run in step["run"]] for phase in report["phases"]}
    assert not any("kubectl patch" in command for run in commands.values() for command in run)
    assert not any("migrate mapping" in command for command in commands["report"] + commands["rewrite"])
    assert "kubectl label namespace team-a drawbridge.dev/phase=rewrite --overwrite" in commands["rewrite"]
    assert commands["deny"][1] == "drawbridge migrate mapping nvidia --phase deny | kubectl apply -f -"


def test_a_snapshot_gives_the_same_plan(cluster: Path, tmp_path: Path) -> None:
    _write(
        cluster,
        *BASE,
        QUOTA,
        _node("n"),
        _deployment("d", "team-b", {GPU: 1}),
        _deployment("cluster-autoscaler", "x", {}),
    )
    saved = tmp_path / "saved.json"
    CliRunner().invoke(main, ["inventory", "save", str(saved), "--cluster", str(cluster)], catch_exceptions=False)
    assert _plan(saved).stdout.replace(str(saved), str(cluster)) == _plan(cluster).stdout


def test_colours_are_for_terminals_and_change_no_letter(cluster: Path) -> None:
    _write(cluster, *BASE, QUOTA, _deployment("a", "team-a", {GPU: 1}), _deployment("b", "team-b", {GPU: 1}))
    plain, coloured = _plan(cluster).stdout, _plan(cluster, color=True).stdout
    assert "\x1b[" not in plain
    assert click.style("moves", fg="green", bold=True) in coloured
    assert click.style("blocked: quota-continuity", fg="red", bold=True) in coloured
    assert click.unstyle(coloured) == plain


def test_without_a_cluster_and_with_a_wrong_one_it_cannot_run(tmp_path: Path) -> None:
    bare = CliRunner().invoke(main, ["migrate", "plan"])
    assert (bare.exit_code, bare.stderr) == (2, "drawbridge: --cluster DIR or --kubeconfig FILE is needed\n")
    assert _plan(tmp_path / "none").exit_code == 2


def test_a_broken_manifest_is_told_and_the_others_are_planned(cluster: Path) -> None:
    (cluster / "broken.yaml").write_text("kind: [Pod\n")
    result = _plan(cluster)
    assert result.exit_code == 1
    assert "broken.yaml:" in result.stderr
    assert "Deployment trainer" in result.stdout


def _page(cluster: Path) -> PageStructure:
    return PageStructure(_plan(cluster, "-o", "html").stdout)


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(cluster: Path) -> None:
    _write(
        cluster, *BASE, QUOTA, _deployment("a", "team-a", {GPU: 1}), _deployment("b", "team-b", {GPU: 1, "x.y/z": 1})
    )
    page = _page(cluster)
    assert page.open == []
    tags = {tag for tag, _ in page.seen}
    assert not tags & {"script", "link", "img", "iframe", "object"}
    attributes = {name for _, attrs in page.seen for name in attrs}
    assert not attributes & {"src", "href", "style"}
    assert not any(name.startswith("on") for name in attributes)
    style = "".join(page.text)
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme:dark" in style
    assert "@media print" in style
    assert ("html", {"lang": "en"}) in page.seen


def test_the_tables_of_the_page_have_headers_and_captions(cluster: Path) -> None:
    page = _page(cluster)
    tables = sum(tag == "table" for tag, _ in page.seen)
    assert tables == sum(tag == "caption" for tag, _ in page.seen) == sum(tag == "thead" for tag, _ in page.seen) > 0
    scopes = [attrs.get("scope") for tag, attrs in page.seen if tag == "th"]
    assert set(scopes) == {"col", "row"}
    levels = [int(tag[1]) for tag, _ in page.seen if tag in {"h1", "h2", "h3"}]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_what_manifests_say_is_text_on_the_page(cluster: Path) -> None:
    evil = "<script>alert(1)</script>&\"'"
    _write(cluster, *BASE, _deployment(evil, "team-a", {GPU: 1}))
    page = _page(cluster)
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.seen}
    assert any(evil in text for text in page.text)
    assert "\x1b" not in _plan(cluster).stdout


def test_names_in_commands_are_no_shell(cluster: Path) -> None:
    _write(cluster, _class("gpu.nvidia.com"), _namespace("a;b"), _deployment("$(x)", "a;b", {GPU: 1}))
    runs = [run for step in _report(cluster)["phases"][2]["steps"] for run in step["run"]]
    assert "kubectl label namespace 'a;b' drawbridge.dev/phase=rewrite --overwrite" in runs
    assert "kubectl rollout restart deployment/'$(x)' --namespace 'a;b'" in runs


def test_a_mapping_is_printed_for_each_phase() -> None:
    printed = {
        phase: yaml.safe_load(CliRunner().invoke(main, ["migrate", "mapping", "amd", "--phase", phase]).stdout)
        for phase in ("report", "rewrite", "deny")
    }
    assert [made["metadata"]["name"] for made in printed.values()] == ["amd", "amd-rewrite", "amd-deny"]
    assert [made["spec"]["mode"] for made in printed.values()] == ["Report", "Rewrite", "Deny"]
    assert [made["spec"]["priority"] for made in printed.values()] == [0, 10, 20]
    assert printed["rewrite"]["spec"]["namespaceSelector"] == {"matchLabels": {"drawbridge.dev/phase": "rewrite"}}
