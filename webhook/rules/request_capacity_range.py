"""request-capacity-range: an amount that no device gives, or that the driver rounds up (KEP-5075, `requestPolicy`)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from webhook.core.capacities import Capacity, RequestPolicy, qualified
from webhook.core.claims import Alternative, CapacityRequest
from webhook.core.finding import Edit, Finding, Fix, Severity
from webhook.core.quantity import Quantity, parse_quantity
from webhook.inventory.case import Case, in_time
from webhook.inventory.consumed import Arithmetic, arithmetic_of, consumed, is_eligible, largest
from webhook.inventory.offers import matched, takes_capacity

NAME = "request-capacity-range"
_UNITS = ("Gi", "Mi")
_SLIP = 1000
"""An amount that grows by so much was hardly meant: its unit was forgotten."""


def check(case: Case) -> Iterator[Finding]:
    if not takes_capacity(case):
        return
    for alternative in case.alternatives():
        for asked in alternative.capacity:
            found = _finding(case, alternative, asked)
            if found is not None:
                yield found


@dataclass(frozen=True, slots=True)
class _Given:
    """What devices do with an amount: the least that one takes for it, by what rule, and the most that one can give."""

    rounded: Quantity | None
    most: Quantity
    policy: str = ""


def _finding(case: Case, alternative: Alternative, asked: CapacityRequest) -> Finding | None:
    amount, arithmetic = asked.quantity.amount, arithmetic_of(case.view.server)
    capacities: dict[Capacity, None] = {}
    for device, _ in matched(case, alternative).devices(case.expired):
        capacity = device.capacity.get(qualified(asked.name, device.driver))
        if capacity is not None and capacity not in capacities:
            if _takes(capacity, amount, arithmetic) == amount:
                return None
            capacities[capacity] = None
    if amount < 0 or not capacities or case.expired():
        return None
    given = _given(in_time(case.expired, capacities), amount, arithmetic)
    if given is None or case.expired():
        return None
    message = (
        f"no match gives '{asked.quantity}' of `{asked.name}`, the most is '{given.most}'"
        if given.rounded is None
        else f"'{asked.quantity}' of `{asked.name}` is rounded up to '{given.rounded}'"
    )
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=asked.path,
        message=message,
        why=given.policy,
        fixes=tuple(_fixes(asked, given, capacities, arithmetic, alternative)),
    )


def _takes(capacity: Capacity, amount: Fraction, arithmetic: Arithmetic) -> Fraction | None:
    """Return what a share would take; None where the device cannot give it."""
    taken = consumed(capacity, amount, arithmetic)
    return taken if is_eligible(capacity, taken, arithmetic) else None


def _given(capacities: Iterable[Capacity], amount: Fraction, arithmetic: Arithmetic) -> _Given | None:
    best: tuple[Fraction, Capacity] | None = None
    most: Quantity | None = None
    for capacity in capacities:
        taken = _takes(capacity, amount, arithmetic)
        if taken is not None and (best is None or taken < best[0]):
            best = taken, capacity
        can = largest(capacity, arithmetic)
        if most is None or can > most.amount:
            most = Quantity(can, capacity.value.format)
    if most is None:
        return None
    if best is None:
        return _Given(None, most)
    return _Given(Quantity(best[0], best[1].value.format), most, _policy(best[1].policy))


def _policy(policy: RequestPolicy | None) -> str:
    """Return in words which amounts the driver shares."""
    if policy is None:
        return ""
    if policy.minimum is None:
        listed = ", ".join(f"'{value}'" for value in policy.valid_values)
        return f"the driver gives {listed} and nothing between"
    if policy.step is None:
        return f"the driver gives '{policy.minimum}' at least"
    return f"the driver gives '{policy.minimum}' and more, in steps of '{policy.step}'"


def _fixes(
    asked: CapacityRequest,
    given: _Given,
    capacities: Iterable[Capacity],
    arithmetic: Arithmetic,
    alternative: Alternative,
) -> Iterator[Fix]:
    if given.rounded is None:
        if given.most.amount > 0:
            yield Fix(f"ask for '{given.most}' at most", edits=(Edit(asked.path, str(given.most)),))
        else:
            yield Fix(f"ask for no `{asked.name}`, or name another class than '{alternative.device_class_name}'")
        return
    meant = _with_unit(asked, given.rounded, capacities, arithmetic)
    if meant:
        yield Fix(f"did you mean '{meant}'?", edits=(Edit(asked.path, meant),))
    yield Fix(f"write '{given.rounded}', what is taken", edits=(Edit(asked.path, str(given.rounded)),))


def _with_unit(
    asked: CapacityRequest, rounded: Quantity, capacities: Iterable[Capacity], arithmetic: Arithmetic
) -> str:
    """Return a small bare number with the unit that it lacks, where a device gives just that; else nothing."""
    number = str(asked.quantity)
    if not number.isdigit() or rounded.amount < _SLIP * asked.quantity.amount or not asked.quantity.amount:
        return ""
    for unit in _UNITS:
        amount = parse_quantity(number + unit).amount
        if any(_takes(capacity, amount, arithmetic) == amount for capacity in capacities):
            return number + unit
    return ""
