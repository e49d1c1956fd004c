"""A cluster's claims are listed anew while reviews come in: they are answered meanwhile, by what was known before."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from ssl import create_default_context

import pytest
from aiohttp import web

from tests.controlplane.drawbridge import ServeProcess, issue_certificates, metric_at
from tests.controlplane.programs import Programs
from tests.controlplane.waiting import wait_for
from tests.kube.fake_api import FakeApi
from tests.support.kubeconfig import write_kubeconfig
from tests.support.serving import make_review, post
from webhook.server.app import VALIDATE_CLAIMS

CLAIMS = 1_200  # three pages
SERVED = ("namespaces", "deviceclasses", "resourceslices", "resourceclaims", "resourceclaimtemplates", "devicequotas")


class SlowPages(FakeApi):
    """An API server whose further pages of claims come when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.objects = {plural: {} for plural in SERVED}
        self.asked, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if "/resourceclaims?" in request.path_qs and "continue=" in request.path_qs:
            self.asked.set()
            await asyncio.to_thread(self.go_on.wait, 20)
        return await super()._serve(request)


class Cluster:
    """The API server on a loop of its own."""

    def __init__(self) -> None:
        self.api = SlowPages()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._done(self.api.start())
        self._done(self._fill())

    async def _fill(self) -> None:
        for number in range(CLAIMS):
            self.api.put("resourceclaims", f"claim-{number}", "team-a", spec={"devices": {"requests": []}})

    def forget(self) -> None:
        """End all watches, and let what happened since the last claim be forgotten."""
        self._loop.call_soon_threadsafe(lambda: self.api.put("namespaces", "team-b"))
        self._loop.call_soon_threadsafe(self.api.compact)
        self._loop.call_soon_threadsafe(self.api.end_watches)

    def put(self, plural: str, name: str, **content: object) -> None:
        self._loop.call_soon_threadsafe(lambda: self.api.put(plural, name, "team-a", **content))

    def _done(self, coroutine: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def stop(self) -> None:
        self.api.go_on.set()
        self._done(self.api.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    running = Cluster()
    yield running
    running.stop()


def test_fm_31_reviews_are_answered_while_many_claims_are_listed_anew(cluster: Cluster, tmp_path: Path) -> None:
    api = cluster.api
    tls = create_default_context(cafile=str(issue_certificates(tmp_path / "certs")))
    options: list[str | Path] = [
        "--kubeconfig",
        write_kubeconfig(tmp_path, f"http://127.0.0.1:{api.port}"),
        "--drain-seconds",
        "0",
    ]
    with Programs(tmp_path / "logs") as programs:
        server = ServeProcess(programs, options, cert_dir=tmp_path / "certs")

        def claims() -> float | None:
            return metric_at(server.health_url, 'drawbridge_cache_objects{kind="resourceclaims"}')

        wait_for("readiness", server.is_ready)
        assert claims() == CLAIMS
        api.go_on.clear()
        api.asked.clear()
        cluster.put("resourceclaims", "one-more", spec={"devices": {"requests": []}})
        wait_for("the new claim", lambda: claims() == CLAIMS + 1)
        cluster.forget()
        assert api.asked.wait(20)
        with closing(HTTPSConnection("127.0.0.1", server.port, context=tls, timeout=20)) as connection:
            assert {post(connection, VALIDATE_CLAIMS, make_review()).status for _ in range(20)} == {200}
        assert server.is_ready()
        assert claims() == CLAIMS + 1
        cluster.put("resourceclaims", "zero-left", spec={"devices": {"requests": []}})
        api.go_on.set()
        wait_for("the end of the list", lambda: claims() == CLAIMS + 2)
