"""Settings from flags, environment and file; everything wrong is told at once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from webhook.core.catalogue import StatedDriver
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
    settings = read({"rules": ("cel-cost=deny", "cel-type=off"), "feature_gates": "X=true,Y=false"})
    assert settings.rules == {"cel-cost": Severity.DENY, "cel-type": None}
    assert settings.feature_gates == {"X": True, "Y": False}
    assert read({}, DRAWBRIDGE_RULES="cel-cost=warn,cel-type=info").rules == {
        "cel-cost": Severity.WARN,
        "cel-type": Severity.INFO,
    }


def test_drivers_are_read_as_written_on_the_command_line_in_a_variable_and_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("drivers: {gpu.example.com: {version: '1.2', featureGates: {A: true, B: false}}}\n")

    stated = {"gpu.example.com": StatedDriver("1.2", {"A": True, "B": False})}

    assert read({}, file).drivers == stated
    assert read({"drivers": ("gpu.example.com=1.2,A=true,B=false",)}).drivers == stated
    both = read({}, DRAWBRIDGE_DRIVERS="gpu.example.com=1.2,A=true,B=false nic.example.com=3").drivers
    assert both == {**stated, "nic.example.com": StatedDriver("3")}


def test_a_bare_off_of_a_file_turns_a_rule_off(tmp_path: Path) -> None:
    """YAML reads it as false."""
    file = tmp_path / "settings.yaml"
    file.write_text("rules: {cel-cost: off, cel-type: info}\n")
    assert read({}, file).rules == {"cel-cost": None, "cel-type": Severity.INFO}


@pytest.mark.parametrize(
    ("flags", "environment", "content"),
    [
        ({"rules": ("selector-unknown-atribute=off", "nonsense=warn")}, {}, ""),
        ({}, {"DRAWBRIDGE_RULES": "selector-unknown-atribute=off,nonsense=warn"}, ""),
        ({}, {}, "rules: {selector-unknown-atribute: off, nonsense: warn}"),
    ],
)
def test_rules_that_there_are_not_are_told_with_near_ones(
    flags: Mapping[str, object], environment: Mapping[str, str], content: str, tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        read(flags, file, **environment)
    assert caught.value.problems == (
        "setting 'rules': there is no rule 'selector-unknown-atribute'; did you mean 'selector-unknown-attribute'?",
        "setting 'rules': there is no rule 'nonsense'",
    )


def test_rules_of_policies_are_named_as_their_authors_like() -> None:
    assert read({"rules": ("policy/Any.Name=off",)}).rules == {"policy/Any.Name": None}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("port: 70000", "setting 'port': must be a whole number from 0 to 65535"),
        ("port: 1.5", "setting 'port': must be a whole number from 0 to 65535"),
        ("port: .nan", "setting 'port': must be a whole number from 0 to 65535"),
        ("port: [1]", "setting 'port': must be a number"),
        ("drain_seconds: 601", "setting 'drain_seconds': must be a number from 0 to 600"),
        ("reservation_seconds: 0", "setting 'reservation_seconds': must be a number greater than 0"),
        ("template_grace_seconds: true", "setting 'template_grace_seconds': must be a number"),
        ("namespace: 3", "setting 'namespace': must be text"),
        ("cluster: 3", "setting 'cluster': must be a list of paths"),
        ("tls_min_version: 1.1", "setting 'tls_min_version': must be '1.2' or '1.3'"),
        ("rules: 3", "setting 'rules': must be written ID=deny|warn|info|off, or as a mapping of them"),
        (
            "rules: {cel-cost: loud}",
            "setting 'rules': 'cel-cost=loud' must be written RULE=deny, RULE=warn, RULE=info or RULE=off",
        ),
        ("feature_gates: {A: 3}", "setting 'feature_gates': 'A=3' must be written NAME=true or NAME=false"),
        ("feature_gates: A", "setting 'feature_gates': 'A' must be written NAME=true or NAME=false"),
        ("feature_gates: 1", "setting 'feature_gates': must be written A=true,B=false, or as a mapping of them"),
        ("drivers: {a: {version: 25.3}}", "setting 'drivers': the version of 'a' must be text in quotes"),
        ("drivers: {a: {gates: {}}}", "setting 'drivers': 'a' must be a mapping with `version` and `featureGates`"),
        ("drivers: [a]", "setting 'drivers': 'a' must be written NAME=VERSION[,Gate=true...]"),
        ("drivers: ['a=1,B=yes']", "setting 'drivers': 'a=1,B=yes' must be written NAME=VERSION[,Gate=true...]"),
        ("drivers: 1", "setting 'drivers': must be written NAME=VERSION[,Gate=true...], or as a mapping of names"),
        ("unknown: 1", "setting 'unknown' is not known"),
    ],
)
def test_what_is_wrong_with_a_setting_is_told_in_a_persons_words(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        read({}, file)
    assert caught.value.problems == (problem,)


def test_a_line_without_a_value_leaves_the_default(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("port:\ncontext:\n")
    assert read({}, file) == Settings()


def test_a_kubernetes_version_must_be_one() -> None:
    with pytest.raises(SettingsError, match="not a Kubernetes version"):
        read({"kubernetes_version": "latest"})
