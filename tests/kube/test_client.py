"""The API client: faults are typed, credentials are fresh, lines may be of any length."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from kubernetes.config import incluster_config

from tests.kube.fake_api import fake_api
from tests.support.kubeconfig import write_kubeconfig
from webhook.core.errors import SettingsError
from webhook.kube.access import Access, load_access
from webhook.kube.client import (
    AlreadyExistsError,
    ApiClient,
    ApiError,
    ConflictError,
    ForbiddenError,
    GoneError,
    NotFoundError,
    UnavailableError,
    path_of,
)
from webhook.kube.kinds import DEVICE_CLASSES, NODES, QUOTAS

PATH = path_of(DEVICE_CLASSES)


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (401, "Unauthorized", ForbiddenError),
        (403, "Forbidden", ForbiddenError),
        (404, "NotFound", NotFoundError),
        (409, "Conflict", ConflictError),
        (409, "AlreadyExists", AlreadyExistsError),
        (410, "Expired", GoneError),
        (422, "Invalid", ApiError),
        (429, "TooManyRequests", UnavailableError),
        (500, "InternalError", UnavailableError),
        (503, "", UnavailableError),
    ],
)
def test_a_refusal_is_an_error_of_its_kind(code: int, reason: str, error: type[ApiError]) -> None:
    async def run() -> None:
        async with fake_api("deviceclasses") as api, api.client() as client:
            api.fail(code, reason=reason)
            with pytest.raises(ApiError) as caught:
                await client.get(PATH)
            assert type(caught.value) is error
            assert (caught.value.status, caught.value.reason) == (code, reason)

    asyncio.run(run())


def test_a_server_that_is_not_there_is_unavailable() -> None:
    async def run() -> None:
        async with fake_api() as api:
            client = api.client()
        async with client:
            with pytest.raises(UnavailableError):
                await client.get(PATH)

    asyncio.run(run())


def test_a_server_that_does_not_answer_is_unavailable_in_time() -> None:
    async def run() -> None:
        closed = asyncio.Event()

        async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(4096):
                pass
            writer.close()
            await writer.wait_closed()
            closed.set()

        server = await asyncio.start_server(silence, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            async with ApiClient(Access(f"http://127.0.0.1:{port}", dict), timeout_seconds=0.2) as client:
                with pytest.raises(UnavailableError, match="no answer in time"):
                    await client.get(PATH)
            await closed.wait()

    asyncio.run(run())


def test_credentials_are_asked_for_again_after_a_while_and_after_a_401() -> None:
    async def run() -> None:
        now = [0.0]
        asked: list[int] = []

        def credentials() -> Mapping[str, str]:
            asked.append(1)
            return {"authorization": f"Bearer {len(asked)}"}

        async with fake_api("deviceclasses") as api:
            access = Access(f"http://127.0.0.1:{api.port}", credentials)
            async with ApiClient(access, clock=lambda: now[0]) as client:
                for _ in range(3):
                    await client.page(PATH, limit=1)
                assert len(asked) == 1
                now[0] = 11.0
                await client.page(PATH, limit=1)
                assert len(asked) == 2
                api.fail(401)
                with pytest.raises(ForbiddenError):
                    await client.page(PATH, limit=1)
                await client.page(PATH, limit=1)
                assert len(asked) == 3

    asyncio.run(run())


def test_a_watch_event_of_a_megabyte_is_one_event() -> None:
    async def run() -> None:
        async with fake_api("deviceclasses") as api, api.client() as client:
            before = str(api.version)
            api.put("deviceclasses", "large", spec={"note": "x" * 1_500_000})
            api.put("deviceclasses", "small", spec={})
            names: list[Any] = []
            watch = client.watch(PATH, before, lasting_seconds=60, silent_seconds=5)
            async for event in watch:
                names.append(event.object["metadata"]["name"])
                if len(names) == 2:
                    break
            await watch.aclose()
            assert names == ["large", "small"]

    asyncio.run(run())


def test_paths_are_those_of_the_api() -> None:
    assert path_of(NODES, name="n") == "/api/v1/nodes/n"
    assert path_of(DEVICE_CLASSES, version="v1beta1") == "/apis/resource.k8s.io/v1beta1/deviceclasses"
    quotas = "/apis/drawbridge.dev/v1alpha1/namespaces/team-a/devicequotas"
    assert path_of(QUOTAS, "team-a", "gpus", "status") == f"{quotas}/gpus/status"


def kubeconfig(folder: Path, user: Mapping[str, Any], **cluster: Any) -> Path:
    return write_kubeconfig(folder, "https://127.0.0.1:6443/", user, **cluster)


def test_a_kubeconfig_gives_server_and_token(tmp_path: Path) -> None:
    access = load_access(kubeconfig(tmp_path, {"token": "secret"}, **{"tls-server-name": "other"}))
    assert (access.server, access.server_name) == ("https://127.0.0.1:6443", "other")
    assert access.credentials() == {"authorization": "Bearer secret"}


def test_a_token_from_a_program_is_fetched(tmp_path: Path) -> None:
    program = tmp_path / "token"
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "fresh"}}
    program.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    program.chmod(0o755)
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    access = load_access(kubeconfig(tmp_path, {"exec": run}))
    assert access.credentials() == {"authorization": "Bearer fresh"}


@pytest.mark.parametrize(
    ("no_proxy", "of_kubeconfig", "proxy"),
    [
        ("", "", "http://proxy.test:3128"),
        ("127.0.0.1", "", None),
        ("127.0.0.1", "http://other.test:80", "http://other.test:80"),
    ],
)
def test_a_proxy_is_asked_as_kubectl_asks_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_proxy: str, of_kubeconfig: str, proxy: str | None
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    cluster = {"proxy-url": of_kubeconfig} if of_kubeconfig else {}
    assert load_access(kubeconfig(tmp_path, {"token": "t"}, **cluster)).proxy == proxy


def test_t_23_in_a_pod_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("secret")
    trustme.CA().cert_pem.write_to_path(ca)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(ca))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    access = load_access()
    assert (access.server, access.proxy) == ("https://10.0.0.1:443", None)


def test_a_kubeconfig_that_cannot_be_used_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be used"):
        load_access(tmp_path / "absent")
    broken = tmp_path / "broken"
    broken.write_text("clusters: [")
    with pytest.raises(SettingsError, match="cannot be used"):
        load_access(broken)
    with pytest.raises(SettingsError, match="cannot be used"):
        load_access(kubeconfig(tmp_path, {}), "no-such-context")


def test_without_any_cluster_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(SettingsError, match="--kubeconfig"):
        load_access()
