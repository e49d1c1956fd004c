"""The quota ledger as a pure state machine (contract 5.6 to 5.8): status in, status out.

The state is the `status` of one quota. Whoever keeps it must write it by compare-and-swap on the object's
resourceVersion, and must apply these functions to the object that it read for that write. Three parties write:

* replicas of the webhook `admit` (append a reservation) and `give_back` (their own, when another quota refused);
* the controller alone does `fold` (stored claims into `used`) and lets reservations end (`ended`).

Invariants, for every interleaving of crashes, lag, repeated and reordered calls:

* what is stored and was admitted here never exceeds `hard` of a quota in mode Deny: a reservation lies in `used` from
  before its claim can be stored until a fold that has seen the claim stored, or until it can never be stored;
* `used` is the sum of the stored claims' charges as last folded and of the open reservations; `reserved` the latter;
* `used` is lowered by `give_back`, before any claim was admitted on that reservation, and by `fold`, once for a claim;
* a reservation whose claim is never stored ends at the first fold after the controller has seen it for its life.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from webhook.core.quota_status import Amounts, LimitStatus, QuotaStatus, Reservation
from webhook.core.quotas import DeviceQuota, Limit, QuotaMode

MOST_RESERVATIONS = 4_000
MOST_BYTES = 1_200_000
"""What the reservations of one quota may weigh as JSON; etcd refuses objects over 1.5 MiB."""

_NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a limit that a claim concerns stands: `used` is without the claim, `requested` what the claim adds."""

    limit: Limit
    requested: Fraction
    used: Fraction

    @property
    def hard(self) -> Fraction:
        return self.limit.hard.amount

    @property
    def fits(self) -> bool:
        return self.used + self.requested <= self.hard

    def passes(self, percent: int | None) -> bool:
        """Return whether the claim brings the limit to at least so many percent of what is allowed."""
        return percent is not None and (self.used + self.requested) * 100 >= self.hard * percent


