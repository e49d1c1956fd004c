"""The shipped policies: their pages show what they say, and their suites prove every expression of theirs.

`pytest tests/golden/test_pack.py --update-golden` writes the program's words into the pages.
"""

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.support.judging import Json, judge_over
from tests.support.pages import POLICIES, examples, with_texts
from webhook.cli import main
from webhook.core.policies_parse import parse_policy
from webhook.policy.compile import compile_policy

PACK = POLICIES / "pack"
HOW_TO = POLICIES.parent / "docs" / "how-to" / "write-policies.md"
FOLDERS = sorted(path.parent for path in PACK.glob("*/policy.yaml"))


def _name(folder: Path) -> str:
    return folder.name


@pytest.mark.parametrize("folder", FOLDERS, ids=_name)
def test_a_page_shows_what_the_policy_says(folder: Path, request: pytest.FixtureRequest) -> None:
    page = folder / "README.md"
    said = []
    around = [PACK / "cluster.yaml", folder / "policy.yaml", *folder.glob("classes.yaml")]
    for example in examples(page):
        with judge_over(around) as judge:
            response = judge.responses(yaml.safe_load(example.manifest))[-1]
        text = _told(response)
        assert ("denied" if "status" in response else "allowed") == example.verdict, f"{example}:\n{text}"
        assert (f"[policy/{folder.name}]" in text) is example.speaks, f"{example}:\n{text}"
        said.append((example, text))
    shown = page.read_text()
    actual = with_texts(shown, said)
    if request.config.getoption("--update-golden"):
        page.write_text(actual)
    else:
        assert shown == actual


def _told(response: Json) -> str:
    if not response["allowed"]:
        message: str = response["status"]["message"]
        return f"{message}\n"
    return "".join(f"warning: {warning}\n" for warning in response.get("warnings", ()))


def test_what_a_refusal_refers_to_is_there() -> None:
    """`see: drawbridge rule policy/NAME`, of shipped policies and of a cluster's own."""
    shipped = CliRunner().invoke(main, ["rule", "policy/device-limits"])
    assert shipped.stdout == (PACK / "device-limits" / "README.md").read_text()
    own = CliRunner().invoke(main, ["rule", "policy/our-own"])
    assert own.exit_code == 0
    assert "kubectl get claimpolicy our-own -o yaml" in own.stdout


@pytest.mark.parametrize("folder", FOLDERS, ids=_name)
def test_a_page_says_what_why_and_how_to_adapt_it_and_shows_both_verdicts(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    assert text.startswith(f"# {folder.name}\n")
    assert "\n## Why\n" in text
    assert "\n## How to adapt\n" in text
    assert {example.verdict for example in examples(folder / "README.md")} == {"denied", "allowed"}


@pytest.mark.parametrize("folder", FOLDERS, ids=_name)
def test_a_policy_has_the_name_of_its_folder_and_compiles_for_every_version(folder: Path) -> None:
    (raw,) = yaml.safe_load_all((folder / "policy.yaml").read_text())
    assert raw["metadata"]["name"] == folder.name
    for version in ("1.34", "1.35", "1.36", "1.37"):
        assert compile_policy(parse_policy(raw), version).flaws == ()


def test_the_suites_show_every_outcome_and_see_every_mutant() -> None:
    done = CliRunner().invoke(main, ["test", str(PACK), "--coverage", "--mutate", "-o", "json"])
    report = json.loads(done.stdout)
    failed = [case for suite in report["suites"] for case in suite["cases"] if not case["passed"]]
    assert (failed, report["problems"]) == ([], [])
    assert {covered["policy"] for covered in report["coverage"]} == {folder.name for folder in FOLDERS}
    assert [missing for covered in report["coverage"] for missing in covered["missing"]] == []
    assert report["mutants"]["survived"] == []
    assert report["mutants"]["tried"] >= 100
    assert done.exit_code == 0


def test_the_page_for_authors_names_every_policy_of_the_pack() -> None:
    named = set(re.findall(r"\.\./\.\./policies/pack/([a-z-]+)/README\.md", HOW_TO.read_text()))
    assert named == {folder.name for folder in FOLDERS}
