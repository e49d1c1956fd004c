"""The standalone ledger: charges in one SQLite file, shared by several processes (contract 5.9).

An admitted claim is its own observation. Its charge stays until the claim disappears from the folder of manifests, if
it was there, or a DELETE review for it arrives, or `drawbridge quota release UID`. A claim in the folder is charged
whether it was admitted here or not.

Every decision is one transaction that holds the write lock from its first read on. What the file cannot answer is
never guessed.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.kube.folder import Reading
from webhook.kube.ledgers import Charge, Charged, Refused, Wanted
from webhook.kube.sqlite_books import Entry, SqliteBooks, prepare
from webhook.quota.charges import charges_of, tariff_of

_MOST_WAIT = 5.0
_IN_MEMORY = ":memory:"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Asked:
    """An admission that waits for its answer; `deadline` is a time of the event loop's clock."""

    wanted: Wanted
    dry_run: bool
    deadline: float
    answer: asyncio.Future[Charged | Refused]


def _refuse(asked: Iterable[_Asked], error: BaseException) -> None:
    for one in asked:
        if not one.answer.done():
            one.answer.set_exception(error)


class SqliteLedger:
    """Implements `Ledger`. Without a path the ledger lives in memory and ends with the process.

    Claims of `exempt` namespaces are never charged. SettingsError at start for a file that cannot be used;
    ClusterUnavailableError later.
    """

    def __init__(self, path: Path | None = None, exempt: Callable[[str], bool] = lambda _: False) -> None:
        self._path = path
        self._exempt = exempt
        # One thread owns the connection: SQLite waits for other processes without holding up the event loop.
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._connection = self._thread.submit(self._open).result()
        self._waiting: list[_Asked] = []
        self._writing: asyncio.Task[None] | None = None

    async def admit(self, wanted: Wanted, *, dry_run: bool, deadline: float) -> Charged | Refused:
        asked = _Asked(wanted, dry_run, deadline, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await asked.answer

    async def _write(self) -> None:
        """Answer all that waits, each group by one transaction: the disk is waited for once."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._answer(batch)
        finally:
            self._writing = None

    async def _answer(self, batch: Sequence[_Asked]) -> None:
        now = asyncio.get_running_loop().time()
        late = [asked for asked in batch if asked.deadline <= now]
        _refuse(late, ClusterUnavailableError("the quota ledger did not answer in time"))
        timely = [asked for asked in batch if asked.deadline > now and not asked.answer.done()]
        if not timely:
            return
        left = min(asked.deadline for asked in timely) - now
        work = asyncio.ensure_future(self._call(lambda: self._decide(timely, min(left, _MOST_WAIT))))
        await asyncio.wait([work])
        if error := work.exception():
            _refuse(timely, error)
            return
        for asked, answer in zip(timely, work.result(), strict=True):
            if not asked.answer.done():
                asked.answer.set_result(answer)

    def _decide(self, batch: Sequence[_Asked], wait: float) -> list[Charged | Refused]:
        with self._transaction(wait) as books:
            return [books.admit(asked.wanted, dry_run=asked.dry_run) for asked in batch]

    def release(self, uid: str) -> bool:
        """End the charge of a claim; False where it is not known."""
        return self._thread.submit(self._release, uid).result()

    def _release(self, uid: str) -> bool:
        with self._transaction() as books:
            return books.forget(uid)

    async def release_named(self, namespace: str, name: str) -> None:
        """End the charges of the claims of a name: a DELETE review has arrived."""

        def forget() -> None:
            with self._transaction() as books:
                for uid in books.named(namespace, name):
                    books.forget(uid)

        await self._call(forget)

    def observe(self, reading: Reading) -> None:
        """Take over what the folder shows: its claims with their charges, and which claims have left it.

        While some of its files cannot be read, no claim counts as gone that was not seen going.
        """
        self._thread.submit(self._observe, reading).result()

    def _observe(self, reading: Reading) -> None:
        view, tariff = reading.view, tariff_of(reading.view)
        claims = {key: claim for key, claim in view.claims.items() if not self._exempt(key[0])}
        charges = {
            key: tuple(Charge(charged.quota, charged.amounts()) for charged in charges_of(claim, key[0], view, tariff))
            for key, claim in claims.items()
        }
        uids = {key: claim.metadata.uid for key, claim in claims.items()}
        gone = {(claim.metadata.namespace, claim.metadata.name) for claim in reading.gone}
        with self._transaction() as books:
            for key, uid in uids.items():
                books.observe(key, uid, charges[key])
            books.keep_only(uids, gone if reading.problems else None)

    def entries(self) -> tuple[Entry, ...]:
        """Return every claim that is charged."""

        def listed() -> tuple[Entry, ...]:
            with self._transaction() as books:
                return tuple(books.entries())

        return self._thread.submit(listed).result()

    def close(self) -> None:
        self._thread.submit(self._connection.close).result()
        self._thread.shutdown()

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @contextmanager
    def _transaction(self, wait: float = _MOST_WAIT) -> Iterator[SqliteBooks]:
        try:
            self._connection.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteBooks(self._connection)
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise ClusterUnavailableError(f"quota ledger {self._path or 'in memory'}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        name = str(self._path) if self._path else _IN_MEMORY
        try:
            connection = sqlite3.connect(name, isolation_level=None, timeout=_MOST_WAIT)
            prepare(connection)
        except (sqlite3.Error, ValueError) as error:
            hint = "nothing was changed; name another file, or put a copy of it back"
            raise SettingsError((f"--ledger '{name}': {error}; {hint}",)) from error
        return connection
