"""`drawbridge quota`, as a person and as a program uses it."""

import asyncio
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.support.build import Raw, claim_object, class_object, request, slice_object
from tests.support.quota import NVIDIA, capacity, devices, full_gpu, make_quota, quota_object
from webhook.cli import main
from webhook.kube.ledgers import Charge, Wanted
from webhook.kube.sqlite_ledger import SqliteLedger

GPU = class_object("gpu.nvidia.com", f"device.driver == '{NVIDIA}'")
QUOTA = quota_object(capacity("320Gi", name="gpu-memory", driver=NVIDIA), devices(8, "gpus"))
ELSEWHERE = quota_object(devices(3), name="other", namespace="team-b")


def asking(count: int = 1, name: str = "new", **fields: Any) -> Raw:
    return claim_object(request("gpu", device_class="gpu.nvidia.com", count=count, **fields), name=name)


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    folder = tmp_path / "cluster"
    folder.mkdir()
    stored = asking(3, "train")
    stored["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "Pod", "name": "train-0", "uid": "p", "controller": True}
    ]
    write(folder / "all.yaml", GPU, slice_object(full_gpu("a"), driver=NVIDIA), QUOTA, ELSEWHERE, stored)
    return folder


def write(path: Path, *objects: Raw) -> Path:
    path.write_text(yaml.safe_dump_all(objects))
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["quota", *map(str, arguments)])


def limits(result: Result, name: str = "gpus") -> dict[str, Any]:
    report = json.loads(result.stdout)
    assert (report["apiVersion"], report["kind"]) == ("drawbridge.dev/v1alpha1", "QuotaReport")
    [quota] = [quota for quota in report["quotas"] if quota["name"] == name]
    return {limit.pop("name"): limit for limit in quota["limits"]}


OF_POD = ("of", "pod", "'train-0'")


def test_each_limit_is_a_line_with_what_is_used(cluster: Path) -> None:
    result = run("--cluster", cluster)
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["NAMESPACE", "QUOTA", "LIMIT", "HARD", "USED", "RESERVED", "%", "HELD", "BY"],
        ["team-a", "gpus", "gpu-memory", "320Gi", "240Gi", "0", "75", "'team-a/train'", *OF_POD, "240Gi"],
        ["team-a", "gpus", "gpus", "8", "3", "0", "37", "'team-a/train'", *OF_POD, "3"],
        ["team-b", "other", "limit", "3", "0", "0", "0"],
    ]


def test_json_names_the_holders(cluster: Path) -> None:
    memory = limits(run("--cluster", cluster, "-o", "json"))["gpu-memory"]
    assert memory == {
        "hard": "320Gi",
        "used": "240Gi",
        "reserved": "0",
        "holders": [
            {
                "kind": "ResourceClaim",
                "namespace": "team-a",
                "name": "train",
                "owner": "Pod/train-0",
                "amount": "240Gi",
                "age": None,
            }
        ],
    }


def test_a_claim_that_fits_is_told_what_it_would_be_charged_and_why(cluster: Path, tmp_path: Path) -> None:
    result = run("--cluster", cluster, "--claim", write(tmp_path / "c.yaml", asking()), "-o", "json")
    assert result.exit_code == 0
    memory = limits(result)["gpu-memory"]
    assert (memory["requested"], memory["fits"]) == ("80Gi", True)
    assert memory["why"] == "1 device of at most 80Gi, for a device that is not shared is taken whole"
    elsewhere = limits(result, "other")["limit"]
    assert (elsewhere["requested"], elsewhere["fits"]) == ("0", True)


def test_a_claim_that_does_not_fit_is_no_failure_of_the_command(cluster: Path, tmp_path: Path) -> None:
    result = run("--cluster", cluster, "--claim", write(tmp_path / "c.yaml", asking(2)), "-o", "json")
    assert result.exit_code == 0
    found = limits(result)
    assert (found["gpu-memory"]["requested"], found["gpu-memory"]["fits"]) == ("160Gi", False)
    assert (found["gpus"]["requested"], found["gpus"]["fits"]) == ("2", True)
    assert "findings" not in json.loads(result.stdout)


def test_asking_charges_nothing(cluster: Path, tmp_path: Path) -> None:
    claim = write(tmp_path / "c.yaml", asking())
    for _ in range(2):
        run("--cluster", cluster, "--claim", claim)
    assert limits(run("--cluster", cluster, "-o", "json"))["gpus"]["used"] == "3"


def test_a_claim_that_is_in_the_cluster_already_is_not_counted_twice(cluster: Path, tmp_path: Path) -> None:
    result = run("--cluster", cluster, "--claim", write(tmp_path / "c.yaml", asking(4, "train")), "-o", "json")
    gpus = limits(result)["gpus"]
    assert (gpus["used"], gpus["requested"], gpus["fits"]) == ("0", "4", True)


