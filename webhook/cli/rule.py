"""`drawbridge rule`: the page of a rule, or of a reason why a pod is left alone."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from webhook.cli.options import fail
from webhook.kube.pack import shipped_policies
from webhook.settings import POLICIES, POLICY, did_you_mean, rule_pages

_REASONS = POLICIES / "legacy-left-alone"


@click.command()
@click.argument("rule_id")
def rule(rule_id: str) -> None:
    """Show what a rule refuses, why, and what to do: the page that `see:` names.

    The reasons why a pod is left alone, such as class-missing, have pages as well. policy/NAME is the page of a shipped
    ClaimPolicy; of another, how to look at it.
    """
    if rule_id.startswith(POLICY):
        show(_policy_page(rule_id.removeprefix(POLICY)))
        return
    rules, reasons = rule_pages(), _reason_pages()
    known = {**reasons, **rules}
    if rule_id not in known:
        fail((f"there is no rule '{rule_id}'{did_you_mean(rule_id, known)}", f"rules: {', '.join(rules)}"))
    show("\n".join(pages[rule_id].read_text() for pages in (rules, reasons) if rule_id in pages))


def show(page: str) -> None:
    """Print a page of Markdown, drawn where somebody reads it in a terminal."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(page))
    else:
        click.echo(page, nl=False)


def _policy_page(name: str) -> str:
    folder = shipped_policies().get(name)
    if folder is not None:
        return (folder / "README.md").read_text()
    return f"# {name}\n\nA ClaimPolicy of the cluster; `kubectl get claimpolicy {name} -o yaml` shows what it asks.\n"


def _reason_pages() -> Mapping[str, Path]:
    return {page.stem: page for page in sorted(_REASONS.glob("*.md")) if page.name != "README.md"}
