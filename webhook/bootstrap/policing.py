"""The policies of a running server: compiled when they change, and counted where they judge."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Protocol

from webhook.core.cluster import ClusterView
from webhook.policy.book import PolicyBook, Shelf
from webhook.policy.cases import Policing
from webhook.policy.judge import Judgement
from webhook.server.log import Log
from webhook.server.metrics import Metrics
from webhook.server.work import Work


class ClusterSource(Protocol):
    """Where the current view comes from; `view` is one assignment away from the next."""

    @property
    def view(self) -> ClusterView: ...

    def unready(self) -> str:
        """Return why nothing can be decided by the view yet; empty where it can."""


def utc_today() -> date:
    return datetime.now(UTC).date()


def _uncounted(policy: str, outcome: str) -> None:
    """Count nothing."""


_LOOK_AGAIN_SECONDS = 0.5


class PolicyDesk:
    """Where policies are asked for; `count` is told what became of each policy on each object."""

    def __init__(self, today: Callable[[], date] = utc_today, count: Callable[[str, str], None] = _uncounted) -> None:
        self.book = PolicyBook()
        self.today = today
        self._count = count

    def of(self, view: ClusterView) -> Policing:
        """Return the policies of the view, as they are today."""
        return Policing(self.book.of(view), self.today())

    def counted(self, said: Judgement, shelf: Shelf) -> Judgement:
        """Return what policies of the shelf said, which is counted, and by which generations of them it was said."""
        for policy, outcome in said.outcomes:
            self._count(policy, outcome.value)
        return replace(said, audit={**shelf.generations_told(policy for policy, _ in said.outcomes), **said.audit})


class PolicyWatch:
    """Compiles the policies of each new view before the next review needs them, and tells of those that are broken."""

    def __init__(self, desk: PolicyDesk, source: ClusterSource, work: Work, metrics: Metrics, log: Log) -> None:
        self._desk = desk
        self._source = source
        self._work = work
        self._metrics = metrics
        self._log = log
        self._told: Shelf | None = None

    async def follow(self) -> None:
        """Look at the view from time to time, until cancelled."""
        while True:
            if not self._source.unready():
                shelf = (await self._work.run(self._desk.of, self._source.view)).shelf
                if shelf is not self._told:
                    self._tell(shelf)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def _tell(self, shelf: Shelf) -> None:
        self._told = shelf
        self._metrics.policies_broken.labels("earlier version").set(len(shelf.kept))
        self._metrics.policies_broken.labels("failurePolicy").set(len(shelf.broken) - len(shelf.kept))
        for name, flaws in shelf.broken.items():
            first = flaws[0]
            instead = "earlier version" if name in shelf.kept else "failurePolicy"
            self._log.warning("policy", name=name, why=f"{first.path}: {first.message}", instead=instead)
