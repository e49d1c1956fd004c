"""Joins settings, the rotation of certificates and its health port into one running process."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import SystemRandom

from certs.dial import served_fingerprint
from certs.rotation import Pace
from webhook.bootstrap.controlling import RUNNING, health_server, run_beside_health, work_until_told
from webhook.bootstrap.numbers import CertificateNumbers
from webhook.kube.access import Access
from webhook.kube.certificates import CertificateKeeper
from webhook.kube.client import ApiClient
from webhook.kube.installation import Installation
from webhook.kube.lease import Election, LeaseName
from webhook.server.log import Log
from webhook.server.metrics import Metrics
from webhook.server.probes import Check
from webhook.server.watchdog import Watchdog
from webhook.settings import Settings


def certify_until_told(settings: Settings, lease_namespace: str | None, announce: Callable[[str], None]) -> int:
    """Rotate certificates until a signal ends it and return the exit code; SettingsError where it cannot begin."""
    return work_until_told(_run, settings, lease_namespace, announce)


async def _run(
    settings: Settings,
    lease_namespace: str | None,
    access: Access,
    metrics: Metrics,
    log: Log,
    announce: Callable[[str], None],
) -> int:
    installation = Installation(settings.own_namespace, settings.installation_name)
    async with ApiClient(access) as api:
        keeper = CertificateKeeper(
            api,
            installation,
            dial=served_fingerprint,
            clock=time.monotonic,
            now=_now,
            random=secrets.token_bytes,
            log=log,
            pace=Pace(settle=timedelta(seconds=settings.settle_seconds)),
            look_seconds=settings.look_seconds,
        )
        election = Election(
            api,
            LeaseName(
                lease_namespace or installation.namespace,
                f"{installation.name}-certs",
                f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(8)}",
            ),
            clock=time.monotonic,
            now=_now,
            random=SystemRandom(),
            log=log,
        )
        metrics.registry.register(CertificateNumbers(keeper.figures))

        async def lead() -> None:
            announce(RUNNING)
            await asyncio.create_task(keeper.run())

        health = health_server(settings, lambda: Check("cluster"), metrics)
        return await run_beside_health(election.run(lead), health, Watchdog(metrics, log), log)


def _now() -> datetime:
    return datetime.now(UTC)
