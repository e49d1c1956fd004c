"""`drawbridge migrate`: legacy manifests rewritten file to file, as the server would rewrite their pods."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from webhook.bootstrap.offline import offline
from webhook.cli.changes import difference, write_changes
from webhook.cli.migrate_plan import plan
from webhook.cli.migrate_report import REPORTS, Report
from webhook.cli.options import cluster_options, fail, say, settings_from, told
from webhook.core.cluster import ClusterView
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.raw import RawObject
from webhook.kube.inputs import read_sources
from webhook.kube.manifests import read_documents
from webhook.kube.migration import Migration, Migrator
from webhook.kube.shipped import DEFAULT_MAPPING, DEFAULT_MAPPINGS, load_mapping, mapping_manifest
from webhook.kube.yaml_edit import dump
from webhook.rewrite.migration_plan import Phase
from webhook.rewrite.phases import mapping_for
from webhook.rewrite.reasons import Code
from webhook.rewrite.successors import successors
from webhook.settings import Settings

UNREADABLE = 1
_MAPPING = click.option(
    "--mapping", "names", multiple=True, metavar="NAME|FILE", help="Shipped mappings or files; default: all but 'hami'."
)


class _FilesOrCommand(click.Group):
    """A group whose own arguments are files; a first word that names a command, and no file, is that command."""

    allow_interspersed_args = True

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        name = self._command_in(args)
        if name is None:
            return super().make_context(info_name, args, parent, **extra)
        rest = list(args)
        rest.remove(name)
        return self.commands[name].make_context(f"{info_name} {name}", rest, parent, **extra)

    def _command_in(self, args: list[str]) -> str | None:
        parser = self.make_parser(click.Context(self, ignore_unknown_options=True))
        try:
            given, _, _ = parser.parse_args(list(args))
        except click.UsageError:
            return None
        files = given.get("files")
        first = files[0] if isinstance(files, list | tuple) and files else ""
        return first if first in self.commands and not Path(first).exists() else None


@click.group(cls=_FilesOrCommand, invoke_without_command=True, subcommand_metavar="")
@click.argument("files", nargs=-1, required=True)
@click.option("--diff", is_flag=True, help="Print what would change instead of the result.")
@click.option("--in-place", is_flag=True, help="Write the files instead of printing the result.")
@click.option("--report", type=click.Choice(sorted(REPORTS)), default="text", help="The report on standard error.")
@click.option("--ignore", "ignored", metavar="CODE[,CODE]", default="", help="Reason codes to pass over.")
@_MAPPING
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

    Prints the rewritten documents in order, each workload's claim templates before it, and a report on standard
    error. The mappings' modes do not count; reasons to leave a pod alone do.
    """
    warnings: list[str] = []  # in the report, which alone is on standard error, so that programs can read it
    try:
        settings = settings_from(flags, warnings.append)
        codes = _codes(ignored)
        inputs = tuple(read_sources(files))
        objects = [document.raw for name, content in inputs for document in read_documents(name, content)[0]]
        view = _view(settings, objects, names, warnings.append)
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
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
    click.echo(REPORTS[report](Report(migrations, tuple(successors(view)), warnings)), err=True, nl=False)
    raise SystemExit(UNREADABLE if any(migration.problems for migration in migrations) else 0)


migrate.add_command(plan)


@migrate.command("quota")
@click.argument("files", nargs=-1)
@_MAPPING
@cluster_options
def quota(files: tuple[str, ...], names: tuple[str, ...], **flags: Any) -> None:
    """Print the DeviceQuotas that pods need before they may leave their ResourceQuotas, of FILES and the cluster."""
    try:
        settings = settings_from(flags)
        objects = [
            document.raw for name, content in read_sources(files) for document in read_documents(name, content)[0]
        ]
        view = _view(settings, objects, names, say)
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    click.echo("".join(f"---\n{dump(made)}" for made in successors(view)), nl=False)


@migrate.command("mapping")
@click.argument("names", nargs=-1)
@click.option(
    "--phase",
    type=click.Choice([phase.value for phase in Phase if phase is not Phase.COEXIST]),
    default=Phase.REPORT.value,
    help="What becomes of pods.",
)
def mapping(names: tuple[str, ...], phase: str) -> None:
    """Print the shipped mappings NAMES (or files; default 'nvidia') for one phase, ready to apply.

    The one for `report` is for every namespace, those for `rewrite` and `deny` for namespaces whose label
    `drawbridge.dev/phase` says so.
    """
    try:
        manifests = [mapping_for(mapping_manifest(name), Phase(phase)) for name in names or (DEFAULT_MAPPING,)]
    except SettingsError as error:
        fail(error.problems)
    click.echo("".join(f"---\n{dump(made)}" for made in manifests), nl=False)


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


def _view(
    settings: Settings, objects: Sequence[RawObject], names: Sequence[str], warn: Callable[[str], None]
) -> ClusterView:
    """Return the cluster with the mappings that are named, else its own, else the shipped ones.

    `warn` is told what of the cluster could not be used.
    """
    judge = offline(settings, objects)
    for problem in judge.problems:
        warn(str(problem))
    if judge.view.mappings and not names:
        return judge.view
    chosen = [load_mapping(name) for name in names or DEFAULT_MAPPINGS]
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
