"""The `drawbridge` commands that the pages for people show can be run as they stand there."""

import contextlib
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from webhook.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("examples/*.md")]
COMMANDS = sorted(
    {
        command
        for page in PAGES
        for language, block in re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        if not language
        for command in re.findall(r"^\.venv/bin/drawbridge (?!serve)(.+)$", block, re.MULTILINE)
    }
)


def test_pages_show_commands() -> None:
    assert COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_a_page_runs(command: str) -> None:
    with contextlib.chdir(REPOSITORY):
        done = CliRunner().invoke(main, shlex.split(command))
    assert done.exit_code in (0, 1), done.output
    assert not isinstance(done.exception, Exception), done.exception
    assert done.stdout


def test_the_refusal_that_a_page_explains_is_ours() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "debug-a-denial.md").read_text()
    shown = page.partition("denied the request: ")[2].partition("```")[0].splitlines()
    with contextlib.chdir(REPOSITORY):
        check = ["check", "--cluster", "examples/cluster", "examples/claims/over-memory-quota.yaml"]
        said = CliRunner().invoke(main, check).output
    assert [line for line in shown if line not in said] == []
