"""What a request takes of a device's capacity, as the scheduler's allocator counts it (KEP-5075).

Source: dynamic-resource-allocation/structured, consumable_capacity.go. The allocator goes through all capacities of a
shareable device, not only those that are asked for: what is not asked is taken at its default, or whole.
"""

from collections.abc import Mapping
from enum import Enum
from fractions import Fraction

from webhook.core.capacities import Capacity, RequestPolicy, qualified
from webhook.core.claims import Alternative
from webhook.core.device import Device
from webhook.core.versions import FRACTIONAL_RANGE, ServerTruth

_INT64 = 2**63


class Arithmetic(Enum):
    """In which units steps are counted: whole ones to 1.36, thousandths from 1.37 with DRAFractionalCapacityRange."""

    WHOLE = 1
    MILLI = 1000


def arithmetic_of(server: ServerTruth) -> Arithmetic:
    return Arithmetic.MILLI if server.gate_or_default(FRACTIONAL_RANGE) else Arithmetic.WHOLE


def asked_of(alternative: Alternative, driver: str) -> Mapping[str, Fraction]:
    """Return what is asked of a device of the driver, by qualified name; of two spellings the larger amount."""
    asked: dict[str, Fraction] = {}
    for request in alternative.capacity:
        name = qualified(request.name, driver)
        amount = request.quantity.amount
        asked[name] = max(amount, asked.get(name, amount))
    return asked


def consumed(capacity: Capacity, asked: Fraction | None, arithmetic: Arithmetic) -> Fraction:
    """Return the amount that a share takes of a capacity; `asked` is None where the request does not name it."""
    value = capacity.value.amount
    policy = capacity.policy
    if asked is None:
        return value if policy is None or policy.default is None else policy.default.amount
    if policy is None:
        return asked
    if policy.minimum is not None:
        return _in_range(policy, asked, arithmetic)
    larger = (listed.amount for listed in policy.valid_values if listed.amount >= asked)
    return min(larger, default=asked)


def _in_range(policy: RequestPolicy, asked: Fraction, arithmetic: Arithmetic) -> Fraction:
    assert policy.minimum is not None
    minimum = policy.minimum.amount
    if asked < minimum:
        return minimum
    if policy.step is None:
        return asked
    unit = _unit(policy, asked, arithmetic)
    low, step, wanted = (_rounded_up(amount, unit) for amount in (minimum, policy.step.amount, asked))
    if step <= 0:
        return asked
    return Fraction(low + step * -((low - wanted) // step), unit)


def _unit(policy: RequestPolicy, asked: Fraction, arithmetic: Arithmetic) -> int:
    """Return how many parts of one are counted; thousandths need values that fit 64 bits and a step of one at least."""
    bounds = (policy.minimum, policy.maximum, policy.step)
    amounts = [asked, *(bound.amount for bound in bounds if bound is not None)]
    fits = all(-_INT64 <= amount * 1000 < _INT64 for amount in amounts)
    fine = policy.step is not None and policy.step.amount * 1000 >= 1
    return 1000 if arithmetic is Arithmetic.MILLI and fits and fine else 1


def _rounded_up(amount: Fraction, unit: int) -> int:
    scaled = amount * unit
    return -(-scaled.numerator // scaled.denominator)


def can_serve(device: Device, alternative: Alternative, arithmetic: Arithmetic) -> bool:
    """Return whether the device, empty, could serve the capacity that is asked for (CmpRequestOverCapacity).

    On a device that is not shared the same comparison runs as a filter.
    """
    asked = asked_of(alternative, device.driver)
    if any(name not in device.capacity for name in asked):
        return False
    return all(
        is_eligible(capacity, consumed(capacity, asked.get(name), arithmetic), arithmetic)
        for name, capacity in device.capacity.items()
    )


def is_eligible(capacity: Capacity, amount: Fraction, arithmetic: Arithmetic) -> bool:
    """Return whether an empty device can give a share that takes this amount."""
    if amount > capacity.value.amount:
        return False
    policy = capacity.policy
    if policy is None or (policy.default is not None and amount == policy.default.amount):
        return True
    if policy.minimum is not None:
        return _lies_in_range(policy, amount, arithmetic)
    return not policy.valid_values or amount in {listed.amount for listed in policy.valid_values}


def _lies_in_range(policy: RequestPolicy, amount: Fraction, arithmetic: Arithmetic) -> bool:
    if policy.maximum is not None and amount > policy.maximum.amount:
        return False
    if policy.step is None or policy.minimum is None:
        return True
    unit = _unit(policy, amount, arithmetic)
    low, step, taken = (_rounded_up(part, unit) for part in (policy.minimum.amount, policy.step.amount, amount))
    return step <= 0 or (taken - low) % step == 0


def largest(capacity: Capacity, arithmetic: Arithmetic) -> Fraction:
    """Return the most that a share can take of a capacity."""
    value, policy = capacity.value.amount, capacity.policy
    if policy is None:
        return value
    if policy.minimum is None:
        return max((listed.amount for listed in policy.valid_values if listed.amount <= value), default=value)
    most = value if policy.maximum is None else min(value, policy.maximum.amount)
    if policy.step is None:
        return most
    unit = _unit(policy, most, arithmetic)
    low, step = (_rounded_up(amount, unit) for amount in (policy.minimum.amount, policy.step.amount))
    if step <= 0 or most < policy.minimum.amount:
        return most
    return Fraction(low + step * ((int(most * unit) - low) // step), unit)
