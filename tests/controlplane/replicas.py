"""Two replicas behind one address, and a spare that gets ready meanwhile."""

import itertools

from tests.controlplane.drawbridge import ServeProcess
from tests.controlplane.gate import Gate
from tests.controlplane.waiting import wait_for


class Replicas:
    """`options` are those of `drawbridge serve`, the same for all."""

    def __init__(self, gate: Gate, *options: str) -> None:
        self._gate = gate
        self._options = options
        self._names = itertools.count()
        self._running = [self._start(), self._start()]
        self._spare = self._start()

    def kill(self, index: int) -> None:
        """End a replica as a lost node would; the spare takes its place."""
        self.replace(index).kill()

    def replace(self, index: int) -> ServeProcess:
        """Let the spare take a replica's place, and return the replica, which still runs."""
        old = self._running[index]
        self._running[index], self._spare = self._spare, self._start()
        return old

    def ports(self) -> tuple[int, ...]:
        """Wait until both are ready."""
        for replica in self._running:
            wait_for("readiness", replica.is_ready)
        return tuple(replica.port for replica in self._running)

    def answered(self) -> list[int]:
        """How many claims each has been asked to charge."""
        return [replica.answered() for replica in self._running]

    def end(self) -> None:
        for replica in (*self._running, self._spare):
            replica.kill()

    def _start(self) -> ServeProcess:
        return self._gate.serve(*self._options, name=f"replica-{next(self._names)}")
