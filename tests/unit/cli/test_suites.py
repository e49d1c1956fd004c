"""`drawbridge test` as authors of policies and CI servers use it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.support.build import class_object, slice_object
from tests.support.policies import policy_object
from tests.support.quota import NVIDIA, full_gpu
from webhook.cli import main

POLICY = """\
apiVersion: drawbridge.dev/v1alpha1
kind: ClaimPolicy
metadata: {name: few}
spec:
  validations:
  - expression: claim.worst.devices <= 2
    message: at most two devices
    field: spec.devices.requests
"""
SUITE = """\
apiVersion: drawbridge.dev/v1alpha1
kind: PolicyTestSuite
metadata: {name: few}
spec:
  policies: [policy.yaml]
  base:
    apiVersion: resource.k8s.io/v1
    kind: ResourceClaim
    metadata: {name: training, namespace: team-a}
  cases:
  - name: two are allowed   # kept: a comment
    object: {spec: {devices: {requests: [{name: gpu, exactly: {deviceClassName: gpu, count: 2}}]}}}
    expect: {decision: allow}
  - name: three are not
    object: {spec: {devices: {requests: [{name: gpu, exactly: {deviceClassName: gpu, count: 3}}]}}}
    expect:
      decision: deny   # kept as well
      rule: policy/few
      field: spec.devices.requests
      message: at most two devices
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["test", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "suite.yaml").write_text(SUITE)
    return tmp_path


def suite_of(folder: Path, *cases: dict[str, Any], **spec: Any) -> Path:
    """Write a suite of these cases beside the policies of the folder."""
    base = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "x", "namespace": "lab"}}
    named = [{"name": str(number), **case} for number, case in enumerate(cases)]
    suite = {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "PolicyTestSuite",
        "metadata": {"name": "x"},
        "spec": {"policies": ["policy.yaml"], "base": base, "cases": named, **spec},
    }
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    return folder


def policy_in(folder: Path, **spec: Any) -> None:
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy_object("p", **spec)))


def asking(count: int = 1, **metadata: Any) -> dict[str, Any]:
    requests = [{"name": "gpu", "exactly": {"deviceClassName": "gpu", "count": count}}]
    return {"metadata": metadata, "spec": {"devices": {"requests": requests}}}


def failures(done: Result) -> list[list[str]]:
    """Return what each case of a JSON report fails by."""
    report = json.loads(done.stdout)
    assert report["problems"] == []
    return [case["failures"] for suite in report["suites"] for case in suite["cases"]]


# Verdicts and reports


def test_cases_that_are_as_expected_pass(folder: Path) -> None:
    done = run(folder)
    assert done.exit_code == 0
    assert done.stdout == f"{folder}/suite.yaml: 2 of 2 cases as expected\n1 suite, 2 cases, 0 failed\n"


def test_a_broken_policy_of_one_case_is_not_judged_by_the_version_that_worked_in_another(tmp_path: Path) -> None:
    policy_in(tmp_path, validations=[{"expression": "true"}])
    broken = policy_object("p", validations=[{"expression": "nothing"}])
    cases = [
        {"object": asking(), "cluster": [policy], "expect": {"decision": decision}}
        for policy, decision in (
            (policy_object("p", validations=[{"expression": "true"}]), "warn"),
            (broken, "deny"),
        )
    ]
    done = run(suite_of(tmp_path, *cases, policies=[]), "-o", "json")
    assert failures(done) == [[], []]


def test_a_case_that_is_not_is_shown_with_its_line_and_what_was_said_instead(folder: Path) -> None:
    (folder / "policy.yaml").write_text(POLICY.replace("two devices", "2 devices"))
    done = run(folder)
    assert done.exit_code == 1
    assert f"  {folder}/suite.yaml:14: three are not\n" in done.stdout
    assert "no finding has rule 'policy/few', field 'spec.devices.requests', message 'at most two dev" in done.stdout
    assert "    | deny: spec.devices.requests: at most 2 devices [policy/few]\n" in done.stdout


