"""`drawbridge policies audit`: what policies say of objects that exist."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from webhook.bootstrap.auditing import audited, existing_objects
from webhook.bootstrap.offline import cluster_of
from webhook.cli.audit_report import OUTPUTS
from webhook.cli.check import DENIED
from webhook.cli.options import cluster_options, fail, say, settings_from, told
from webhook.cli.progress import Progress
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.policies import ClaimPolicy
from webhook.core.raw import RawObject
from webhook.kube.pack import named_policies
from webhook.policy.audit import Audit, Result
from webhook.policy.compile import CompiledPolicy, compile_policy
from webhook.settings import Settings


@click.command()
@click.argument("words", metavar="[FILE|DIR|NAME]...", nargs=-1)
@click.option("-o", "--output", type=click.Choice(sorted(OUTPUTS)), default="text", help="How to report.")
@click.option("--write", is_flag=True, help="Write PolicyReport objects (wgpolicyk8s.io/v1alpha2) to the live cluster.")
@cluster_options
def audit(words: tuple[str, ...], output: str, write: bool, **flags: Any) -> None:
    """Report what policies say of claims, claim templates, device classes and pods with devices that exist.

    The policies are those of FILES, folders, - (standard input) or NAMES of shipped ones; without any, those of the
    cluster. Each object is judged as if nobody in particular created it today. The exit code is 1 where a creation
    would be refused, or a policy is left out because it cannot be read or does not compile.
    """
    try:
        settings = settings_from(flags)
        if not settings.cluster and settings.kubeconfig is None:
            fail(("--cluster DIR or --kubeconfig FILE is needed",))
        if write and (settings.cluster or settings.kubeconfig is None):
            fail(("--write needs a live cluster: --kubeconfig FILE",))
        chosen, problems = named_policies(words)
        view, broken = cluster_of(settings)
        objects = existing_objects(settings)
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    listed = chosen if words else tuple(view.policies.values())
    policies = _working(listed, view.server.version)
    for problem in (*problems, *broken):
        say(problem)
    if not policies:
        fail(("there is no policy to look by: name some, or a cluster that has some",))
    found = audited(policies, objects, view, settings, datetime.now(UTC).date(), _told_of)
    click.echo(OUTPUTS[output](found), nl=False)
    if write:
        _write(found, settings)
    left_out = bool(problems) or len(policies) < len(listed)
    raise SystemExit(DENIED if left_out or found.summary()[Result.FAIL] else 0)


def _write(found: Audit, settings: Settings) -> None:
    from webhook.bootstrap.policy_reports import write_reports

    try:
        done = write_reports(found, settings)
    except ClusterUnavailableError as error:
        fail((told(error),))
    click.echo(f"drawbridge: PolicyReports: {done.written} written, {done.removed} removed", err=True)


def _working(policies: Iterable[ClaimPolicy], version: str) -> tuple[CompiledPolicy, ...]:
    """Return the policies that compile; of the others it is told why they do not."""
    compiled = tuple(compile_policy(policy, version) for policy in policies)
    for one in compiled:
        for flaw in one.flaws:
            where = f"policy '{one.policy.name}' is left out: {flaw.path}"
            say(f"{where}: {flaw.message}")
    return tuple(one for one in compiled if one.works)


def _told_of(objects: Sequence[RawObject]) -> Iterable[RawObject]:
    return Progress("object", len(objects), long=False).of(objects)
