"""Capacities of devices and how drivers let them be shared (KEP-5075), as slices publish them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from webhook.core.cache import BoundedCache
from webhook.core.fieldpath import FieldPath
from webhook.core.quantity import Quantity
from webhook.core.raw import EMPTY, RawObject, Reader


def qualified(name: str, driver: str) -> str:
    return name if "/" in name else f"{driver}/{name}"


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """How a driver rounds what is asked of a shareable capacity (KEP-5075, `requestPolicy`)."""

    default: Quantity | None = None
    valid_values: tuple[Quantity, ...] = ()
    minimum: Quantity | None = None
    maximum: Quantity | None = None
    step: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """One capacity; `is_qualified`: the driver publishes its name with the domain."""

    value: Quantity
    policy: RequestPolicy | None = None
    is_qualified: bool = False


_MOST_CAPACITIES = 10_000
_MOST_WRITTEN = 4_000  # characters
_CAPACITIES: BoundedCache[tuple[str, str], Mapping[str, Capacity]] = BoundedCache(_MOST_CAPACITIES)


def parse_capacities(raw: RawObject, path: FieldPath, driver: str, reader: Reader) -> Mapping[str, Capacity]:
    """Return the capacities by qualified name; devices on which they are written alike share them."""
    noted = len(reader.misfits)
    written = repr(raw)
    known = _CAPACITIES.known((driver, written))
    if known is not None:
        return known
    found = {}
    for name, box in raw.items():
        capacity = _capacity(box, path.key(name), reader)
        if capacity is not None:
            found[qualified(name, driver)] = replace(capacity, is_qualified=True) if "/" in name else capacity
    if len(reader.misfits) > noted or len(written) > _MOST_WRITTEN:
        return found
    return _CAPACITIES.get((driver, written), 1, lambda: found)


def _capacity(box: object, path: FieldPath, reader: Reader) -> Capacity | None:
    if not isinstance(box, dict):
        reader.note(path, "must be an object with a `value`")
        return None
    value = reader.quantity(box.get("value"), path.child("value"))
    if value is None:
        return None
    policy = reader.struct(box, "requestPolicy", path)
    return Capacity(value, None if policy is None else _policy(policy, path.child("requestPolicy"), reader))


def _policy(raw: RawObject, path: FieldPath, reader: Reader) -> RequestPolicy:
    spread = reader.struct(raw, "validRange", path) or EMPTY
    at = path.child("validRange")
    listed = (reader.quantity(item, p) for item, p in reader.items(raw, "validValues", path))
    return RequestPolicy(
        default=reader.quantity(raw.get("default"), path.child("default")),
        valid_values=tuple(quantity for quantity in listed if quantity is not None),
        minimum=reader.quantity(spread.get("min"), at.child("min")),
        maximum=reader.quantity(spread.get("max"), at.child("max")),
        step=reader.quantity(spread.get("step"), at.child("step")),
    )
