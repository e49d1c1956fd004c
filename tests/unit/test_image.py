"""The Dockerfile: what must hold of it, and its steps run outside a container."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.deployment import of_kind
from tests.support.dockerfile import is_sent, of_word, stages
from tests.support.golang import REPOSITORY

GLOBAL, BUILD, RUNTIME = stages()
PREFIX = "/opt/drawbridge"


def test_the_base_of_both_stages_is_an_argument_so_that_a_digest_can_be_given() -> None:
    [base] = of_word(GLOBAL, "ARG")
    assert re.fullmatch(r"BASE=python:3\.\d+-slim", base)
    assert [of_word(stage, "FROM") for stage in (BUILD, RUNTIME)] == [["${BASE} AS build"], ["${BASE}"]]


def test_what_is_released_holds_nothing_of_the_build_and_runs_nothing() -> None:
    """What runs, runs in the first stage, which no image keeps; it is that of the image's own platform."""
    assert of_word(RUNTIME, "COPY") == [f"--from=build {PREFIX} {PREFIX}"]
    assert of_word(RUNTIME, "RUN") == []


def test_everything_that_is_fetched_is_a_wheel_with_a_hash() -> None:
    """Of a source distribution code would run, and compile for one platform."""
    steps = [step for run in of_word(BUILD, "RUN") for step in run.split(" && ")]
    installing = [step for step in steps if " install " in step and "--no-index" not in step]
    assert len(installing) == 2
    assert all("--require-hashes" in step for step in installing)
    assert "--only-binary :all:" in installing[1]
    assert all("--no-deps --no-build-isolation" in step for step in steps if " wheel " in step)
    [default] = [argument for argument in of_word(BUILD, "ARG") if argument.startswith("REQUIREMENTS=")]
    for name in ("requirements/build.txt", default.partition("=")[2]):
        pins = re.findall(r"^(\S+)==\S+(.*?)(?=^\S|\Z)", (REPOSITORY / name).read_text(), re.MULTILINE | re.DOTALL)
        assert pins
        assert [package for package, rest in pins if "--hash=sha256:" not in rest] == []


def test_nothing_comes_from_elsewhere() -> None:
    instructions = [each for stage in (BUILD, RUNTIME) for each in stage]
    assert {each.word for each in instructions} <= {
        *("FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD")
    }
    assert [each.rest for each in instructions if "://" in each.rest] == []


def test_what_is_copied_is_there_and_let_through_by_dockerignore() -> None:
    copied = [name for rest in of_word(BUILD, "COPY") for name in rest.split()[:-1]]
    assert copied
    assert [name for name in copied if not (REPOSITORY / name).exists()] == []
    assert [name for name in copied if not is_sent(name)] == []


def test_it_runs_as_the_user_of_the_deployments() -> None:
    [user] = of_word(RUNTIME, "USER")
    for deployment in of_kind("Deployment"):
        security = deployment["spec"]["template"]["spec"]["securityContext"]
        assert user == f"{security['runAsUser']}:{security['runAsGroup']}"


def _variables(stage: str) -> Mapping[str, str]:
    """Return those that have a value."""
    return dict(word.split("=", 1) for word in stage.split() if "=" in word)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the steps of the first stage have put into its prefix, in a folder of the test's; all else is gone."""
    root = tmp_path_factory.mktemp("image")
    base = root / "base"
    subprocess.run([sys.executable, "-m", "venv", base], check=True)
    build = root / "build"
    build.mkdir()
    arguments = _variables(" ".join(of_word(BUILD, "ARG")))
    # Compiling what Python would compile anyway takes half of the time.
    quick = {"PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment = {**os.environ, **arguments, **quick, "PATH": f"{base / 'bin'}:{os.environ['PATH']}"}
    for each in BUILD:
        if each.word == "COPY":
            *names, target = each.rest.split()
            for name in names:
                _copy(REPOSITORY / name, build / target, into=target.endswith("/"))
        elif each.word == "RUN":
            command = each.rest.replace(PREFIX, str(root / "prefix"))
            done = subprocess.run(
                ["sh", "-euc", command], cwd=build, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(build)
    yield root / "prefix"
    shutil.rmtree(root)


def _copy(source: Path, target: Path, *, into: bool) -> None:
    """Copy as COPY does: of a folder what is in it, a file into a folder whose name ends with a slash."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        (target if into else target.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path} {path.lstat().st_mtime_ns} {path.lstat().st_size}\n".encode())
    return digest.hexdigest()


@pytest.mark.timeout(600)
def test_what_the_steps_install_serves_and_writes_nothing_beside_itself(installed: Path, tmp_path: Path) -> None:
    """As in the image: only its own variables, and a root that is not written to."""
    [told] = of_word(RUNTIME, "ENV")
    [entrypoint] = of_word(RUNTIME, "ENTRYPOINT")
    assert entrypoint == '["drawbridge"]'
    variables = {name: value.replace(PREFIX, str(installed)) for name, value in _variables(told).items()}
    environment = {**variables, "HOME": "/nonexistent", "TMPDIR": str(tmp_path)}
    before = _fingerprint(installed)

    def run(*arguments: str) -> "subprocess.Popen[str]":
        program = installed / "bin" / "drawbridge"
        return subprocess.Popen(
            [program, *arguments], cwd="/", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    with run("--version") as asked:
        said, _ = asked.communicate(timeout=60)
    assert said.startswith("drawbridge, version ")
    with run("rule", "quota-exceeded") as asked:
        said, _ = asked.communicate(timeout=60)
    assert said.startswith("# quota-exceeded")
    cluster = REPOSITORY / "examples" / "cluster"
    ports = ("--host", "127.0.0.1", "--port", "0", "--health-port", "0", "--drain-seconds", "0")
    files = ("--cert-dir", str(tmp_path / "certs"), "--ledger", str(tmp_path / "ledger"))
    with run("serve", "--cluster", str(cluster), *ports, *files) as serving:
        assert serving.stdout is not None
        said = ""
        try:
            while "drawbridge: serving on https://" not in said:
                line = serving.stdout.readline()
                assert line, said
                said += line
            serving.terminate()
            serving.communicate(timeout=60)
        finally:
            serving.kill()
    assert serving.returncode == 0
    assert _fingerprint(installed) == before
