"""`drawbridge test`: suites of policy tests, by the server's own decisions."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from webhook.bootstrap.testing import Tests, run
from webhook.cli.options import fail, told
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.render import harmless
from webhook.core.suggest import nearest
from webhook.kube.folder import manifest_files

FAILED = 1
FORMATS = ("text", "junit", "json")
_LOOK_AGAIN_SECONDS = 0.5


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Choice(FORMATS), default="text", help="How to report.")
@click.option("--coverage", is_flag=True, help="Show which expressions and conditions no case has shown.")
@click.option("--mutate", is_flag=True, help="Change operators and constants; a change that no case sees is shown.")
@click.option("--explain", metavar="CASE", help="Show the values of all expressions in the cases of that name.")
@click.option("--update", is_flag=True, help="Write what came of each case into its suite, comments kept.")
@click.option("--watch", is_flag=True, help="Test again whenever a file has changed, until interrupted.")
def test(
    paths: tuple[Path, ...],
    output: str,
    coverage: bool,
    mutate: bool,
    explain: str | None,
    update: bool,
    watch: bool,
) -> None:
    """Run the suites of policy tests (kind PolicyTestSuite) in PATHS: files or folders.

    Exit code 0: all cases are as expected; 1: some are not, or a mutant survives; 2: nothing could be tested.
    """
    if watch and (update or output != "text"):
        fail(("--watch goes with -o text alone, and not with --update",))
    if explain is not None and output != "text":
        fail(("--explain goes with -o text alone",))
    try:
        if watch:
            _watched(paths, coverage=coverage, mutate=mutate, explain=explain)
        tests = run(paths, coverage=coverage, mutate=mutate, traced=explain is not None)
        if update:
            from webhook.cli.changes import write_changes
            from webhook.cli.suite_update import updated

            changes = updated(tests)
            write_changes(changes)
            click.echo(f"drawbridge: {sum(change.edits for change in changes)} cases updated", err=True)
            tests = run(paths, coverage=coverage, mutate=mutate, traced=explain is not None)
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    click.echo(_report(tests, output, explain))
    raise SystemExit(0 if tests.passed else FAILED)


def _report(tests: Tests, output: str, explain: str | None) -> str:
    match output:
        case "json":
            from webhook.cli.suite_report import json_report

            return json_report(tests)
        case "junit":
            from webhook.cli.suite_report_junit import junit_report

            return junit_report(tests)
        case _:
            from webhook.cli.suite_report import explained, text_report

            if explain is None:
                return harmless(text_report(tests))
            named = tuple(result for result in tests.results if result.prepared.case.name == explain)
            if not named:
                near = nearest(explain, [result.prepared.case.name for result in tests.results])
                fail((f"there is no case '{explain}'" + (f"; did you mean '{near[0]}'?" if near else ""),))
            return harmless("\n\n".join("\n".join(explained(result)) for result in named))


def _watched(paths: Sequence[Path], *, coverage: bool, mutate: bool, explain: str | None) -> None:
    """Test whenever a file has changed, until interrupted."""
    seen: tuple[tuple[Path, int], ...] | None = None
    files: frozenset[Path] = frozenset()
    while True:
        stamps = tuple(_stamps(paths, files))
        if stamps != seen:
            seen = stamps
            try:
                tests = run(paths, coverage=coverage, mutate=mutate, traced=explain is not None)
            except SettingsError as error:
                click.echo(harmless("\n".join(error.problems)), err=True)
            else:
                files = frozenset(file for suite in tests.suites for file in suite.files)
                seen = tuple(_stamps(paths, files))
                click.echo(_report(tests, "text", explain))
        time.sleep(_LOOK_AGAIN_SECONDS)


def _stamps(paths: Iterable[Path], files: Iterable[Path]) -> Iterator[tuple[Path, int]]:
    """Yield what tells whether a suite, or a file that one reads, has changed."""
    for file in sorted({*manifest_files(tuple(paths)), *files}):
        if file.exists():
            yield file, file.stat().st_mtime_ns
