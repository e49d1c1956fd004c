"""docs/reference/{cli,settings,metrics,rules}.md are made from the code; `--update-golden` writes them."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest

from tests.support.drivers_page import drivers_page
from tests.support.pages import rule_pages
from webhook.bootstrap.numbers import CacheNumbers, CertificateNumbers, PolicyNumbers, WorkNumbers
from webhook.bootstrap.quota_numbers import MOST_LIMITS, QuotaNumbers
from webhook.cli import main
from webhook.kube.certificates import CertificateFigures
from webhook.kube.controller import Figures
from webhook.policy.book import Shelf
from webhook.server.metrics import Metrics
from webhook.server.probes import ReadinessNumber
from webhook.settings import READERS, Settings

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its whole name, groups before what is in them."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from _commands(found, f"{name} {child}")


def _options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def _written(option: click.Option) -> str:
    if option.is_flag:
        return f"`{option.opts[-1]}`"
    value = option.metavar or option.make_metavar(click.Context(main))
    return (
        f"`{' '.join([*option.opts[:1], value])}`" if len(option.opts) == 1 else f"`{', '.join(option.opts)} {value}`"
    )


def cli_page() -> str:
    """Return the page of all commands."""
    page = "# Commands\n\nEvery command has `--help`. Exit codes: 0 clean, 1 something was denied, 2 could not run.\n"
    for name, command in _commands(main, "drawbridge"):
        arguments = [p.make_metavar(click.Context(main)) for p in command.params if isinstance(p, click.Argument)]
        page += f"\n{'#' * min(3, 1 + len(name.split()))} {name}\n\n"
        page += f"`{' '.join([name, *arguments])}`\n\n" if arguments else ""
        page += re.sub(r"\s+", " ", command.help or "").strip() + "\n"
        options = _options(command)
        if options:
            page += "\n" + _table(("option", ""), [(_written(option), option.help or "") for option in options])
    return page


def settings_page() -> str:
    """Return the page of all settings."""
    helps = {o.name: o.help or "" for _, command in _commands(main, "drawbridge") for o in _options(command)}
    rows = []
    for name in READERS:
        default = getattr(Settings(), name)
        shown = "" if default in (None, (), {}, "") else f"`{default}`"
        rows.append((f"`{name}`", f"`DRAWBRIDGE_{name.upper()}`", shown, helps.get(name, "")))
    return (
        "# Settings\n\n"
        "A setting is a flag, a variable, or a line of the YAML file of `--settings` (or `DRAWBRIDGE_SETTINGS`).\n"
        "Flags win over variables, variables over the file.\n"
        "A variable holds what its flag takes; of several, paths are separated by `:`, severities and gates by `,`, "
        "drivers by spaces.\n"
        "Everything that is wrong is told at once, and the process ends with exit code 2.\n\n"
        + _table(("setting", "variable", "default", ""), rows)
    )


def metrics_page() -> str:
    """Return the page of our metrics."""
    rows = []
    registry = Metrics("0").registry
    registry.register(CacheNumbers(()))
    registry.register(PolicyNumbers(Shelf))
    registry.register(WorkNumbers(Figures))
    registry.register(CertificateNumbers(CertificateFigures))
    registry.register(QuotaNumbers(tuple))
    registry.register(ReadinessNumber(lambda: False))
    for family in sorted(registry.collect(), key=lambda family: family.name):
        if family.name.startswith("drawbridge_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            rows.append((f"`{name}`", family.type, ", ".join(_labels(family)), family.documentation))
    return (
        "# Metrics\n\n"
        "`/metrics` on the plain port.\n"
        "No label holds a namespace, a user or the name of an object but of a policy, save those of\n"
        "`drawbridge_quota_hard`, `drawbridge_quota_used` and `drawbridge_quota_reserved`.\n"
        f"Those the leading controller gives, for the {MOST_LIMITS} fullest limits.\n\n"
        + _table(("metric", "type", "labels", ""), rows)
    )


def _labels(family: Any) -> tuple[str, ...]:
    registered: Any = Metrics("0").registry
    collector = registered._names_to_collectors.get(family.name, family)
    return tuple(f"`{label}`" for label in collector._labelnames)


def rules_page() -> str:
    """Return the index of the rules' pages."""
    rows = []
    for page in rule_pages():
        text = page.read_text()
        what = text.split("\n\n")[1].replace("\n", " ")
        default = text.split("**Default:** ")[1].split("\n")[0]
        rows.append((f"[{page.parent.name}](../../policies/{page.parent.name}/README.md)", what, default))
    return (
        "# Rules\n\n"
        "`drawbridge rule ID` shows a rule's page, and `--rule ID=deny|warn|info|off` sets its severity.\n\n"
        + _table(("rule", "what", "default"), rows)
    )


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "rules.md": rules_page,
    "drivers.md": drivers_page,
}


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_says_what_the_code_says(name: str, request: pytest.FixtureRequest) -> None:
    actual = PAGES[name]()
    if request.config.getoption("--update-golden"):
        (REFERENCE / name).write_text(actual)
    else:
        assert (REFERENCE / name).read_text() == actual


def test_every_option_says_what_it_does() -> None:
    silent = [
        f"{name} {option.opts[0]}"
        for name, c in _commands(main, "drawbridge")
        for option in _options(c)
        if not option.help
    ]
    assert silent == []


def test_metrics_that_pages_name_are_in_the_reference() -> None:
    known = set(re.findall(r"^\| `(drawbridge_\w+)`", (REFERENCE / "metrics.md").read_text(), re.MULTILINE))
    pages = [*REFERENCE.parent.glob("*/*.md"), *REFERENCE.parents[1].glob("*.md")]
    named = {name for page in pages for name in re.findall(r"`(drawbridge_\w+)`", page.read_text())}
    parts = ("_bucket", "_count", "_sum")
    assert {
        name for name in named - known if name.removesuffix(next(filter(name.endswith, parts), "")) not in known
    } == set()
