"""`drawbridge inventory`: devices, shapes and attribute schema of a cluster, idle claims, and snapshots of it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from webhook.bootstrap.offline import cluster_of
from webhook.bootstrap.snapshot import snapshot
from webhook.cli.inventory_report import idle_json, idle_text, inventory_json, inventory_text, schema_json, schema_text
from webhook.cli.options import cluster_options, fail, settings_from, told
from webhook.core.cluster import ClusterView
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.settings import Settings

_OUTPUT = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to report.")


@click.group(invoke_without_command=True)
@_OUTPUT
@click.option("--idle", is_flag=True, help="Show claims that hold devices while no pod may use them.")
@cluster_options
@click.pass_context
def inventory(context: click.Context, /, output: str, idle: bool, **flags: Any) -> None:
    """Show the devices of a cluster by driver and shape; pools that are incomplete are named."""
    try:
        settings = settings_from(flags)
        if not settings.cluster and settings.kubeconfig is None:
            fail(("--cluster DIR or --kubeconfig FILE is needed",))
        context.obj = settings
        if context.invoked_subcommand is not None:
            return
        view = _view(settings)
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    now = datetime.now(UTC)
    if idle:
        click.echo(_json(idle_json(view, now)) if output == "json" else idle_text(view, now))
    else:
        click.echo(_json(inventory_json(view)) if output == "json" else inventory_text(view))


@inventory.command()
@click.argument("driver", required=False)
@_OUTPUT
@click.pass_obj
def schema(settings: Settings, driver: str | None, output: str) -> None:
    """Show the attributes and capacities that DRIVER, or every driver, publishes: types, values, how many devices."""
    try:
        view = _view(settings)
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    click.echo(_json(schema_json(view, driver)) if output == "json" else schema_text(view, driver))


@inventory.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def save(settings: Settings, file: Path) -> None:
    """Write all that Drawbridge reads of the cluster to FILE, which every `--cluster` reads."""
    try:
        taken = snapshot(settings)
        file.write_text(json.dumps(taken, indent=1, ensure_ascii=False) + "\n")
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    click.echo(f"drawbridge: {len(taken['items']) - 1} objects written to {file}", err=True)


def _view(settings: Settings) -> ClusterView:
    view, problems = cluster_of(settings)
    for problem in problems:
        click.echo(f"drawbridge: {problem}", err=True)
    return view


def _json(report: object) -> str:
    return json.dumps(report, indent=1, ensure_ascii=False)
