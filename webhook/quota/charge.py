"""What a claim is charged, limit by limit (contract 5.1 to 5.5).

Before allocation the charge is the worst case over what may be allocated: it never lies below what the scheduler will
take. Once there is an allocation, that counts. Arithmetic is exact.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from webhook.core.capacities import qualified
from webhook.core.claims import AllocatedDevice, AllocationMode, Alternative, Claim, DeviceRequest
from webhook.core.device import Device
from webhook.core.fieldpath import FieldPath
from webhook.core.quota_status import Amounts
from webhook.core.quotas import DeviceQuota, Dimension, Limit
from webhook.inventory.consumed import Arithmetic, asked_of, consumed
from webhook.quota.drivers import DriverFacts, profile_of
from webhook.quota.supply import Node, Supply

MOST_DEVICES = 32
"""The most devices that one claim can be given (AllocationResultsMaxSize)."""

_NOTHING = Fraction(0)


class Basis(Enum):
    """How the charge of one device comes about."""

    COUNTED = "counted"
    WHOLE = "whole"  # a device that is not shared is taken whole
    ASKED = "asked"
    ROUNDED = "rounded"  # by the driver's request policy
    DEFAULT = "default"  # nothing is asked: the policy's default, or all of it
    MINIMUM = "minimum"  # the least charge of one share
    UNKNOWN = "unknown"  # no known device could serve the request
    CONSUMED = "consumed"  # as the allocation says


@dataclass(frozen=True, slots=True)
class Each:
    """The charge of one device; `amount` is None where nothing bounds it. `asked` is what the request names."""

    amount: Fraction | None
    basis: Basis
    asked: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What one request is charged on one limit: `count` devices of at most `each`, `amount` in all.

    `amount` is None where nothing bounds it. In mode All devices may differ: `amount` may be below the product.
    """

    path: FieldPath
    request: str
    count: int
    each: Each
    amount: Fraction | None

    @property
    def weight(self) -> tuple[bool, Fraction]:
        """Order parts by what they take; one without bound takes most."""
        return (self.amount is None, self.amount or _NOTHING)


@dataclass(frozen=True, slots=True)
class LimitCharge:
    """What a claim is charged on one limit, and by which of its requests."""

    limit: Limit
    parts: tuple[Part, ...]

    @property
    def amount(self) -> Fraction:
        """The sum of what is bounded."""
        return sum((part.amount for part in self.parts if part.amount is not None), _NOTHING)

    @property
    def unbounded(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.amount is None)

    @property
    def largest(self) -> Part | None:
        """The request with the largest charge, the first of several; where findings stand."""
        return max(self.parts, key=lambda part: part.weight, default=None)


@dataclass(frozen=True, slots=True)
class QuotaCharge:
    """What a claim is charged on one quota; limits that it does not concern have no parts."""

    quota: DeviceQuota
    limits: tuple[LimitCharge, ...]

    def amounts(self) -> Amounts:
        return {charge.limit.name: charge.amount for charge in self.limits if charge.amount > 0}


@dataclass(frozen=True, slots=True)
class Tariff:
    """By what charges are counted: the devices that are known, what drivers mean by them, and whose arithmetic."""

    supply: Supply
    drivers: DriverFacts
    arithmetic: Arithmetic


def charge(claim: Claim, quota: DeviceQuota, tariff: Tariff) -> QuotaCharge:
    """Return what the claim is charged on each limit of the quota: as allocated, else at worst."""
    return QuotaCharge(quota, tuple(LimitCharge(limit, _parts(claim, quota, limit, tariff)) for limit in quota.limits))


def _parts(claim: Claim, quota: DeviceQuota, limit: Limit, tariff: Tariff) -> tuple[Part, ...]:
    counted = _Counted(limit, tariff, quota.count_admin_access)
    if claim.allocated is not None:
        found = (counted.allocated(claim, result) for result in claim.allocated)
    else:
        found = (counted.request(device_request) for device_request in claim.requests)
    return tuple(part for part in found if part is not None and part.amount != 0)


