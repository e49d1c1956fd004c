"""The commands of docs/how-to/air-gapped.md: what is fetched outside installs inside, where nobody can be asked."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.golang import REPOSITORY
from tests.support.wheel import make_wheel

PAGE = REPOSITORY / "docs" / "how-to" / "air-gapped.md"
NOT_RUN = {
    "docker ": "an image needs a container engine; test_image.py runs the Dockerfile's steps",
    "sha256sum ": "of the image's file",
    "make dist": "it packages with the helm of the machine; test_chart.py does it with that of the tests",
    "kubectl ": "test_pages_of_installing.py installs the chart",
    "helm ": "as above",
}


def _commands() -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_each_reason_not_to_run_a_command_is_needed() -> None:
    assert [reason for reason in NOT_RUN if not any(command.startswith(reason) for command in _commands())] == []


@pytest.mark.timeout(600)
def test_wheels_that_were_carried_over_install_and_check_without_an_index(tmp_path: Path) -> None:
    make_wheel(tmp_path)
    run = [command for command in _commands() if not command.startswith(tuple(NOT_RUN))]
    assert len(run) == 5
    fetch, *inside = [
        command.replace(".venv/bin/python", sys.executable)
        .replace("build/", f"{tmp_path}/")
        .replace("drawbridge-cli", f"{tmp_path}/cli")
        for command in run
    ]
    assert "--require-hashes" in fetch
    quick = {**os.environ, "PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    nowhere = {**quick, "PIP_INDEX_URL": "https://127.0.0.1:9/none", "PIP_RETRIES": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    _run(fetch, quick)
    said = [_run(command, nowhere) for command in inside]
    assert "1 object, 0 denied" in said[-1]


def _run(command: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, shell=True, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