def test_a_template_is_asked_about_as_the_claim_that_it_makes(cluster: Path, tmp_path: Path) -> None:
    template = {**asking(), "kind": "ResourceClaimTemplate"}
    template["spec"] = {"spec": template["spec"]}
    result = run("--cluster", cluster, "--claim", write(tmp_path / "t.yaml", template), "-o", "json")
    assert limits(result)["gpus"]["requested"] == "1"


def test_a_template_does_not_stand_for_the_claim_of_its_name(cluster: Path, tmp_path: Path) -> None:
    template = {**asking(name="train"), "kind": "ResourceClaimTemplate"}
    template["spec"] = {"spec": template["spec"]}
    result = run("--cluster", cluster, "--claim", write(tmp_path / "t.yaml", template), "-o", "json")
    assert limits(result)["gpus"]["used"] == "3"


REFUSED = {
    "a negative amount": (asking(capacity={"memory": "-1Gi"}), "request-capacity-negative"),
    "both spellings of a capacity": (
        asking(capacity={"memory": "1Gi", f"{NVIDIA}/memory": "1Gi"}),
        "request-capacity-ambiguous",
    ),
    "an amount that cannot be known": (
        claim_object(request("gpu", device_class="soon"), name="new"),
        "quota-unbounded",
    ),
}


@pytest.mark.parametrize(("claim", "rule"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_always_refused_is_found_and_fails(claim: Raw, rule: str, cluster: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", claim)
    result = run("--cluster", cluster, "--claim", path, "-o", "json")
    assert result.exit_code == 1
    [finding] = json.loads(result.stdout)["findings"]
    assert (finding["rule"], finding["severity"], finding["file"]) == (rule, "deny", str(path))
    text = run("--cluster", cluster, "--claim", path)
    assert text.exit_code == 1
    assert f"[{rule}]" in text.stdout


def test_a_mode_that_only_warns_does_not_refuse_what_cannot_be_known(tmp_path: Path) -> None:
    lenient = quota_object(capacity("1Gi", name="gpu-memory"), mode="Warn")
    folder = write(tmp_path / "all.yaml", lenient)
    claim = write(tmp_path / "c.yaml", claim_object(request("gpu", device_class="soon"), name="new"))
    result = run("--cluster", folder, "--claim", claim, "-o", "json")
    assert result.exit_code == 0
    assert limits(result)["gpu-memory"]["fits"] is False


def test_a_status_that_is_up_to_date_says_what_is_used(tmp_path: Path) -> None:
    status = {
        "observedGeneration": 0,
        "limits": [{"name": "gpus", "hard": "8", "used": "5", "reserved": "2"}],
        "reservations": [],
    }
    folder = write(tmp_path / "all.yaml", {**quota_object(devices(8, "gpus")), "status": status})
    gpus = limits(run("--cluster", folder, "-o", "json"))["gpus"]
    assert (gpus["used"], gpus["reserved"]) == ("5", "2")


def charged_in(path: Path, uid: str) -> None:
    ledger = SqliteLedger(path)
    quota = make_quota(devices(8, "gpus"))
    wanted = Wanted(uid, "team-a", "serve", (Charge(quota, {"gpus": Fraction(2)}),))

    async def admit() -> None:
        await ledger.admit(wanted, dry_run=False, deadline=asyncio.get_running_loop().time() + 5)

    asyncio.run(admit())
    ledger.close()


def test_the_standalone_ledger_says_what_is_used(cluster: Path, tmp_path: Path) -> None:
    charged_in(tmp_path / "ledger.db", "u-1")
    gpus = limits(run("--cluster", cluster, "--ledger", tmp_path / "ledger.db", "-o", "json"))["gpus"]
    assert gpus["used"] == "2"
    assert [holder["name"] for holder in gpus["holders"]] == ["serve"]


def test_release_ends_a_charge(cluster: Path, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    charged_in(path, "u-1")
    released = run("release", "u-1", "--ledger", path)
    assert (released.exit_code, released.stdout) == (0, "released 'u-1'\n")
    assert limits(run("--cluster", cluster, "--ledger", path, "-o", "json"))["gpus"]["used"] == "0"
    assert run("release", "u-1", "--ledger", path).exit_code == 2


UNUSABLE = {
    "a folder that is not there": ("--cluster", "/nowhere"),
    "a ledger that is not there": ("--ledger", "/nowhere/ledger.db"),
    "a claim that is not there": ("--claim", "/nowhere/claim.yaml"),
    "an option that is none": ("--clam", "x"),
    "release without a ledger": ("release", "u-1"),
}


@pytest.mark.parametrize("arguments", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_run_exits_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2


def test_a_file_of_two_claims_is_not_guessed_at(cluster: Path, tmp_path: Path) -> None:
    result = run("--cluster", cluster, "--claim", write(tmp_path / "c.yaml", asking(), asking(name="more")))
    assert result.exit_code == 2
    assert "must hold one claim or template, not 2" in result.output


def test_without_quotas_there_is_nothing_to_show(tmp_path: Path) -> None:
    folder = write(tmp_path / "all.yaml", GPU)
    assert run("--cluster", folder).stdout == "no quotas\n"
