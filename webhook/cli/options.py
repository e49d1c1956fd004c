"""Options that several commands share, and how they become Settings."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from webhook.core.render import harmless
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


def say(warning: object) -> None:
    """Tell a warning on standard error."""
    click.echo(f"drawbridge: {harmless(str(warning))}", err=True)


def settings_from(flags: dict[str, Any], warn: Callable[[str], None] = say) -> Settings:
    """Return the settings of a command's flags, the environment and the settings file; SettingsError otherwise.

    `warn` is told where they name a version of Kubernetes that is not known.
    """
    file = flags.pop("settings_file")
    settings = read_settings(flags, file, os.environ)
    wanted = settings.kubernetes_version
    if wanted is not None and f"1.{minor(wanted)}" not in SUPPORTED:
        warn(f"Kubernetes {wanted} is not known; it is judged as {supported(wanted)}")
    return settings


def told(error: Exception) -> str:
    """Return what went wrong, as a person would say it."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}" if error.filename else error.strerror.lower()
    return str(error)


def fail(problems: tuple[str, ...]) -> NoReturn:
    """End with every problem on standard error and exit code 2."""
    for problem in problems:
        say(problem)
    raise SystemExit(COULD_NOT_RUN)
