"""Starts both listeners, says where they are, and serves until a signal ends it."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import uvloop

from certs.dial import served_fingerprint
from webhook.core.errors import SettingsError
from webhook.server.app import Needs, create_app
from webhook.server.edge import Background, Edge, EdgeServer, HealthPort
from webhook.server.log import ForwardHandler, Log
from webhook.server.probes import Check, Probes, ReadinessNumber
from webhook.server.protocol import Guard
from webhook.server.selfdial import SelfDial
from webhook.server.tls import ServingCertificate
from webhook.server.watchdog import Watchdog

_COLLECT_AFTER = (20_000, 20, 50)
_SWITCH_SECONDS = 0.0002


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen, and how long to drain, in seconds; port 0 is a free one."""

    host: str
    port: int
    health_port: int
    drain_seconds: float = 12.0


def run(edge: Edge, announce: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT and the drain after it; return the exit code.

    `announce` gets the line that says where both ports are, once both listen.
    """
    return uvloop.run(_run(edge, announce))


async def _run(edge: Edge, announce: Callable[[str], None]) -> int:
    spare_the_collector()
    sys.setswitchinterval(_SWITCH_SECONDS)  # with Python's own five each step waits that long for every busy thread
    heed_signals(edge.tell)
    await edge.serve(announce)
    return 0


def heed_signals(tell: Callable[[], None]) -> None:
    """Call `tell` at each SIGTERM and SIGINT, on the running loop; let no other signal that users send end the process.

    SIGHUP asks servers to read their files again, which ours does by itself; where a terminal is closed, it ends it.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, tell)
    for number in (signal.SIGUSR1, signal.SIGUSR2, *(() if os.isatty(0) else (signal.SIGHUP,))):
        signal.signal(number, signal.SIG_IGN)


def spare_the_collector() -> None:
    """Let the garbage collector look more seldom, and never at what was there from the start.

    Nearly all garbage goes by reference counts. With Python's own thresholds a review of a million small values took
    eight times as long to read, all of it in collections that found nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def make_edge(
    needs: Needs,
    listen: Listen,
    certificate: ServingCertificate,
    *,
    checks: Callable[[], Sequence[Check]] = tuple,
    background: Sequence[Background] = (),
    client_subjects: frozenset[str] = frozenset(),
) -> Edge:
    """Return the server with both ports bound; SettingsError if one cannot be had.

    `checks` are what readiness asks besides the drain and the certificate; `background` runs beside the server.
    `client_subjects` are the common names of client certificates that may ask; with none, whoever the CA has signed.
    """
    _forward_library_errors(needs.log)
    guard = Guard(needs.limits, needs.lifecycle, needs.metrics)
    listener = bound(listen.host, listen.port)
    host, port = listener.getsockname()[:2]
    selfdial = SelfDial(host, port, certificate, served_fingerprint)

    def all_checks() -> Sequence[Check]:
        own = (Check("certificate", certificate.problem()), Check("served", selfdial.problem))
        # Told and no more: a rule that fails on some reviews must not take away the answers to all others.
        return (*own, Check("rules", needs.faults.problem(), needed=False), *checks())

    asked = replace(guard, client_subjects=client_subjects)
    admission = EdgeServer(create_app(needs), listener, asked, certificate.context)
    watchdog = Watchdog(needs.metrics, needs.log)
    probes = Probes(all_checks, needs.lifecycle, needs.metrics, watchdog.late)
    needs.metrics.registry.register(ReadinessNumber(probes.is_ready))
    plain = EdgeServer(probes, bound(listen.host, listen.health_port), guard)
    health = HealthPort(plain, watchdog)

    async def dialling() -> None:
        await admission.listening.wait()
        await selfdial.run()

    return Edge(needs, admission, health, listen.drain_seconds, (certificate.watch, dialling, *background))


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to the address; SettingsError if it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError((f"cannot listen on {host} port {port}: {error.strerror}",)) from None


def _forward_library_errors(log: Log) -> None:
    for name in ("uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [ForwardHandler(log)]
        logger.setLevel(logging.ERROR)
        logger.propagate = False
