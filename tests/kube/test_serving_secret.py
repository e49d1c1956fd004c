"""The serving certificate of a Secret becomes files as soon as it changes."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from certs.store import Directory
from tests.kube.fake_api import FakeApi, fake_api, silent, until
from webhook.kube.client import NotFoundError, UnavailableError
from webhook.kube.reflector import Pace
from webhook.kube.serving_secret import ServingSecret

NAMESPACE, NAME = "drawbridge-system", "drawbridge-tls"
QUICK = Pace(backoff_floor=0.01, backoff_ceiling=0.02)


def fill(api: FakeApi, **files: str) -> None:
    data = {name.replace("_", "."): base64.b64encode(text.encode()).decode() for name, text in files.items()}
    api.put("secrets", NAME, NAMESPACE, data=data)


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@asynccontextmanager
async def secrets() -> AsyncIterator[FakeApi]:
    async with fake_api("secrets") as api:
        api.put("secrets", NAME, NAMESPACE)
        yield api


@asynccontextmanager
async def following(api: FakeApi, folder: Path) -> AsyncIterator[None]:
    async with api.client() as client:
        task = asyncio.create_task(
            ServingSecret(client, NAMESPACE, NAME, Directory(folder), silent()).follow(Random(1), QUICK)
        )
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_a_start_waits_for_the_certificate(tmp_path: Path) -> None:
    async def test() -> None:
        async with secrets() as api, api.client() as client:
            secret = ServingSecret(client, NAMESPACE, NAME, Directory(tmp_path), silent())
            assert not await secret.first(0.05)
            fill(api, tls_crt="certificate")
            assert not await secret.first(0.05), "a certificate without its key is none"
            fill(api, tls_crt="certificate", tls_key="key")
            assert await secret.first(5)
            assert files(tmp_path) == {"tls.crt": "certificate", "tls.key": "key"}

    asyncio.run(test())


def test_a_secret_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def test() -> None:
        async with fake_api("secrets") as api, api.client() as client:
            with pytest.raises(NotFoundError):
                await ServingSecret(client, NAMESPACE, NAME, Directory(tmp_path), silent()).first(5)

    asyncio.run(test())


def test_a_start_waits_for_the_api_server_too(tmp_path: Path) -> None:
    async def test() -> None:
        async with secrets() as api, api.client() as client:
            fill(api, tls_crt="certificate", tls_key="key")
            api.fail(503, times=1)
            secret = ServingSecret(client, NAMESPACE, NAME, Directory(tmp_path), silent())
            assert await secret.first(10)
            api.fail(503, times=100)
            with pytest.raises(UnavailableError):
                await ServingSecret(client, NAMESPACE, NAME, Directory(tmp_path), silent()).first(0.05)

    asyncio.run(test())


def test_fm_12_a_change_is_taken_from_the_watch_and_an_emptied_secret_leaves_what_there_is(tmp_path: Path) -> None:
    async def test() -> None:
        async with secrets() as api:
            fill(api, tls_crt="1", tls_key="1")
            async with following(api, tmp_path):
                await until(lambda: api.watches)
                assert "fieldSelector=metadata.name%3Ddrawbridge-tls" in api.requests[-1][1]
                assert files(tmp_path) == {"tls.crt": "1", "tls.key": "1"}
                fill(api, tls_crt="2", tls_key="2")
                await until(lambda: files(tmp_path) == {"tls.crt": "2", "tls.key": "2"})
                fill(api)
                api.remove("secrets", NAME, NAMESPACE)
                fill(api, tls_crt="3", tls_key="3")
                await until(lambda: files(tmp_path) == {"tls.crt": "3", "tls.key": "3"})

    asyncio.run(test())


def test_after_an_outage_of_the_api_server_the_change_is_taken(tmp_path: Path) -> None:
    async def test() -> None:
        async with secrets() as api:
            fill(api, tls_crt="1", tls_key="1")
            async with following(api, tmp_path):
                await until(lambda: api.watches)
                api.fail(503, times=3)
                api.end_watches()
                fill(api, tls_crt="2", tls_key="2")
                await until(lambda: files(tmp_path) == {"tls.crt": "2", "tls.key": "2"})

    asyncio.run(test())


def test_the_key_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    async def test() -> None:
        async with secrets() as api, api.client() as client:
            fill(api, tls_crt="1", tls_key="1")
            await ServingSecret(client, NAMESPACE, NAME, Directory(tmp_path), silent()).first(5)

    asyncio.run(test())
    assert (tmp_path / "tls.key").stat().st_mode & 0o777 == 0o600
