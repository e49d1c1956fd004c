"""`drawbridge check` as people and CI servers use it: reports in five forms, fixes, several clusters."""

import json
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.support.build import Raw, claim_object, class_object, request, slice_object
from tests.support.golang import GoBuild, ToolchainMissingError, cache_folder
from tests.support.quota import NVIDIA, full_gpu
from webhook.cli import main

GPU = class_object("gpu.nvidia.com", f"device.driver == '{NVIDIA}'")
PUBLISHED = slice_object(full_gpu("a"), driver=NVIDIA)
MISSPELT = f"device.attributes['{NVIDIA}'].productname != 'y'"
RIGHT = f"device.attributes['{NVIDIA}'].productName != 'y'"
MANIFEST = f"""# Kept: a comment
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {{name: training, namespace: team-a}}
spec:
  devices:
    requests:
    - name: gpu   # kept as well
      exactly:
        deviceClassName: gpu.nvidia.com
        selectors:
        - cel:
            expression: |-
              device.driver == '{NVIDIA}' &&
              {MISSPELT}
"""


def run(*arguments: object, **options: Any) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)], **options)


def written(path: Path, *objects: Raw) -> Path:
    path.write_text(yaml.safe_dump_all(objects))
    return path


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    return written(tmp_path / "cluster.yaml", GPU, PUBLISHED)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "claim.yaml"
    path.write_text(MANIFEST)
    return path


@pytest.mark.parametrize(
    ("annotations", "severity"), [({}, "warn"), ({"resource.kubernetes.io/pod-claim-name": "gpu"}, "deny")]
)
def test_what_a_controller_made_not_from_a_template_is_only_warned_of(
    annotations: Raw, severity: str, cluster: Path, tmp_path: Path
) -> None:
    owner = {"apiVersion": "resource.nvidia.com/v1beta1", "kind": "ComputeDomain", "name": "d", "uid": "u"}
    claim: Raw = yaml.safe_load(MANIFEST)
    claim["metadata"].update(ownerReferences=[{**owner, "controller": True}], annotations=annotations)
    done = run("--cluster", cluster, written(tmp_path / "claim.yaml", claim), "-o", "json")
    [finding] = json.loads(done.stdout)["findings"]
    assert (finding["rule"], finding["severity"]) == ("selector-unknown-attribute", severity)
    assert done.exit_code == (severity == "deny")


def test_the_text_shows_the_line_of_the_file_with_a_caret_inside_a_block_scalar(cluster: Path, manifest: Path) -> None:
    done = run("--cluster", cluster, manifest)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{manifest}:15:51: deny: ")
    assert lines[1] == f"  15 |               {MISSPELT}"
    assert lines[2] == "     | " + " " * 50 + "^" * len("productname")


def test_the_text_shows_the_expression_where_folding_has_moved_it(cluster: Path, tmp_path: Path) -> None:
    folded = tmp_path / "folded.yaml"
    folded.write_text(MANIFEST.replace("|-", ">-"))
    assert f"  | device.driver == '{NVIDIA}' && {MISSPELT}" in run("--cluster", cluster, folded).stdout


def test_fix_mends_the_file_and_keeps_every_other_character(cluster: Path, manifest: Path) -> None:
    done = run("--cluster", cluster, "--fix", manifest)
    assert done.exit_code == 0, done.output
    assert "1 edit made in 1 file\n" in done.stderr
    assert manifest.read_text() == MANIFEST.replace(MISSPELT, RIGHT)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_fix_keeps_the_quotes_of_a_text(quote: str, cluster: Path, tmp_path: Path) -> None:
    path = tmp_path / "quoted.yaml"
    text = MISSPELT.replace("'", "''") if quote == "'" else MISSPELT
    path.write_text(MANIFEST.partition("expression:")[0] + f"expression: {quote}{text}{quote}  # why\n")
    before = path.read_text()
    assert run("--cluster", cluster, "--fix", path).exit_code == 0
    assert path.read_text() == before.replace("productname", "productName")


