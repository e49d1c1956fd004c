"""Requests to the API server: JSON in and out, lists in pages, watches as streams, faults as typed exceptions."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

import aiohttp
import msgspec

from webhook.core.raw import RawObject
from webhook.kube.access import Access
from webhook.kube.kinds import Kind

_CREDENTIALS_SECONDS = 10.0
_MERGE_PATCH = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"


class ApiError(Exception):
    """The API server refused; `status` is the HTTP code, `reason` and the message are its own."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class ConflictError(ApiError):
    """Somebody else wrote the object in between (409 Conflict)."""


class AlreadyExistsError(ApiError):
    """There is an object of this name (409 AlreadyExists)."""


class NotFoundError(ApiError):
    """No such object, or the server does not serve this kind (404)."""


class GoneError(ApiError):
    """The resource version is too old to go on from (410)."""


class ForbiddenError(ApiError):
    """This user may not do that (401, 403)."""


class UnavailableError(ApiError):
    """The server cannot answer now: overloaded, starting, unreachable or too slow; later it may (429, 5xx)."""


class GarbledError(Exception):
    """What came over the wire is not what the API sends; nothing can be concluded from it."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `go_on` is empty on the last one. Items are JSON that is not decoded yet."""

    items: tuple[bytes, ...]
    resource_version: str
    go_on: str


