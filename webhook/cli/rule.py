"""`drawbridge rule`: the page of a rule, or of a reason why a pod is left alone."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from webhook.cli.options import fail
from webhook.settings import POLICIES, did_you_mean, rule_pages

_REASONS = POLICIES / "legacy-left-alone"


@click.command()
@click.argument("rule_id")
def rule(rule_id: str) -> None:
    """Show what a rule refuses, why, and what to do: the page that `see:` names.

    The reasons why a pod is left alone, such as class-missing, have pages as well.
    """
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


def _reason_pages() -> Mapping[str, Path]:
    return {page.stem: page for page in sorted(_REASONS.glob("*.md")) if page.name != "README.md"}
