"""Keeps the status of LegacyMappings: the spec before the last change, and whether the mapping is in use.

`status.previous` is that by which pods in flight are recognised. Every controller remembers the specs that it has seen,
the one that leads writes; so a change is lost only if nobody was watching when it came.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from structlog.typing import FilteringBoundLogger

from webhook.core.cluster import ClusterView
from webhook.core.conditions import merged
from webhook.core.fieldpath import ROOT
from webhook.core.mappings import parse_mapping
from webhook.core.raw import EMPTY, RawObject, Reader
from webhook.kube.client import ApiClient, ApiError, GarbledError, path_of
from webhook.kube.kinds import MAPPINGS, Key, Kind
from webhook.kube.mapping_conditions import mapping_conditions


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


class MappingStatuses:
    """A sink for mappings; run it as one task while leading. `view` gives the namespaces that they may share."""

    def __init__(
        self,
        api: ApiClient,
        view: Callable[[], ClusterView],
        now: Callable[[], datetime],
        log: FilteringBoundLogger,
        *,
        again_seconds: float = 2.0,
    ) -> None:
        self._api = api
        self._view = view
        self._now = now
        self._log = log
        self._again_seconds = again_seconds
        self._seen: dict[Key, MappingSeen] = {}
        self._before: dict[Key, RawObject] = {}
        self._conditions: Mapping[Key, tuple[dict[str, Any], ...]] = {}
        self._judged: tuple[Mapping[Key, tuple[str, int]], ClusterView] | None = None
        self._awake = asyncio.Event()

    async def replaced(self, kind: Kind, objects: Mapping[Key, object], resource_version: str) -> None:
        for key in (*self._seen.keys() - objects.keys(), *objects):
            self.changed(kind, key, objects.get(key), resource_version)

    def changed(self, kind: Kind, key: Key, value: object | None, resource_version: str) -> None:  # noqa: ARG002
        known = self._seen.pop(key, None)
        if value is None:
            self._before.pop(key, None)
            return
        assert isinstance(value, MappingSeen)
        self._seen[key] = value
        if known is None or known.uid != value.uid or value.observed == value.generation:
            self._before.pop(key, None)
        elif known.generation != value.generation:
            self._before[key] = known.spec
        self._awake.set()

    def progressed(self, kind: Kind, resource_version: str) -> None:
        """How far the watch has come does not matter here."""

    def count(self, kind: Kind) -> int:  # noqa: ARG002
        return len(self._seen)

    async def run(self) -> None:
        """Write each status that is behind its spec, until cancelled."""
        while True:
            self._awake.clear()
            self._judge()
            for key in tuple(self._seen):
                await self._write(key)
            try:
                async with asyncio.timeout(self._again_seconds):
                    await self._awake.wait()
            except TimeoutError:
                continue

    def _judge(self) -> None:
        """Find the conditions of all mappings, where anything has changed on which they rest."""
        view = self._view()
        specs = {key: (seen.uid, seen.generation) for key, seen in self._seen.items()}
        if self._judged is not None:
            judged, of = self._judged
            if judged == specs and of.namespaces is view.namespaces and of.server == view.server:
                return
        parsed = (parse_mapping({"metadata": {"name": seen.name}, "spec": seen.spec}) for seen in self._seen.values())
        whole = replace(view, mappings={mapping.name: mapping for mapping in parsed})
        self._conditions = {
            key: mapping_conditions(seen.name, seen.spec, seen.generation, whole) for key, seen in self._seen.items()
        }
        self._judged = specs, view

    async def _write(self, key: Key) -> None:
        seen, wanted = self._seen.get(key), self._conditions.get(key)
        if seen is None or wanted is None or wanted[0]["observedGeneration"] != seen.generation:
            return
        stored = seen.status.get("conditions")
        stored = stored if isinstance(stored, list) else []
        conditions = merged(stored, wanted, self._now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        if seen.observed == seen.generation and conditions == stored:
            return
        before = self._before.get(key)
        status = {**seen.status, "observedGeneration": seen.generation, "conditions": conditions}
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