def test_fix_leaves_a_byte_order_mark_line_ends_and_other_documents(cluster: Path, tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    text = "\ufeff" + ("a: 1 # no object\n---\n" + MANIFEST + "---\n# end\n").replace("\n", "\r\n")
    path.write_bytes(text.encode())
    run("--cluster", cluster, "--fix", path)
    assert path.read_bytes().decode() == text.replace(MISSPELT, RIGHT)


def test_fix_mends_an_item_of_a_list(cluster: Path, tmp_path: Path) -> None:
    claim = claim_object(request("gpu", MISSPELT, device_class="gpu.nvidia.com"), name="x")
    path = written(tmp_path / "list.yaml", {"apiVersion": "v1", "kind": "List", "items": [GPU, claim]})
    assert run("--cluster", cluster, "--fix", path).exit_code == 0
    assert yaml.safe_load(path.read_text())["items"][0] == GPU
    assert "productName" in path.read_text()


def test_fixes_of_one_place_are_made_one_after_the_other(tmp_path: Path) -> None:
    """A list is put in order, and what lies in it is mended at its new place."""
    either = {"name": "either", "deviceClassName": "gpu.example.com"}
    big = {**either, "name": "big", "selectors": [{"cel": {"expression": "device.driver == 'gpu.example.com'"}}]}
    card = {"deviceClassName": "nic.example.com", "count": 2}
    ways = [either, big, {"name": "card", "exactly": card}]
    path = written(tmp_path / "claim.yaml", claim_object({"name": "gpu", "firstAvailable": ways}, name="x"))
    run("--fix", path)
    (mended,) = yaml.safe_load(path.read_text())["spec"]["devices"]["requests"]
    assert mended["firstAvailable"] == [big, either, {"name": "card", **card}]


def test_a_claim_named_by_a_bare_word_is_named_once_when_it_is_mended(tmp_path: Path) -> None:
    container = {"name": "c", "image": "x", "resources": {"claims": ["gpu"]}}
    spec = {"containers": [container], "resourceClaims": [{"name": "gpu", "resourceClaimName": "one"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    path = written(tmp_path / "pod.yaml", pod)
    assert run("--fix", path).exit_code == 0
    assert yaml.safe_load(path.read_text())["spec"]["containers"][0]["resources"] == {"claims": [{"name": "gpu"}]}


def test_fix_of_standard_input_prints_the_manifest_and_reports_beside_it(cluster: Path) -> None:
    done = run("--cluster", cluster, "--fix", "-", input=MANIFEST)
    assert done.stdout == MANIFEST.replace(MISSPELT, RIGHT)
    assert "1 object, 0 denied" in done.stderr


def test_diff_shows_what_fix_would_change_and_writes_nothing(cluster: Path, manifest: Path) -> None:
    done = run("--cluster", cluster, "--diff", "--fix", manifest)
    assert done.exit_code == 1
    assert f"-              {MISSPELT}\n+              {RIGHT}\n" in done.stdout
    assert manifest.read_text() == MANIFEST


def test_fix_passes_over_what_it_cannot_read(cluster: Path, manifest: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(b"a: [\xff")
    assert run("--cluster", cluster, "--fix", broken, manifest).exit_code == 1
    assert "productName" in manifest.read_text()


def test_several_clusters_give_one_verdict_and_a_column_each(cluster: Path, manifest: Path, tmp_path: Path) -> None:
    renamed = {**full_gpu("a"), "attributes": {**full_gpu("a")["attributes"], "productname": {"string": "x"}}}
    other = written(tmp_path / "other.yaml", GPU, slice_object(renamed, driver=NVIDIA))
    done = run("--cluster", cluster, "--cluster", other, manifest)
    assert done.exit_code == 1
    assert f"deny (in {cluster}): " in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("ResourceClaim team-a/training"))
    assert row.split()[2:] == ["denied", "ok"]
    report = json.loads(run("--cluster", cluster, "--cluster", other, manifest, "-o", "json").stdout)
    assert [finding["clusters"] for finding in report["findings"]] == [[str(cluster)]]
    assert [(each["name"], each["denied"]) for each in report["clusters"]] == [(str(cluster), 1), (str(other), 0)]


def test_junit_has_a_case_an_object_and_a_failure_a_refused_one(cluster: Path, manifest: Path, tmp_path: Path) -> None:
    fine = written(tmp_path / "fine.yaml", claim_object(request("gpu", RIGHT, device_class="gpu.nvidia.com")))
    broken = tmp_path / "broken\x1b.yaml"
    broken.write_text("a: [")
    root = ET.fromstring(run("--cluster", cluster, "-o", "junit", manifest, fine, broken).stdout)
    assert (root.get("tests"), root.get("failures")) == ("3", "2")
    failures = {case.get("name"): case.find("failure") for case in root.iter("testcase")}
    found = failures["ResourceClaim team-a/training"]
    assert found is not None
    assert found.get("type") == "selector-unknown-attribute"
    assert "fix: did you mean `productName`?" in (found.text or "")
    assert sum(failure is not None for failure in failures.values()) == 2


def test_github_annotations_are_one_escaped_line_each(cluster: Path, manifest: Path) -> None:
    line, *more = run("--cluster", cluster, "-o", "github", manifest).stdout.splitlines()
    assert more == []
    assert line.startswith(f"::error file={manifest},line=15,col=51,endColumn=62,title=drawbridge selector-unknown")
    assert "%0A  fix: did you mean" in line


SARIF = Path(__file__).parents[2] / "support" / "sarif"


def test_sarif_follows_its_schema(cluster: Path, manifest: Path, tmp_path: Path) -> None:
    build = GoBuild(SARIF, {"sarif": "."}, cache_folder() / "sarif")
    try:
        build.run()
    except ToolchainMissingError as missing:
        pytest.skip(str(missing))
    broken = tmp_path / "with space.yaml"
    broken.write_text("a: [")
    said = run("--cluster", cluster, "-o", "sarif", manifest, broken).stdout
    checked = subprocess.run([build.program("sarif")], input=said, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    results = json.loads(said)["runs"][0]["results"]
    assert [result["level"] for result in results] == ["error", "error"]
    place = results[0]["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 15, "startColumn": 51, "endColumn": 62}
    assert results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith("with%20space.yaml")
    spoilt = subprocess.run(
        [build.program("sarif")], input=said.replace('"error"', '"bad"'), capture_output=True, text=True, check=False
    )
    assert spoilt.returncode == 1