@dataclass(frozen=True, slots=True)
class Admitted:
    """The claim may be stored once `status` is written; `changed` is False where there is nothing to write."""

    status: QuotaStatus | None
    changed: bool
    standings: tuple[Standing, ...] = ()


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The claim does not fit.

    `undecided` is True where it would, were it not for charges of claims that another quota may still refuse: then the
    answer is to be sought again from a fresh status, for a moment, before it is given.
    """

    standings: tuple[Standing, ...]
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class NotReady:
    """Nothing can be decided by this status now; the answer is 503 with Retry-After. `why` is for people."""

    why: str


Outcome = Admitted | Exceeded | NotReady


def admit(quota: DeviceQuota, wanted: Reservation) -> Outcome:
    """Return whether a claim with these charges may be stored, and the status that says so.

    `wanted.amounts` are the charges under this very spec; a claim that is charged nothing need not wait for a status.
    The same uid again is not charged again. A quota in mode Warn or Audit records and never refuses, nor makes anybody
    wait: what it cannot record, the next fold will.
    """
    if not any(amount > 0 for amount in wanted.amounts.values()):
        return Admitted(quota.status, changed=False)
    lenient = quota.mode is not QuotaMode.DENY
    unready = _unready(quota)
    if quota.status is None or unready:
        return Admitted(quota.status, changed=False) if lenient else NotReady(unready)
    known = quota.status.reservation(wanted.uid)
    if known is not None:
        return _joined(quota.status, known, wanted)
    standings = standings_of(quota, quota.status, wanted.amounts)
    over = tuple(standing for standing in standings if not standing.fits)
    if over and not lenient:
        return Exceeded(over, undecided=_fits_once_decided(quota.status, over))
    if _is_full(quota.status):
        unready = f"quota '{quota.name}' has too many claims that have not been seen stored yet"
        return Admitted(quota.status, changed=False, standings=standings) if lenient else NotReady(unready)
    return Admitted(_appended(quota.status, wanted), changed=True, standings=standings)


def give_back(status: QuotaStatus, uid: str, attempt: str) -> QuotaStatus | None:
    """Return the status without what one attempt holds of a reservation; None where it holds nothing any more.

    Only for an attempt that did not and will not answer that the claim is allowed.
    """
    known = status.reservation(uid)
    if known is None or attempt not in known.attempts:
        return None
    left = tuple(holder for holder in known.attempts if holder != attempt)
    if left:
        return _with_reservation(status, replace(known, attempts=left))
    others = tuple(reservation for reservation in status.reservations if reservation.uid != uid)
    lowered = {name: -amount for name, amount in known.amounts.items()}
    return replace(status, reservations=others, limits=_booked(status.limits, lowered))


def standings_of(quota: DeviceQuota, status: QuotaStatus, amounts: Amounts) -> tuple[Standing, ...]:
    """Return how the limits stand that the amounts concern; one that is asked nothing is never in the way."""
    found = []
    for limit in quota.limits:
        requested = amounts.get(limit.name, _NOTHING)
        books = status.limit(limit.name)
        if requested > 0 and books is not None:
            found.append(Standing(limit, requested, books.used))
    return tuple(found)


def _unready(quota: DeviceQuota) -> str:
    """Return why the status says nothing about this spec; empty where it does."""
    status = quota.status
    if status is None:
        return f"quota '{quota.name}' has no status yet"
    if status.observed_generation != quota.generation:
        return f"quota '{quota.name}' was changed and its use has not been counted again yet"
    if any(status.limit(limit.name) is None for limit in quota.limits):
        return f"the status of quota '{quota.name}' lacks a limit"
    return ""


def _joined(status: QuotaStatus, known: Reservation, wanted: Reservation) -> Admitted:
    """Return the admission of a claim that is charged already: the attempt becomes one more holder of the charge."""
    added = tuple(attempt for attempt in wanted.attempts if attempt not in known.attempts)
    undecided = known.undecided and wanted.undecided
    if not added and undecided == known.undecided:
        return Admitted(status, changed=False)
    joined = replace(known, attempts=(*known.attempts, *added), undecided=undecided)
    return Admitted(_with_reservation(status, joined), changed=True)


def _appended(status: QuotaStatus, wanted: Reservation) -> QuotaStatus:
    amounts = {name: amount for name, amount in wanted.amounts.items() if amount > 0}
    reservation = replace(wanted, amounts=amounts)
    return replace(status, reservations=(*status.reservations, reservation), limits=_booked(status.limits, amounts))


def _with_reservation(status: QuotaStatus, changed: Reservation) -> QuotaStatus:
    return replace(
        status,
        reservations=tuple(changed if known.uid == changed.uid else known for known in status.reservations),
    )


def _booked(limits: tuple[LimitStatus, ...], amounts: Amounts) -> tuple[LimitStatus, ...]:
    """Return the books with the amounts added, as used and as reserved."""
    return tuple(
        replace(limit, used=limit.used + amounts[limit.name], reserved=limit.reserved + amounts[limit.name])
        if limit.name in amounts
        else limit
        for limit in limits
    )


def _fits_once_decided(status: QuotaStatus, over: tuple[Standing, ...]) -> bool:
    """Return whether every limit in the way would have room if all undecided claims were refused."""
    open_charges = total(reservation.amounts for reservation in status.reservations if reservation.undecided)
    return all(
        standing.used - open_charges.get(standing.limit.name, _NOTHING) + standing.requested <= standing.hard
        for standing in over
    )


def _is_full(status: QuotaStatus) -> bool:
    count = len(status.reservations)
    if count >= MOST_RESERVATIONS:
        return True
    # A reservation weighs some 300 bytes; only where there are many is it worth while to look closer.
    return count >= 500 and sum(map(_weight, status.reservations)) >= MOST_BYTES


def _weight(reservation: Reservation) -> int:
    """Return roughly how many bytes a reservation takes as JSON."""
    names = len(reservation.name) + len(reservation.namespace) + sum(len(a) + 4 for a in reservation.attempts)
    return 160 + names + sum(len(limit) + 24 for limit in reservation.amounts)


@dataclass(frozen=True, slots=True)
class Observation:
    """What the controller has seen of the claims, up to one resource version.

    `charges` are those of every stored claim that the quota covers, by uid, under the spec of `generation`. `gone` are
    uids that it has seen deleted: such a claim is never stored again.
    """

    resource_version: int
    generation: int
    charges: Mapping[str, Amounts]
    gone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outdated:
    """The observation is older than what the status records or speaks of another spec: it may not be folded."""

    why: str


def fold(quota: DeviceQuota, seen: Observation, ended: frozenset[str] = frozenset()) -> QuotaStatus | Outdated | None:
    """Return the status in which stored claims are in `used` for good; None where nothing would change.

    A reservation stays until its claim was seen stored or deleted, or has `ended`. An observation older than that of
    the status would take away claims that it has not seen yet.
    """
    before = quota.status or QuotaStatus()
    if seen.generation != quota.generation:
        return Outdated("the charges were counted under another generation of the quota")
    if quota.status is not None and seen.resource_version < before.observed_resource_version:
        return Outdated("the status was written by one who has seen more")
    closed = (seen.charges, seen.gone, ended)
    left = tuple(known for known in before.reservations if not any(known.uid in uids for uids in closed))
    stored = total(seen.charges.values())
    reserved = total(reservation.amounts for reservation in left)
    limits = tuple(_counted(limit, stored, reserved) for limit in quota.limits)
    after = replace(
        before,
        limits=limits,
        reservations=left,
        observed_generation=quota.generation,
        observed_resource_version=seen.resource_version,
    )
    unchanged = replace(after, observed_resource_version=before.observed_resource_version) == before
    return None if quota.status is not None and unchanged else after


def _counted(limit: Limit, stored: Amounts, reserved: Amounts) -> LimitStatus:
    held = reserved.get(limit.name, _NOTHING)
    return LimitStatus(limit.name, limit.hard, stored.get(limit.name, _NOTHING) + held, held)


def total(charges: Iterable[Amounts]) -> Amounts:
    """Return the sum of charges, limit by limit.

    Claims that are alike share their amounts: of tens of thousands, only what differs is added up.
    """
    alike: dict[int, list[Amounts]] = {}
    for amounts in charges:
        alike.setdefault(id(amounts), []).append(amounts)
    sums: dict[str, Fraction] = {}
    for same in alike.values():
        for name, amount in same[0].items():
            sums[name] = sums.get(name, _NOTHING) + amount * len(same)
    return sums


@dataclass(frozen=True, slots=True)
class Sightings:
    """When the controller first saw each open reservation of one quota, in seconds of its monotonic clock.

    Kept in the memory of one controller process: a new one starts anew, so that no clock but its own counts.
    """

    first: Mapping[str, float]

    def noted(self, status: QuotaStatus | None, now: float) -> "Sightings":
        """Return the sightings after a look at the status; those of reservations that are gone are forgotten."""
        reservations = status.reservations if status else ()
        return Sightings({known.uid: self.first.get(known.uid, now) for known in reservations})


@dataclass(frozen=True, slots=True)
class Census:
    """A consistent list of all claims: when it was begun (monotonic seconds), and the uids that were stored then."""

    begun: float
    uids: frozenset[str]


def ended(sightings: Sightings, census: Census, life: float) -> frozenset[str]:
    """Return the reservations whose claim can never be stored any more.

    The API server gives up on a request after at most 60 s, and `life` is longer than that: a claim that a list begun
    a whole life after its reservation was seen does not hold was never stored, or is deleted again.
    """
    return frozenset(
        uid for uid, seen in sightings.first.items() if seen + life <= census.begun and uid not in census.uids
    )


def due(sightings: Sightings, now: float, life: float) -> bool:
    """Return whether a census is worth taking: some reservation is older than its life."""
    return any(seen + life <= now for seen in sightings.first.values())
