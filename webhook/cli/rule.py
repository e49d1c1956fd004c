"""`drawbridge rule`: the page of a rule."""

import sys

import click

from webhook.cli.options import fail
from webhook.settings import did_you_mean, rule_pages


@click.command()
@click.argument("rule_id")
def rule(rule_id: str) -> None:
    """Show what a rule refuses, why, and what to do: the page that `see:` names."""
    known = rule_pages()
    if rule_id not in known:
        fail((f"there is no rule '{rule_id}'{did_you_mean(rule_id, known)}", f"rules: {', '.join(known)}"))
    page = known[rule_id].read_text()
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(page))
    else:
        click.echo(page, nl=False)
