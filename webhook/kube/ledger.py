"""The ledger in a cluster: admission against `DeviceQuota.status` by compare-and-swap (contract 5.6 to 5.8).

Decisions rest on what the API server answered to our own reads and writes, never on a watch: an admission is confirmed
by its write, and a refusal by a fresh read.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from structlog.typing import FilteringBoundLogger

from webhook.core.errors import ClusterUnavailableError
from webhook.core.quota_status import QuotaStatus, Reservation
from webhook.core.quotas import DeviceQuota, QuotaMode
from webhook.kube.books import Books, Patience, Step
from webhook.kube.client import ApiClient
from webhook.kube.ledgers import Charge, Charged, QuotaStanding, Refused, Wanted
from webhook.quota.ledger import Admitted, Exceeded, NotReady, Outcome, admit, give_back

Judged = tuple[Charge, Outcome]


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """`reservation_seconds` is written as `expires`, for people; `undecided_seconds` is how long a refusal that rests
    on charges still being decided is sought again. Of more than `most_books` quotas, what was read is not kept: many of
    them may be gone.
    """

    reservation_seconds: float = 90.0
    undecided_seconds: float = 0.5
    patience: Patience = field(default_factory=Patience)
    most_books: int = 1_000


class KubeLedger:
    """The ledger of one replica; `new_attempt` gives a name to each call, unlike any other replica's."""

    def __init__(
        self,
        api: ApiClient,
        *,
        new_attempt: Callable[[], str],
        now: Callable[[], datetime],
        random: Random,
        log: FilteringBoundLogger,
        on_conflict: Callable[[], None] = lambda: None,
        settings: LedgerSettings = LedgerSettings(),
    ) -> None:
        self._api = api
        self._new_attempt = new_attempt
        self._now = now
        self._random = random
        self._log = log
        self._on_conflict = on_conflict
        self._settings = settings
        self._books: dict[tuple[str, str], Books] = {}
        self._unawaited: set[asyncio.Task[Outcome]] = set()

    async def admit(self, wanted: Wanted, *, dry_run: bool, deadline: float) -> Charged | Refused:
        """Ask the quotas in name order; nothing is admitted before the last one has written (contract 5.7)."""
        charges = sorted(wanted.charges, key=lambda charge: (charge.quota.name, charge.quota.namespace))
        try:
            async with asyncio.timeout_at(deadline):
                return await (self._judge(wanted, charges) if dry_run else self._charge(wanted, charges))
        except TimeoutError as error:
            raise ClusterUnavailableError("the quotas did not answer in time") from error

    async def release_named(self, namespace: str, name: str) -> None:
        """Do nothing: a DELETE review is no deletion yet (dra.md trap 25); the controller sees the real one."""

    async def close(self) -> None:
        """Wait for charges that are still being given back."""
        while self._unawaited:
            await asyncio.wait(self._unawaited)

    async def _judge(self, wanted: Wanted, charges: Sequence[Charge]) -> Charged | Refused:
        judged = []
        for charge in charges:
            step = _admission(charge, self._reservation(wanted, charge, "", undecided=False))
            judged.append((charge, await self._books_of(charge.quota).judge(step)))
        return _verdict(judged)

    async def _charge(self, wanted: Wanted, charges: Sequence[Charge]) -> Charged | Refused:
        attempt = self._new_attempt()
        judged: list[Judged] = []
        held: Sequence[Charge] = ()
        try:
            for position, charge in enumerate(charges):
                held = charges[: position + 1]  # perhaps: the deadline may cut off the answer of one that has written
                undecided = position < len(charges) - 1
                outcome = await self._ask(charge, self._reservation(wanted, charge, attempt, undecided=undecided))
                judged.append((charge, outcome))
                if isinstance(outcome, Exceeded):
                    held = charges[:position]  # it looked first whether the charge was there already
                if not isinstance(outcome, Admitted):
                    break
            verdict = _verdict(judged)
            if isinstance(verdict, Charged):
                self._settle(charges[:-1], wanted.uid)
                held = ()
        finally:
            self._give_back(held, wanted.uid, attempt)
        return (
            verdict if isinstance(verdict, Charged) else await self._with_rest(verdict, wanted, charges[len(judged) :])
        )

    async def _with_rest(self, refusal: Refused, wanted: Wanted, rest: Sequence[Charge]) -> Refused:
        """Return the refusal with what stands in the way at the quotas that were not asked any more."""
        try:
            others = await self._judge(wanted, rest)
        except ClusterUnavailableError:
            return refusal
        return Refused((*refusal.quotas, *others.quotas)) if isinstance(others, Refused) else refusal

    async def _ask(self, charge: Charge, reservation: Reservation) -> Outcome:
        """Return the outcome; one that rests on charges still being decided is sought again for a moment."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.undecided_seconds
        while True:
            outcome = await self._books_of(charge.quota).apply(_admission(charge, reservation))
            if not isinstance(outcome, Exceeded) or not outcome.undecided or loop.time() >= until:
                return outcome
            await asyncio.sleep(self._random.uniform(1.0, 3.0) * self._settings.patience.pause_seconds)

    def _reservation(self, wanted: Wanted, charge: Charge, attempt: str, *, undecided: bool) -> Reservation:
        expires = self._now() + timedelta(seconds=self._settings.reservation_seconds)
        return Reservation(
            uid=wanted.uid,
            name=wanted.name,
            amounts=charge.amounts,
            namespace="" if charge.quota.namespace else wanted.namespace,
            attempts=(attempt,) if attempt else (),
            undecided=undecided,
            expires=expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def _settle(self, charges: Sequence[Charge], uid: str) -> None:
        """Note that a claim is decided which several quotas had to admit; nobody waits for that."""
        for charge in charges:
            self._later(charge.quota, _change(lambda status: _decided(status, uid)))

    def _give_back(self, charges: Sequence[Charge], uid: str, attempt: str) -> None:
        """Take an attempt's charges off again; where that fails, the controller ends them in time."""
        for charge in charges:
            self._later(charge.quota, _change(lambda status: give_back(status, uid, attempt)))

    def _later(self, quota: DeviceQuota, step: Step) -> None:
        task = asyncio.create_task(self._books_of(quota).apply(step))
        self._unawaited.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Outcome]) -> None:
        self._unawaited.discard(task)
        if not task.cancelled():
            task.exception()  # logged where it happened; the controller ends what could not be given back

    def _books_of(self, quota: DeviceQuota) -> Books:
        key = (quota.namespace, quota.name)
        if key not in self._books:
            if len(self._books) >= self._settings.most_books:
                self._books = {of: books for of, books in self._books.items() if books.is_busy}
            self._books[key] = Books(
                self._api,
                *key,
                random=self._random,
                log=self._log,
                patience=self._settings.patience,
                on_conflict=self._on_conflict,
            )
        return self._books[key]


