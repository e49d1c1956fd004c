"""Joins settings, the controller and its health port into one running process."""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from random import SystemRandom

import uvloop

from webhook.bootstrap.numbers import CacheNumbers, WorkNumbers
from webhook.bootstrap.offline import rulebook_of
from webhook.bootstrap.quota_numbers import QuotaNumbers
from webhook.kube.access import Access, load_access
from webhook.kube.client import ApiClient
from webhook.kube.controller import Controller, Paces, Surroundings
from webhook.kube.fold import FoldPace
from webhook.kube.templates import KeepPace
from webhook.kube.view import Told
from webhook.server.edge import EdgeServer
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.log import LineSink, Log, make_log, where
from webhook.server.metrics import Metrics
from webhook.server.probes import Check, Probes
from webhook.server.protocol import Guard
from webhook.server.run import bound, heed_signals, spare_the_collector
from webhook.server.watchdog import Watchdog
from webhook.settings import Settings

RUNNING = "drawbridge: controller running"


Work = Callable[[Settings, str | None, Access, Metrics, Log, Callable[[str], None]], Coroutine[None, None, int]]


def control_until_told(settings: Settings, lease_namespace: str | None, announce: Callable[[str], None]) -> int:
    """Run the controller until a signal ends it and return the exit code; SettingsError where it cannot begin."""
    return work_until_told(_run, settings, lease_namespace, announce)


def work_until_told(
    work: Work, settings: Settings, lease_namespace: str | None, announce: Callable[[str], None]
) -> int:
    """Run a program that leads at most once in a cluster, with its log and metrics, and return its exit code."""
    access = load_access(settings.kubeconfig, settings.context)
    metrics = Metrics(version("drawbridge"))
    sink = LineSink(sys.stderr, metrics.log_lines_dropped.inc)
    try:
        return uvloop.run(work(settings, lease_namespace, access, metrics, make_log(sink), announce))
    finally:
        sink.close()


async def _run(
    settings: Settings,
    lease_namespace: str | None,
    access: Access,
    metrics: Metrics,
    log: Log,
    announce: Callable[[str], None],
) -> int:
    async with ApiClient(access) as api:
        controller = Controller(
            api,
            Surroundings(time.monotonic, lambda: datetime.now(UTC), SystemRandom(), log, rulebook_of(settings).exempt),
            lease_namespace=lease_namespace or settings.own_namespace,
            told=Told(settings.kubernetes_version, settings.feature_gates, drivers=settings.drivers),
            paces=Paces(
                folding=FoldPace(settings.reservation_seconds), keeping=KeepPace(settings.template_grace_seconds)
            ),
        )
        metrics.registry.register(WorkNumbers(controller.figures))
        metrics.registry.register(QuotaNumbers(controller.quotas))
        metrics.registry.register(CacheNumbers(controller.reflectors))
        health = health_server(settings, lambda: Check("cluster", controller.unready()), metrics)

        def leading() -> None:
            spare_the_collector()  # all that is kept has been listed by now
            announce(RUNNING)

        return await run_beside_health(controller.run(leading), health, Watchdog(metrics, log), log)


async def run_beside_health(work: Coroutine[None, None, None], health: EdgeServer, watchdog: Watchdog, log: Log) -> int:
    """Run both until SIGTERM or SIGINT and return the exit code: 1 where one of them ended by itself."""
    stop = asyncio.Event()
    heed_signals(stop.set)
    log.info("health", address=f"http://{health.address}")
    tasks: list[asyncio.Task[object]] = [
        asyncio.create_task(work),
        asyncio.create_task(health.serve()),
        asyncio.create_task(watchdog.beat()),
        asyncio.create_task(stop.wait()),
    ]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    return 0 if stop.is_set() else _failed(ends, log)


def _failed(ends: Iterable[object], log: Log) -> int:
    for error in ends:
        if isinstance(error, Exception):
            log.error("controller", error=type(error).__name__, where=where(error))
    return 1


def health_server(settings: Settings, check: Callable[[], Check], metrics: Metrics) -> EdgeServer:
    """Return the plain port of a program that serves nothing else, bound; SettingsError if it cannot be had."""
    lifecycle = Lifecycle()
    probes = Probes(lambda: (check(),), lifecycle, metrics)
    listener = bound(settings.host, settings.health_port)
    return EdgeServer(probes, listener, Guard(Limits(), lifecycle, metrics))
