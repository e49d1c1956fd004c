"""unknown-field and invalid-field on files: what a real API server would refuse (tests/e2e/test_structure.py)."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.support.structural import RIGHT, WRONG, Case, Json, claim, exactly, pod, template
from webhook.cli import main

STRICT = ("unknown-field", "invalid-field")


def strict_findings(file: Path, *options: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(main, ["check", "-o", "json", *options, str(file)])
    assert done.exit_code in (0, 1), done.output
    return [finding for finding in json.loads(done.stdout)["findings"] if finding["rule"] in STRICT]


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_one_mistake_is_one_finding_at_its_place(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(case.object, sort_keys=False))
    (finding,) = strict_findings(file)
    assert (finding["field"], finding["severity"]) == (case.path, "deny")
    assert finding["fixes"]


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_can_be_mended_is(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(case.object, sort_keys=False))
    CliRunner().invoke(main, ["check", "--fix", str(file)])
    assert (strict_findings(file) == []) is case.fixed


@pytest.mark.parametrize("right", RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_left_alone(right: Json, tmp_path: Path) -> None:
    file = tmp_path / "right.yaml"
    file.write_text(yaml.safe_dump(right))
    assert strict_findings(file) == []


def test_a_flat_request_with_exactly_is_flattened(tmp_path: Path) -> None:
    file = tmp_path / "flat.yaml"
    file.write_text(yaml.safe_dump(claim(exactly(), version="v1beta1")))
    (finding,) = strict_findings(file)
    assert finding["field"] == "spec.devices.requests[0].exactly"
    CliRunner().invoke(main, ["check", "--fix", "--rule", "version-not-served=off", str(file)])
    assert yaml.safe_load(file.read_text())["spec"]["devices"]["requests"] == [
        {"name": "gpu", "deviceClassName": "gpu.example.com"}
    ]


def test_a_server_that_is_newer_than_we_know_may_have_other_fields(tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(yaml.safe_dump(claim(exactly(somethingNew=1))))
    (finding,) = strict_findings(file, "--kubernetes-version", "1.39")
    assert finding["severity"] == "warn"


def test_many_mistakes_are_a_hundred_findings_at_most(tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    file.write_text(yaml.safe_dump(claim(exactly(**dict.fromkeys((f"field{number}x" for number in range(300)), "1")))))
    assert len(strict_findings(file)) == 100


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ({"count": "2"}, "write 2"),
        ({"count": "two"}, "write a 64-bit integer"),
        ({"adminAccess": "yes"}, "write true"),
        ({"deviceClassName": 3}, "write '3'"),
        ({"capacity": {"requests": {"memory": "80GB"}}}, "write '80G'"),
        ({"capacity": {"requests": {"memory": "much"}}}, "write a quantity such as '40Gi'"),
        ({"tolerations": {"operator": "Exists"}}, "write a list, with '- ' before what stands there"),
        ({"tolerations": [{"operator": "exists"}]}, "did you mean 'Exists'?"),
        ({"tolerations": [{"operator": "in"}]}, "use 'Equal' or 'Exists'"),
        ({"tolerations": [{"operator": "Exists", "effect": "NoScheduling"}]}, "did you mean 'NoSchedule'?"),
        ({"allocationMode": "all"}, "did you mean 'All'?"),
        ({"selectors": [{"cel": "true"}]}, "write it in `expression`"),
        ({"selectors": ["true"]}, "write it in `cel.expression`"),
        ({"selectors": "true"}, "write a list, with '- ' before what stands there"),
        ({"deviceClassName": ""}, "name a DeviceClass; `kubectl get deviceclasses`"),
        ({"selectors": [1]}, "write an object"),
        (
            {"deviceClassName": "nvidia.com/gpu"},
            "name a DeviceClass (`kubectl get deviceclasses`), not a resource of limits",
        ),
    ],
)
def test_what_cannot_be_decoded_is_told_with_what_is_meant(wrong: Json, fix: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(claim(exactly(**wrong))))
    (finding,) = strict_findings(file)
    assert finding["fixes"][0]["message"] == fix


@pytest.mark.parametrize("selector", [{"cel": {"expression": ""}}, {"cel": {"expression": "  "}}, {"cel": {}}])
def test_a_condition_that_is_empty_is_told_once_as_the_api_server_does(selector: Json, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(claim(exactly(selectors=[selector]))))
    done = CliRunner().invoke(main, ["check", "-o", "json", str(file)])
    assert [finding["rule"] for finding in json.loads(done.stdout)["findings"]] == ["cel-syntax"]


def test_a_template_whose_name_is_none_is_told_once_with_the_one_that_is_meant(tmp_path: Path) -> None:
    made = {**template({"spec": {"devices": {"requests": [exactly()]}}}), "metadata": {"name": "imex-channel"}}
    user = pod([{"name": "gpu", "resourceClaimTemplateName": "Imex_Channel"}], {"name": "gpu"})
    file = tmp_path / "pod.yaml"
    file.write_text(yaml.safe_dump_all([made, user]))
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    done = CliRunner().invoke(main, ["check", "-o", "json", "--cluster", str(cluster), str(file)])
    (finding,) = (entry for entry in json.loads(done.stdout)["findings"] if entry["object"]["kind"] == "Pod")
    assert (finding["rule"], finding["severity"]) == ("invalid-field", "deny")
    assert [fix["message"] for fix in finding["fixes"]] == ["did you mean 'imex-channel'?"]


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("Frac_GPU", "use such a name, as 'frac-gpu' is"),
        ("gpu.one", "use such a name, as 'gpu-one' is"),
        ("-", "use such a name"),
    ],
)
def test_a_name_that_is_none_is_told_with_one_that_is(name: str, fix: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(claim(exactly(name))))
    (finding,) = strict_findings(file)
    assert [entry["message"] for entry in finding["fixes"]] == [fix]


def test_a_kind_of_that_name_in_another_group_is_none_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump({**claim({}), "apiVersion": "example.com/v1"}))
    assert strict_findings(file) == []
