"""Each page of policies/ shows what its rule says; the words are the program's own, or the test fails.

`pytest tests/golden/test_rule_pages.py --update-golden` writes the program's words into the pages, to be read as prose
before they are committed.
"""

import ast
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.support.judging import Json, judge_over, patched
from tests.support.pages import Example, examples, reason_pages, rule_pages, with_texts
from webhook.cli import main
from webhook.rewrite.reasons import Code

WEBHOOK = Path(__file__).resolve().parents[2] / "webhook"
FAMILIES = re.compile(r"(cel|selector|request|mig|constraint|config|pod|field|class|quota|legacy)(-[a-z]+)+")


def _name(page: Path) -> str:
    return page.parent.name if page.name == "README.md" else f"{page.parent.name}, {page.stem}"


@pytest.mark.parametrize("page", [*rule_pages(), *reason_pages()], ids=_name)
def test_a_page_shows_what_the_program_says(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    said = [(example, _said(example, tmp_path / str(example.number))) for example in examples(page)]
    assert said
    for example, (verdict, text) in said:
        assert verdict == example.verdict, f"{example}:\n{text}"
        assert (f"[{example.rule}]" in text) is example.speaks, f"{example}:\n{text}"
    shown = page.read_text()
    actual = with_texts(shown, [(example, text) for example, (_, text) in said])
    if request.config.getoption("--update-golden"):
        page.write_text(actual)
    else:
        assert shown == actual


def _said(example: Example, folder: Path) -> tuple[str, str]:
    """Return the verdict and what is said, ended by a line break."""
    cluster = folder / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "all.yaml").write_text(example.cluster)
    if example.form == "file":
        return _checked(example, cluster)
    with judge_over([cluster], **(yaml.safe_load(example.settings) or {})) as judge:
        return _admitted(yaml.safe_load(example.manifest), judge.responses(yaml.safe_load(example.manifest)))


def _admitted(manifest: Json, responses: list[Json]) -> tuple[str, str]:
    """Return a refusal's message; else the warnings, and the object where it was rewritten."""
    if not responses[-1]["allowed"]:
        return "denied", responses[-1]["status"]["message"] + "\n"
    lines = [f"warning: {warning}" for response in responses for warning in response.get("warnings", ())]
    stored = manifest
    for response in responses:
        stored = patched(stored, response)
    if stored != manifest:
        lines += ["stored as:", *yaml.safe_dump(stored, sort_keys=False, width=110).splitlines()]
    return "allowed", "".join(f"{line}\n" for line in lines)


def _checked(example: Example, cluster: Path) -> tuple[str, str]:
    """Return what `drawbridge check` prints; for an example of `info` what only its JSON holds."""
    runner = CliRunner()
    with contextlib.chdir(cluster.parent):
        Path("manifest.yaml").write_text(example.manifest)
        Path("settings").write_text(example.settings)
        command = ["check", "--settings", "settings", "--cluster", str(cluster), "manifest.yaml"]
        if example.verdict == "info":
            report = json.loads(runner.invoke(main, [*command, "-o", "json"]).stdout)
            findings = [f for f in report["findings"] if f["severity"] == "info"]
            return "info", "".join(f"{f['field']}: {f['message']} [{f['rule']}]\n" for f in findings)
        done = runner.invoke(main, command)
    assert done.exit_code in (0, 1), done.output
    return ("denied" if done.exit_code else "allowed"), done.stdout


# That there is a page for each rule


def test_every_rule_that_the_code_names_has_its_page_and_every_page_its_rule() -> None:
    pages = {page.parent.name for page in rule_pages()}
    named = set(_texts())
    assert sorted(name for name in named if FAMILIES.fullmatch(name) and name not in pages | NO_RULES) == []
    assert sorted(pages - named) == []


# Words of the code that look like a rule's name: a package, what is not judged, reasons why a pod is left alone.
NO_RULES = {"cel-go", "config-kind", "request-shape", *(code.value for code in Code)}


def _texts() -> Iterator[str]:
    """Yield each text in the code that stands by itself; what `doctor` finds are no rules."""
    for file in set(WEBHOOK.rglob("*.py")) - set((WEBHOOK / "doctor").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.parametrize("page", rule_pages(), ids=lambda page: page.parent.name)
def test_a_page_says_what_why_and_how_it_can_be_set(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.parent.name}\n")
    assert "\n**Default:** " in text
    assert "\n## Why\n" in text


def test_every_reason_to_leave_a_pod_alone_has_a_page_that_shows_it_twice_and_how_it_ends() -> None:
    assert {page.stem for page in reason_pages()} == {code.value for code in Code}
    for page in reason_pages():
        text = page.read_text()
        assert text.startswith(f"# {page.stem}\n")
        assert "\n**What to do:** " in text
        assert "\n## Why\n" in text
        shown = list(examples(page))
        assert sum(f"left alone: {page.stem};" in example.expected for example in shown if example.speaks) >= 2
        assert any(not example.speaks for example in shown)


@pytest.mark.parametrize("code", Code)
def test_a_reason_is_explained_by_the_command_that_explains_rules(code: Code) -> None:
    done = CliRunner().invoke(main, ["rule", code.value])
    assert done.exit_code == 0
    assert f"left alone: {code.value};" in done.output
