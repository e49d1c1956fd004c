"""Keeps the status of ClaimPolicies: whether they work, what is odd about them, and which of their exceptions end soon.

How often a policy matched is a metric of each replica: they do not write status (contract 5.8).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from structlog.typing import FilteringBoundLogger

from webhook.core.cluster import ClusterView
from webhook.core.conditions import condition, merged
from webhook.core.fieldpath import ROOT
from webhook.core.policies_parse import parse_policy
from webhook.core.raw import EMPTY, RawObject, Reader
from webhook.kube.client import ApiClient, ApiError, GarbledError, path_of
from webhook.kube.kinds import POLICIES, Key, Kind
from webhook.kube.mapping_conditions import READY, told
from webhook.policy.compile import compile_policy
from webhook.policy.oddities import ending, oddities

ENDING = "ExceptionsEnding"
_MOST_WARNINGS = 100


@dataclass(frozen=True, slots=True)
class PolicySeen:
    """A policy as stored."""

    name: str
    uid: str
    resource_version: str
    generation: int
    spec: RawObject
    status: RawObject


def _keep(raw: RawObject, reader: Reader) -> PolicySeen:
    at = ROOT.child("metadata")
    metadata = reader.struct(raw, "metadata", ROOT) or EMPTY
    return PolicySeen(
        name=reader.text(metadata, "name", at),
        uid=reader.text(metadata, "uid", at),
        resource_version=reader.text(metadata, "resourceVersion", at),
        generation=reader.integer(metadata, "generation", at),
        spec=reader.struct(raw, "spec", ROOT) or EMPTY,
        status=reader.struct(raw, "status", ROOT) or EMPTY,
    )


POLICY_SPECS = replace(POLICIES, field="", keep=_keep)


Judged = tuple[tuple[dict[str, Any], ...], list[dict[str, str]]]
"""The conditions of a policy, but for the time of their last change, and its expression warnings."""


def policy_status(name: str, spec: RawObject, generation: int, version: str, today: date) -> Judged:
    """Return what the status of a policy says of it."""
    compiled = compile_policy(parse_policy({"metadata": {"name": name}, "spec": spec}), version)
    flaws = compiled.flaws
    ready = condition(READY, not flaws, "Invalid" if flaws else "Valid", told(flaws))
    soon = sorted(exception.until for exception in ending(compiled.policy, today) if exception.until is not None)
    words = f"{len(soon)} of its exceptions end soon, the first on {soon[0]}" if soon else ""
    ends = condition(ENDING, bool(soon), "EndsWithinTwoWeeks" if soon else "NoneEnds", words)
    warnings = [
        {"fieldRef": str(odd.path), "warning": f"{odd.message}; {odd.fixes[0].message}"}
        for odd in oddities(compiled, today)
    ]
    return tuple({**one, "observedGeneration": generation} for one in (ready, ends)), warnings[:_MOST_WARNINGS]


class PolicyStatuses:
    """A sink for policies; run it as one task while leading. `view` tells the server's version."""

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
        self._seen: dict[Key, PolicySeen] = {}
        self._known: dict[Key, tuple[object, Judged]] = {}
        self._awake = asyncio.Event()

    async def replaced(self, kind: Kind, objects: Mapping[Key, object], resource_version: str) -> None:
        for key in (*self._seen.keys() - objects.keys(), *objects):
            self.changed(kind, key, objects.get(key), resource_version)

    def changed(self, kind: Kind, key: Key, value: object | None, resource_version: str) -> None:  # noqa: ARG002
        if value is None:
            self._seen.pop(key, None)
            self._known.pop(key, None)
            return
        assert isinstance(value, PolicySeen)
        self._seen[key] = value
        self._awake.set()

    def progressed(self, kind: Kind, resource_version: str) -> None:
        """How far the watch has come does not matter here."""

    def count(self, kind: Kind) -> int:  # noqa: ARG002
        return len(self._seen)

    async def run(self) -> None:
        """Write each status that is not what it should be, until cancelled; exceptions end without a change."""
        while True:
            self._awake.clear()
            for key in tuple(self._seen):
                await self._write(key)
            try:
                async with asyncio.timeout(self._again_seconds):
                    await self._awake.wait()
            except TimeoutError:
                continue

    async def _judged(self, key: Key, seen: PolicySeen, today: date) -> Judged:
        """Return conditions and warnings; what they rest on changes with the spec, the server and the day."""
        version = self._view().server.version
        of = (seen.uid, seen.generation, version, today)
        known = self._known.get(key)
        if known is None or known[0] != of:
            judged = await asyncio.to_thread(policy_status, seen.name, seen.spec, seen.generation, version, today)
            known = self._known[key] = (of, judged)
        return known[1]

    async def _write(self, key: Key) -> None:
        seen = self._seen.get(key)
        if seen is None:
            return
        moment = self._now()
        wanted, warnings = await self._judged(key, seen, moment.date())
        stored = seen.status.get("conditions")
        stored = stored if isinstance(stored, list) else []
        status = {
            "observedGeneration": seen.generation,
            "conditions": merged(stored, wanted, moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
            **({"typeChecking": {"expressionWarnings": warnings}} if warnings else {}),
        }
        if status == seen.status:
            return
        body = {
            "apiVersion": POLICIES.api_version(POLICIES.versions[0]),
            "kind": POLICIES.name,
            "metadata": {"name": seen.name, "uid": seen.uid, "resourceVersion": seen.resource_version},
            "status": status,
        }
        try:
            await self._api.update(path_of(POLICIES, "", seen.name, "status"), body)
        except (ApiError, GarbledError) as error:
            self._log.info("policy status", name=seen.name, why=str(error))  # the next event or tick tries again
