"""`drawbridge policies list`, `show` and `install`: the policies that Drawbridge ships."""

from typing import Any

import click

from webhook.cli.options import cluster_options, fail, settings_from, told
from webhook.cli.rule import show as show_page
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.policies import PolicyMode
from webhook.core.policies_parse import parse_policy
from webhook.core.raw import RawObject
from webhook.core.render import aligned
from webhook.kube.pack import Shipped, shipped, shipped_policies
from webhook.kube.yaml_edit import edit

REFUSED = 1


@click.command("list")
def list_() -> None:
    """List the shipped policies: what they look at, and what they are for."""
    rows = [("NAME", "LOOKS AT", "WHAT")]
    for one in shipped(shipped_policies()):
        looks_at = ", ".join(sorted(resource.value for resource in parse_policy(one.raw).match.resources))
        rows.append((one.name, looks_at, one.says))
    click.echo(aligned(rows))


@click.command()
@click.argument("name")
def show(name: str) -> None:
    """Show the page of a shipped policy, and its manifest."""
    try:
        (one,) = shipped([name])
    except SettingsError as error:
        fail(error.problems)
    show_page(f"{one.page}\n## Manifest\n\n```yaml\n{one.text}```\n")


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--apply", "applies", is_flag=True, help="Apply them to the cluster of --kubeconfig.")
@click.option(
    "--mode", type=click.Choice([mode.value for mode in PolicyMode]), help="In this mode in place of their own."
)
@cluster_options
def install(names: tuple[str, ...], applies: bool, mode: str | None, **flags: Any) -> None:
    """Print the manifests of shipped policies, ready for kubectl; with --apply put them into the cluster.

    That is a server-side apply: what somebody else has changed of a policy there is left alone, and told.
    """
    try:
        settings = settings_from(flags)
        made = [_in_mode(one, mode) for one in shipped(dict.fromkeys(names))]
        if not applies:
            click.echo("".join(f"---\n{text}" for text, _ in made), nl=False)
            return
        if settings.kubeconfig is None:
            fail(("--apply needs a live cluster: --kubeconfig FILE",))
        from webhook.bootstrap.installing import install_policies

        done = install_policies([raw for _, raw in made], settings)
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    for one in done:
        click.echo(f"policy '{one.name}' {one.outcome}{': ' * bool(one.refusal)}{one.refusal}")
    raise SystemExit(REFUSED if any(one.refusal for one in done) else 0)


def _in_mode(one: Shipped, mode: str | None) -> tuple[str, RawObject]:
    """Return the manifest as text, comments kept, and as it reads."""
    if mode is None:
        return one.text, one.raw
    changed = {**one.raw, "spec": {**one.raw["spec"], "mode": mode}}
    return edit(one.text, one.raw, changed), changed
