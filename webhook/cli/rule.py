"""`drawbridge rule`: the page of a rule."""

import sys
from pathlib import Path

import click

from webhook.cli.options import fail
from webhook.core.suggest import nearest

POLICIES = Path(__file__).parents[2] / "policies"


@click.command()
@click.argument("rule_id")
def rule(rule_id: str) -> None:
    """Show what a rule refuses, why, and what to do: the page that `see:` names."""
    known = {page.parent.name: page for page in POLICIES.glob("*/README.md")}
    if rule_id not in known:
        near = nearest(rule_id, known)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        fail((f"there is no rule '{rule_id}'{hint}", f"rules: {', '.join(sorted(known))}"))
    page = known[rule_id].read_text()
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(page))
    else:
        click.echo(page, nl=False)
