"""`drawbridge quota`: what is allowed, used and reserved, who holds it, and what a claim would be charged."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from webhook.bootstrap.quota import QuotaPicture, picture, release
from webhook.cli.options import cluster_options, fail, say, settings_from, told
from webhook.cli.report import API_VERSION, Placed, finding_json
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.render import full_text, harmless
from webhook.kube.inputs import read_inputs
from webhook.kube.manifests import Document, Problem
from webhook.quota.report import quota_json, table
from webhook.settings import Settings

_PATH = click.Path(path_type=Path)
_WATCH_SECONDS = 2.0
_REFUSED = 1


@click.group(invoke_without_command=True)
@click.option("--claim", "claim_file", metavar="FILE", help="A claim or template: what would it be charged, and why?")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to report.")
@click.option("--watch", is_flag=True, help="Look every two seconds, and report what has changed.")
@click.option("--ledger", type=_PATH, help="Standalone: the SQLite file of charges.")
@cluster_options
@click.pass_context
def quota(context: click.Context, /, claim_file: str | None, output: str, watch: bool, **flags: Any) -> None:
    """Show hard, used and reserved of every DeviceQuota, and who holds it; charges nothing."""
    try:
        settings = settings_from(flags)
        if context.invoked_subcommand is not None:
            context.obj = settings
            return
        if watch:
            _watch(settings, claim_file, output)
        report, code = _report(settings, claim_file, output)
        click.echo(report)
        raise SystemExit(code)
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    except KeyboardInterrupt:
        raise SystemExit(0) from None


@quota.command("release")
@click.argument("uid")
@click.option("--ledger", type=_PATH, help="The SQLite file of charges.")
@click.pass_obj
def release_uid(settings: Settings, uid: str, ledger: Path | None) -> None:
    """End the charge of the claim UID in the standalone ledger; in a cluster the controller does that by itself."""
    path = ledger or settings.ledger
    if path is None:
        fail(("--ledger FILE is needed: in a cluster there is nothing to release by hand",))
    try:
        known = release(path, uid)
    except SettingsError as error:
        fail(error.problems)
    except ClusterUnavailableError as error:
        fail((told(error),))
    if not known:
        fail((f"no claim with the uid '{uid}' is charged",))
    click.echo(f"released '{uid}'")


def _watch(settings: Settings, claim_file: str | None, output: str) -> NoReturn:
    """Report whenever something has changed; in a terminal in place of what was reported before."""
    before = ""
    while True:
        report, _ = _report(settings, claim_file, output)
        if report != before:
            if sys.stdout.isatty():
                click.clear()
            click.echo(report)
            before = report
        time.sleep(_WATCH_SECONDS)


def _report(settings: Settings, claim_file: str | None, output: str) -> tuple[str, int]:
    """Return the report, and 1 where the claim would always be refused."""
    entries = tuple(read_inputs([claim_file])) if claim_file else ()
    broken = tuple(entry for entry in entries if isinstance(entry, Problem))
    if broken:
        raise SettingsError(tuple(str(problem) for problem in broken))
    documents = tuple(entry for entry in entries if isinstance(entry, Document))
    if claim_file and not documents:
        raise SettingsError((f"--claim: '{claim_file}' holds nothing",))
    shown = picture(settings, [document.raw for document in documents])
    for problem in shown.judge.problems:
        say(problem)
    report = _json(shown, documents) if output == "json" else _text(shown)
    return report, _REFUSED if shown.findings else 0


def _text(shown: QuotaPicture) -> str:
    style = shown.judge.style()
    refusals = [full_text(finding, style) for finding in shown.findings]
    quotas = table(shown.uses, datetime.now(UTC), with_claim=shown.raw is not None, bars=sys.stdout.isatty())
    return harmless("\n\n".join([quotas if shown.uses else "no quotas", *refusals]))


def _json(shown: QuotaPicture, documents: tuple[Document, ...]) -> str:
    now, with_claim = datetime.now(UTC), shown.raw is not None
    report: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "QuotaReport",
        "quotas": [quota_json(use, now, with_claim=with_claim) for use in shown.uses],
    }
    if shown.findings:
        document = next(one for one in documents if one.raw is shown.raw)
        namespace = shown.judge.namespace_of(document.raw)
        report["findings"] = [
            finding_json(
                Placed(document.file, document.extract(found.path, found.span), document.raw, namespace, found),
                shown.judge.style(),
            )
            for found in shown.findings
        ]
    return json.dumps(report, indent=1, ensure_ascii=False)
