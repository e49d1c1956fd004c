"""`drawbridge check`: the server's verdicts offline, on manifests."""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from webhook.bootstrap.offline import Offline, offline
from webhook.cli.options import cluster_options, fail, settings_from, told
from webhook.cli.report import Placed, json_report, text_report
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Fix, Severity
from webhook.kube.inputs import read_inputs
from webhook.kube.manifests import Document, Position, Problem

DENIED = 1


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to report.")
@click.option("--fail-on", type=click.Choice(["deny", "warn"]), default="deny", help="What makes the exit code 1.")
@click.option("--reference-text", is_flag=True, help="Show the API server's own words as well.")
@cluster_options
def check(files: tuple[str, ...], output: str, fail_on: str, reference_text: bool, **flags: Any) -> None:
    """Judge manifests as the server would: claims, templates and classes in FILES, folders or - (standard input)."""
    try:
        settings = settings_from(flags)
        inputs = tuple(read_inputs(files))
        judge = offline(settings, [entry.raw for entry in inputs if isinstance(entry, Document)])
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    for problem in judge.problems:
        click.echo(f"drawbridge: {problem}", err=True)
    placed = sorted(_judged(inputs, judge), key=lambda p: (p.file, p.position.line, p.position.column))
    objects = sum(isinstance(entry, Document) for entry in inputs)
    report = json_report if output == "json" else text_report
    click.echo(report(placed, objects, judge.style(reference_text=reference_text)))
    raise SystemExit(_exit_code(placed, fail_on))


def _judged(inputs: Iterable[Document | Problem], judge: Offline) -> Iterator[Placed]:
    for entry in inputs:
        if isinstance(entry, Problem):
            position = Position(entry.line, entry.column)
            for finding in judge.applied((_unreadable(entry),)):
                yield Placed(entry.file, position, {}, "", finding)
            continue
        namespace = judge.namespace_of(entry.raw)
        for finding in judge.findings(entry.raw):
            yield Placed(entry.file, entry.position(finding.path, finding.span), entry.raw, namespace, finding)


def _unreadable(problem: Problem) -> Finding:
    message = f"{problem.field} {problem.message}" if problem.field else problem.message
    if problem.is_manifest:
        fix = Fix("write it as YAML or JSON with `apiVersion` and `kind`")
        return Finding("unreadable-manifest", Severity.DENY, ROOT, message, (fix,))
    return Finding("not-an-object", Severity.WARN, ROOT, message, (Fix("leave it out of what is checked"),))


def _exit_code(placed: Iterable[Placed], fail_on: str) -> int:
    severities = {entry.finding.severity for entry in placed}
    failing = {Severity.DENY} if fail_on == "deny" else {Severity.DENY, Severity.WARN}
    return DENIED if severities & failing else 0
