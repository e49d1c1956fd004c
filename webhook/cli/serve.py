"""`drawbridge serve`: the admission webhook, in a cluster or over a folder."""

from pathlib import Path
from typing import Any

import click

from webhook.cli.options import cluster_options, fail, settings_from
from webhook.cli.signals import end_when_told
from webhook.core.errors import ClusterUnavailableError, SettingsError

_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--host", help="Where to listen; default 127.0.0.1.")
@click.option("--port", type=int, help="TLS port; default 8443, 0 is a free one.")
@click.option("--health-port", type=int, help="Plain port of /livez, /readyz, /metrics; default 8081, 0 is a free one.")
@click.option("--cert-dir", type=_PATH, help="Folder of tls.crt, tls.key, ca.crt; standalone: made when absent.")
@click.option("--cert-secret", metavar="NAME", help="In place of --cert-dir: a Secret of the own namespace, watched.")
@click.option("--client-ca", type=_PATH, help="Callers must have a client certificate of this CA (a PEM file).")
@click.option(
    "--client-subject",
    "client_subjects",
    multiple=True,
    metavar="NAME",
    help="Common name that a client certificate must have; may repeat.",
)
@click.option("--tls-min-version", help="1.3 (default) or 1.2.")
@click.option("--ledger", type=_PATH, help="Standalone: the SQLite file of charges.")
@click.option("--write-templates", type=_PATH, help="Standalone: where rewriting writes templates.")
@click.option("--drain-seconds", type=float, help="How long to go on serving after SIGTERM; default 12.")
@click.option("--docs-url", help="Where `see:` leads, instead of `drawbridge rule ID`.")
@click.option("--own-namespace", help="The namespace that is left alone besides the system's.")
@cluster_options
def serve(**flags: Any) -> None:
    """Serve the admission endpoints until SIGTERM; over --cluster DIR no Kubernetes is needed."""
    end_when_told()
    from webhook.bootstrap.serving import serve_until_told

    try:
        settings = settings_from(flags)
        code = serve_until_told(settings, click.echo)
    except SettingsError as error:
        fail(error.problems)
    except ClusterUnavailableError as error:
        fail((str(error),))
    raise SystemExit(code)
