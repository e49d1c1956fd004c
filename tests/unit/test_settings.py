"""Settings from flags, environment and file; everything wrong is told at once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from webhook.core.errors import SettingsError
from webhook.core.finding import Severity
from webhook.settings import Settings, read_settings


def read(flags: Mapping[str, object], file: Path | None = None, **environment: str) -> Settings:
    return read_settings(flags, file, environment)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("port: 1\nhealth_port: 2\nnamespace: file\n")

    settings = read({"port": 3}, file, DRAWBRIDGE_PORT="4", DRAWBRIDGE_HEALTH_PORT="5")

    assert (settings.port, settings.health_port, settings.namespace) == (3, 5, "file")


def test_a_flag_that_was_not_given_does_not_hide_the_environment() -> None:
    assert read({"port": None, "cluster": ()}, DRAWBRIDGE_PORT="4", DRAWBRIDGE_CLUSTER="a:b").cluster == (
        Path("a"),
        Path("b"),
    )


def test_every_problem_is_listed() -> None:
    with pytest.raises(SettingsError) as caught:
        read(
            {"rules": ("cel-cost=loud",), "tls_min_version": "1.1"},
            DRAWBRIDGE_PORT="many",
            DRAWBRIDGE_DRAIN_SECONDS="-1",
        )

    told = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 4
    for part in ("'cel-cost=loud' must be written", "'tls_min_version'", "'port'", "'drain_seconds'"):
        assert part in told


@pytest.mark.parametrize("content", ["a: [", "- 1", "unknown: 1"])
def test_a_broken_settings_file_is_a_problem(tmp_path: Path, content: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError):
        read({}, file)


def test_rules_and_gates_are_read_as_written_on_the_command_line() -> None:
    settings = read({"rules": ("a=deny", "b=off"), "feature_gates": "X=true,Y=false"})
    assert settings.severities() == {"a": Severity.DENY, "b": None}
    assert settings.feature_gates == {"X": True, "Y": False}
    assert read({}, DRAWBRIDGE_RULES="a=warn,b=info").rules == {"a": "warn", "b": "info"}


def test_a_kubernetes_version_must_be_one() -> None:
    with pytest.raises(SettingsError, match="not a Kubernetes version"):
        read({"kubernetes_version": "latest"})
