"""A small API server on loopback that fails when told to: below the tests on the real control plane."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import structlog
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from webhook.core.claims import GROUP
from webhook.core.patch import Operation, PatchError, apply
from webhook.kube.access import Access
from webhook.kube.client import ApiClient
from webhook.kube.kinds import OWN_GROUP, OWN_VERSION, Key, Kind

Json = dict[str, Any]
Fault = Callable[[web.Request], Json | None]
_KINDS = {
    "deviceclasses": "DeviceClass",
    "resourceclaims": "ResourceClaim",
    "resourceclaimtemplates": "ResourceClaimTemplate",
    "devicequotas": "DeviceQuota",
    "clusterdevicequotas": "ClusterDeviceQuota",
    "resourceslices": "ResourceSlice",
    "namespaces": "Namespace",
    "legacymappings": "LegacyMapping",
    "claimpolicies": "ClaimPolicy",
    "leases": "Lease",
    "nodes": "Node",
    "pods": "Pod",
    "events": "Event",
    "secrets": "Secret",
    "endpointslices": "EndpointSlice",
    "mutatingwebhookconfigurations": "MutatingWebhookConfiguration",
    "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
}


def status(code: int, reason: str = "", message: str = "") -> Json:
    return {"kind": "Status", "code": code, "reason": reason, "message": message or f"fault {code}"}


@dataclass(eq=False)
class _Watch:
    plural: str
    events: "asyncio.Queue[bytes | None]" = field(default_factory=asyncio.Queue)


class FakeApi:
    """Objects by plural and (namespace, name); every write is an event. Faults and hangs are switched by attributes."""

    def __init__(self) -> None:
        self.version = 100
        self.objects: dict[str, dict[tuple[str, str], Json]] = {}
        self.history: list[tuple[int, str, str, Json]] = []
        self.compacted = 0
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.watches: list[_Watch] = []
        self.served = {"v1", "v1beta1"}
        self.slow = 0.0
        """Seconds before each answer to a POST."""
        self.before_write: Callable[[web.Request], None] | None = None
        self.lists_begun = 0
        self.now: datetime | None = None
        self._runner: web.AppRunner | None = None
        self.port = 0

    # What tests do

    def put(self, plural: str, name: str, namespace: str = "", **content: Any) -> Json:
        """Store an object as some other client would."""
        known = self.objects.setdefault(plural, {}).get((namespace, name))
        metadata = {
            **(known or {}).get("metadata", {"uid": f"uid-{name}"}),
            "name": name,
            **content.pop("metadata", {}),
        }
        if namespace:
            metadata["namespace"] = namespace
        stored = {**content, "metadata": metadata}
        return self._store(plural, (namespace, name), stored, "ADDED" if known is None else "MODIFIED")

    def remove(self, plural: str, name: str, namespace: str = "") -> None:
        gone = self.objects[plural].pop((namespace, name))
        self._tell("DELETED", plural, gone)

    def fail(self, code: int, *, method: str = "", part: str = "", times: int = 1, reason: str = "") -> None:
        """Refuse the next requests of a method whose path and query contain a text."""
        left = [times]

        def fault(request: web.Request) -> Json | None:
            if left[0] and request.method.startswith(method) and part in request.path_qs:
                left[0] -= 1
                return status(code, reason)
            return None

        self.faults.append(fault)

    def compact(self) -> None:
        """Forget what happened before now, as etcd does every five minutes."""
        self.compacted = self.version
        self.history.clear()

    def say(self, plural: str, line: bytes) -> None:
        """Send a raw line on every watch of a kind."""
        for watch in self.watches:
            if watch.plural == plural:
                watch.events.put_nowait(line)

    def end_watches(self) -> None:
        for watch in self.watches:
            watch.events.put_nowait(None)

    def bookmark(self, plural: str) -> None:
        self.version += 1
        metadata = {"resourceVersion": str(self.version)}
        self.say(plural, _line({"type": "BOOKMARK", "object": {"metadata": metadata}}))

    def count(self, method: str, part: str) -> int:
        return sum(1 for asked, path in self.requests if asked == method and part in path)

    async def start(self) -> None:
        app = web.Application()
        app.on_response_prepare.append(self._date)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            self.end_watches()
            await self._runner.cleanup()
            self._runner = None

    def client(self, **settings: Any) -> ApiClient:
        return ApiClient(Access(f"http://127.0.0.1:{self.port}", dict), **settings)

    # What it serves

    async def _date(self, _: web.Request, response: web.StreamResponse) -> None:
        if self.now is not None:
            response.headers["Date"] = format_datetime(self.now, usegmt=True)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        for fault in self.faults:
            told = fault(request)
            if told is not None:
                return web.json_response(told, status=told["code"])
        if request.method == "POST":
            await asyncio.sleep(self.slow)
        parts = request.path.strip("/").split("/")
        if parts == ["version"]:
            return web.json_response({"major": "1", "minor": "37"})
        if parts[0] not in ("api", "apis"):
            return web.json_response(status(404, "NotFound"), status=404)
        if parts == ["apis", GROUP]:
            return web.json_response({"versions": [{"version": version} for version in self.served]})
        where = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = ""
        if where[0] == "namespaces" and len(where) > 2:
            namespace, where = where[1], where[2:]
        if where[0] not in self.objects:
            return web.json_response(status(404, "NotFound"), status=404)
        if len(where) > 1:
            return await self._object(request, where[0], (namespace, where[1]))
        if request.method == "POST":
            return await self._create(request, where[0], namespace)
        if request.query.get("watch"):
            return await self._watch(request, where[0])
        return self._list(request, where[0])

    def _list(self, request: web.Request, plural: str) -> web.Response:
        self.lists_begun += 1
        everything = sorted(self.objects[plural].items())
        start = int(request.query.get("continue", "0"))
        limit = int(request.query.get("limit", "0")) or len(everything)
        page = [_without_type(item) for _, item in everything[start : start + limit]]
        metadata = {"resourceVersion": str(self.version)}
        if start + limit < len(everything):
            metadata["continue"] = str(start + limit)
        return web.json_response({"kind": "List", "metadata": metadata, "items": page})

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        if since < self.compacted:
            return web.json_response(status(410, "Expired"), status=410)
        response = web.StreamResponse()
        response.content_type = "application/json"
        await response.prepare(request)
        watch = _Watch(plural)
        for version, told, of, item in self.history:
            if of == plural and version > since:
                watch.events.put_nowait(_line({"type": told, "object": item}))
        self.watches.append(watch)
        try:
            while (line := await watch.events.get()) is not None:
                await response.write(line)
        finally:
            self.watches.remove(watch)
        return response

    async def _object(self, request: web.Request, plural: str, key: tuple[str, str]) -> web.Response:
        if self.before_write is not None and request.method != "GET":
            self.before_write(request)
        known = self.objects[plural].get(key)
        if known is None:
            return web.json_response(status(404, "NotFound"), status=404)
        if request.method == "GET":
            return web.json_response(known)
        body = await request.json() if request.can_read_body else {}
        if request.method == "DELETE":
            wanted = body.get("preconditions", {}).get("uid")
            if wanted not in (None, known["metadata"]["uid"]):
                return web.json_response(status(409, "Conflict"), status=409)
            self.remove(plural, key[1], key[0])
            return web.json_response(status(200))
        if request.method == "PATCH" and request.content_type == "application/json-patch+json":
            try:
                stored = apply(known, [Operation(**operation) for operation in body])
            except PatchError as error:
                return web.json_response(status(422, "Invalid", str(error)), status=422)
        elif request.method == "PATCH":
            stored = _merged(known, body)
        elif (
            body["metadata"].get("resourceVersion", known["metadata"]["resourceVersion"])
            != (known["metadata"]["resourceVersion"])
        ):
            return web.json_response(status(409, "Conflict"), status=409)
        elif request.path.endswith("/status"):
            stored = {**known, "status": body["status"]}
        else:
            stored = {**body, "metadata": {**known["metadata"], **body["metadata"]}}
        return web.json_response(self._store(plural, key, stored, "MODIFIED"))

    async def _create(self, request: web.Request, plural: str, namespace: str) -> web.Response:
        body = await request.json()
        name = body["metadata"].get("name") or f"{body['metadata'].get('generateName', '')}{self.version}"
        if (namespace, name) in self.objects[plural]:
            return web.json_response(status(409, "AlreadyExists"), status=409)
        metadata = {"uid": f"uid-{name}-{self.version}", **body["metadata"], "name": name}
        stored = {**body, "metadata": {**metadata, **({"namespace": namespace} if namespace else {})}}
        return web.json_response(self._store(plural, (namespace, name), stored, "ADDED"), status=201)

    def _store(self, plural: str, key: tuple[str, str], content: Json, told: str) -> Json:
        self.version += 1
        group = OWN_GROUP if plural.endswith(("quotas", "mappings")) else GROUP
        typed = {"apiVersion": f"{group}/{OWN_VERSION if group == OWN_GROUP else 'v1'}", "kind": _KINDS[plural]}
        stored = deepcopy({**typed, **content})
        stored["metadata"]["resourceVersion"] = str(self.version)
        self.objects.setdefault(plural, {})[key] = stored
        self._tell(told, plural, stored, version=self.version)
        return stored

    def _tell(self, told: str, plural: str, item: Json, version: int = 0) -> None:
        if not version:
            self.version += 1
            version = self.version
            item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(version)}}
        self.history.append((version, told, plural, item))
        self.say(plural, _line({"type": told, "object": item}))


@asynccontextmanager
async def fake_api(*plurals: str) -> AsyncIterator[FakeApi]:
    """Serve these kinds, empty at first."""
    api = FakeApi()
    for plural in plurals:
        api.objects[plural] = {}
    await api.start()
    try:
        yield api
    finally:
        await api.stop()


@dataclass
class Copy:
    """A sink that keeps what it is told."""

    objects: dict[Key, object] = field(default_factory=dict)
    version: str = ""
    lists: int = 0
    kinds: set[Kind] = field(default_factory=set)

    async def replaced(self, kind: Kind, objects: Mapping[Key, object], resource_version: str) -> None:
        self.kinds.add(kind)
        self.objects, self.version = dict(objects), resource_version
        self.lists += 1

    def changed(self, kind: Kind, key: Key, value: object | None, resource_version: str) -> None:
        assert kind in self.kinds
        self.version = resource_version
        if value is None:
            del self.objects[key]
        else:
            self.objects[key] = value

    def progressed(self, kind: Kind, resource_version: str) -> None:
        assert kind in self.kinds
        self.version = resource_version

    def count(self, kind: Kind) -> int:
        return len(self.objects) if kind in self.kinds else 0


def silent() -> FilteringBoundLogger:
    """Return a log that nobody reads."""
    log: FilteringBoundLogger = structlog.wrap_logger(structlog.testing.ReturnLogger())
    return log


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until a condition holds; TimeoutError where it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event to wait on
            await asyncio.sleep(0.005)


def _without_type(item: Mapping[str, Any]) -> Json:
    """Return an item as lists of built-in kinds have it."""
    return {key: value for key, value in item.items() if key not in ("apiVersion", "kind")}


def _merged(known: Json, change: Json) -> Json:
    merged = dict(known)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


def _line(event: Json) -> bytes:
    return json.dumps(event).encode() + b"\n"
