"""Where the certificate comes from that `serve` presents, and what keeps it fresh."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from random import SystemRandom

from certs.store import Directory
from webhook.core.errors import SettingsError
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient, ApiError, GarbledError
from webhook.kube.reflector import Pace
from webhook.kube.serving_secret import ServingSecret
from webhook.server.edge import Background
from webhook.server.log import Log
from webhook.server.renewal import Renewal
from webhook.settings import Settings

_FIRST_SECONDS = 30.0
"""How long a start waits for a certificate: less than the startup probe of deploy/ gives it."""


def certificate_files(
    settings: Settings, log: Log, now: Callable[[], datetime], exits: ExitStack
) -> tuple[Path, tuple[Background, ...]]:
    """Return the folder to serve from, and what runs beside the server for it.

    Standalone, a self-signed pair is made there if there is none, and renewed. SettingsError where there is no
    certificate to begin with.
    """
    if settings.client_subjects and settings.client_ca is None:
        raise SettingsError(("--client-subject needs `--client-ca FILE`: whose certificates are to be believed",))
    if settings.cluster:
        path = settings.cert_dir or _state_folder() / "certs"
        renewal = Renewal(Directory(path), (settings.host,), now, log)
        renewal.begin()
        return path, (renewal.follow,)
    if settings.cert_secret:
        return _of_secret(settings, log, exits)
    if settings.cert_dir is None:
        raise SettingsError(("a certificate is needed: give `--cert-secret NAME` or `--cert-dir DIR`",))
    if Directory(settings.cert_dir).read().serving is None:
        problem = f"--cert-dir '{settings.cert_dir}' holds no tls.crt; `drawbridge certs issue` makes one"
        raise SettingsError((problem,))
    return settings.cert_dir, ()


def _of_secret(settings: Settings, log: Log, exits: ExitStack) -> tuple[Path, tuple[Background, ...]]:
    """Copy the Secret's pair into a folder that nobody else can read and that ends with the process."""
    if settings.cert_dir is not None:
        raise SettingsError(("--cert-dir and --cert-secret exclude each other",))
    access = load_access(settings.kubeconfig, settings.context)
    path = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="drawbridge-")))
    namespace, name = settings.own_namespace, settings.cert_secret

    def secret(api: ApiClient) -> ServingSecret:
        return ServingSecret(api, namespace, name, Directory(path), log)

    async def first() -> bool:
        async with ApiClient(access) as api:
            return await secret(api).first(_FIRST_SECONDS)

    async def follow() -> None:
        async with ApiClient(access) as api:
            await secret(api).follow(SystemRandom(), Pace())

    try:
        found = asyncio.run(first())
    except (ApiError, GarbledError) as error:
        raise SettingsError((f"--cert-secret '{name}' cannot be read in namespace '{namespace}': {error}",)) from error
    if not found:
        problem = f"--cert-secret '{name}' in namespace '{namespace}' holds no tls.crt and tls.key yet"
        raise SettingsError((f"{problem}; `drawbridge controller --certificates` fills it",))
    return path, (follow,)


def _state_folder() -> Path:
    """Return where a program of a user keeps its state (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "drawbridge"
