"""Keeps a copy of all objects of one kind: list in pages, watch, resume; relist only where it must be.

What client-go's reflector does, over projected objects. A list is always consistent (no `resourceVersion` is asked
for), so a copy never goes back in time.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from webhook.core.raw import RawObject
from webhook.kube.batches import emptied
from webhook.kube.client import (
    ApiClient,
    ApiError,
    GarbledError,
    GoneError,
    NotFoundError,
    UnavailableError,
    WatchEvent,
    path_of,
)
from webhook.kube.kinds import Key, Kind, projected

_SLICE_SECONDS = 0.005


class Sink(Protocol):
    """Takes what a reflector sees; called on the event loop, in order."""

    async def replaced(self, kind: Kind, objects: Mapping[Key, object], resource_version: str) -> None:
        """These are all objects of the kind, in a mapping that is not to be kept; meanwhile nothing more is told."""

    def changed(self, kind: Kind, key: Key, value: object | None, resource_version: str) -> None:
        """One object is new or different, or (None) deleted; one that was never told may be deleted too."""

    def progressed(self, kind: Kind, resource_version: str) -> None:
        """Nothing has happened up to this resource version but what was told."""

    def count(self, kind: Kind) -> int:
        """Return how many objects of the kind are kept."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a reflector works, in seconds; `page` in objects."""

    page: int = 500
    watch: float = 300.0
    silence: float = 70.0
    backoff_floor: float = 0.8
    backoff_ceiling: float = 30.0


class State(Enum):
    LISTING = "listing"
    WATCHING = "watching"


class Outcome(Enum):
    """How a list or a watch went."""

    LISTED = "listed"
    ABSENT = "absent"  # the server does not serve the kind (yet): there are no objects of it
    ENDED = "ended"
    LOST = "lost"
    EXPIRED = "expired"
    GARBLED = "garbled"
    REFUSED = "refused"


_NEXT: Mapping[tuple[State, Outcome], State] = {
    (State.LISTING, Outcome.LISTED): State.WATCHING,
    (State.LISTING, Outcome.ABSENT): State.LISTING,
    (State.LISTING, Outcome.LOST): State.LISTING,
    (State.LISTING, Outcome.EXPIRED): State.LISTING,
    (State.LISTING, Outcome.GARBLED): State.LISTING,
    (State.LISTING, Outcome.REFUSED): State.LISTING,
    (State.WATCHING, Outcome.ENDED): State.WATCHING,
    (State.WATCHING, Outcome.LOST): State.WATCHING,
    (State.WATCHING, Outcome.EXPIRED): State.LISTING,
    (State.WATCHING, Outcome.GARBLED): State.LISTING,
    (State.WATCHING, Outcome.REFUSED): State.LISTING,
}


class Backoff:
    """Decorrelated jitter: each pause is drawn between the floor and three times the one before, up to the ceiling."""

    def __init__(self, floor: float, ceiling: float, random: Random) -> None:
        self._floor = floor
        self._ceiling = ceiling
        self._random = random
        self._last = floor

    def pause(self) -> float:
        self._last = min(self._ceiling, self._random.uniform(self._floor, self._last * 3))
        return self._last

    def reset(self) -> None:
        self._last = self._floor