def _admission(charge: Charge, reservation: Reservation) -> Step:
    """Return the step that admits a claim, if the charge was counted under the spec that the API server holds."""

    def step(quota: DeviceQuota) -> Outcome:
        if (quota.uid, quota.generation) == (charge.quota.uid, charge.quota.generation):
            return admit(quota if charge.binding else replace(quota, mode=QuotaMode.WARN), reservation)
        if charge.refuses(quota):
            return NotReady(f"quota '{quota.name}' was changed while the claim was being counted")
        return Admitted(quota.status, changed=False)

    return step


def _change(change: Callable[[QuotaStatus], QuotaStatus | None]) -> Step:
    def step(quota: DeviceQuota) -> Outcome:
        changed = None if quota.status is None else change(quota.status)
        return Admitted(changed or quota.status, changed=changed is not None)

    return step


def _decided(status: QuotaStatus, uid: str) -> QuotaStatus | None:
    known = status.reservation(uid)
    if known is None or not known.undecided:
        return None
    kept = (replace(known, undecided=False) if other is known else other for other in status.reservations)
    return replace(status, reservations=tuple(kept))


def _verdict(judged: Sequence[Judged]) -> Charged | Refused:
    """Return what all outcomes come to; ClusterUnavailableError where a quota cannot decide and none refuses."""
    refusing = tuple(
        QuotaStanding(charge.quota, outcome.standings) for charge, outcome in judged if isinstance(outcome, Exceeded)
    )
    if refusing:
        return Refused(refusing)
    for _, outcome in judged:
        if isinstance(outcome, NotReady):
            raise ClusterUnavailableError(outcome.why)
    return Charged(
        tuple(
            QuotaStanding(charge.quota, outcome.standings)
            for charge, outcome in judged
            if isinstance(outcome, Admitted) and outcome.standings
        )
    )
