"""What is installed: pinned by hash, no more than the program imports, under licences that may be passed on."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution, metadata, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
LOCKED = sorted(REQUIREMENTS.glob("*.txt"))
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
# The parser of the server library: we import the module of uvicorn that imports it, and uvicorn does not ask for it.
IMPORTED_FOR_US = {"uvicorn.protocols.http.httptools_impl": "httptools"}
LICENCES = {
    *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"),
    # As they are written where no SPDX expression is given.
    *("Apache 2.0", "BSD License", "3-Clause BSD License", "MIT License"),
}
# Nothing in its metadata but the licence's text.
BY_TEXT = {"cel-python": "Apache License"}


def entries(file: Path) -> list[str]:
    """Return the requirements of a locked file, each with the lines that belong to it."""
    text = re.sub(r"^\s*#.*\n?", "", file.read_text(), flags=re.MULTILINE)
    return [entry for entry in re.split(r"\n(?=\S)", text.strip()) if entry]


def pinned(name: str) -> list[Requirement]:
    return [Requirement(entry.split(" \\\n")[0]) for entry in entries(REQUIREMENTS / name)]


def asked(name: str) -> list[Requirement]:
    """Return the requirements that people write, without remarks and other files."""
    lines = (line.partition("#")[0].strip() for line in (REQUIREMENTS / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def names(requirements: list[Requirement]) -> set[str]:
    """Return the canonical names of those that hold on this machine."""
    return {
        canonicalize_name(each.name)
        for each in requirements
        if each.marker is None or each.marker.evaluate({"extra": ""})
    }


@pytest.mark.parametrize("file", LOCKED, ids=lambda file: file.name)
def test_t_27_every_package_is_pinned_to_one_version_and_its_hashes(file: Path) -> None:
    assert file.with_suffix(".in").exists()
    assert "://" not in file.read_text()
    for entry in entries(file):
        requirement = Requirement(entry.split(" \\\n")[0])
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), entry
        assert requirement.url is None
        assert HASH.search(entry), requirement.name
        assert not HASH.sub("", entry).partition("\\\n")[2].replace("\\", "").strip(), requirement.name


@pytest.mark.parametrize("file", LOCKED, ids=lambda file: file.name)
def test_what_is_asked_for_is_pinned(file: Path) -> None:
    assert names(asked(f"{file.stem}.in")) <= names(pinned(file.name))


@cache
def imported() -> frozenset[str]:
    """Return the dotted names of all modules that the program's own files import, of whatever origin."""
    files = [file for folder in ("webhook", "certs", "policies") for file in (ROOT / folder).rglob("*.py")]
    return frozenset(name for file in files for name in _imports(ast.parse(file.read_text())))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_t_27_what_is_asked_for_is_what_is_imported() -> None:
    owners = packages_distributions()
    used: set[str] = {
        canonicalize_name(owner) for name in imported() for owner in owners.get(name.partition(".")[0], ())
    }
    used |= {IMPORTED_FOR_US[name] for name in imported() & IMPORTED_FOR_US.keys()}
    of_the_extra = {name for name in used if name.startswith("opentelemetry-")}
    assert used - of_the_extra - {"drawbridge"} == names(asked("runtime.in"))


def test_t_27_what_is_pinned_is_what_is_asked_for_and_what_that_needs() -> None:
    found: set[str] = set()
    waiting = names(asked("runtime.in"))
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= names([Requirement(needed) for needed in distribution(name).requires or ()]) - found
    assert found == names(pinned("runtime.txt"))


@pytest.mark.parametrize("name", sorted(names(pinned("runtime.txt")) | names(pinned("otel.txt"))))
def test_what_is_installed_may_be_passed_on(name: str) -> None:
    found = metadata(name)
    if name in BY_TEXT:
        assert BY_TEXT[name] in (distribution(name).read_text("licenses/LICENSE") or "")
        return
    declared = found.get_all("License-Expression") or found.get_all("License") or []
    classified = [text.rpartition(" :: ")[2] for text in found.get_all("Classifier", ()) if text.startswith("License")]
    parts = [part for text in declared for part in re.split(r" (?:AND|OR) ", text)] or classified
    assert parts
    assert set(parts) <= LICENCES