class Reflector:
    """Run it as one task until it is cancelled; what it knows of itself are its public attributes."""

    def __init__(
        self,
        kind: Kind,
        api: ApiClient,
        sink: Sink,
        *,
        clock: Callable[[], float],
        random: Random,
        log: FilteringBoundLogger,
        pace: Pace = Pace(),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.kind = kind
        self.state = State.LISTING
        self.synced = False
        self.relists: Counter[str] = Counter()
        self.attempts = 0
        self._api = api
        self._sink = sink
        self._clock = clock
        self._random = random
        self._log = log
        self._pace = pace
        self._sleep = sleep
        self._backoff = Backoff(pace.backoff_floor, pace.backoff_ceiling, random)
        self._version = ""
        self._resource_version = ""
        self._last_event = clock()
        self._heard = False

    @property
    def objects(self) -> int:
        """How many are kept."""
        return self._sink.count(self.kind)

    def last_event_age(self) -> float:
        """Return the seconds since the server last said anything of this kind."""
        return self._clock() - self._last_event

    async def run(self) -> None:
        while True:
            self.attempts += 1
            self._heard = False
            outcome = await (self._list() if self.state is State.LISTING else self._watch())
            before, self.state = self.state, _NEXT[self.state, outcome]
            if before is State.WATCHING and self.state is State.LISTING:
                self.relists[outcome.value] += 1
            if self._heard:
                self._backoff.reset()
            elif outcome is not Outcome.LISTED:
                await self._sleep(self._backoff.pause())

    async def _list(self) -> Outcome:
        try:
            await self._list_pages()
        except ApiError as error:
            return await self._failed(error)
        except GarbledError as error:
            self._log.warning(self.state.value, kind=self.kind.plural, outcome="garbled", why=str(error))
            return Outcome.GARBLED
        return Outcome.LISTED

    async def _list_pages(self) -> None:
        self._version = await self._api.served_version(self.kind)
        path = path_of(self.kind, version=self._version)
        found: dict[Key, object] = {}
        go_on = ""
        while True:
            page = await self._api.page(path, limit=self._pace.page, go_on=go_on, labels=self.kind.labels)
            self._last_event = self._clock()
            await self._project(page.items, found)
            go_on = page.go_on
            if not go_on:
                break
        self._resource_version = page.resource_version
        await self._replace(found)
        await emptied(found)

    async def _project(self, items: tuple[bytes, ...], found: dict[Key, object]) -> None:
        """Keep what is kept of each item, letting others run every few milliseconds."""
        began = self._clock()
        for item in items:
            try:
                raw = msgspec.json.decode(item)
            except msgspec.DecodeError as error:
                raise GarbledError(str(error)) from error
            kept = projected(self._typed(raw), self.kind)
            if kept.value is not None:
                found[kept.key] = kept.value
            if self._clock() - began > _SLICE_SECONDS:
                await asyncio.sleep(0)
                began = self._clock()

    async def _replace(self, found: Mapping[Key, object]) -> None:
        await self._sink.replaced(self.kind, found, self._resource_version)
        self.synced = True

    async def _watch(self) -> Outcome:
        lasting = int(self._pace.watch * self._random.uniform(1.0, 1.2))
        path = path_of(self.kind, version=self._version)
        events = self._api.watch(
            path,
            self._resource_version,
            lasting_seconds=lasting,
            silent_seconds=self._pace.silence,
            labels=self.kind.labels,
        )
        try:
            async with aclosing(events):
                async for event in events:
                    self._take(event)
        except ApiError as error:
            return await self._failed(error)
        except GarbledError as error:
            self._log.warning(self.state.value, kind=self.kind.plural, outcome="garbled", why=str(error))
            return Outcome.GARBLED
        return Outcome.ENDED

    def _take(self, event: WatchEvent) -> None:
        metadata = event.object.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        if not isinstance(version, str) or not version:
            raise GarbledError("a watch event has no resourceVersion")
        self._heard = True
        self._last_event = self._clock()
        if event.type == "BOOKMARK":
            self._sink.progressed(self.kind, version)
        else:
            kept = projected(self._typed(event.object), self.kind)
            value = None if event.type == "DELETED" else kept.value
            self._sink.changed(self.kind, kept.key, value, version)
        self._resource_version = version

    def _typed(self, raw: RawObject) -> RawObject:
        """Return the object with the apiVersion and kind that the server leaves out of lists of its own kinds."""
        return {"apiVersion": self.kind.api_version(self._version), "kind": self.kind.name, **raw}

    async def _failed(self, error: ApiError) -> Outcome:
        match error:
            case GoneError():
                outcome = Outcome.EXPIRED
            case UnavailableError():
                outcome = Outcome.LOST
            case NotFoundError() if self.state is State.LISTING:
                self._resource_version = ""
                self._last_event = self._clock()
                await self._replace({})
                return Outcome.ABSENT
            case _:
                outcome = Outcome.REFUSED
        self._log.warning(self.state.value, kind=self.kind.plural, outcome=outcome.value, why=str(error))
        return outcome
