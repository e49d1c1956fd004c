"""`drawbridge doctor`: one look at our own installation in a cluster."""

from pathlib import Path
from typing import Any

import click

from webhook.bootstrap.doctoring import diagnoses
from webhook.cli.check import DENIED
from webhook.cli.doctor_report import OUTPUTS
from webhook.cli.options import fail, settings_from, told
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.doctor.diagnosis import Severity
from webhook.settings import Settings

_PATH = click.Path(path_type=Path)


@click.command()
@click.option("-o", "--output", type=click.Choice(sorted(OUTPUTS)), default="text", help="How to report.")
@click.option("--fail-on", type=click.Choice(["error", "warn"]), default="error", help="What makes it exit with 1.")
@click.option("--kubeconfig", type=_PATH, help="The cluster; default: the service account of the pod.")
@click.option("--context", help="The kubeconfig's context.")
@click.option("--own-namespace", help=f"The namespace of the installation; default '{Settings().own_namespace}'.")
@click.option("--installation-name", help=f"The name of its Service; default '{Settings().installation_name}'.")
@click.option("--namespace", help="Where a claim is created in a dry run, if we guard it; default 'default'.")
@click.option("--settings", "settings_file", type=_PATH, envvar="DRAWBRIDGE_SETTINGS", help="A YAML file of settings.")
def doctor(output: str, fail_on: str, **flags: Any) -> None:
    """Look at our own installation in a cluster, and say what is wrong and what mends it.

    It looks at webhook configurations, certificates, rights, whether API servers get our answer, versions, feature
    gates, policies, quotas and leaders; it reads, and creates in dry runs, and stores nothing. What it may not read it
    tells. The exit code is 1 where there is an error.
    """
    try:
        found = diagnoses(settings_from(flags))
    except SettingsError as error:
        fail(error.problems)
    except (OSError, ClusterUnavailableError) as error:
        fail((told(error),))
    click.echo(OUTPUTS[output](found))
    failing = {Severity.ERROR, *({Severity.WARNING} if fail_on == "warn" else ())}
    raise SystemExit(DENIED if any(one.severity in failing for one in found) else 0)