@dataclass(frozen=True, slots=True)
class _Counted:
    """One limit's view of requests and of allocated devices."""

    limit: Limit
    tariff: Tariff
    count_admin_access: bool

    def request(self, device_request: DeviceRequest) -> Part | None:
        """Return the largest charge over the alternatives; None where the request does not concern the limit."""
        if not device_request.alternatives:
            return self._of_unknown_kind(device_request)
        parts = [part for alternative in device_request.alternatives if (part := self.alternative(alternative))]
        return max(parts, key=lambda part: part.weight, default=None)

    def _of_unknown_kind(self, device_request: DeviceRequest) -> Part:
        """Return the charge of a request whose kind a later release brings: it cannot be shown to miss the limit."""
        unknown = Alternative(device_request.name, device_request.path, self.limit.match.device_class_name)
        return _part(unknown, 1, self._each_of_unknown(unknown))

    def alternative(self, alternative: Alternative) -> Part | None:
        if alternative.admin_access and not self.count_admin_access:
            return None
        if not self._concerns_class(alternative.device_class_name):
            return None
        supply = self.tariff.supply
        if not supply.offers(alternative, None):
            return self._without_shapes(alternative)
        offered = supply.offers(alternative, self.limit.match.selector)
        shapes = [device for device in offered if self._matches(device)]
        if not shapes:
            return None
        each = self._largest_of(alternative, shapes)
        part = None if each is None else self._of_known(alternative, each)
        return self._without_shapes(alternative) if part is None else part

    def _largest_of(self, alternative: Alternative, shapes: Sequence[Device]) -> Each | None:
        """Return the largest charge of one device; None where there was no time for all."""
        largest = self._each(alternative, shapes[0])

        def look(device: Device) -> None:
            nonlocal largest
            largest = max(largest, self._each(alternative, device), key=_size)

        return None if self.tariff.supply.in_time(look, shapes) is None else largest

    def _of_known(self, alternative: Alternative, each: Each) -> Part | None:
        """Return the charge of a request for devices of at most this size; None where there was no time for it."""
        if alternative.mode is AllocationMode.EXACT_COUNT:
            return _part(alternative, max(alternative.count, 1), each)
        return self._all_of_a_node(alternative, each)

    def _concerns_class(self, name: str) -> bool:
        wanted = self.limit.match.device_class_name
        return not wanted or wanted == name

    def _matches(self, device: Device) -> bool:
        match = self.limit.match
        if match.driver and match.driver != device.driver:
            return False
        return not match.mig_profile or match.mig_profile == profile_of(device)

    def _without_shapes(self, alternative: Alternative) -> Part | None:
        """Return the charge of a request that no known device could serve, unless it is sure to miss the limit."""
        if self.tariff.supply.rules_out(alternative, self.limit.match):
            return None
        count = max(alternative.count, 1)
        return _part(alternative, count, self._each_of_unknown(alternative))

    def _all_of_a_node(self, alternative: Alternative, each: Each) -> Part | None:
        """Return the largest sum over a node of at most 32 devices, one device at least."""
        sums = [_Sum(each.amount, 1)]
        nodes = self.tariff.supply.on_nodes(alternative, self.limit.match.selector)
        taken = (
            None if nodes is None else self.tariff.supply.in_time(lambda node: self._of_node(alternative, node), nodes)
        )
        if taken is None:
            return None
        sums += taken
        if alternative.mode is AllocationMode.UNKNOWN and each.amount is not None:
            sums.append(_Sum(each.amount * alternative.count, alternative.count))
        most = max(sums, key=_Sum.weight)
        return Part(alternative.path, alternative.name, most.count, each, most.amount)

    def _of_node(self, alternative: Alternative, node: Node) -> "_Sum":
        """Return the largest sum over the devices of one node."""
        return _largest(
            _Sum(self._each(alternative, device).amount, count) for device, count in node if self._matches(device)
        )

    def _each(self, alternative: Alternative, device: Device) -> Each:
        """Return the charge of one device that the request may get."""
        if self.limit.dimension is Dimension.CAPACITY:
            return self._capacity(alternative, device)
        return self.whole(device)

    def whole(self, device: Device) -> Each:
        """Return the charge of a device that is taken whole."""
        match self.limit.dimension:
            case Dimension.DEVICES:
                return Each(Fraction(1), Basis.COUNTED)
            case Dimension.SLICES:
                return Each(Fraction(self.tariff.drivers.slices(device)), Basis.COUNTED)
            case Dimension.CAPACITY:
                name = self._published_name(device)
                if name is None:
                    return Each(_NOTHING, Basis.WHOLE)
                return self._at_least(Each(device.capacity[name].value.amount, Basis.WHOLE))

    def _capacity(self, alternative: Alternative, device: Device) -> Each:
        name = self._published_name(device)
        if name is None or not device.allow_multiple_allocations:
            return self.whole(device)
        capacity = device.capacity[name]
        asked = asked_of(alternative, device.driver).get(name)
        amount = consumed(capacity, asked, self.tariff.arithmetic)
        rounded = Basis.ASKED if amount == asked else Basis.ROUNDED
        return self._share(Each(amount, Basis.DEFAULT if asked is None else rounded, asked), device, name)

    def _published_name(self, device: Device) -> str | None:
        """Return the name under which the device publishes the limit's capacity."""
        spellings = self.tariff.drivers.spellings(qualified(self.limit.capacity, device.driver))
        return next((name for name in spellings if name in device.capacity), None)

    def _share(self, each: Each, device: Device, name: str) -> Each:
        """Return the charge of a share, which is never nothing: a share of nothing may use everything."""
        if each.amount is None or each.amount > 0:
            return self._at_least(each)
        policy = device.capacity[name].policy
        bounds = (self.limit.minimum, *((policy.minimum, policy.step) if policy else ()))
        least = next((bound.amount for bound in bounds if bound is not None and bound.amount > 0), None)
        return Each(least, Basis.MINIMUM, each.asked)

    def _at_least(self, each: Each) -> Each:
        minimum = self.limit.minimum
        if minimum is None or each.amount is None or each.amount >= minimum.amount:
            return each
        return Each(minimum.amount, Basis.MINIMUM, each.asked)

    def _each_of_unknown(self, alternative: Alternative) -> Each:
        match self.limit.dimension:
            case Dimension.DEVICES:
                return Each(Fraction(1), Basis.COUNTED)
            case Dimension.SLICES:
                return Each(Fraction(self.tariff.supply.most_slices(alternative, self.limit.match)), Basis.UNKNOWN)
            case Dimension.CAPACITY:
                return self._asked_of_unknown(alternative)

    def _asked_of_unknown(self, alternative: Alternative) -> Each:
        names = (request for request in alternative.capacity if self._may_be_limited(request.name))
        asked = max((request.quantity.amount for request in names), default=None)
        if asked is None:
            return Each(None, Basis.UNKNOWN)
        if asked > 0:
            return self._at_least(Each(asked, Basis.UNKNOWN, asked))
        minimum = self.limit.minimum.amount if self.limit.minimum is not None else _NOTHING
        return Each(minimum if minimum > 0 else None, Basis.MINIMUM, asked)

    def _may_be_limited(self, asked: str) -> bool:
        """Return whether a name asked of a device of unknown driver can be the limit's capacity."""
        drivers = {name.partition("/")[0] for name in (asked, self.limit.capacity) if "/" in name}
        driver = self.limit.match.driver
        candidates = {driver} if driver else drivers | {"", *self.tariff.drivers.aliasing}
        return any(
            qualified(asked, candidate) in self.tariff.drivers.spellings(qualified(self.limit.capacity, candidate))
            for candidate in candidates
        )

    def allocated(self, claim: Claim, result: AllocatedDevice) -> Part | None:
        """Return the charge of a device that the claim was given; None where it does not concern the limit."""
        if result.admin_access and not self.count_admin_access:
            return None
        match = self.limit.match
        if match.driver and match.driver != result.driver:
            return None
        alternative = next((one for one in claim.alternatives() if one.name == result.request), None)
        if alternative is not None and not self._concerns_class(alternative.device_class_name):
            return None
        device = self.tariff.supply.device(result.driver, result.pool, result.device)
        alternative = alternative or Alternative(result.request, claim.requests_path(), match.device_class_name)
        if device is None:
            return _part(alternative, 1, self._each_of_gone(alternative, result))
        if not self.concerns(device):
            return None
        return _part(alternative, 1, self._each_allocated(device, result))

    def concerns(self, device: Device) -> bool:
        """Return whether a device is one of those that the limit matches, whatever class it is asked by."""
        selector = self.limit.match.selector
        return self._matches(device) and (selector is None or self.tariff.supply.satisfies(device, selector))

    def _each_allocated(self, device: Device, result: AllocatedDevice) -> Each:
        taken, name = self._taken(result), self._published_name(device)
        if self.limit.dimension is not Dimension.CAPACITY or taken is None or name is None:
            return self.whole(device)
        each = self._share(Each(taken, Basis.CONSUMED), device, name)
        return each if each.amount is not None else self.whole(device)

    def _taken(self, result: AllocatedDevice) -> Fraction | None:
        spellings = self.tariff.drivers.spellings(qualified(self.limit.capacity, result.driver))
        taken = (result.consumed or {}).items()
        return max((q.amount for name, q in taken if qualified(name, result.driver) in spellings), default=None)

    def _each_of_gone(self, alternative: Alternative, result: AllocatedDevice) -> Each:
        """Return the charge of a device that nobody remembers: what the allocation says, else the worst case.

        Its claim is stored, so that nothing can be refused: what nothing bounds counts as nothing.
        """
        if self.limit.dimension is Dimension.CAPACITY and (taken := self._taken(result)) is not None:
            return self._at_least(Each(max(taken, _NOTHING), Basis.CONSUMED))
        part = self.alternative(alternative)
        each = part.each if part else Each(_NOTHING, Basis.UNKNOWN)
        return each if each.amount is not None else Each(_NOTHING, Basis.UNKNOWN)


def whole_charge(limit: Limit, device: Device, tariff: Tariff) -> Fraction | None:
    """Return what a device that is taken whole is charged; None where it does not concern the limit."""
    counted = _Counted(limit, tariff, count_admin_access=False)
    return counted.whole(device).amount if counted.concerns(device) else None


def _part(alternative: Alternative, count: int, each: Each) -> Part:
    amount = None if each.amount is None else each.amount * count
    return Part(alternative.path, alternative.name, count, each, amount)


def _size(each: Each) -> tuple[bool, Fraction]:
    return (each.amount is None, each.amount or _NOTHING)


@dataclass(frozen=True, slots=True)
class _Sum:
    """A charge of so many devices: each, before they are added up, and in all, after."""

    amount: Fraction | None
    count: int

    def weight(self) -> tuple[bool, Fraction]:
        return (self.amount is None, self.amount or _NOTHING)


def _largest(sizes: Iterable[_Sum]) -> _Sum:
    """Return the sum of the largest charges of at most 32 devices, and how many devices that is."""
    total, left = _NOTHING, MOST_DEVICES
    for size in sorted(sizes, key=_Sum.weight, reverse=True):
        if size.amount is None:
            return _Sum(None, 1)
        taken = min(size.count, left)
        total, left = total + size.amount * taken, left - taken
    return _Sum(total, MOST_DEVICES - left)
