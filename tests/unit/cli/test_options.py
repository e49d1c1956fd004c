"""What commands say of their options."""

from pathlib import Path

from click.testing import CliRunner

from webhook.cli import main


def test_a_version_that_is_not_known_is_judged_as_the_nearest_with_one_warning(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    done = CliRunner().invoke(main, ["check", str(tmp_path), "--kubernetes-version", "1.40"])
    assert done.exit_code == 0
    assert done.stderr == "drawbridge: Kubernetes 1.40 is not known; it is judged as 1.37\n"


def test_a_file_that_does_not_exist_is_named_and_the_exit_code_is_2(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.yaml")
    done = CliRunner().invoke(main, ["check", missing])
    assert done.exit_code == 2
    assert done.stderr == f"drawbridge: {missing}: no such file or directory\n"
