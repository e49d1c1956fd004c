"""Keeps `status.previous` of LegacyMappings: the spec before the last change, by which pods in flight are recognised.

Every controller remembers the specs that it has seen, the one that leads writes; so a change is lost only if nobody was
watching when it came.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from structlog.typing import FilteringBoundLogger

from webhook.core.fieldpath import ROOT
from webhook.core.raw import EMPTY, RawObject, Reader
from webhook.kube.client import ApiClient, ApiError, GarbledError, path_of
from webhook.kube.kinds import MAPPINGS, Key, Kind


@dataclass(frozen=True, slots=True)
class MappingSeen:
    """A mapping as stored; `observed` is the generation that its status speaks of, 0 without one."""

    name: str
    uid: str
    resource_version: str
    generation: int
    observed: int
    spec: RawObject
    status: RawObject


def _keep(raw: RawObject, reader: Reader) -> MappingSeen:
    at = ROOT.child("metadata")
    metadata = reader.struct(raw, "metadata", ROOT) or EMPTY
    status = reader.struct(raw, "status", ROOT) or EMPTY
    return MappingSeen(
        name=reader.text(metadata, "name", at),
        uid=reader.text(metadata, "uid", at),
        resource_version=reader.text(metadata, "resourceVersion", at),
        generation=reader.integer(metadata, "generation", at),
        observed=reader.integer(status, "observedGeneration", ROOT.child("status")),
        spec=reader.struct(raw, "spec", ROOT) or EMPTY,
        status=status,
    )


MAPPING_SPECS = replace(MAPPINGS, field="", keep=_keep)


class MappingHistory:
    """A sink for mappings; run it as one task while leading."""

    def __init__(self, api: ApiClient, log: FilteringBoundLogger, *, again_seconds: float = 2.0) -> None:
        self._api = api
        self._log = log
        self._again_seconds = again_seconds
        self._now: dict[Key, MappingSeen] = {}
        self._before: dict[Key, RawObject] = {}
        self._awake = asyncio.Event()

    def replaced(self, kind: Kind, objects: Mapping[Key, object], resource_version: str) -> None:
        for key in (*self._now.keys() - objects.keys(), *objects):
            self.changed(kind, key, objects.get(key), resource_version)

    def changed(self, kind: Kind, key: Key, value: object | None, resource_version: str) -> None:  # noqa: ARG002
        known = self._now.pop(key, None)
        if value is None:
            self._before.pop(key, None)
            return
        assert isinstance(value, MappingSeen)
        self._now[key] = value
        if known is None or known.uid != value.uid or value.observed == value.generation:
            self._before.pop(key, None)
        elif known.generation != value.generation:
            self._before[key] = known.spec
        self._awake.set()

    def progressed(self, kind: Kind, resource_version: str) -> None:
        """How far the watch has come does not matter here."""

    def count(self, kind: Kind) -> int:  # noqa: ARG002
        return len(self._now)

    async def run(self) -> None:
        """Write each status that is behind its spec, until cancelled."""
        while True:
            self._awake.clear()
            for key in tuple(self._now):
                await self._write(key)
            try:
                async with asyncio.timeout(self._again_seconds):
                    await self._awake.wait()
            except TimeoutError:
                continue

    async def _write(self, key: Key) -> None:
        seen = self._now.get(key)
        if seen is None or seen.observed == seen.generation:
            return
        before = self._before.get(key)
        status = {**seen.status, "observedGeneration": seen.generation}
        body = {
            "apiVersion": MAPPINGS.api_version(MAPPINGS.versions[0]),
            "kind": MAPPINGS.name,
            "metadata": {"name": seen.name, "uid": seen.uid, "resourceVersion": seen.resource_version},
            "status": status if before is None else {**status, "previous": before},
        }
        try:
            await self._api.update(path_of(MAPPINGS, "", seen.name, "status"), body)
        except (ApiError, GarbledError) as error:
            self._log.info("mapping status", name=seen.name, why=str(error))  # the next event or tick tries again