@pytest.mark.parametrize(
    ("expect", "failure"),
    [
        ({"decision": "allow"}, "decision: must be allow, and is deny"),
        ({"decision": "warn"}, "decision: must be warn, and is deny"),
        ({"decision": "deny", "rule": "policy/other"}, "no finding has rule 'policy/other'"),
        ({"decision": "deny", "field": "spec"}, "no finding has field 'spec'"),
        ({"decision": "deny", "message": "at most two"}, "no finding has message 'at most two'"),
        ({"decision": "deny", "matches": "^two"}, "no finding has matches '^two'"),
        ({"decision": "deny", "warnings": ["x"]}, "warnings: must be 'x', and are none"),
        ({"decision": "deny", "object": {"kind": "Pod"}}, "object: what is stored has not all of it"),
    ],
)
def test_everything_that_is_expected_is_compared(folder: Path, expect: dict[str, Any], failure: str) -> None:
    done = run(suite_of(folder, {"object": asking(3), "expect": expect}), "-o", "json")
    assert failures(done) == [[failure]]
    assert done.exit_code == 1


def test_a_message_may_be_expected_by_a_pattern(folder: Path) -> None:
    assert run(suite_of(folder, {"object": asking(3), "expect": {"decision": "deny", "matches": "t.o"}})).exit_code == 0


def test_the_json_report_says_what_was_expected_and_observed(folder: Path) -> None:
    report = json.loads(run(folder, "-o", "json").stdout)
    assert (report["apiVersion"], report["kind"]) == ("drawbridge.dev/v1alpha1", "PolicyTestReport")
    (suite,) = report["suites"]
    assert (suite["file"], suite["name"]) == (f"{folder}/suite.yaml", "few")
    case = suite["cases"][1]
    assert (case["name"], case["line"], case["passed"]) == ("three are not", 14, True)
    found = {"rule": "policy/few", "severity": "deny", "field": "spec.devices.requests"}
    assert case["observed"]["findings"] == [{**found, "message": "at most two devices"}]
    assert report["summary"] == {"suites": 1, "cases": 2, "passed": 2, "failed": 0, "problems": 0}


def test_junit_has_a_failure_for_a_case_and_for_what_cannot_be_used(folder: Path) -> None:
    (folder / "policy.yaml").write_text(POLICY.replace("<= 2", "<= 3"))
    (folder / "broken.yaml").write_text("a: [")
    whole = ET.fromstring(run(folder, "-o", "junit").stdout)
    assert (whole.get("tests"), whole.get("failures")) == ("3", "2")
    cases = {case.get("name"): case for case in whole.iter("testcase")}
    assert cases["two are allowed"].find("failure") is None
    failure = cases["three are not"].find("failure")
    assert failure is not None
    assert failure.get("message") == "decision: must be deny, and is allow"
    types = [found.get("type") for found in whole.iter("failure")]
    assert types == ["unusable", "case"]


def test_junit_has_a_failure_for_a_mutant_that_no_case_sees(folder: Path) -> None:
    (folder / "suite.yaml").write_text(SUITE.replace("count: 2", "count: 1"))
    whole = ET.fromstring(run(folder, "--mutate", "-o", "junit").stdout)
    failed = [case.get("name") for case in whole.iter("testcase") if case.find("failure") is not None]
    assert "mutant of spec.validations[0].expression: `<=` to `<`" in failed


def test_the_json_report_has_coverage_and_mutants_where_they_are_asked_for(folder: Path) -> None:
    (folder / "suite.yaml").write_text(SUITE[: SUITE.index("  - name: three")])
    report = json.loads(run(folder, "--mutate", "--coverage", "-o", "json").stdout)
    (covered,) = report["coverage"]
    assert (covered["policy"], covered["outcomes"], covered["shown"]) == ("few", 2, 1)
    assert covered["missing"][0] == {
        "line": 6,
        "column": 17,
        "field": "spec.validations[0].expression",
        "expression": "claim.worst.devices <= 2",
        "problem": "never false",
    }
    survived = [(entry["replaced"], entry["by"]) for entry in report["mutants"]["survived"]]
    assert (report["mutants"]["tried"], survived) == (4, [("2", "3")])


