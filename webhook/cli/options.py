"""Options that several commands share, and how they become Settings."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from webhook.core.errors import SettingsError
from webhook.core.versions import SUPPORTED, minor, supported
from webhook.settings import Settings, read_settings

COULD_NOT_RUN = 2

Command = TypeVar("Command", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)

_CLUSTER = (
    click.option("--cluster", type=_PATH, multiple=True, help="A folder of manifests or a saved snapshot; may repeat."),
    click.option("--kubeconfig", type=_PATH, help="A live cluster."),
    click.option("--context", help="The kubeconfig's context."),
    click.option("--kubernetes-version", metavar="1.34 ... 1.37", help="Judge as this version does."),
    click.option("--feature-gates", metavar="A=true,B=false", help="Gates of the API server."),
    click.option("--namespace", help="For documents without one; default 'default'."),
    click.option("--rule", "rules", multiple=True, metavar="ID=deny|warn|info|off", help="Set a rule's severity."),
    click.option(
        "--driver", "drivers", multiple=True, metavar="NAME=VERSION[,Gate=true...]", help="A driver's version."
    ),
    click.option(
        "--settings", "settings_file", type=_PATH, envvar="DRAWBRIDGE_SETTINGS", help="A YAML file of settings."
    ),
)


def cluster_options(command: Command) -> Command:
    """Add what every command that needs a cluster takes (contract 2)."""
    for option in reversed(_CLUSTER):
        command = option(command)
    return command


def settings_from(flags: dict[str, Any]) -> Settings:
    """Return the settings of a command's flags, the environment and the settings file; SettingsError otherwise."""
    drivers = drivers_stated(flags.pop("drivers"))
    file = flags.pop("settings_file")
    settings = read_settings({**flags, **({"drivers": drivers} if drivers else {})}, file, os.environ)
    wanted = settings.kubernetes_version
    if wanted is not None and f"1.{minor(wanted)}" not in SUPPORTED:
        click.echo(f"drawbridge: Kubernetes {wanted} is not known; it is judged as {supported(wanted)}", err=True)
    return settings


def told(error: Exception) -> str:
    """Return what went wrong, as a person would say it."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}" if error.filename else error.strerror.lower()
    return str(error)


def fail(problems: tuple[str, ...]) -> NoReturn:
    """End with every problem on standard error and exit code 2."""
    for problem in problems:
        click.echo(f"drawbridge: {problem}", err=True)
    raise SystemExit(COULD_NOT_RUN)


def drivers_stated(values: tuple[str, ...]) -> Mapping[str, Mapping[str, object]]:
    """Return `NAME=VERSION[,Gate=true...]` as the setting `drivers`; SettingsError lists what is not written so."""
    found: dict[str, Mapping[str, object]] = {}
    problems = []
    for value in values:
        name, equals, rest = value.partition("=")
        version, *gates = rest.split(",")
        pairs = [gate.partition("=") for gate in gates]
        if not name or not equals or any(setting not in ("true", "false") for _, _, setting in pairs):
            problems.append(f"setting 'drivers': '{value}' must be written NAME=VERSION[,Gate=true...]")
        found[name] = {"version": version, "featureGates": {gate: setting == "true" for gate, _, setting in pairs}}
    if problems:
        raise SettingsError(tuple(problems))
    return found
