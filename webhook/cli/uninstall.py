"""`drawbridge uninstall`: the webhook configurations go, which is what has to be first when Drawbridge goes."""

import asyncio
from pathlib import Path

import click

from webhook.cli.options import fail
from webhook.core.errors import SettingsError
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient, ApiError, NotFoundError
from webhook.kube.installation import Installation
from webhook.settings import Settings

_KINDS = "mutatingwebhookconfiguration,validatingwebhookconfiguration"


@click.command()
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), help="A live cluster; default: the service account of the pod."
)
@click.option("--context", help="The kubeconfig's context.")
@click.option(
    "--installation-name", default=Settings().installation_name, help="Name of the Service and of both configurations."
)
def uninstall(kubeconfig: Path | None, context: str | None, installation_name: str) -> None:
    """Delete both webhook configurations, so that the API server asks nobody who is about to go.

    The chart runs it before it deletes anything else. Nothing else is deleted; run again, it finds nothing to do.
    """
    installation = Installation(Settings().own_namespace, installation_name)
    try:
        asyncio.run(_delete(kubeconfig, context, installation))
    except SettingsError as error:
        fail(error.problems)
    except ApiError as error:
        fail((f"{error}; delete them by `kubectl delete {_KINDS} {installation_name}`",))


async def _delete(kubeconfig: Path | None, context: str | None, installation: Installation) -> None:
    async with ApiClient(load_access(kubeconfig, context)) as api:
        for path in installation.configurations:
            name = "/".join(path.split("/")[-2:])
            try:
                await api.delete(path)
                click.echo(f"{name} deleted")
            except NotFoundError:
                click.echo(f"{name} is not there")
