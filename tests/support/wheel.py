"""The wheel of Drawbridge, made of what the image's build is sent and of nothing that an earlier build left."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.golang import REPOSITORY

FOLDERS = ("certs", "deploy/crds", "deploy/kustomize/base", "policies", "webhook")
FILES = ("pyproject.toml", "README.md", "LICENSE")


def make_wheel(folder: Path) -> Path:
    """Make the wheel in `folder`/dist, by way of a copy of the sources beside it."""
    source = folder / "source"
    for name in (*FOLDERS, "requirements"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(REPOSITORY / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder / "dist", source], check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel
