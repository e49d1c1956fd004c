"""What every ledger offers, wherever it keeps its books: `DeviceQuota.status` in a cluster, SQLite standalone."""

from dataclasses import dataclass
from typing import Protocol

from webhook.core.quota_status import Amounts
from webhook.core.quotas import DeviceQuota, QuotaMode
from webhook.quota.ledger import Standing


@dataclass(frozen=True, slots=True)
class Charge:
    """What a claim takes of one quota, counted under the quota's spec as given here.

    Where it is not `binding`, a claim that does not fit is admitted and charged all the same, as in mode Warn.
    """

    quota: DeviceQuota
    amounts: Amounts
    binding: bool = True

    def refuses(self, quota: DeviceQuota) -> bool:
        """Return whether the quota, as it is stored now, refuses what does not fit."""
        return self.binding and quota.mode is QuotaMode.DENY


@dataclass(frozen=True, slots=True)
class Wanted:
    """A claim that wants to be stored, with the charges of every quota that covers it."""

    uid: str
    namespace: str
    name: str
    charges: tuple[Charge, ...]


@dataclass(frozen=True, slots=True)
class QuotaStanding:
    """How the limits of one quota stand that a claim concerns."""

    quota: DeviceQuota
    standings: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Charged:
    """Every quota has admitted the claim; limits that it does not fit are those of quotas that only warn."""

    quotas: tuple[QuotaStanding, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """At least one quota has not; nothing is charged. Only the limits that are in the way are named."""

    quotas: tuple[QuotaStanding, ...]


class Ledger(Protocol):
    """Charges claims, exactly once each by their uid."""

    async def admit(self, wanted: Wanted, *, dry_run: bool, deadline: float) -> Charged | Refused:
        """Return whether the claim may be stored; on a dry run without charging it.

        `deadline` is a time of the event loop's clock; ClusterUnavailableError where nothing can be decided by then.
        """

    async def release_named(self, namespace: str, name: str) -> None:
        """Take note of a DELETE review: standalone it ends the charges of the name, in a cluster the watch does."""
