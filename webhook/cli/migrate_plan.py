"""`drawbridge migrate plan`: who of a cluster still asks the old way, what blocks, and in which order to move."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import click

from webhook.bootstrap.offline import cluster_of
from webhook.bootstrap.workloads import workloads_of
from webhook.cli.options import cluster_options, fail, say, settings_from, told
from webhook.cli.plan_page import plan_page
from webhook.cli.plan_report import Steps, plan_json, plan_text
from webhook.core.autoscalers import autoscalers
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.workloads import families, parse_workloads
from webhook.kube.shipped import DEFAULT_MAPPING, load_mapping, shipped_names
from webhook.rewrite.migration_plan import MigrationPlan, plan_of
from webhook.rewrite.phases import phased, steps_of
from webhook.settings import Settings

UNREADABLE = 1
_OUTPUTS: Mapping[str, Callable[[MigrationPlan, Steps], str]] = {
    "html": plan_page,
    "json": plan_json,
    "table": plan_text,
}


@click.command()
@click.option("-o", "--output", type=click.Choice(sorted(_OUTPUTS)), default="table", help="How to report.")
@click.option(
    "--mapping",
    "names",
    multiple=True,
    metavar="NAME|FILE",
    help="Shipped mappings or files; default: the cluster's, else 'nvidia'.",
)
@cluster_options
def plan(output: str, names: tuple[str, ...], **flags: Any) -> None:
    """Report per namespace and owner who still asks the old way, what serves them, what blocks, and the order to move.

    Reads the cluster and changes nothing.
    """
    try:
        settings = settings_from(flags)
        if not settings.cluster and settings.kubeconfig is None:
            fail(("--cluster DIR or --kubeconfig FILE is needed",))
        view, problems = cluster_of(settings)
        objects = workloads_of(settings)
        installed = bool(view.mappings) and not names
        chosen = () if installed else tuple(map(load_mapping, names or (DEFAULT_MAPPING,)))
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    for problem in problems:
        say(problem)
    if not installed:
        view = replace(view, mappings={mapping.name: mapping for mapping in chosen})
    found = families(parse_workloads(objects, settings.namespace))
    made = plan_of(view, found, autoscalers(objects, view.nodes), installed=installed)
    by_label = phased(view.mappings, shipped_names()) if installed else names or (DEFAULT_MAPPING,)
    steps = steps_of(made, by_label, _flags(settings))
    click.echo(_OUTPUTS[output](made, steps), nl=False)
    raise SystemExit(UNREADABLE if problems else 0)


def _flags(settings: Settings) -> str:
    """Return the flags that name the cluster, for the commands of the steps."""
    words = [word for path in settings.cluster for word in ("--cluster", str(path))]
    if not words and settings.kubeconfig is not None:
        words += ["--kubeconfig", str(settings.kubeconfig)]
    if not settings.cluster and settings.context:
        words += ["--context", settings.context]
    return shlex.join(words)
