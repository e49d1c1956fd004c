"""What `pip install` puts on a machine."""

from pathlib import Path
from zipfile import ZipFile

from tests.support.golang import REPOSITORY
from tests.support.wheel import FOLDERS, make_wheel


def test_a_wheel_holds_every_file_that_the_program_reads(tmp_path: Path) -> None:
    """Without the drivers' packs an installed `check` would find a misspelt attribute right."""
    shipped = set(ZipFile(make_wheel(tmp_path)).namelist())
    needed = {str(path.relative_to(REPOSITORY)) for name in FOLDERS for path in (REPOSITORY / name).rglob("*.*")}
    assert {name for name in needed - shipped if "__pycache__" not in name} == set()
