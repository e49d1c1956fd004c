"""How the API server is reached: a kubeconfig or a pod's service account, read by the `kubernetes` package.

Only that package's configuration is used: certificates, exec plugins, token files and their renewal.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import yaml

from webhook.core.errors import SettingsError


class Credentials(Protocol):
    """Gives the headers that authenticate a request; it may block (a token file, an exec plugin)."""

    def __call__(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Access:
    """One API server as one user; `server_name` is the name that its certificate must have, if not that of the URL."""

    server: str
    credentials: Credentials
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    proxy: str | None = None


def load_access(kubeconfig: Path | None = None, context: str | None = None) -> Access:
    """Return access by a kubeconfig, else by the service account of the pod that we run in; SettingsError otherwise.

    In a pod the API server is next door: a proxy of the environment is not asked.
    """
    from kubernetes import client, config  # a third of a second, which only those who need it pay

    configuration = client.Configuration()
    try:
        if kubeconfig is not None:
            config.load_kube_config(str(kubeconfig), context, configuration, persist_config=False)
        elif os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(configuration)
        else:
            raise SettingsError(("a cluster is needed: give `--cluster` or `--kubeconfig`, or run in a pod",))
        return _access(configuration, None if kubeconfig is None else _proxy(configuration))
    except (config.ConfigException, OSError, ValueError, yaml.YAMLError) as error:
        source = "the service account" if kubeconfig is None else f"--kubeconfig '{kubeconfig}'"
        raise SettingsError((f"{source} cannot be used: {error}",)) from error


def _proxy(configuration: Any) -> str | None:
    """Return the proxy of a kubeconfig, else the environment's unless NO_PROXY has the server, as kubectl would."""
    proxy: str | None = configuration.proxy
    server = urlsplit(configuration.host)
    of_the_environment = proxy in (getproxies().get(server.scheme), getproxies().get("all"))
    return None if of_the_environment and proxy_bypass(server.hostname or "") else proxy


def _access(configuration: Any, proxy: str | None) -> Access:
    server = configuration.host.rstrip("/")
    return Access(
        server=server,
        credentials=lambda: _headers(configuration),
        tls=_tls(configuration) if server.startswith("https:") else None,
        server_name=configuration.tls_server_name,
        proxy=proxy,
    )


def _headers(configuration: Any) -> Mapping[str, str]:
    bearer = configuration.auth_settings().get("BearerToken", {}).get("value")
    return {"authorization": bearer.strip()} if bearer else {}


def _tls(configuration: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
