"""Two listeners on a loop each: admission over TLS, probes and metrics in the clear. They start, drain and end."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from ssl import SSLContext

import uvicorn
import uvloop
from starlette.types import ASGIApp

from webhook.server.app import Needs
from webhook.server.lifecycle import Phase
from webhook.server.protocol import Guard, GuardedProtocol
from webhook.server.watchdog import Watchdog

Background = Callable[[], Coroutine[None, None, None]]
"""Something that runs beside the server until it ends: a reflector, the watch of a folder, a renewal."""

_TICKS_A_SWEEP = 10
_TICK_SECONDS = 0.1
_FINISH_SECONDS = 5
_FAREWELL_SECONDS = 2.0  # how long a peer may take to say goodbye in TLS before it is cut
_BACKLOG = 1024
_AGAIN_SECONDS = 1.0


class EdgeServer(uvicorn.Server):
    """uvicorn with our protocol on a socket that is already bound; it leaves signals alone."""

    def __init__(self, app: ASGIApp, listener: socket.socket, guard: Guard, tls: SSLContext | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=GuardedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_FINISH_SECONDS,
            )
        )
        self._listener = listener
        self._guard = guard
        self._tls = tls
        self._last_tick = 0.0
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - as in uvicorn
        """Listen; unlike uvicorn's own, with a deadline on the TLS handshake."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            self.connection,
            sock=self._listener,
            ssl=self._tls,
            ssl_handshake_timeout=self._guard.limits.handshake_seconds if self._tls else None,
            ssl_shutdown_timeout=_FAREWELL_SECONDS if self._tls else None,
            backlog=_BACKLOG,
        )
        self.servers = [server]
        self._last_tick = loop.time()
        self.started = True
        self.listening.set()

    def connection(self) -> asyncio.Protocol:
        """Return the protocol of one new connection."""
        return GuardedProtocol(self.config, self.server_state, self.lifespan.state, self._guard)

    async def on_tick(self, counter: int) -> bool:
        now = asyncio.get_running_loop().time()
        lag = max(0.0, now - self._last_tick - _TICK_SECONDS)
        self._last_tick = now
        if lag > _TICK_SECONDS:
            self._forgive(lag)
        if counter % _TICKS_A_SWEEP == 0:
            self._sweep(now)
        return await super().on_tick(counter)

    def _forgive(self, seconds: float) -> None:
        """Move every deadline: while we were busy, what callers sent lay unread."""
        for connection in self.connections():
            connection.since += seconds

    def _sweep(self, now: float) -> None:
        for connection in self.connections():
            connection.expire(now)
        excess = len(self.server_state.connections) - self._guard.limits.connections
        if excess > 0:
            idle = sorted((each for each in self.connections() if not each.answering), key=lambda each: each.since)
            for connection in idle[:excess]:
                self._guard.metrics.cut("crowd")
                connection.transport.close()

    def connections(self) -> Iterable[GuardedProtocol]:
        return [each for each in self.server_state.connections if isinstance(each, GuardedProtocol)]

    @property
    def address(self) -> str:
        host, port = self._listener.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def drain(self) -> None:
        """Make every answer the last of its connection; go on listening, for who has not heard yet."""
        for connection in self.connections():
            connection.close_when_answered()

    def end(self, *, at_once: bool) -> None:
        """Stop listening and close; answers under way are finished unless `at_once`."""
        self.should_exit = True
        self.force_exit = at_once
        if at_once:
            for connection in self.connections():
                connection.transport.abort()


class HealthPort:
    """The plain port on an event loop and a thread of its own, whence a watchdog watches the loop that runs `serve`.

    So probes are answered whatever that one is stuck in.
    """

    def __init__(self, server: EdgeServer, watchdog: Watchdog) -> None:
        self._server = server
        self._watchdog = watchdog
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening: Future[None] = Future()

    @property
    def address(self) -> str:
        return self._server.address

    async def listening(self) -> None:
        """Wait until the port accepts connections."""
        await asyncio.wrap_future(self._listening)

    async def serve(self) -> None:
        """Serve until `end`; what goes wrong over there is raised here."""
        beating = asyncio.create_task(self._watchdog.beat())
        try:
            await asyncio.to_thread(uvloop.run, self._serve())
        finally:
            beating.cancel()
            self.end()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watchdog.watch())
            serving = tasks.create_task(self._server.serve())
            serving.add_done_callback(lambda _: watching.cancel())
            await self._server.listening.wait()
            self._listening.set_result(None)

    def end(self) -> None:
        """Close at once; may be called from the other loop, and again."""
        self._server.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has closed already
                self._loop.call_soon_threadsafe(partial(self._server.end, at_once=True))


class Edge:
    """Both servers, what runs beside them, and the way from the first signal to the end."""

    def __init__(
        self,
        needs: Needs,
        admission: EdgeServer,
        health: HealthPort,
        drain_seconds: float,
        background: Sequence[Background],
    ) -> None:
        self._needs = needs
        self.admission = admission
        self._health = health
        self._drain_seconds = drain_seconds
        self._background = background
        self._told = asyncio.Event()
        self._hurried = asyncio.Event()

    @property
    def addresses(self) -> tuple[str, str]:
        """Return HOST:PORT of the admission port and of the plain one."""
        return self.admission.address, self._health.address

    def tell(self) -> None:
        """Begin to drain; told again, end at once (contract 7.3)."""
        if self._told.is_set():
            self._hurried.set()
            self.admission.end(at_once=True)
            return
        self._told.set()
        self._needs.lifecycle.phase = Phase.DRAINING
        self._needs.metrics.draining.set(1)
        self.admission.drain()

    async def serve(self, announce: Callable[[str], None]) -> None:
        """Serve until told to end and drained; `announce` gets one line once both ports accept connections."""
        beside = [asyncio.create_task(self._kept_going(job)) for job in self._background]
        try:
            async with asyncio.TaskGroup() as servers:
                servers.create_task(self._health.serve())
                servers.create_task(self._finish(servers.create_task(self.admission.serve())))
                await self._health.listening()
                await self.admission.listening.wait()
                admission, health = self.addresses
                announce(f"drawbridge: serving on https://{admission}, health on http://{health}")
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            self._needs.work.close()

    async def _finish(self, admission: asyncio.Task[None]) -> None:
        await self._told.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                await self._hurried.wait()
        self._needs.lifecycle.phase = Phase.CLOSED
        self.admission.end(at_once=self._hurried.is_set())
        await admission
        self._health.end()

    async def _kept_going(self, job: Background) -> None:
        """Run a job; one that fails is logged and begun again, because without it the server decides by old facts."""
        while True:
            try:
                return await job()
            except Exception:  # any bug in a job must be seen, and must not be its end
                self._needs.log.exception("background")
                await asyncio.sleep(_AGAIN_SECONDS)
