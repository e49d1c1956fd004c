"""Folds stored claims into the quotas' status, and ends reservations whose claim never came (contract 5.8).

Only the leading controller runs this, but nothing depends on there being one alone: an older cache may not fold over a
newer one, and every write is a compare-and-swap.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

import msgspec
from structlog.typing import FilteringBoundLogger

from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.errors import ClusterUnavailableError
from webhook.core.finding import Finding
from webhook.core.quotas import DeviceQuota
from webhook.kube.books import Books, Patience, Step
from webhook.kube.charging import Charging, QuotaKey
from webhook.kube.claims_seen import ClaimsSeen
from webhook.kube.client import ApiClient, ApiError, GarbledError, path_of
from webhook.kube.kinds import CLAIMS
from webhook.kube.quota_telling import QuotaTelling
from webhook.quota.charges import same_supply
from webhook.quota.ledger import (
    Census,
    NotReady,
    Observation,
    Outcome,
    Outdated,
    Sightings,
    due,
    ended,
    fold,
    total,
)

_NONE_YET = Sightings({})
_AT_ONCE = 8
"""How many quotas are folded at a time: each waits for the API server twice."""
_LONGEST_GATHER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class FoldPace:
    """Seconds: a reservation's life, how long changes are gathered, how often what failed is tried again, and how often
    all is counted again whether it changed or not, which mends what others did to a status.
    """

    reservation: float = 90.0
    gather: float = 0.2
    tick: float = 2.0
    recount: float = 60.0
    page: int = 500


class Folding:
    """Run it as one task while leading.

    `view` gives the current view with all quotas; `is_exempt` names the namespaces that admission leaves alone.
    """

    def __init__(
        self,
        api: ApiClient,
        claims: ClaimsSeen,
        view: Callable[[], ClusterView],
        *,
        telling: QuotaTelling,
        is_exempt: Callable[[str], bool],
        clock: Callable[[], float],
        random: Random,
        log: FilteringBoundLogger,
        pace: FoldPace,
        awake: asyncio.Event,
    ) -> None:
        self._api = api
        self._claims = claims
        self._view = view
        self._telling = telling
        self._is_exempt = is_exempt
        self._clock = clock
        self._random = random
        self._log = log
        self._pace = pace
        self._awake = awake
        self._charging = Charging(clock)
        self._books: dict[QuotaKey, Books] = {}
        self._noted: dict[QuotaKey, DeviceQuota] = {}
        self._sightings: dict[QuotaKey, Sightings] = {}
        self._pending: set[QuotaKey] = set()
        self._before: ClusterView | None = None
        self._counted_at = float("-inf")
        self._census_at = float("-inf")
        self.folds = 0
        self.ended = 0

    async def run(self) -> None:
        """Fold whatever changes, gathered over a moment, until cancelled."""
        self._before = None  # whoever led in between may have written less than this one knows
        while True:
            began = self._clock()
            self._awake.clear()
            view = self._view()
            self._look(view)
            await self._fold_pending(view)
            await self._end_reservations(view)
            await self._rest(self._clock() - began)

    async def _rest(self, worked: float) -> None:
        """Wait for something to do, and gather more of it for at least four times as long as the last round took.

        Each write of ours makes a replica write again that was about to; where writes are slow, they shall be few.
        """
        try:
            async with asyncio.timeout(min(self._pace.tick, self._pace.reservation / 4)):
                await self._awake.wait()
        except TimeoutError:
            return
        await asyncio.sleep(max(self._pace.gather, min(4 * worked, _LONGEST_GATHER_SECONDS)))

    def _look(self, view: ClusterView) -> None:
        """Note which quotas are to be folded, and which reservations are open."""
        changed_in, self._claims.changed_in = self._claims.changed_in, set()
        now = self._clock()
        everything = self._is_all_to_count(view, now)
        for key, quota in view.quotas.items():
            if self._note(key, quota, now) or everything or any(view.covers(quota, name) for name in changed_in):
                self._pending.add(key)
        for key in self._noted.keys() - view.quotas.keys():
            del self._noted[key], self._sightings[key]
            self._books.pop(key, None)
        self._charging.forget(view.quotas)
        self._telling.forget(view.quotas)
        self._before = view

    def _is_all_to_count(self, view: ClusterView, now: float) -> bool:
        before = self._before
        same = before is not None and same_supply(before, view) and before.namespaces is view.namespaces
        if same and now < self._counted_at + self._pace.recount:
            return False
        self._counted_at = now
        return True

    def _note(self, key: QuotaKey, quota: DeviceQuota, now: float) -> bool:
        """Note a quota's open reservations; True where it has another spec than before, or no books."""
        known = self._noted.get(key)
        if known is quota:
            return False
        self._sightings[key] = self._sightings.get(key, _NONE_YET).noted(quota.status, now)
        self._noted[key] = quota
        if known is None or quota.status is None:
            return True
        return (known.uid, known.generation) != (quota.uid, quota.generation)

    async def _fold_pending(self, view: ClusterView) -> None:
        wanted = sorted(self._pending & view.quotas.keys())
        self._pending.clear()
        for start in range(0, len(wanted), _AT_ONCE):
            keys = wanted[start : start + _AT_ONCE]
            folded = await asyncio.gather(*(self._fold(view, view.quotas[key], frozenset()) for key in keys))
            self._pending.update(key for key, done in zip(keys, folded, strict=True) if not done)

    async def _fold(self, view: ClusterView, quota: DeviceQuota, over: frozenset[str]) -> bool:
        """Fold what is known now into one quota; False where it must be tried again."""
        version = self._claims.version
        claims = tuple(self._covered(view, quota))
        charges = await self._charging.charges(quota, claims, view)
        seen = Observation(version, quota.generation, charges)
        flaws = self._telling.flaws(quota, view)
        drifted: list[str] = []
        books = self._books_of(quota)
        books.read_anew()
        try:
            outcome = await books.apply(self._step(quota, seen, over, flaws, drifted))
        except ClusterUnavailableError:
            return False
        if isinstance(outcome, NotReady):
            self._log.info("fold", quota=quota.name, namespace=quota.namespace, why=outcome.why)
            return False
        self.folds += 1
        await self._telling.folded(quota, version, total(charges.values()), drifted)
        return True

    def _step(
        self,
        known: DeviceQuota,
        seen: Observation,
        over: frozenset[str],
        flaws: Sequence[Finding],
        drifted: list[str],
    ) -> Step:
        """Return the step that folds; `drifted` is then what it found that the protocol does not bring about."""

        def step(quota: DeviceQuota) -> Outcome:
            if quota.uid != known.uid:
                return NotReady("the quota was made anew")
            reservations = quota.status.reservations if quota.status else ()
            gone = frozenset(open_.uid for open_ in reservations if self._claims.is_gone(open_.uid))
            after = fold(quota, replace(seen, gone=gone), over)
            if isinstance(after, Outdated):
                return NotReady(after.why)
            drifted[:] = self._telling.drifted(quota)
            return self._telling.told(quota, after, flaws)

        return step

    def _covered(self, view: ClusterView, quota: DeviceQuota) -> Iterable[Claim]:
        for namespace in tuple(self._claims.namespaces()):
            if not self._is_exempt(namespace) and view.covers(quota, namespace):
                yield from self._claims.of(namespace)

    async def _end_reservations(self, view: ClusterView) -> None:
        """Where reservations have outlived their life, list all claims consistently and end those without one."""
        life = self._pace.reservation
        now = self._clock()
        over = [key for key, seen in self._sightings.items() if due(seen, now, life)]
        if not over or now < self._census_at + min(life / 4, 10.0):
            return
        self._census_at = now
        try:
            census = Census(now, await self._uids())
        except (ApiError, GarbledError) as error:
            self._log.warning("census", why=str(error))
            return
        for key in over:
            lapsed = ended(self._sightings[key], census, life)
            if lapsed and key in view.quotas and await self._fold(view, view.quotas[key], lapsed):
                self.ended += len(lapsed)
                self._log.info("reservations ended", quota=key[1], namespace=key[0], count=len(lapsed))

    async def _uids(self) -> frozenset[str]:
        """Return the uids of all stored claims, by a consistent list."""
        version = await self._api.served_version(CLAIMS)
        uids: set[str] = set()
        go_on = ""
        while True:
            page = await self._api.page(path_of(CLAIMS, version=version), limit=self._pace.page, go_on=go_on)
            uids.update(_uid(item) for item in page.items)
            go_on = page.go_on
            if not go_on:
                return frozenset(uids)
            await asyncio.sleep(0)

    def _books_of(self, quota: DeviceQuota) -> Books:
        key = (quota.namespace, quota.name)
        if key not in self._books:
            self._books[key] = Books(self._api, *key, random=self._random, log=self._log, patience=Patience())
        return self._books[key]


class _Metadata(msgspec.Struct):
    uid: str


class _Identified(msgspec.Struct):
    metadata: _Metadata


_decode_identified = msgspec.json.Decoder(_Identified).decode


def _uid(item: bytes) -> str:
    try:
        return _decode_identified(item).metadata.uid
    except msgspec.DecodeError as error:
        raise GarbledError(f"a claim without a uid: {error}") from error
