"""The reflector on a real API server: restarts, silence, compaction, many pages."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.etcd import compact
from tests.controlplane.forwarder import behind_forwarder
from tests.controlplane.objects import CLASSES, make_device_class
from tests.kube.fake_api import Copy, silent, until
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient
from webhook.kube.kinds import DEVICE_CLASSES
from webhook.kube.reflector import Pace, Reflector
from webhook.kube.server_truth import ask_gates, ask_version

pytestmark = pytest.mark.e2e
PATIENCE = 60.0
"""Seconds that a busy machine may take for what is done in one or two."""

FAST = Pace(page=3, backoff_floor=0.05, backoff_ceiling=0.5)


class Reflecting:
    """A reflector of device classes that begin with a prefix of the test's own."""

    def __init__(self, reflector: Reflector, copy: Copy, prefix: str) -> None:
        self.reflector = reflector
        self.copy = copy
        self._prefix = prefix

    def names(self) -> set[str]:
        found = (str(key) for key in self.copy.objects)
        return {key.removeprefix(self._prefix) for key in found if key.startswith(self._prefix)}


@asynccontextmanager
async def reflecting(kubeconfig: Path, prefix: str, pace: Pace = FAST) -> AsyncIterator[Reflecting]:
    copy = Copy()
    async with ApiClient(load_access(kubeconfig)) as api:
        reflector = Reflector(
            DEVICE_CLASSES, api, copy, clock=time.monotonic, random=Random(1), log=silent(), pace=pace
        )
        task = asyncio.create_task(reflector.run())
        try:
            await until(lambda: reflector.synced, seconds=PATIENCE)
            yield Reflecting(reflector, copy, prefix)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def prefix(cluster: ControlPlane, namespace: str) -> Iterator[str]:
    """A prefix for names of classes, which are all deleted at the end."""
    yield f"{namespace}-"
    for found in cluster.api.list_all(CLASSES):
        if found["metadata"]["name"].startswith(f"{namespace}-"):
            cluster.api.delete(CLASSES, found["metadata"]["name"])


def _create(cluster: ControlPlane, prefix: str, *names: str) -> None:
    for name in names:
        cluster.api.create(CLASSES, make_device_class(prefix + name))


async def _meanwhile(act: Callable[[], Any]) -> None:
    """Do something that blocks while the reflector goes on; in the main thread, which programs must be started from."""
    await asyncio.sleep(0)
    act()


def test_pages_and_events_of_a_real_server_are_all_seen(cluster: ControlPlane, prefix: str) -> None:
    _create(cluster, prefix, *(f"c{number}" for number in range(10)))

    async def run() -> None:
        async with reflecting(cluster.kubeconfig(), prefix) as seen:
            assert len(seen.names()) == 10
            _create(cluster, prefix, "late")
            cluster.api.delete(CLASSES, f"{prefix}c0")
            await until(lambda: "late" in seen.names() and "c0" not in seen.names(), seconds=PATIENCE)
            assert seen.copy.lists == 1

    asyncio.run(run())


def test_a_restart_of_the_api_server_is_survived_without_a_gap(cluster: ControlPlane, prefix: str) -> None:
    _create(cluster, prefix, "before")

    async def run() -> None:
        async with reflecting(cluster.kubeconfig(), prefix) as seen:
            await _meanwhile(cluster.kill_apiserver)
            await asyncio.sleep(1.0)
            await _meanwhile(cluster.start_apiserver)
            _create(cluster, prefix, "after")
            await until(lambda: seen.names() == {"before", "after"}, seconds=PATIENCE)

    asyncio.run(run())


def test_fm_45_a_connection_that_went_silent_is_replaced(cluster: ControlPlane, prefix: str, tmp_path: Path) -> None:
    async def run() -> None:
        kubeconfig = tmp_path / "kubeconfig"
        with behind_forwarder(cluster.kubeconfig(), kubeconfig) as forwarder:
            pace = Pace(silence=2.0, backoff_floor=0.05, backoff_ceiling=0.5)
            async with reflecting(kubeconfig, prefix, pace) as seen:
                forwarder.blackhole = True
                _create(cluster, prefix, "unseen")
                await until(lambda: seen.reflector.last_event_age() >= 2.5, seconds=PATIENCE)
                assert "unseen" not in seen.names()
                forwarder.blackhole = False
                await until(lambda: "unseen" in seen.names(), seconds=PATIENCE)
                assert seen.copy.lists == 1

    asyncio.run(run())


def test_fm_47_a_compacted_version_is_relisted_exactly_once(cluster: ControlPlane, prefix: str, tmp_path: Path) -> None:
    _create(cluster, prefix, "kept", "deleted")

    async def run() -> None:
        kubeconfig = tmp_path / "kubeconfig"
        with behind_forwarder(cluster.kubeconfig(), kubeconfig) as forwarder:
            async with reflecting(kubeconfig, prefix) as seen:
                forwarder.backend, backend = 1, forwarder.backend  # nobody listens there
                forwarder.cut()
                cluster.api.delete(CLASSES, f"{prefix}deleted")
                _create(cluster, prefix, "new")
                await _meanwhile(cluster.kill_apiserver)
                compact(cluster)
                await _meanwhile(cluster.start_apiserver)
                forwarder.backend = backend
                await until(lambda: seen.names() == {"kept", "new"}, seconds=PATIENCE)
                await asyncio.sleep(0.5)
                assert seen.reflector.relists == {"expired": 1}

    asyncio.run(run())


def test_the_server_tells_its_version_and_gates(cluster: ControlPlane) -> None:
    async def run() -> None:
        async with ApiClient(load_access(cluster.kubeconfig())) as api:
            version = await ask_version(api)
            assert version is not None
            assert version.startswith("1.")
            gates = await ask_gates(api)
            assert gates["DRAConsumableCapacity"] is True
            assert gates["DRAListTypeAttributes"] is False

    asyncio.run(run())


def test_without_the_right_to_metrics_no_gate_is_known(cluster: ControlPlane) -> None:
    async def run() -> None:
        async with ApiClient(load_access(cluster.kubeconfig("alice"))) as api:
            assert await ask_gates(api) == {}
            assert await ask_version(api) is not None

    asyncio.run(run())
