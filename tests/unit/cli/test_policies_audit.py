"""`drawbridge policies audit`: what policies say of objects that exist."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.support.html import PageStructure
from tests.support.policies import TODAY, policy_object
from webhook.bootstrap.auditing import audited
from webhook.bootstrap.policy_reports import LEFT_OUT, policy_reports
from webhook.cli import main
from webhook.core.cluster import ClusterView
from webhook.core.policies_parse import parse_policy
from webhook.policy.compile import compile_policy
from webhook.settings import Settings

TEAM = "object.metadata.?labels[?'team'].orValue('') != ''"
EVIL = "<script>alert(1)</script>"


def _claim(name: str, namespace: str = "lab", **labels: str) -> dict[str, Any]:
    request = {"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels},
        "spec": {"devices": {"requests": [request]}},
    }


def _pod(name: str, **limits: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "resources": {"limits": limits}}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "lab"}, "spec": spec}


def _team(**spec: Any) -> dict[str, Any]:
    return policy_object("team", validations=[{"expression": TEAM, "message": "must have a team"}], **spec)


def _audit(folder: Path, *arguments: str, objects: list[dict[str, Any]], policy: dict[str, Any]) -> Result:
    (folder / "objects.yaml").write_text(yaml.safe_dump_all([*objects, policy]))
    flags = ["policies", "audit", "--cluster", str(folder), *arguments]
    return CliRunner().invoke(main, flags, catch_exceptions=False)


def _report(folder: Path, objects: list[dict[str, Any]], policy: dict[str, Any]) -> Any:
    return json.loads(_audit(folder, "-o", "json", objects=objects, policy=policy).stdout)


def _results(report: Any) -> dict[str, str]:
    return {result["object"]["name"]: result["result"] for result in report["results"]}


def test_objects_that_are_not_as_a_policy_asks_are_told(tmp_path: Path) -> None:
    objects = [_claim("good", team="a"), _claim("bad"), _claim("system", "kube-system")]
    said = _audit(tmp_path, objects=objects, policy=_team())
    assert said.exit_code == 1
    assert said.stdout == (
        "NAMESPACE  OBJECT             POLICY  RESULT  FIELD                  MESSAGE\n"
        "lab        ResourceClaim bad  team    fail    spec.devices.requests  must have a team\n"
        "2 objects looked at by 1 policy: 1 fail, 0 warn, 0 error, 1 pass, 0 skip\n"
    )


@pytest.mark.parametrize(
    ("spec", "result", "exit_code"),
    [
        ({}, "fail", 1),
        ({"mode": "Warn"}, "warn", 0),
        ({"mode": "Audit"}, "warn", 0),
        ({"percent": 0}, "warn", 0),
        ({"exceptions": [{"namespaces": ["lab"], "until": "2099-01-01", "reason": "x"}]}, "skip", 0),
        ({"exceptions": [{"namespaces": ["lab"], "until": "2020-01-01", "reason": "x"}]}, "fail", 1),
        ({"matchConditions": [{"name": "a", "expression": "false"}]}, "skip", 0),
        ({"variables": [{"name": "a", "expression": "object.a"}], "failurePolicy": "Ignore"}, "fail", 1),
        ({"matchConditions": [{"name": "a", "expression": "object.a == 1"}], "failurePolicy": "Ignore"}, "error", 0),
    ],
)
def test_a_result_is_what_would_become_of_a_creation(
    tmp_path: Path, spec: dict[str, Any], result: str, exit_code: int
) -> None:
    said = _audit(tmp_path, "-o", "json", objects=[_claim("one")], policy=_team(**spec))
    summary = json.loads(said.stdout)["summary"]
    assert {name: count for name, count in summary.items() if count} == {"objects": 1, result: 1}
    assert said.exit_code == exit_code


@pytest.mark.parametrize(("severity", "result"), [("warn", "warn"), ("off", "skip"), ("deny", "fail")])
def test_the_severity_that_is_set_counts(tmp_path: Path, severity: str, result: str) -> None:
    said = _audit(
        tmp_path, "-o", "json", "--rule", f"policy/team={severity}", objects=[_claim("one")], policy=_team(mode="Warn")
    )
    assert json.loads(said.stdout)["summary"][result] == 1


def test_pods_without_devices_are_no_matter(tmp_path: Path) -> None:
    report = _report(tmp_path, [_pod("plain", cpu="1"), _pod("gpus", **{"nvidia.com/gpu": "1"})], _team())
    assert (report["summary"]["objects"], _results(report)) == (1, {"gpus": "fail"})


def test_pods_of_a_snapshot_are_left_out(tmp_path: Path) -> None:
    saved = {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "ClusterSnapshot"}
    report = _report(tmp_path, [saved, _claim("one"), _pod("gpus", **{"nvidia.com/gpu": "1"})], _team())
    assert _results(report) == {"one": "fail"}


def test_templates_and_device_classes_are_looked_at(tmp_path: Path) -> None:
    template = {**_claim("template"), "kind": "ResourceClaimTemplate", "spec": {"spec": _claim("x")["spec"]}}
    device_class = {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "class"}}
    report = _report(tmp_path, [template, device_class], _team())
    told = {(one["object"].get("namespace"), one["findings"][0]["field"]) for one in report["results"]}
    assert told == {("lab", "spec.spec.devices.requests"), (None, "spec")}


def test_a_policy_may_go_by_what_the_rules_say(tmp_path: Path) -> None:
    expression = "!claim.findings.exists(f, f.rule == 'request-unknown-class')"
    policy = policy_object("known", validations=[{"expression": expression}])
    device_class = {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "other"}}
    assert _results(_report(tmp_path, [_claim("one"), device_class], policy)) == {"one": "fail"}


def test_it_is_told_that_a_policy_goes_by_who_asks(tmp_path: Path) -> None:
    policy = policy_object("who", validations=[{"expression": "request.userInfo.username == 'ann'"}])
    report = _report(tmp_path, [_claim("one")], policy)
    assert report["policies"][0]["goesByWhoAsks"] is True
    assert _results(report) == {"one": "fail"}


def test_a_policy_that_does_not_compile_is_left_out(tmp_path: Path) -> None:
    broken = policy_object("broken", validations=[{"expression": "1 +"}])
    said = _audit(tmp_path, "-o", "json", objects=[_claim("one", team="a"), broken], policy=_team())
    assert (said.exit_code, json.loads(said.stdout)["summary"]["pass"]) == (1, 1)
    assert "policy 'broken' is left out: spec.validations[0].expression: the expression ends too early" in said.stderr


def test_named_policies_are_judged_by_alone(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(policy_object("named", validations=[{"expression": "false"}])))
    said = _audit(tmp_path / "cluster", str(file), "-o", "json", objects=[_claim("one")], policy=_team())
    assert [policy["name"] for policy in json.loads(said.stdout)["policies"]] == ["named"]


def test_a_broken_file_is_not_taken_for_the_policies_of_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    file = tmp_path / "policy.yaml"
    file.write_text("kind: [")
    said = _audit(tmp_path / "cluster", str(file), objects=[_claim("one")], policy=_team())
    assert (said.exit_code, said.stdout) == (2, "")
    assert f"{file}:2: must be YAML" in said.stderr


def test_the_page_is_whole_and_escapes_what_users_wrote(tmp_path: Path) -> None:
    policy = policy_object("team", validations=[{"expression": "false", "message": EVIL}])
    page = _audit(tmp_path, "-o", "html", objects=[_claim("one")], policy=policy).stdout
    assert EVIL not in page
    seen = PageStructure(page)
    assert seen.open == []
    assert not {"script", "link", "img"} & {tag for tag, _ in seen.seen}
    assert EVIL in "".join(seen.text)


@pytest.mark.parametrize("flags", [[], ["--write", "--cluster", "."]])
def test_a_cluster_is_needed_and_a_live_one_to_write(flags: list[str]) -> None:
    assert CliRunner().invoke(main, ["policies", "audit", *flags]).exit_code == 2


def test_what_is_in_no_namespace_has_a_report_of_the_cluster() -> None:
    policy = compile_policy(parse_policy(_team()))
    device_class = {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "class"}}
    (report,) = policy_reports(audited([policy], [device_class], ClusterView(), Settings(), TODAY))
    assert (report["kind"], report["metadata"]["name"]) == ("ClusterPolicyReport", "drawbridge")
    assert "namespace" not in report["metadata"]


def test_a_report_counts_everything_and_lists_no_more_than_an_object_can_hold() -> None:
    policy = compile_policy(parse_policy(_team()))
    claims = [_claim(f"claim-{number}") for number in range(1001)]
    found = audited([policy], [*claims, _claim("good", team="a")], ClusterView(), Settings(), TODAY)
    (report,) = policy_reports(found)
    assert report["metadata"]["annotations"] == {LEFT_OUT: "1"}
    assert report["summary"] == {"fail": 1001, "warn": 0, "error": 0, "pass": 1, "skip": 0}
    assert len(report["results"]) == 1000
    assert report["results"][0] == {
        "source": "drawbridge",
        "policy": "team",
        "result": "fail",
        "message": "must have a team",
        "resources": [
            {
                "apiVersion": "resource.k8s.io/v1",
                "kind": "ResourceClaim",
                "namespace": "lab",
                "name": "claim-0",
                "uid": "uid-claim-0",
            }
        ],
        "properties": {"field": "spec.devices.requests"},
    }