def test_a_snapshot_of_a_cluster_is_a_fixture(folder: Path) -> None:
    cluster = [class_object("gpu", f"device.driver == '{NVIDIA}'"), slice_object(full_gpu("a"), driver=NVIDIA)]
    (folder / "live.yaml").write_text(yaml.safe_dump_all(cluster))
    command = ["inventory", "save", str(folder / "saved.yaml"), "--cluster", str(folder / "live.yaml")]
    assert CliRunner().invoke(main, command).exit_code == 0
    policy_in(folder, validations=[{"expression": "claim.matching.devices == 1"}])
    allowed = {"object": asking(), "expect": {"decision": "allow"}}
    assert run(suite_of(folder, allowed, cluster=["saved.yaml"])).exit_code == 0


# What cannot be run


def test_no_suite_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    done = run(tmp_path)
    assert done.exit_code == 2
    assert "there is no PolicyTestSuite in" in done.stderr


def test_a_path_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere")
    assert (done.exit_code, done.stderr) == (2, f"drawbridge: '{tmp_path}/nowhere' does not exist\n")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  cases:", "  polices: []\n  cases:", "10:12: spec.polices: there is no field `polices`"),
        ("decision: allow", "decison: allow", "spec.cases[0].expect.decison: there is no field `decison`"),
        ("object: {spec", "obj: {spec", "spec.cases[0].obj: there is no field `obj`"),
        ("decision: allow", "decision: maybe", "spec.cases[0].expect.decision: must be one of 'allow', 'warn', 'deny'"),
        ("decision: allow", "rule: x", "spec.cases[0].expect: must have a `decision`"),
        ("decision: allow", "decision: allow, rule: x", "spec.cases[0].expect.rule: must not stand beside `decision:"),
        ("name: three are not", "name: two are allowed", "spec.cases[1].name: must not be 'two are allowed' again"),
        ("policy.yaml", "polices.yaml", "spec.policies[0]: 'polices.yaml' does not exist"),
        ("policy.yaml", "suite.yaml", "spec.policies[0]: must be a file or folder with a ClaimPolicy"),
        ("  base:", "  cluster: [nowhere]\n  base:", "spec.cluster[0]: 'nowhere' does not exist"),
        ("  base:", "  now: tomorrow\n  base:", "spec.now: must be a date, not 'tomorrow'"),
        ("  base:", "  user: {names: x}\n  base:", "spec.user.names: there is no field `names`"),
        ("    kind: ResourceClaim\n", "", "spec.cases[0]: `object` must have `apiVersion` and `kind`"),
        ("    kind: ResourceClaim\n", "    kind: Secret\n", "spec.cases[0]: objects of kind 'Secret' are not judged"),
        ("  base:", '  kubernetesVersion: "1.20"\n  base:', "spec.kubernetesVersion: must be one of '1.34', '1.35'"),
        ("    expect:\n", "    operation: UPDATE\n    expect:\n", "spec.cases[1]: must have `oldObject` with the op"),
        ("message: at most two devices", "matches: '('", "expect.matches: must be a pattern of RE2"),
    ],
)
def test_what_a_suite_cannot_mean_is_told_with_its_place(folder: Path, old: str, new: str, told: str) -> None:
    (folder / "suite.yaml").write_text(SUITE.replace(old, new, 1))
    done = run(folder)
    assert done.exit_code == 1
    assert told in done.stdout
    assert done.stdout.startswith(f"{folder}/suite.yaml:")


def test_a_misspelt_kind_is_told(folder: Path) -> None:
    (folder / "other.yaml").write_text(SUITE.replace("PolicyTestSuite", "PolicyTestSuit"))
    done = run(folder)
    assert done.exit_code == 1
    assert f"{folder}/other.yaml:2:1: kind: there is no kind 'PolicyTestSuit'" in done.stdout


def test_a_policy_that_does_not_compile_is_told_at_its_place(folder: Path) -> None:
    (folder / "policy.yaml").write_text(POLICY.replace("devices <=", "device <="))
    done = run(folder)
    assert done.exit_code == 1
    assert f"{folder}/policy.yaml:6:29: spec.validations[0].expression: " in done.stdout


# The way of a request


