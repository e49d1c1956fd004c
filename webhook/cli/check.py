"""`drawbridge check`: the server's verdicts offline, on manifests."""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from webhook.bootstrap import Offline, offline
from webhook.cli.options import cluster_options, drivers_stated, fail
from webhook.cli.report import Placed, json_report, text_report
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Severity
from webhook.kube.inputs import Manifest, read_inputs
from webhook.kube.manifests import Problem
from webhook.settings import read_settings

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
        flags["drivers"] = drivers_stated(flags["drivers"])
        settings = read_settings(flags, flags.pop("settings_file"))
        inputs = tuple(read_inputs(files))
        judge = offline(settings, [entry.raw for entry in inputs if isinstance(entry, Manifest)])
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((str(error),))
    for problem in judge.problems:
        click.echo(f"drawbridge: {problem}", err=True)
    placed = sorted(_judged(inputs, judge), key=lambda p: (p.file, p.position.line, p.position.column))
    objects = sum(isinstance(entry, Manifest) for entry in inputs)
    report = json_report if output == "json" else text_report
    click.echo(report(placed, objects, judge.style(reference_text=reference_text)))
    raise SystemExit(_exit_code(placed, fail_on))


def _judged(inputs: Iterable[Manifest | Problem], judge: Offline) -> Iterator[Placed]:
    for entry in inputs:
        if isinstance(entry, Problem):
            finding = Finding("unreadable-manifest", Severity.DENY, ROOT, entry.message)
            yield from _placed_problem(entry, judge.applied((finding,)), judge)
        else:
            yield from _placed(entry, judge)


def _placed(manifest: Manifest, judge: Offline) -> Iterator[Placed]:
    namespace = judge.namespace_of(manifest.raw)
    for finding in judge.findings(manifest.raw):
        position = manifest.position(finding.path, finding.span)
        yield Placed(manifest.document.file, position, manifest.raw, namespace, finding)


def _placed_problem(problem: Problem, findings: Iterable[Finding], judge: Offline) -> Iterator[Placed]:
    for finding in findings:
        yield Placed(problem.file, problem.position, {}, judge.namespace_of({}), finding)


def _exit_code(placed: Iterable[Placed], fail_on: str) -> int:
    severities = {entry.finding.severity for entry in placed}
    failing = {Severity.DENY} if fail_on == "deny" else {Severity.DENY, Severity.WARN}
    return DENIED if severities & failing else 0

