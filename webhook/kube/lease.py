"""Leader election by a `coordination.k8s.io` Lease, as client-go does it.

Nobody's wall clock is trusted: a lease has run out when we have watched it unchanged, on our own monotonic clock, for
as long as it says. The leader gives up earlier than others may take over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from structlog.typing import FilteringBoundLogger

from webhook.kube.client import (
    AlreadyExistsError,
    ApiClient,
    ApiError,
    ConflictError,
    GarbledError,
    NotFoundError,
)

_API_VERSION = "coordination.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class LeasePace:
    """Seconds: how long a lease lasts, when its holder gives up without a renewal, and how often it is tried."""

    lasting: float = 15.0
    giving_up: float = 10.0
    trying: float = 2.0


@dataclass(frozen=True, slots=True)
class LeaseName:
    """Which lease, and the name of this candidate, unlike any other's."""

    namespace: str
    name: str
    identity: str

    @property
    def collection(self) -> str:
        return f"/apis/{_API_VERSION}/namespaces/{self.namespace}/leases"

    @property
    def path(self) -> str:
        return f"{self.collection}/{self.name}"


class Election:
    """One candidate. Run it until it is cancelled; `leading` tells whether it holds the lease now."""

    def __init__(
        self,
        api: ApiClient,
        name: LeaseName,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        random: Random,
        log: FilteringBoundLogger,
        pace: LeasePace = LeasePace(),
    ) -> None:
        self.leading = False
        self._api = api
        self._name = name
        self._clock = clock
        self._now = now
        self._random = random
        self._log = log
        self._pace = pace
        self._seen: Mapping[str, Any] | None = None
        self._seen_at = float("-inf")
        self._renewed_at = float("-inf")

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Lead whenever the lease is ours; what leads is cancelled when it is lost. Released at the end."""
        try:
            while True:
                while not await self._try():
                    await self._pause()
                await self._lead(lead)
        finally:
            await self._release()

    async def _lead(self, lead: Callable[[], Awaitable[None]]) -> None:
        self.leading = True
        self._log.info("leading", lease=self._name.name, identity=self._name.identity)
        leading = asyncio.ensure_future(lead())
        renewing = asyncio.create_task(self._renew())
        try:
            await asyncio.wait({leading, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leading, renewing):
                task.cancel()
            await asyncio.gather(leading, renewing, return_exceptions=True)
            self.leading = False
        if not leading.cancelled():
            leading.result()
        self._log.warning("not leading any more", lease=self._name.name)

    async def _renew(self) -> None:
        """Return when the lease could not be renewed in time, or is another's."""
        while self._clock() < self._renewed_at + self._pace.giving_up:
            await self._pause()
            left = self._renewed_at + self._pace.giving_up - self._clock()
            try:
                async with asyncio.timeout(max(left, 0.0)):
                    await self._try()
            except TimeoutError:
                return
            if self._seen is None or self._seen.get("holderIdentity") != self._name.identity:
                return

    async def _pause(self) -> None:
        await asyncio.sleep(self._pace.trying * self._random.uniform(1.0, 1.2))

    async def _try(self) -> bool:
        """Take or renew the lease; False where it is another's, or could not be written."""
        try:
            return await self._take()
        except (ConflictError, AlreadyExistsError):
            return False  # somebody was faster; who, the next look tells
        except (ApiError, GarbledError) as error:
            self._log.warning("lease", lease=self._name.name, why=str(error))
            return False

    async def _take(self) -> bool:
        began = self._clock()
        try:
            lease = await self._api.get(self._name.path)
        except NotFoundError:
            return await self._create(began)
        self._look(lease)
        seen = self._seen or {}
        holder = seen.get("holderIdentity")
        ours = holder == self._name.identity
        if holder and not ours and self._clock() < self._seen_at + _seconds(seen, self._pace.lasting):
            return False
        spec = self._spec(seen if ours else {}, transitions=_count(seen) + (not ours))
        written = await self._api.update(self._name.path, {**lease, "spec": spec})
        self._look(written)
        self._renewed_at = began
        return True

    async def _create(self, began: float) -> bool:
        metadata = {"name": self._name.name, "namespace": self._name.namespace}
        body = {"apiVersion": _API_VERSION, "kind": "Lease", "metadata": metadata, "spec": self._spec({}, 0)}
        self._look(await self._api.create(self._name.collection, body))
        self._renewed_at = began
        return True

    def _look(self, lease: Mapping[str, Any]) -> None:
        """Note when the lease was last seen to change."""
        spec = lease.get("spec") or {}
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock()

    def _spec(self, held: Mapping[str, Any], transitions: int) -> dict[str, Any]:
        moment = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "holderIdentity": self._name.identity,
            "leaseDurationSeconds": max(1, round(self._pace.lasting)),
            "acquireTime": held.get("acquireTime", moment),
            "renewTime": moment,
            "leaseTransitions": transitions,
        }

    async def _release(self) -> None:
        """Let the next one take over at once; where that fails, the lease runs out by itself."""
        with suppress(ApiError, GarbledError, TimeoutError):
            async with asyncio.timeout(3.0):
                lease = await self._api.get(self._name.path)
                spec = lease.get("spec") or {}
                if spec.get("holderIdentity") == self._name.identity:
                    free = {**spec, "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._api.update(self._name.path, {**lease, "spec": free})


def _seconds(spec: Mapping[str, Any], default: float) -> float:
    value = spec.get("leaseDurationSeconds")
    return float(value) if isinstance(value, int) else default


def _count(spec: Mapping[str, Any]) -> int:
    value = spec.get("leaseTransitions")
    return value if isinstance(value, int) else 0
