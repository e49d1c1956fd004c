"""`drawbridge check`: the server's verdicts offline, on manifests."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import click

from webhook.bootstrap.offline import Offline, offline
from webhook.cli.options import cluster_options, fail, say, settings_from, told
from webhook.cli.progress import MANY_DEVICES, Progress
from webhook.cli.report import Checked, Placed, json_report, text_report
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Finding, Fix, Severity, Span
from webhook.core.render import Style
from webhook.kube.inputs import STDIN_NAME, Source, inputs_of, read_sources
from webhook.kube.manifests import Document, Extract, Position, Problem
from webhook.settings import Settings

DENIED = 1
_Key = tuple[str, Severity, FieldPath, str, Span | None]
FORMATS = ("text", "json", "junit", "sarif", "github")


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Choice(FORMATS), default="text", help="How to report.")
@click.option("--fail-on", type=click.Choice(["deny", "warn"]), default="deny", help="What makes the exit code 1.")
@click.option("--fix", is_flag=True, help="Apply the fixes that a program can apply, then report what is left.")
@click.option("--diff", is_flag=True, help="Show what --fix would change instead of the report; write nothing.")
@click.option("--reference-text", is_flag=True, help="Show the API server's own words as well.")
@cluster_options
def check(
    files: tuple[str, ...],
    output: str,
    fail_on: str,
    fix: bool,
    diff: bool,
    reference_text: bool,
    **flags: Any,
) -> None:
    """Judge manifests as the server would: FILES, folders or - (standard input).

    With several --cluster each object is judged against each of them, and refused where any one refuses it.
    """
    try:
        settings = settings_from(flags)
        run = _judged(tuple(read_sources(files)), settings)
        if fix or diff:
            from webhook.cli.changes import difference, write_changes
            from webhook.cli.check_fix import fixed, told_of

            changes, mended = fixed(run, lambda sources: _judged(sources, settings))
            if diff:
                click.echo("".join(difference(changes)), nl=False)
                raise SystemExit(run.exit_code(fail_on))
            write_changes(changes)
            click.echo(told_of(changes), err=True)
            run = mended
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    for problem in run.problems:
        say(problem)
    style = replace(run.style, reference_text=reference_text)
    click.echo(_report(output)(run, style), err=fix and any(name == STDIN_NAME for name, _ in run.sources))
    raise SystemExit(run.exit_code(fail_on))


@dataclass(frozen=True, slots=True)
class Run:
    """What was read, and what was found in it."""

    sources: tuple[Source, ...]
    documents: tuple[Document, ...]
    namespaces: tuple[str, ...]
    checked: Checked
    problems: tuple[Problem, ...]
    style: Style

    def exit_code(self, fail_on: str) -> int:
        severities = {entry.finding.severity for entry in self.checked.placed}
        failing = {Severity.DENY} if fail_on == "deny" else {Severity.DENY, Severity.WARN}
        return DENIED if severities & failing else 0


def _judged(sources: tuple[Source, ...], settings: Settings) -> Run:
    """Return the verdicts on all that was read, against each cluster."""
    inputs = tuple(inputs_of(sources))
    documents = tuple(entry for entry in inputs if isinstance(entry, Document))
    raws = [document.raw for document in documents]
    several = settings.cluster if len(settings.cluster) > 1 else ()
    judges = (
        {str(path): offline(replace(settings, cluster=(path,)), raws) for path in several}
        if several
        else {"": offline(settings, raws)}
    )
    placed: list[Placed] = []
    devices = sum(len(part.devices) for judge in judges.values() for part in judge.view.slices.values())
    progress = Progress("document", len(inputs), long=devices >= MANY_DEVICES)
    for entry in progress.of(inputs):
        placed += _placed(entry, judges, tuple(map(str, several)))
    placed.sort(key=lambda found: (found.file, found.position.line, found.position.column))
    first = next(iter(judges.values()))
    return Run(
        sources,
        documents,
        tuple(first.namespace_of(raw) for raw in raws),
        Checked(tuple(placed), len(raws), tuple(map(str, several))),
        tuple(dict.fromkeys(problem for judge in judges.values() for problem in judge.problems)),
        first.style(),
    )


def _placed(entry: Document | Problem, judges: Mapping[str, Offline], clusters: tuple[str, ...]) -> Iterator[Placed]:
    """Yield what the judges find in one document: what several find alike once, with the names of their clusters."""
    found: dict[_Key, list[str]] = {}
    kept: dict[_Key, Finding] = {}
    for name, judge in judges.items():
        said = judge.applied((_unreadable(entry),)) if isinstance(entry, Problem) else judge.findings(entry.raw)
        for finding in said:
            key = (finding.rule, finding.severity, finding.path, finding.message, finding.span)
            found.setdefault(key, []).append(name)
            kept.setdefault(key, finding)
    for key, finding in kept.items():
        where = tuple(found[key]) if clusters else ()
        if isinstance(entry, Problem):
            place = Extract(Position(entry.line, entry.column), entry.shown, 1, exact=bool(entry.shown))
            yield Placed(entry.file, place, {}, "", finding, where)
        else:
            namespace = next(iter(judges.values())).namespace_of(entry.raw)
            yield Placed(entry.file, entry.extract(finding.path, finding.span), entry.raw, namespace, finding, where)


def _unreadable(problem: Problem) -> Finding:
    message = f"{problem.field} {problem.message}" if problem.field else problem.message
    if problem.is_manifest:
        fix = Fix(problem.fix or "write it as YAML or JSON with `apiVersion` and `kind`")
        return Finding("unreadable-manifest", Severity.DENY, ROOT, message, (fix,))
    return Finding("not-an-object", Severity.WARN, ROOT, message, (Fix("leave it out of what is checked"),))


def _report(output: str) -> Callable[[Run, Style], str]:
    """Return how a run is reported; what CI servers read is imported when it is asked for."""
    match output:
        case "json":
            return lambda run, style: json_report(run.checked, style)
        case "junit":
            from webhook.cli.report_junit import junit_report

            return lambda run, style: junit_report(run.checked, style, _objects(run))
        case "sarif":
            from webhook.cli.report_sarif import sarif_report

            return lambda run, style: sarif_report(run.checked, style)
        case "github":
            from webhook.cli.report_github import github_report

            return lambda run, style: github_report(run.checked, style)
        case _:
            return lambda run, style: text_report(run.checked, style)


def _objects(run: Run) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    for document, namespace in zip(run.documents, run.namespaces, strict=True):
        yield document.file, document.raw, namespace
