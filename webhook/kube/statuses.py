"""Keeps the status of own objects that the API server stores and this program judges: one task while leading."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from structlog.typing import FilteringBoundLogger

from webhook.core.fieldpath import ROOT
from webhook.core.raw import EMPTY, RawObject, Reader
from webhook.kube.client import ApiClient, ApiError, GarbledError, path_of
from webhook.kube.kinds import Key, Kind


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as stored; `observed` is the generation that its status speaks of, 0 without one."""

    name: str
    uid: str
    resource_version: str
    generation: int
    observed: int
    spec: RawObject
    status: RawObject

    @property
    def conditions(self) -> list[object]:
        found = self.status.get("conditions")
        return found if isinstance(found, list) else []


def stored(raw: RawObject, reader: Reader) -> Stored:
    """Return what is kept of an object, as `Kind.keep` asks."""
    at = ROOT.child("metadata")
    metadata = reader.struct(raw, "metadata", ROOT) or EMPTY
    status = reader.struct(raw, "status", ROOT) or EMPTY
    return Stored(
        name=reader.text(metadata, "name", at),
        uid=reader.text(metadata, "uid", at),
        resource_version=reader.text(metadata, "resourceVersion", at),
        generation=reader.integer(metadata, "generation", at),
        observed=reader.integer(status, "observedGeneration", ROOT.child("status")),
        spec=reader.struct(raw, "spec", ROOT) or EMPTY,
        status=status,
    )


class Statuses(ABC):
    """A sink for the objects of one cluster-scoped kind; `run` it as one task while leading.

    `event` is what a log line says of a status that could not be written.
    """

    def __init__(
        self, kind: Kind, event: str, api: ApiClient, log: FilteringBoundLogger, *, again_seconds: float
    ) -> None:
        self._kind = kind
        self._event = event
        self._api = api
        self._log = log
        self._again_seconds = again_seconds
        self._seen: dict[Key, Stored] = {}
        self._awake = asyncio.Event()

    async def replaced(self, kind: Kind, objects: Mapping[Key, object], resource_version: str) -> None:
        for key in (*self._seen.keys() - objects.keys(), *objects):
            self.changed(kind, key, objects.get(key), resource_version)

    def changed(self, kind: Kind, key: Key, value: object | None, resource_version: str) -> None:  # noqa: ARG002
        if value is None:
            self._seen.pop(key, None)
            return
        assert isinstance(value, Stored)
        self._seen[key] = value
        self._awake.set()

    def progressed(self, kind: Kind, resource_version: str) -> None:  # noqa: B027  # every sink has it
        """How far the watch has come does not matter here."""

    def count(self, kind: Kind) -> int:  # noqa: ARG002
        return len(self._seen)

    async def run(self) -> None:
        """Write each status that is not what it should be, until cancelled."""
        while True:
            self._awake.clear()
            for key in tuple(self._seen):
                seen = self._seen.get(key)
                status = None if seen is None else await self._status(key, seen)
                if seen is not None and status is not None:
                    await self._write(seen, status)
            try:
                async with asyncio.timeout(self._again_seconds):
                    await self._awake.wait()
            except TimeoutError:
                continue

    @abstractmethod
    async def _status(self, key: Key, seen: Stored) -> dict[str, Any] | None:
        """Return the status that an object should have; None where it stays as it is."""

    async def _write(self, seen: Stored, status: RawObject) -> None:
        kind = self._kind
        body = {
            "apiVersion": kind.api_version(kind.versions[0]),
            "kind": kind.name,
            "metadata": {"name": seen.name, "uid": seen.uid, "resourceVersion": seen.resource_version},
            "status": status,
        }
        try:
            await self._api.update(path_of(kind, "", seen.name, "status"), body)
        except (ApiError, GarbledError) as error:  # the next event or tick tries again
            self._log.info(self._event, name=seen.name, why=str(error))
