"""The `drawbridge` command: one file a command, each imported only when it runs, so that a start is fast."""

import importlib
from collections.abc import Mapping

import click

COMMANDS: Mapping[str, str] = {
    "cel": "compile, type-check, cost and evaluate selectors",
    "certs": "issue, show, rotate and verify certificates",
    "check": "the server's verdicts offline, on manifests",
    "controller": "keep templates, fold claims into quota status; rotate certificates",
    "doctor": "what is wrong with our own installation in a cluster, and what mends it",
    "explain": "the match funnel of each request, and the smallest change that would match",
    "inventory": "devices, shapes and attribute schema; idle claims; snapshots",
    "migrate": "rewrite legacy manifests file to file",
    "policies": "shipped policies; policies as Kubernetes' own; what they say of objects that exist",
    "quota": "hard, used, reserved and holders",
    "rule": "the page of a rule",
    "serve": "the admission webhook",
    "test": "suites of policy tests",
    "uninstall": "take the webhooks out of a cluster, before the rest goes",
}


class LazyGroup(click.Group):
    """Lists the commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"webhook.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="drawbridge", prog_name="drawbridge")
def main() -> None:
    """Admission webhook for Kubernetes Dynamic Resource Allocation, and the same verdicts offline."""
