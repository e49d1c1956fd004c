"""Keeps the status of LegacyMappings: the spec before the last change, and whether the mapping is in use.

`status.previous` is that by which pods in flight are recognised. Every controller remembers the specs that it has seen,
the one that leads writes; so a change is lost only if nobody was watching when it came.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from structlog.typing import FilteringBoundLogger

from webhook.core.cluster import ClusterView
from webhook.core.conditions import merged
from webhook.core.mappings import parse_mapping
from webhook.core.raw import RawObject
from webhook.kube.client import ApiClient
from webhook.kube.kinds import MAPPINGS, Key, Kind
from webhook.kube.mapping_conditions import mapping_conditions
from webhook.kube.statuses import Statuses, Stored, stored

MAPPING_SPECS = replace(MAPPINGS, field="", keep=stored)


class MappingStatuses(Statuses):
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
        super().__init__(MAPPINGS, "mapping status", api, log, again_seconds=again_seconds)
        self._view = view
        self._now = now
        self._before: dict[Key, RawObject] = {}
        self._conditions: Mapping[Key, tuple[dict[str, Any], ...]] = {}
        self._judged: tuple[Mapping[Key, tuple[str, int]], ClusterView] | None = None

    def changed(self, kind: Kind, key: Key, value: object | None, resource_version: str) -> None:
        known = self._seen.get(key)
        super().changed(kind, key, value, resource_version)
        now = self._seen.get(key)
        if now is None or known is None or known.uid != now.uid or now.observed == now.generation:
            self._before.pop(key, None)
        elif known.generation != now.generation:
            self._before[key] = known.spec

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

    async def _status(self, key: Key, seen: Stored) -> dict[str, Any] | None:
        self._judge()
        wanted = self._conditions.get(key)
        if wanted is None or wanted[0]["observedGeneration"] != seen.generation:
            return None
        conditions = merged(seen.conditions, wanted, self._now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        if seen.observed == seen.generation and conditions == seen.conditions:
            return None
        before = self._before.get(key)
        status = {**seen.status, "observedGeneration": seen.generation, "conditions": conditions}
        return status if before is None else {**status, "previous": before}
