"""`drawbridge migrate`: legacy manifests rewritten file to file, as the server would rewrite their pods."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from webhook.bootstrap.offline import offline
from webhook.cli.changes import difference, write_changes
from webhook.cli.migrate_report import REPORTS
from webhook.cli.options import cluster_options, fail
from webhook.core.cluster import ClusterView
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.raw import RawObject
from webhook.kube.inputs import read_sources
from webhook.kube.manifests import read_documents
from webhook.kube.migration import Migration, Migrator
from webhook.kube.shipped import DEFAULT_MAPPING, load_mapping
from webhook.kube.yaml_edit import dump
from webhook.rewrite.reasons import Code
from webhook.rewrite.successors import successors
from webhook.settings import Settings, read_settings

UNREADABLE = 1
QUOTA = "quota"


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--diff", is_flag=True, help="Print what would change instead of the result.")
@click.option("--in-place", is_flag=True, help="Write the files instead of printing the result.")
@click.option("--report", type=click.Choice(sorted(REPORTS)), default="text", help="The report on standard error.")
@click.option("--ignore", "ignored", metavar="CODE[,CODE]", default="", help="Reason codes to pass over.")
@click.option(
    "--mapping", "names", multiple=True, metavar="NAME|FILE", help="Shipped mappings or files; default 'nvidia'."
)
@cluster_options
def migrate(
    files: tuple[str, ...],
    diff: bool,
    in_place: bool,
    report: str,
    ignored: str,
    names: tuple[str, ...],
    **flags: Any,
) -> None:
    """Rewrite pods and workloads that ask for devices by limits; FILES may be folders or - (standard input).

    `migrate quota [FILES]` prints the DeviceQuotas that must be there before pods may leave their ResourceQuotas.

    Prints the rewritten documents in order, each workload's claim templates before it, and a report on standard
    error. The mappings' modes do not count; reasons to leave a pod alone do.
    """
    quotas = files[0] == QUOTA and not Path(QUOTA).exists()
    try:
        settings = read_settings(flags, flags.pop("settings_file"), os.environ)
        codes = _codes(ignored)
        inputs = tuple(read_sources(files[1:] if quotas else files))
        objects = [document.raw for name, content in inputs for document in read_documents(name, content)[0]]
        view = _view(settings, objects, names)
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((str(error),))
    if quotas:
        click.echo("".join(f"---\n{dump(quota)}" for quota in successors(view)), nl=False)
        return
    migrator = Migrator(view, settings.namespace, codes)
    for raw in objects:
        migrator.knows(raw)
    migrations = tuple(migrator.migrate(name, content) for name, content in inputs)
    if in_place:
        write_changes(migrations)
    elif diff:
        click.echo("".join(difference(migrations)), nl=False)
    else:
        click.echo(_whole(migrations), nl=False)
    click.echo(REPORTS[report](migrations), err=True, nl=False)
    raise SystemExit(UNREADABLE if any(migration.problems for migration in migrations) else 0)


def _codes(written: str) -> frozenset[Code]:
    """Return the reason codes to pass over; SettingsError lists what is none, or cannot be passed over."""
    known = {code.value: code for code in Code}
    wanted = [name.strip() for name in written.split(",") if name.strip()]
    problems = [
        f"--ignore: '{name}' is no reason code; there are {', '.join(known)}" for name in wanted if name not in known
    ]
    problems += [
        f"--ignore: '{name}' cannot be passed over: no rewrite would be right"
        for name in wanted
        if name in known and not known[name].can_be_ignored
    ]
    if problems:
        raise SettingsError(tuple(problems))
    return frozenset(known[name] for name in wanted)


def _view(settings: Settings, objects: Sequence[RawObject], names: Sequence[str]) -> ClusterView:
    """Return the cluster with the mappings that are named, else its own, else the shipped default."""
    judge = offline(settings, objects)
    for problem in judge.problems:
        click.echo(f"drawbridge: {problem}", err=True)
    if judge.view.mappings and not names:
        return judge.view
    chosen = [load_mapping(name) for name in names or (DEFAULT_MAPPING,)]
    return replace(judge.view, mappings={mapping.name: mapping for mapping in chosen})


def _whole(migrations: Iterable[Migration]) -> str:
    """Return the documents of all files as one stream."""
    whole = ""
    for migration in migrations:
        if whole and not whole.endswith("\n"):
            whole += "\n"
        if whole and not migration.after.startswith("---"):
            whole += "---\n"
        whole += migration.after
    return whole
