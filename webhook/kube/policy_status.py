"""Keeps the status of ClaimPolicies: whether they work, what is odd about them, and which of their exceptions end soon.

How often a policy matched is a metric of each replica: they do not write status (contract 5.8).
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from structlog.typing import FilteringBoundLogger

from webhook.core.cluster import ClusterView
from webhook.core.conditions import READY, condition, merged, told
from webhook.core.policies_parse import parse_policy
from webhook.core.raw import RawObject
from webhook.kube.client import ApiClient
from webhook.kube.kinds import POLICIES, Key, Kind
from webhook.kube.statuses import Statuses, Stored, stored
from webhook.policy.compile import compile_policy
from webhook.policy.oddities import ending, oddities

ENDING = "ExceptionsEnding"
_MOST_WARNINGS = 100


POLICY_SPECS = replace(POLICIES, field="", keep=stored)


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


class PolicyStatuses(Statuses):
    """A sink for policies; run it as one task while leading, for exceptions end without a change.

    `view` tells the server's version.
    """

    def __init__(
        self,
        api: ApiClient,
        view: Callable[[], ClusterView],
        now: Callable[[], datetime],
        log: FilteringBoundLogger,
        *,
        again_seconds: float = 2.0,
    ) -> None:
        super().__init__(POLICIES, "policy status", api, log, again_seconds=again_seconds)
        self._view = view
        self._now = now
        self._known: dict[Key, tuple[object, Judged]] = {}

    def changed(self, kind: Kind, key: Key, value: object | None, resource_version: str) -> None:
        super().changed(kind, key, value, resource_version)
        if value is None:
            self._known.pop(key, None)

    async def _judged(self, key: Key, seen: Stored, today: date) -> Judged:
        """Return conditions and warnings; what they rest on changes with the spec, the server and the day."""
        version = self._view().server.version
        of = (seen.uid, seen.generation, version, today)
        known = self._known.get(key)
        if known is None or known[0] != of:
            judged = await asyncio.to_thread(policy_status, seen.name, seen.spec, seen.generation, version, today)
            known = self._known[key] = (of, judged)
        return known[1]

    async def _status(self, key: Key, seen: Stored) -> dict[str, Any] | None:
        moment = self._now()
        wanted, warnings = await self._judged(key, seen, moment.date())
        status = {
            "observedGeneration": seen.generation,
            "conditions": merged(seen.conditions, wanted, moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
            **({"typeChecking": {"expressionWarnings": warnings}} if warnings else {}),
        }
        return None if status == seen.status else status