class _ListMeta(msgspec.Struct, rename={"resource_version": "resourceVersion", "go_on": "continue"}):
    resource_version: str = ""
    go_on: str = ""


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK; an ERROR is raised instead."""

    type: str
    object: RawObject


_decode_list = msgspec.json.Decoder(_List).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def path_of(kind: Kind, namespace: str = "", name: str = "", sub_resource: str = "", version: str = "") -> str:
    """Return the URL path of a kind, or of one object; its namespace is "" for all of them and cluster kinds."""
    version = version or kind.versions[0]
    prefix = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    return prefix + place + "".join(f"/{part}" for part in (kind.plural, name, sub_resource) if part)


class ApiClient:
    """One pool of connections to one API server; close it when done."""

    def __init__(self, access: Access, *, timeout_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic):
        self._access = access
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=min(5.0, timeout_seconds))
        self._headers: Mapping[str, str] = {}
        self._headers_until = float("-inf")
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._date = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; what is asked from now on is refused here."""
        self._closed = True
        if self._session is not None:
            # A polite end of TLS would outlast the loop of a command, which then warns of connections left open.
            if self._session.connector is not None:
                await self._session.connector.close(abort_ssl=True)
            await self._session.close()
            self._session = None

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        return await self._json("GET", path, query)

    async def create(self, path: str, body: RawObject, **query: str) -> dict[str, Any]:
        return await self._json("POST", path, query, body)

    async def update(self, path: str, body: RawObject, **query: str) -> dict[str, Any]:
        """Replace an object; with `metadata.resourceVersion` in the body only if it is still that one."""
        return await self._json("PUT", path, query, body)

    async def merge(self, path: str, body: RawObject, **query: str) -> dict[str, Any]:
        """Apply a JSON merge patch (RFC 7386)."""
        return await self._json("PATCH", path, query, body, _MERGE_PATCH)

    async def patch(self, path: str, operations: Sequence[RawObject]) -> dict[str, Any]:
        """Apply a JSON Patch (RFC 6902); ApiError where a `test` in it fails."""
        return await self._json("PATCH", path, {}, operations, _JSON_PATCH)

    async def apply(self, path: str, body: RawObject, *, manager: str, force: bool = False) -> dict[str, Any]:
        """Apply an object on the server (KEP-555); ConflictError where others have set its fields, unless forced."""
        query = {"fieldManager": manager, **({"force": "true"} if force else {})}
        return await self._json("PATCH", path, query, body, _APPLY_PATCH)

    async def delete(self, path: str, *, uid: str = "", **query: str) -> None:
        """Delete an object, with a uid only if it is still that one (else ConflictError)."""
        await self._json("DELETE", path, query, {"preconditions": {"uid": uid}} if uid else None)

    def server_time(self) -> datetime | None:
        """Return the time of the server's last answer, by its own clock, to the second; None where it has not said."""
        try:
            return parsedate_to_datetime(self._date)
        except ValueError:
            return None

    async def served_version(self, kind: Kind) -> str:
        """Return the version of the kind's group that we like best of those that the server has; else NotFoundError."""
        if len(kind.versions) == 1:
            return kind.versions[0]
        group = await self.get(f"/apis/{kind.group}")
        served = {entry.get("version") for entry in group.get("versions", ()) if isinstance(entry, dict)}
        found = next((version for version in kind.versions if version in served), None)
        if found is None:
            raise NotFoundError(404, "NotFound", f"the server has no version of {kind.group} that is known here")
        return found

    async def page(self, path: str, *, limit: int, go_on: str = "", labels: str = "") -> Page:
        """Return one page of a consistent list; UnavailableError, GoneError where `go_on` has expired.

        With a label selector only of the objects that it selects.
        """
        query = {"limit": str(limit), **({"continue": go_on} if go_on else {}), **_selected(labels)}
        async with self._request("GET", path, query) as response:
            body = await response.read()
        try:
            listed = _decode_list(body)
        except msgspec.DecodeError as error:
            raise GarbledError(f"GET {path}: {error}") from error
        items = tuple(bytes(item) for item in listed.items or ())
        return Page(items, listed.metadata.resource_version, listed.metadata.go_on)

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """Yield the lines of a text answer, such as `/metrics`, as they come."""
        async with self._request("GET", path, {}) as response:
            async for line in _lines(response, None):
                yield line

    async def watch(
        self,
        path: str,
        resource_version: str,
        *,
        lasting_seconds: int,
        silent_seconds: float,
        labels: str = "",
        fields: str = "",
    ) -> AsyncGenerator[WatchEvent]:
        """Yield what happens after a resource version until the server ends the watch.

        Raises GoneError where that version is too old, UnavailableError where the connection is lost or nothing, not
        even a bookmark, comes for `silent_seconds`, GarbledError for what cannot be read.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(lasting_seconds),
            **_selected(labels),
            **({"fieldSelector": fields} if fields else {}),
        }
        patience = aiohttp.ClientTimeout(sock_connect=5.0, sock_read=silent_seconds)
        async with self._request("GET", path, query, patience=patience) as response:
            async for line in _lines(response, silent_seconds):
                yield _event(line)

    async def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: RawObject | Sequence[RawObject] | None = None,
        sent_as: str = "",
    ) -> dict[str, Any]:
        data = None if body is None else msgspec.json.encode(body)
        async with self._request(method, path, query, data=data, sent_as=sent_as) as response:
            answer = await response.read()
        try:
            decoded = msgspec.json.decode(answer)
        except msgspec.DecodeError as error:
            raise GarbledError(f"{method} {path}: {error}") from error
        if not isinstance(decoded, dict):
            raise GarbledError(f"{method} {path}: the answer is no object")
        return decoded

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        data: bytes | None = None,
        sent_as: str = "",
        patience: aiohttp.ClientTimeout | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; all that can go wrong on the way, while the answer is read too, is an ApiError."""
        headers = {**await self._authentication(), "content-type": sent_as or "application/json"}
        try:
            async with self._opened().request(
                method,
                self._access.server + path,
                params=query,
                data=data,
                headers=headers,
                timeout=patience or self._timeout,
                server_hostname=self._access.server_name,
                proxy=self._access.proxy,
                allow_redirects=False,
            ) as response:
                self._date = response.headers.get("date", "")
                if response.status >= 300:
                    if response.status == 401:
                        self._headers_until = float("-inf")
                    raise _refusal(response.status, response.headers.get("retry-after"), await response.read())
                yield response
        except TimeoutError as error:
            raise UnavailableError(0, "Timeout", f"{method} {path}: no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnavailableError(0, "Unreachable", f"{method} {path}: {error}") from error

    async def _authentication(self) -> Mapping[str, str]:
        """Return the credentials, asked for again every few seconds, off the loop: they may be a program's answer."""
        if self._clock() >= self._headers_until:
            self._headers = await asyncio.to_thread(self._access.credentials)
            self._headers_until = self._clock() + _CREDENTIALS_SECONDS
        return self._headers

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise UnavailableError(0, "Closed", "the client is closed")
        if self._session is None:
            connector = aiohttp.TCPConnector(
                ssl=self._access.tls or True, limit=0, keepalive_timeout=60.0, socket_factory=_kept_alive
            )
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        return self._session


def _selected(labels: str) -> Mapping[str, str]:
    return {"labelSelector": labels} if labels else {}


def _kept_alive(address: Any) -> socket.socket:
    """Return a socket whose silent death is noticed within a minute (operations.md FM-45)."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


async def _lines(response: aiohttp.ClientResponse, silent_seconds: float | None) -> AsyncIterator[bytes]:
    """Yield whole lines of any length; TimeoutError after too long a silence."""
    rest = bytearray()
    chunks = response.content.iter_any().__aiter__()
    while True:
        async with asyncio.timeout(silent_seconds):
            chunk = await anext(chunks, b"")
        if not chunk:
            break
        *whole, last = chunk.split(b"\n")
        if whole:
            yield bytes(rest) + whole[0]
            rest.clear()
            for line in whole[1:]:
                yield line
        rest += last
    if rest:
        yield bytes(rest)


def _event(line: bytes) -> WatchEvent:
    try:
        event = _decode_event(line)
    except msgspec.DecodeError as error:
        raise GarbledError(f"unreadable watch event: {error}") from error
    if event.type == "ERROR":
        code = event.object.get("code")
        raise _typed(code if isinstance(code, int) else 500, event.object, None)
    if event.type not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK"):
        raise GarbledError(f"unknown watch event '{event.type}'")
    return WatchEvent(event.type, event.object)


def _refusal(status: int, retry_after: str | None, body: bytes) -> ApiError:
    try:
        decoded = msgspec.json.decode(body)
    except msgspec.DecodeError:
        decoded = None
    told = decoded if isinstance(decoded, dict) else {"message": body[:200].decode("utf-8", "replace").strip()}
    return _typed(status, told, float(retry_after) if retry_after and retry_after.isdecimal() else None)


def _typed(status: int, told: RawObject, retry_after: float | None) -> ApiError:
    reason = str(told.get("reason") or "")
    message = str(told.get("message") or f"HTTP {status}")
    return _error_type(status, reason)(status, reason, message, retry_after)


def _error_type(status: int, reason: str) -> type[ApiError]:
    match status:
        case 409:
            return AlreadyExistsError if reason == "AlreadyExists" else ConflictError
        case 404:
            return NotFoundError
        case 410:
            return GoneError
        case 401 | 403:
            return ForbiddenError
        case _:
            return UnavailableError if status == 429 or status >= 500 else ApiError
