"""What `pip install` puts on a machine."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
FOLDERS = ("certs", "deploy/crds", "deploy/kustomize/base", "policies", "webhook")
FILES = ("pyproject.toml", "README.md", "LICENSE")


def test_a_wheel_holds_every_file_that_the_program_reads(tmp_path: Path) -> None:
    """Without the drivers' packs an installed `check` would find a misspelt attribute right."""
    source = tmp_path / "source"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "requirements", source / "requirements")
    for name in FILES:
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, source], check=True)

    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(ZipFile(wheel).namelist())

    needed = {str(path.relative_to(ROOT)) for name in FOLDERS for path in (ROOT / name).rglob("*.*")}
    assert {name for name in needed - shipped if "__pycache__" not in name} == set()
    [metadata] = [ZipFile(wheel).read(name).decode() for name in shipped if name.endswith("dist-info/METADATA")]
    assert 'Requires-Dist: opentelemetry-sdk; extra == "otel"' in metadata