def test_the_user_the_day_and_the_version_of_a_case_hold(folder: Path) -> None:
    ends = {"users": ["ann"], "until": "2027-01-31", "reason": "moving"}
    policy_in(folder, validations=[{"expression": "'admins' in request.userInfo.groups"}], exceptions=[ends])
    spring, winter = {"now": "2027-02-01"}, {"now": "2027-01-01"}
    ann = {"object": asking(), "user": {"name": "ann"}}
    admin = {"object": asking(), "user": {"name": "eve", "groups": ["admins"]}}
    done = run(
        suite_of(
            folder,
            {**ann, **winter, "expect": {"decision": "allow"}},
            {**ann, **spring, "expect": {"decision": "deny"}},
            {**ann, "now": "2027-01-20", "expect": {"decision": "warn", "matches": "ends on 2027-01-31"}},
            {**admin, **spring, "expect": {"decision": "allow"}},
        ),
        "-o",
        "json",
    )
    assert failures(done) == [[], [], [], []]


def test_defaults_are_stored_and_can_be_expected(folder: Path) -> None:
    policy_in(folder, defaults=[{"label": {"key": "team", "value": "lab"}}])
    done = run(
        suite_of(
            folder,
            {"object": asking(), "expect": {"decision": "allow", "object": {"metadata": {"labels": {"team": "lab"}}}}},
            {
                "object": asking(labels={"team": "x"}),
                "expect": {"decision": "allow", "object": {"metadata": {"name": "x"}}},
            },
        ),
        "-o",
        "json",
    )
    assert failures(done) == [[], []]


def test_quotas_and_built_in_rules_have_their_say(folder: Path) -> None:
    policy_in(folder, validations=[{"expression": "true"}])
    quota = {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "DeviceQuota",
        "metadata": {"name": "gpus", "namespace": "lab"},
        "spec": {"limits": [{"name": "gpus", "devices": 2}]},
    }
    objects = [quota, class_object("gpu", f"device.driver == '{NVIDIA}'"), slice_object(full_gpu("a"), driver=NVIDIA)]
    done = run(
        suite_of(
            folder,
            {"object": asking(1), "expect": {"decision": "allow"}},
            {"object": asking(1), "expect": {"decision": "allow"}},
            {"object": asking(1), "expect": {"decision": "allow"}},
            {"object": asking(3), "expect": {"decision": "deny", "rule": "quota-exceeded"}},
            {"object": asking(2), "expect": {"decision": "warn", "rule": "request-count"}},
            {"object": {"spec": {"device": {}}}, "expect": {"decision": "deny", "rule": "unknown-field"}},
            cluster=objects,
        ),
        "-o",
        "json",
    )
    assert failures(done) == [[], [], [], [], [], []]


def test_pods_see_the_templates_of_the_suite_and_an_update_of_a_class_its_old_form(folder: Path) -> None:
    policy_in(
        folder,
        validations=[{"expression": "request.operation == 'UPDATE' ? oldObject != null : claim.worst.devices <= 1"}],
    )
    template = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": "two", "namespace": "lab"},
        "spec": asking(2),
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "two"}],
            "containers": [{"name": "c", "image": "x", "resources": {"claims": [{"name": "gpu"}]}}],
        },
    }
    device_class = class_object("gpu", f"device.driver == '{NVIDIA}'")
    other = class_object("gpu", "device.driver == 'x.example.com'")
    done = run(
        suite_of(
            folder,
            {"object": pod, "namespace": "lab", "expect": {"decision": "deny", "rule": "policy/p"}},
            {
                "object": other,
                "oldObject": device_class,
                "operation": "UPDATE",
                "expect": {"decision": "allow"},
            },
            cluster=[template],
        ),
        "-o",
        "json",
    )
    assert failures(done) == [[], []]


# Authoring


def test_update_writes_what_came_and_keeps_comments(folder: Path) -> None:
    (folder / "policy.yaml").write_text(POLICY.replace("<= 2", "<= 1").replace("two", "one"))
    done = run(folder, "--update")
    assert done.exit_code == 0, done.output
    assert "drawbridge: 2 cases updated\n" in done.stderr
    text = (folder / "suite.yaml").read_text()
    assert "# kept: a comment" in text
    assert "# kept as well" in text
    cases = yaml.safe_load(text)["spec"]["cases"]
    told = {
        "decision": "deny",
        "rule": "policy/few",
        "field": "spec.devices.requests",
        "message": "at most one devices",
    }
    assert [case["expect"] for case in cases] == [told, told]


