"""The tables of the standalone ledger: claims, their charges, and the totals that are decided by."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from webhook.core.namespaced import NamespacedName
from webhook.core.quota_status import Amounts
from webhook.core.quotas import DeviceQuota
from webhook.kube.ledgers import Charge, Charged, QuotaStanding, Refused, Wanted
from webhook.quota.ledger import Standing

_FORMAT = 1

_SCHEMA = """
CREATE TABLE claims (
  uid TEXT PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, in_folder INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX claims_by_name ON claims (namespace, name);
CREATE TABLE charges (
  uid TEXT NOT NULL REFERENCES claims (uid) ON DELETE CASCADE,
  quota_namespace TEXT NOT NULL, quota TEXT NOT NULL, limit_name TEXT NOT NULL, amount TEXT NOT NULL,
  PRIMARY KEY (uid, quota_namespace, quota, limit_name)
) WITHOUT ROWID;
CREATE TABLE totals (
  quota_namespace TEXT NOT NULL, quota TEXT NOT NULL, limit_name TEXT NOT NULL, used TEXT NOT NULL,
  PRIMARY KEY (quota_namespace, quota, limit_name)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A claim that the ledger knows; `amounts` are its charges by quota (namespace and name)."""

    uid: str
    namespace: str
    name: str
    in_folder: bool
    amounts: Mapping[tuple[str, str], Amounts]


def prepare(connection: sqlite3.Connection) -> None:
    """Check the file and make the tables; sqlite3.Error or ValueError where it cannot be a ledger."""
    [(state,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    if state != "ok":
        raise ValueError(f"the file is damaged: {state}")
    _known_format(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")
    if _known_format(connection) == 0:
        for statement in filter(str.strip, _SCHEMA.split(";")):
            connection.execute(statement)
    # Written in any case, so that a file that cannot be written is noticed now.
    connection.execute(f"PRAGMA user_version = {_FORMAT}")
    connection.execute("COMMIT")


def _known_format(connection: sqlite3.Connection) -> int:
    """Return the format of the file, 0 for a new one; ValueError for one that another version has written."""
    [(found,)] = connection.execute("PRAGMA user_version").fetchall()
    if found not in (0, _FORMAT):
        raise ValueError(f"the file has format {found}, and this version reads format {_FORMAT}")
    return int(found)


class SqliteBooks:
    """The ledger's tables within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def admit(self, wanted: Wanted, *, dry_run: bool) -> Charged | Refused:
        if self._knows(wanted.uid):
            return Charged()
        standings = []
        refusing = []
        for charge in sorted(wanted.charges, key=lambda one: (one.quota.name, one.quota.namespace)):
            found = self._standings(charge, self._stand_in(wanted))
            over = tuple(standing for standing in found if not standing.fits)
            if over and charge.refuses(charge.quota):
                refusing.append(QuotaStanding(charge.quota, over))
            elif found:
                standings.append(QuotaStanding(charge.quota, found))
        if refusing:
            return Refused(tuple(refusing))
        if not dry_run:
            stand_in = self._stand_in(wanted)
            if stand_in is not None:
                self.forget(stand_in)
            self._insert(wanted.uid, wanted.namespace, wanted.name, in_folder=stand_in is not None)
            self._charge(wanted.uid, wanted.charges)
        return Charged(tuple(standings))

    def _stand_in(self, wanted: Wanted) -> str | None:
        """Return what stands for the same claim already: a file without a uid that has its name."""
        uid = _stand_in_uid(wanted.namespace, wanted.name)
        return uid if self._knows(uid) else None

    def _standings(self, charge: Charge, stand_in: str | None) -> tuple[Standing, ...]:
        used = self.used(charge.quota)
        own = self._charged(stand_in, charge.quota) if stand_in else {}
        return tuple(
            Standing(limit, requested, used.get(limit.name, Fraction(0)) - own.get(limit.name, Fraction(0)))
            for limit in charge.quota.limits
            if (requested := charge.amounts.get(limit.name, Fraction(0))) > 0
        )

    def used(self, quota: DeviceQuota) -> Amounts:
        rows = self._connection.execute(
            "SELECT limit_name, used FROM totals WHERE quota_namespace = ? AND quota = ?", (quota.namespace, quota.name)
        )
        return {name: Fraction(used) for name, used in rows}

    def _charged(self, uid: str, quota: DeviceQuota) -> Amounts:
        rows = self._connection.execute(
            "SELECT limit_name, amount FROM charges WHERE uid = ? AND quota_namespace = ? AND quota = ?",
            (uid, quota.namespace, quota.name),
        )
        return {name: Fraction(amount) for name, amount in rows}

    def observe(self, key: NamespacedName, uid: str, charges: Iterable[Charge]) -> None:
        """Charge a claim of the folder as it is now; under the uids that its name is known by, if it says none."""
        stand_in = _stand_in_uid(*key)
        if uid:
            self.forget(stand_in)
        for known in [uid] if uid else self.named(*key) or [stand_in]:
            if not self._knows(known):
                self._insert(known, *key, in_folder=True)
            self._connection.execute("UPDATE claims SET in_folder = 1 WHERE uid = ?", (known,))
            self._uncharge(known)
            self._charge(known, charges)

    def keep_only(self, present: Mapping[NamespacedName, str], gone: Collection[NamespacedName] | None) -> None:
        """End the charges of claims that were in the folder and are not any more; of the given ones, if any are."""
        rows = self._connection.execute("SELECT uid, namespace, name FROM claims WHERE in_folder = 1").fetchall()
        for uid, namespace, name in rows:
            key = (namespace, name)
            stays = key in present and present[key] in ("", uid)
            if not stays and (gone is None or key in gone):
                self.forget(uid)

    def named(self, namespace: str, name: str) -> list[str]:
        rows = self._connection.execute(
            "SELECT uid FROM claims WHERE namespace = ? AND name = ? ORDER BY uid", (namespace, name)
        )
        return [uid for (uid,) in rows]

    def forget(self, uid: str) -> bool:
        """End the charge of a claim; False where it is not known."""
        self._uncharge(uid)
        return self._connection.execute("DELETE FROM claims WHERE uid = ?", (uid,)).rowcount > 0

    def entries(self) -> Iterator[Entry]:
        amounts: dict[str, dict[tuple[str, str], dict[str, Fraction]]] = {}
        for uid, namespace, quota, limit, amount in self._connection.execute("SELECT * FROM charges"):
            amounts.setdefault(uid, {}).setdefault((namespace, quota), {})[limit] = Fraction(amount)
        rows = self._connection.execute("SELECT uid, namespace, name, in_folder FROM claims ORDER BY namespace, name")
        for uid, namespace, name, in_folder in rows:
            yield Entry(uid, namespace, name, bool(in_folder), amounts.get(uid, {}))

    def _knows(self, uid: str) -> bool:
        return self._connection.execute("SELECT 1 FROM claims WHERE uid = ?", (uid,)).fetchone() is not None

    def _insert(self, uid: str, namespace: str, name: str, *, in_folder: bool) -> None:
        self._connection.execute("INSERT INTO claims VALUES (?, ?, ?, ?)", (uid, namespace, name, int(in_folder)))

    def _charge(self, uid: str, charges: Iterable[Charge]) -> None:
        for charge in charges:
            for limit, amount in charge.amounts.items():
                key = (charge.quota.namespace, charge.quota.name, limit)
                self._connection.execute("INSERT INTO charges VALUES (?, ?, ?, ?, ?)", (uid, *key, str(amount)))
                self._book(key, amount)

    def _uncharge(self, uid: str) -> None:
        rows = self._connection.execute(
            "SELECT quota_namespace, quota, limit_name, amount FROM charges WHERE uid = ?", (uid,)
        ).fetchall()
        for namespace, quota, limit, amount in rows:
            self._book((namespace, quota, limit), -Fraction(amount))
        self._connection.execute("DELETE FROM charges WHERE uid = ?", (uid,))

    def _book(self, key: tuple[str, str, str], amount: Fraction) -> None:
        """Add to a total; amounts are exact, which SQLite's numbers are not."""
        found = self._connection.execute(
            "SELECT used FROM totals WHERE quota_namespace = ? AND quota = ? AND limit_name = ?", key
        ).fetchone()
        used = (Fraction(found[0]) if found else Fraction(0)) + amount
        self._connection.execute("INSERT OR REPLACE INTO totals VALUES (?, ?, ?, ?)", (*key, str(used)))


def _stand_in_uid(namespace: str, name: str) -> str:
    """Return what a claim in a file without a uid is known by."""
    return f"file:{namespace}/{name}"
