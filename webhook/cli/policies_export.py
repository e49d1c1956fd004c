"""`drawbridge policies export`: ClaimPolicies as manifests that Kubernetes enforces by itself."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click

from webhook.bootstrap.offline import cluster_of
from webhook.cli.options import cluster_options, fail, say, settings_from, told
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.fieldpath import ROOT
from webhook.kube.pack import named_policies
from webhook.kube.yaml_edit import dump
from webhook.policy.compile import compile_policy
from webhook.policy.export import Export, exported
from webhook.policy.obstacles import Obstacle

NOT_ALL = 1


@click.command()
@click.argument("words", metavar="[FILE|DIR|NAME]...", nargs=-1)
@click.option("--vap", is_flag=True, help="As ValidatingAdmissionPolicy and ValidatingAdmissionPolicyBinding.")
@cluster_options
def export(words: tuple[str, ...], vap: bool, **flags: Any) -> None:
    """Print policies as manifests that the API server enforces without Drawbridge, with the same verdicts.

    FILES, folders, - (standard input) and NAMES of shipped policies; without any, those of the cluster. What cannot
    be exported is listed on standard error with the reason, and makes the exit code 1.
    """
    if not vap:
        fail(("--vap is needed: nothing else can be exported to",))
    try:
        settings = settings_from(flags)
        chosen, problems = named_policies(words)
        view, broken = cluster_of(settings)
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    if not words and not view.policies:
        fail(("name policies, or a cluster that has some by --cluster or --kubeconfig",))
    listed = chosen if words else tuple(view.policies[name] for name in sorted(view.policies))
    today, version = datetime.now(UTC).date(), view.server.version
    made = tuple(
        _without_clashes(exported(compile_policy(policy, version), today, settings.own_namespace) for policy in listed)
    )
    for problem in (*problems, *broken):
        say(problem)
    click.echo("".join(f"---\n{dump(manifest)}" for one in made for manifest in one.manifests), nl=False)
    click.echo(_report(made), err=True, nl=False)
    raise SystemExit(NOT_ALL if problems or any(one.obstacles for one in made) else 0)


def _without_clashes(exports: Iterable[Export]) -> Iterator[Export]:
    """Yield the exports; one whose manifests have names that are taken already is not made."""
    taken: set[str] = set()
    for one in exports:
        names = {str(manifest["metadata"]["name"]) for manifest in one.manifests}
        clash = sorted(names & taken)
        taken |= names
        if clash:
            problem = f"another policy is exported as '{clash[0]}' already: rename one of them"
            yield replace(one, manifests=(), notes=(), obstacles=(Obstacle(ROOT.child("metadata", "name"), problem),))
        else:
            yield one


def _report(exports: tuple[Export, ...]) -> str:
    lines: list[str] = []
    for one in exports:
        if one.obstacles:
            lines.append(f"drawbridge: policy '{one.policy.name}' is not exported:")
            lines += [f"  {obstacle.path}: {obstacle.problem}" for obstacle in one.obstacles]
        elif one.notes:
            lines.append(f"drawbridge: policy '{one.policy.name}' is exported, but:")
            lines += [f"  {note}" for note in one.notes]
    done = sum(1 for one in exports if one.manifests)
    lines.append(f"drawbridge: {done} of {len(exports)} policies exported")
    return "".join(f"{line}\n" for line in lines)