def test_update_keeps_a_pattern_that_still_holds(folder: Path) -> None:
    expect = {"decision": "deny", "rule": "policy/old", "matches": "at most"}
    suite_of(folder, {"object": asking(3), "expect": expect})
    assert run(folder, "--update").exit_code == 0
    (case,) = yaml.safe_load((folder / "suite.yaml").read_text())["spec"]["cases"]
    assert case["expect"] == {**expect, "rule": "policy/few", "field": "spec.devices.requests"}


def test_update_writes_an_expectation_where_there_was_none(folder: Path) -> None:
    (folder / "suite.yaml").write_text(SUITE.replace("    expect: {decision: allow}\n", ""))
    assert run(folder, "--update").exit_code == 0
    assert yaml.safe_load((folder / "suite.yaml").read_text())["spec"]["cases"][0]["expect"] == {"decision": "allow"}


def test_update_leaves_suites_that_are_right_as_they_are(folder: Path) -> None:
    assert run(folder, "--update").exit_code == 0
    assert (folder / "suite.yaml").read_text() == SUITE


def test_coverage_shows_what_no_case_has_shown(folder: Path) -> None:
    (folder / "suite.yaml").write_text(SUITE[: SUITE.index("  - name: three")])
    done = run(folder, "--coverage")
    assert done.exit_code == 0
    assert f"{folder}/policy.yaml: 1 of 2 outcomes shown\n" in done.stdout
    assert f"  {folder}/policy.yaml:6:17: never false: spec.validations[0].expression\n" in done.stdout


def test_a_mutant_that_no_case_sees_is_shown_and_fails_the_run(folder: Path) -> None:
    (folder / "suite.yaml").write_text(SUITE.replace("count: 2", "count: 1").replace("count: 3", "count: 9"))
    done = run(folder, "--mutate")
    assert done.exit_code == 1
    assert f"{folder}/policy.yaml:6:37: no case fails with `<=` changed to `<`: spec.validations[0]" in done.stdout
    assert (
        "  6 |   - expression: claim.worst.devices <= 2\n    |                                     ^^\n" in done.stdout
    )
    assert "1 of 4 mutants were seen by a case\n" in done.stdout


def test_mutants_that_all_cases_see_pass(folder: Path) -> None:
    done = run(folder, "--mutate")
    assert (done.exit_code, "4 of 4 mutants were seen by a case\n" in done.stdout) == (0, True)


def test_nothing_is_mutated_before_all_cases_are_right(folder: Path) -> None:
    (folder / "policy.yaml").write_text(POLICY.replace("<= 2", "<= 1"))
    done = run(folder, "--mutate")
    assert done.exit_code == 1
    assert "no mutants were tried: first all cases must be as expected\n" in done.stdout


def test_explain_shows_the_values_below_the_source(folder: Path) -> None:
    done = run(folder, "--explain", "three are not")
    assert done.exit_code == 0
    assert (
        "few, spec.validations[0].expression\n"
        "  claim.worst.devices <= 2\n"
        "              |       |\n"
        "              3       false\n"
    ) in done.stdout


def test_explain_of_a_case_that_there_is_not_is_told(folder: Path) -> None:
    done = run(folder, "--explain", "three are nt")
    assert (done.exit_code, done.stderr) == (
        2,
        "drawbridge: there is no case 'three are nt'; did you mean 'three are not'?\n",
    )


def test_watch_tests_again_when_a_file_changes(folder: Path) -> None:
    command = [sys.executable, "-m", "webhook", "test", str(folder), "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # our own program
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            assert "2 of 2 cases" in next(lines)
            assert "0 failed" in next(lines)
            (folder / "policy.yaml").write_text(POLICY.replace("<= 2", "<= 1000"))
            assert "1 of 2 cases" in next(lines)
        finally:
            process.terminate()


def test_watch_does_not_go_with_update(folder: Path) -> None:
    assert run(folder, "--watch", "--update").exit_code == 2
