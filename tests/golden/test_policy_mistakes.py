"""tests/golden/policies shows what authors of policies are told of mistakes; `--update-golden` writes the words."""

import contextlib
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.pages import Example, examples, with_texts
from webhook.cli import main

PAGES = sorted((Path(__file__).parent / "policies").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_is_said_of_each_mistake(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    said = [(example, _said(example, tmp_path)) for example in examples(page)]
    for example, text in said:
        assert "policy.yaml:" in text, f"nothing is said of {example.manifest}"
        assert "  fix: " in text
    shown = page.read_text()
    actual = with_texts(shown, said)
    if request.config.getoption("--update-golden"):
        page.write_text(actual)
    else:
        assert shown == actual


def _said(example: Example, folder: Path) -> str:
    with contextlib.chdir(folder):
        Path("policy.yaml").write_text(example.manifest)
        done = CliRunner().invoke(main, ["check", "policy.yaml"])
    assert done.exit_code in (0, 1), done.output
    return done.stdout


def test_there_are_many_mistakes() -> None:
    assert sum(len(list(examples(page))) for page in PAGES) >= 100
