"""`drawbridge explain`: how many devices each clause of a request leaves, and what would let more through."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import click

from webhook.bootstrap.explaining import Explained, Subjects, explained, subjects_of
from webhook.bootstrap.offline import Offline, offline
from webhook.cli.explain_report import explain_json, explain_text
from webhook.cli.options import cluster_options, fail, say, settings_from, told
from webhook.cli.progress import MANY_DEVICES, Progress
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.raw import RawObject
from webhook.inventory.inventory import inventory_of
from webhook.kube.inputs import inputs_of, read_sources
from webhook.kube.manifests import Document
from webhook.settings import Settings


@click.command()
@click.argument("file")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to report.")
@cluster_options
def explain(file: str, output: str, **flags: Any) -> None:
    """Show the match funnel of every request of FILE: a claim, template, pod or workload, or - (standard input).

    Of a pod or workload the claims and templates are explained that it refers to.
    """
    try:
        settings = settings_from(flags)
        entries = tuple(inputs_of(tuple(read_sources((file,)))))
        raws = [entry.raw for entry in entries if isinstance(entry, Document)]
        for entry in entries:
            if not isinstance(entry, Document):
                say(entry)
        judges = dict(_judges(settings, raws))
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    found: dict[str, Sequence[Explained]] = {}
    pods = False
    for cluster, judge in judges.items():
        for problem in judge.problems:
            say(problem)
        subjects = subjects_of(judge, raws)
        _check(file, judge, subjects)
        pods = pods or subjects.pods
        found[cluster] = tuple(_with_progress(judge, subjects))
    if output == "json":
        click.echo(json.dumps(explain_json(found, pods=pods), indent=1, ensure_ascii=False))
    else:
        click.echo(explain_text(found, pods=pods, bars=sys.stdout.isatty()))


def _judges(settings: Settings, raws: Sequence[RawObject]) -> Iterator[tuple[str, Offline]]:
    """Yield the rules over each cluster by its name; one alone has none."""
    if len(settings.cluster) < 2:
        yield "", offline(settings, raws)
        return
    for path in settings.cluster:
        yield str(path), offline(replace(settings, cluster=(path,)), raws)


def _check(file: str, judge: Offline, subjects: Subjects) -> None:
    """End where nothing can be explained: no cluster, or nothing that asks for devices."""
    for missing in subjects.missing:
        say(missing)
    if not judge.view.given and not judge.view.slices:
        fail(("--cluster DIR or --kubeconfig FILE is needed",))
    if not subjects.asked and not subjects.missing:
        fail((f"{file} has no claim or template that asks for devices, and no pod that refers to one",))


def _with_progress(judge: Offline, subjects: Subjects) -> Iterator[Explained]:
    """Yield what is explained; meanwhile a line in the terminal tells how far it is, where that takes a while."""
    devices = len(inventory_of(judge.view).devices)
    what = f"{devices} devices, request"
    progress = Progress(what, len(subjects.asked), long=devices >= MANY_DEVICES)
    for asked in progress.of(subjects.asked):
        yield explained(judge, asked, progress.tick)
