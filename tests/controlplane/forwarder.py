"""A TCP forwarder on loopback, to replace or lose what stands behind a fixed address."""

import asyncio
import contextlib
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"


class TcpForwarder:
    """`with TcpForwarder(port) as forwarder:` listens on `forwarder.port`; new connections go to `forwarder.backend`.

    `backend` may be changed at any time: a new connection goes to the new one, an open one stays where it is, as behind
    a Kubernetes Service. Of several `backends` new connections take turns, and pass by one that does not listen. With
    `blackhole` set nothing is forwarded, connections are accepted and bytes are lost; `delay` are the seconds by which
    each piece of what a backend says comes later.
    """

    def __init__(self, *backends: int) -> None:
        self.backends = backends
        self._turns = itertools.count()
        self.blackhole = False
        self.delay = 0.0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._stop = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="tcp-forwarder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10), "the forwarder does not listen"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def backend(self) -> int:
        """The only backend, or the first."""
        return self.backends[0]

    @backend.setter
    def backend(self, port: int) -> None:
        self.backends = (port,)

    @property
    def open(self) -> int:
        """How many connections neither side has closed."""
        return len(self._connections)

    def cut(self) -> None:
        """Close every open connection, as a node that is lost."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._connections])

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stop.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._forward(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await self._onward()
        try:
            await asyncio.gather(self._pump(reader, onward_writer), self._pump(onward_reader, writer, is_answer=True))
        finally:
            onward_writer.close()

    async def _onward(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the backend whose turn it is, or else to the next that listens."""
        backends = self.backends
        first = next(self._turns)
        for turn in range(first, first + len(backends) - 1):
            with contextlib.suppress(ConnectionError):
                return await asyncio.open_connection(LOOPBACK, backends[turn % len(backends)])
        return await asyncio.open_connection(LOOPBACK, backends[(first - 1) % len(backends)])

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool = False
    ) -> None:
        while data := await reader.read(65536):
            if is_answer and self.delay:
                await asyncio.sleep(self.delay)
            if not self.blackhole:
                writer.write(data)
                await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


@contextmanager
def behind_forwarder(kubeconfig: Path, forwarded: Path) -> Iterator[TcpForwarder]:
    """Put a forwarder before the API server of a kubeconfig, and write one that goes through it."""
    config = json.loads(kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]["server"]
    with TcpForwarder(int(server.rpartition(":")[2])) as forwarder:
        config["clusters"][0]["cluster"]["server"] = f"https://{LOOPBACK}:{forwarder.port}"
        forwarded.write_text(json.dumps(config))
        yield forwarder
