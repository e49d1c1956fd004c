"""The books of one quota, its `status`: every step that waits goes into one compare-and-swap write."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from structlog.typing import FilteringBoundLogger

from webhook.core.errors import ClusterUnavailableError
from webhook.core.quota_status import render_status
from webhook.core.quotas import DeviceQuota, parse_quota
from webhook.kube.client import (
    ApiClient,
    ApiError,
    ConflictError,
    GarbledError,
    NotFoundError,
    UnavailableError,
    path_of,
)
from webhook.kube.kinds import CLUSTER_QUOTAS, QUOTAS
from webhook.quota.ledger import Admitted, Outcome

Step = Callable[[DeviceQuota], Outcome]
"""What somebody wants of the books: applied to the quota as read, perhaps several times, before it is written."""

_GONE = Admitted(None, changed=False)
_LONGEST_GATHER_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a write is tried, and the longest first pause between tries, which doubles: once after conflicts."""

    writes: int = 12
    pause_seconds: float = 0.01


@dataclass(frozen=True, slots=True)
class _Held:
    """The quota as the API server last answered it to us; None where it is not there any more."""

    quota: DeviceQuota | None
    resource_version: str = ""


class Books:
    """Applies steps to one quota; concurrent ones share a write."""

    def __init__(
        self,
        api: ApiClient,
        namespace: str,
        name: str,
        *,
        random: Random,
        log: FilteringBoundLogger,
        patience: Patience,
        on_conflict: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._kind = QUOTAS if namespace else CLUSTER_QUOTAS
        self._namespace = namespace
        self._name = name
        self._random = random
        self._log = log
        self._patience = patience
        self._held: _Held | None = None
        self._waiting: list[tuple[Step, asyncio.Future[Outcome]]] = []
        self._running: asyncio.Task[None] | None = None
        self._gather_seconds = 0.0
        self._on_conflict = on_conflict

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an outcome."""
        return self._running is not None

    async def judge(self, step: Step) -> Outcome:
        """Return the outcome of a step on a fresh read, writing nothing."""
        try:
            held = await self._read()
        except (ApiError, GarbledError) as error:
            raise self._unavailable(error) from error
        return _GONE if held.quota is None else step(held.quota)

    async def apply(self, step: Step) -> Outcome:
        """Return the outcome of a step once it is written, or where it changes nothing, once it is sure.

        Cancelled before the step was taken, the step is not done; cancelled later, it may have been.
        """
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((step, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    def read_anew(self) -> None:
        """Forget what is held: the next step decides on a fresh read, whatever it comes to."""
        self._held = None

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._gather_seconds)
                await self._commit()
        except Exception as error:  # noqa: BLE001  # a bug: whoever waits must hear of it, and not for ever
            self._fail(tuple(self._waiting), error)
        finally:
            self._running = None

    async def _commit(self) -> None:
        """Answer all that waits now, by one write if it can be.

        Where several waited, the next write is put off by as long as this one took. Whoever was answered together
        asks again together, and one write for all is much less work than two for some each; and another replica,
        which must read before it writes, gets its turn.
        """
        began = asyncio.get_running_loop().time()
        reason: Exception | None = None
        for attempt in range(self._patience.writes):
            self._waiting = [entry for entry in self._waiting if not entry[1].done()]
            batch = tuple(self._waiting)
            try:
                outcomes = await self._try(tuple(step for step, _ in batch))
            except (ConflictError, UnavailableError, GarbledError) as error:
                self._held = None
                if isinstance(error, ConflictError):
                    self._on_conflict()
                reason = error
                # Who waits longer after each conflict loses to who does not; a server in trouble is left alone.
                doublings = min(attempt, 1 if isinstance(error, ConflictError) else 4)
                longest = self._patience.pause_seconds * 2**doublings
                await asyncio.sleep(self._random.uniform(0.0, longest))
            except ApiError as error:
                self._fail(batch, self._unavailable(error))
                return
            else:
                self._answer(batch, outcomes)
                took = asyncio.get_running_loop().time() - began
                self._gather_seconds = min(took, _LONGEST_GATHER_SECONDS) if len(batch) > 1 else 0.0
                return
        self._fail(tuple(self._waiting), self._unavailable(reason))

    async def _try(self, steps: tuple[Step, ...]) -> tuple[Outcome, ...]:
        """Apply the steps to what is held.

        A write that succeeds shows that what is held was the newest, for what it refuses or leaves too; where there
        is nothing to write, all is decided again on a fresh read.
        """
        if self._held is not None:
            quota, outcomes = _applied(self._held.quota, steps)
            if quota is not self._held.quota:
                await self._write(self._held, quota)
                return outcomes
        held = await self._read()
        quota, outcomes = _applied(held.quota, steps)
        await self._write(held, quota)
        return outcomes

    async def _write(self, held: _Held, quota: DeviceQuota | None) -> None:
        """Write the status if it is another than the one held; ConflictError where somebody was faster."""
        if quota is None or quota is held.quota or quota.status is None:
            self._held = held
            return
        kind = self._kind
        metadata = {"name": self._name, "resourceVersion": held.resource_version, "uid": quota.uid}
        body = {
            "apiVersion": kind.api_version(kind.versions[0]),
            "kind": kind.name,
            "metadata": {**metadata, "namespace": self._namespace} if self._namespace else metadata,
            "status": render_status(quota.status),
        }
        try:
            answer = await self._api.update(path_of(kind, self._namespace, self._name, "status"), body)
        except NotFoundError as error:
            raise ConflictError(409, "Conflict", "the quota was deleted in between") from error
        self._held = _Held(quota, _resource_version(answer))

    async def _read(self) -> _Held:
        try:
            raw = await self._api.get(path_of(self._kind, self._namespace, self._name))
        except NotFoundError:
            return _Held(None)
        return _Held(parse_quota(raw), _resource_version(raw))

    def _answer(self, batch: tuple[tuple[Step, asyncio.Future[Outcome]], ...], outcomes: tuple[Outcome, ...]) -> None:
        self._waiting = self._waiting[len(batch) :]
        for (_, answer), outcome in zip(batch, outcomes, strict=True):
            if not answer.done():
                answer.set_result(outcome)

    def _fail(self, batch: tuple[tuple[Step, asyncio.Future[Outcome]], ...], error: Exception) -> None:
        self._held = None
        self._waiting = self._waiting[len(batch) :]
        for _, answer in batch:
            if not answer.done():
                answer.set_exception(error)

    def _unavailable(self, error: Exception | None) -> ClusterUnavailableError:
        self._log.warning("quota", quota=self._name, namespace=self._namespace, why=str(error))
        return ClusterUnavailableError(f"quota '{self._name}' cannot be written now: {error}")


def _applied(quota: DeviceQuota | None, steps: tuple[Step, ...]) -> tuple[DeviceQuota | None, tuple[Outcome, ...]]:
    """Return the quota after all steps, the very same where none changes it; a quota that is gone limits nothing."""
    outcomes = []
    for step in steps:
        outcome = _GONE if quota is None else step(quota)
        outcomes.append(outcome)
        if quota is not None and isinstance(outcome, Admitted) and outcome.changed:
            quota = replace(quota, status=outcome.status)
    return quota, tuple(outcomes)


def _resource_version(raw: dict[str, object]) -> str:
    metadata = raw.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(version, str):
        raise GarbledError("a quota has no resourceVersion")
    return version
