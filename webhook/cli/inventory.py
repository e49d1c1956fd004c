"""`drawbridge inventory`: devices, shapes and attribute schema of a cluster, idle claims, and snapshots of it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from webhook.bootstrap.offline import cluster_of
from webhook.bootstrap.snapshot import snapshot
from webhook.cli.inventory_report import idle_json, idle_text, inventory_json, inventory_text, schema_json, schema_text
from webhook.cli.options import cluster_options, fail, say, settings_from, told
from webhook.core.cluster import ClusterView
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.render import harmless
from webhook.settings import Settings

_OUTPUT = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to report.")


@click.group(invoke_without_command=True)
@_OUTPUT
@click.option("--idle", is_flag=True, help="Show claims that hold devices while no pod may use them.")
@cluster_options
@click.pass_context
def inventory(context: click.Context, /, output: str, idle: bool, **flags: Any) -> None:
    """Show the devices of a cluster by driver and shape; pools that are incomplete are named."""
    if context.invoked_subcommand is not None:
        context.obj = flags
        return
    view, now = _view(_settings(flags, {})), datetime.now(UTC)
    if idle:
        click.echo(_json(idle_json(view, now)) if output == "json" else harmless(idle_text(view, now)))
    else:
        click.echo(_json(inventory_json(view)) if output == "json" else harmless(inventory_text(view)))


@inventory.command()
@click.argument("driver", required=False)
@_OUTPUT
@cluster_options
@click.pass_obj
def schema(before: Mapping[str, Any], /, driver: str | None, output: str, **flags: Any) -> None:
    """Show the attributes and capacities that DRIVER, or every driver, publishes: types, values, how many devices."""
    view = _view(_settings(flags, before))
    click.echo(_json(schema_json(view, driver)) if output == "json" else harmless(schema_text(view, driver)))


@inventory.command()
@click.argument("file", type=click.Path(path_type=Path))
@cluster_options
@click.pass_obj
def save(before: Mapping[str, Any], /, file: Path, **flags: Any) -> None:
    """Write all that Drawbridge reads of the cluster to FILE, which every `--cluster` reads."""
    settings = _settings(flags, before)
    try:
        taken = snapshot(settings)
        file.write_text(json.dumps(taken, indent=1, ensure_ascii=False) + "\n")
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    click.echo(f"drawbridge: {len(taken['items']) - 1} objects written to {file}", err=True)


def _settings(flags: Mapping[str, Any], before: Mapping[str, Any]) -> Settings:
    """Return the settings of the flags; those before the name of a subcommand count where it has none of its own."""
    try:
        settings = settings_from({name: value or before.get(name, value) for name, value in flags.items()})
    except SettingsError as error:
        fail(error.problems)
    if not settings.cluster and settings.kubeconfig is None:
        fail(("--cluster DIR or --kubeconfig FILE is needed",))
    return settings


def _view(settings: Settings) -> ClusterView:
    try:
        view, problems = cluster_of(settings)
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    for problem in problems:
        say(problem)
    return view


def _json(report: object) -> str:
    return json.dumps(report, indent=1, ensure_ascii=False)
