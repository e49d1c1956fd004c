"""The plain port: /livez, /readyz and /metrics; nothing of it can be asked to do work."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.types import Receive, Scope, Send

from webhook.server.lifecycle import Lifecycle
from webhook.server.metrics import Metrics

_TEXT = b"text/plain; charset=utf-8"
_DEAD_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of readiness; `problem` is empty where it holds. Where it is not `needed`, it is only told."""

    name: str
    problem: str = ""
    needed: bool = True

    @property
    def hinders(self) -> bool:
        return self.needed and bool(self.problem)

    def __str__(self) -> str:
        if not self.problem:
            return f"[+] {self.name}"
        return f"[{'-' if self.needed else '!'}] {self.name}: {self.problem}"


class Probes:
    """An ASGI application. `checks` are asked at each probe and must be quick.

    `late` says for how many seconds the loop that decides has not come round: one that is busy is alive, one that
    stands still for good is not.
    """

    def __init__(
        self,
        checks: Callable[[], Sequence[Check]],
        lifecycle: Lifecycle,
        metrics: Metrics,
        late: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._checks = checks
        self._late = late
        self._lifecycle = lifecycle
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        status, kind, body = self.answer(scope["method"], scope["path"], scope["query_string"])
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def answer(self, method: str, path: str, query: bytes) -> tuple[int, bytes, bytes]:
        if path not in {"/livez", "/readyz", "/metrics"}:
            return 404, _TEXT, b"no such endpoint\n"
        if method not in {"GET", "HEAD"}:
            return 405, _TEXT, b"only GET is served here\n"
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST.encode(), generate_latest(self._metrics.registry)
        if path == "/livez":
            late = self._late()
            return (200, _TEXT, b"ok\n") if late < _DEAD_SECONDS else (503, _TEXT, f"stuck for {late:.0f} s\n".encode())
        return self._readiness(verbose="verbose" in query.decode("latin-1").split("&"))

    def is_ready(self) -> bool:
        return not any(check.hinders for check in self._conditions())

    def _conditions(self) -> Sequence[Check]:
        return [Check("serving", "draining" if self._lifecycle.ending else ""), *self._checks()]

    def _readiness(self, *, verbose: bool) -> tuple[int, bytes, bytes]:
        checks = self._conditions()
        ready = not any(check.hinders for check in checks)
        lines = [str(check) for check in checks if verbose or check.hinders]
        lines.append("ok" if ready else "not ready")
        return 200 if ready else 503, _TEXT, ("\n".join(lines) + "\n").encode()


class ReadinessNumber(Collector):
    """What /readyz says, as a metric: Prometheus does not see what the kubelet is told."""

    def __init__(self, is_ready: Callable[[], bool]) -> None:
        self._is_ready = is_ready

    def collect(self) -> Iterable[Metric]:
        ready = float(self._is_ready())
        return (GaugeMetricFamily("drawbridge_ready", "1 while this replica is ready, as /readyz says.", ready),)
