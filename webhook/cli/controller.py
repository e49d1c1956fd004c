"""`drawbridge controller`: keeps templates and the quotas' status, leader-elected."""

import os
from pathlib import Path
from typing import Any

import click

from webhook.cli.options import fail
from webhook.cli.signals import end_when_told
from webhook.core.errors import SettingsError

_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--kubeconfig", type=_PATH, help="A live cluster; default: the service account of the pod.")
@click.option("--context", help="The kubeconfig's context.")
@click.option("--kubernetes-version", metavar="1.34 ... 1.37", help="Count as this version does.")
@click.option("--feature-gates", metavar="A=true,B=false", help="Gates of the API server.")
@click.option("--reservation-seconds", type=float, help="Life of a reservation whose claim never comes; default 90.")
@click.option("--template-grace-seconds", type=float, help="How long a template may be unused; default 60.")
@click.option("--host", help="Where the health port listens; default 127.0.0.1.")
@click.option("--health-port", type=int, help="Plain port of /livez, /readyz, /metrics; default 0, a free one.")
@click.option("--own-namespace", help="The namespace that is left alone besides the system's.")
@click.option("--lease-namespace", help="Where the Lease of the leader lies; default: the own namespace.")
@click.option("--certificates", is_flag=True, help="Rotate the installation's certificates, and nothing else.")
@click.option("--installation-name", help="With --certificates: name of the Service and of both configurations.")
@click.option("--settle-seconds", type=float, help="With --certificates: how long a stage lasts; default 120.")
@click.option("--look-seconds", type=float, help="With --certificates: how often to look; default 10.")
@click.option("--settings", "settings_file", type=_PATH, envvar="DRAWBRIDGE_SETTINGS", help="A YAML file of settings.")
def controller(lease_namespace: str | None, settings_file: Path | None, *, certificates: bool, **flags: Any) -> None:
    """Make the claim templates that pods need, fold claims into quotas, until SIGTERM; or rotate certificates.

    The second is a process, and in deploy/ an account, of its own, because it alone may read the CA's key and write
    webhook configurations.
    """
    end_when_told()
    from webhook.settings import read_settings

    if flags["health_port"] is None and "DRAWBRIDGE_HEALTH_PORT" not in os.environ:
        flags["health_port"] = 0  # beside `serve` on one machine there must be no fight over its port
    try:
        settings = read_settings(flags, settings_file, os.environ)
        if certificates:
            from webhook.bootstrap.certifying import certify_until_told

            code = certify_until_told(settings, lease_namespace, click.echo)
        else:
            from webhook.bootstrap.controlling import control_until_told

            code = control_until_told(settings, lease_namespace, click.echo)
    except SettingsError as error:
        fail(error.problems)
    raise SystemExit(code)
