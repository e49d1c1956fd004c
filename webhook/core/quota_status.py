"""The status of a DeviceQuota: the ledger as the API server keeps it (contract 1 and 5.8).

`used` is all that counts against a limit; `reserved` is the part of it whose claims have not been seen stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.quantity import Quantity
from webhook.core.raw import RawObject, Reader

Amounts = Mapping[str, Fraction]


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """The books of one limit; `hard` is what the controller saw last, in the notation of the spec."""

    name: str
    hard: Quantity
    used: Fraction = Fraction(0)
    reserved: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A charge of a claim that has not been seen stored, by the uid that the API server gave the claim.

    `attempts` names the calls that hold it, for the API server may send the same claim again while the first call
    is still under way: the last one that gives it back removes it. `undecided` is True where another quota had still
    to be asked when it was written. `expires` informs people; nothing is decided by it.
    """

    uid: str
    name: str
    amounts: Amounts
    namespace: str = ""
    attempts: tuple[str, ...] = ()
    undecided: bool = False
    expires: str = ""


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """The whole ledger of one quota; `observed_resource_version` is how far the claims in `used` were seen."""

    limits: tuple[LimitStatus, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    observed_generation: int = 0
    observed_resource_version: int = 0
    conditions: tuple[object, ...] = field(default=(), compare=False)

    def limit(self, name: str) -> LimitStatus | None:
        return next((limit for limit in self.limits if limit.name == name), None)

    def reservation(self, uid: str) -> Reservation | None:
        return next((reservation for reservation in self.reservations if reservation.uid == uid), None)


def parse_status(raw: RawObject, reader: Reader | None = None) -> QuotaStatus:
    """Return the status; what cannot be read is noted and left out, so that a limit without books stays unknown."""
    reader = reader or Reader()
    at = ROOT.child("status")
    observed = reader.text(raw, "observedResourceVersion", at)
    return QuotaStatus(
        limits=tuple(_limits(raw, at, reader)),
        reservations=tuple(_reservation(r, path, reader) for r, path in reader.structs(raw, "reservations", at)),
        observed_generation=reader.integer(raw, "observedGeneration", at),
        observed_resource_version=int(observed) if observed.isdecimal() else 0,
        conditions=tuple(condition for condition, _ in reader.structs(raw, "conditions", at)),
    )


def _limits(raw: RawObject, at: FieldPath, reader: Reader) -> list[LimitStatus]:
    found = []
    for entry, path in reader.structs(raw, "limits", at):
        hard = reader.quantity(entry.get("hard"), path.child("hard"))
        used = reader.quantity(entry.get("used"), path.child("used"))
        reserved = reader.quantity(entry.get("reserved"), path.child("reserved"))
        if hard is not None and used is not None:
            name = reader.text(entry, "name", path)
            found.append(LimitStatus(name, hard, used.amount, reserved.amount if reserved else Fraction(0)))
    return found


def _reservation(raw: RawObject, path: FieldPath, reader: Reader) -> Reservation:
    return Reservation(
        uid=reader.text(raw, "uid", path),
        name=reader.text(raw, "name", path),
        namespace=reader.text(raw, "namespace", path),
        amounts={name: quantity.amount for name, quantity in reader.quantities(raw, "amounts", path).items()},
        attempts=reader.texts(raw, "attempts", path),
        undecided=reader.flag(raw, "undecided", path),
        expires=reader.text(raw, "expires", path),
    )


def render_status(status: QuotaStatus) -> RawObject:
    """Return the status as JSON; amounts are written in the notation of their limit's `hard`."""
    like = {limit.name: limit.hard for limit in status.limits}
    return {
        "summary": _summary(status),
        "observedGeneration": status.observed_generation,
        "observedResourceVersion": str(status.observed_resource_version),
        "limits": [
            {
                "name": limit.name,
                "hard": str(limit.hard),
                "used": written(limit.used, limit.hard),
                "reserved": written(limit.reserved, limit.hard),
            }
            for limit in status.limits
        ],
        "reservations": [_rendered(reservation, like) for reservation in status.reservations],
        "conditions": list(status.conditions),
    }


def _rendered(reservation: Reservation, like: Mapping[str, Quantity]) -> RawObject:
    amounts = {name: written(amount, like.get(name)) for name, amount in reservation.amounts.items()}
    optional = {
        "namespace": reservation.namespace,
        "attempts": list(reservation.attempts),
        "undecided": reservation.undecided,
        "expires": reservation.expires,
    }
    given = {name: value for name, value in optional.items() if value}
    return {"uid": reservation.uid, "name": reservation.name, "amounts": amounts, **given}


def _summary(status: QuotaStatus) -> str:
    """Return use, limit and percentage of every limit on one line: what `kubectl get` shows."""
    return ", ".join(
        f"{limit.name}: {written(limit.used, limit.hard)}/{limit.hard} ({percent(limit.used, limit.hard)}%)"
        for limit in status.limits
    )


def percent(used: Fraction, hard: Quantity) -> int:
    """Return how much of a limit is used, rounded down; 100 for what is used of a limit of nothing."""
    return int(used * 100 / hard.amount) if hard.amount > 0 else 100 if used else 0


def written(amount: Fraction, like: Quantity | None = None) -> str:
    """Return the amount as a canonical quantity, in the notation of another (binary or decimal suffixes)."""
    return str(Quantity(amount, like.format) if like else Quantity(amount))
