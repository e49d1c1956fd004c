"""A device as selectors see it (dynamic-resource-allocation cel/compile.go, DeviceMatches).

Names are split at the first slash; a name without a domain belongs to the driver's own.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from webhook.cel.functions.semver import SemverError, Version, parse_version
from webhook.cel.values import DefaultMap, EvaluationError, MapKey, Value
from webhook.core.device import AttributeValue, VersionText
from webhook.core.quantity import Quantity, parse_quantity

CelAttribute: TypeAlias = AttributeValue | Version


class CelDevice:
    """What the variable `device` holds.

    `problem` is what keeps every selector from being judged on this device (a version that is none).
    """

    __slots__ = ("allow_multiple_allocations", "attributes", "capacity", "driver", "problem")

    def __init__(
        self, driver: str, attributes: DefaultMap, capacity: DefaultMap, allow_multiple_allocations: bool
    ) -> None:
        self.driver = driver
        self.attributes = attributes
        self.capacity = capacity
        self.allow_multiple_allocations = allow_multiple_allocations
        self.problem: str | None = None


def make_device(
    driver: str,
    attributes: Mapping[str, CelAttribute],
    capacity: Mapping[str, Quantity],
    allow_multiple_allocations: bool = False,
) -> CelDevice:
    """Return the device. A `VersionText` or `Version` is a version, a tuple a list attribute."""
    device = CelDevice(driver, DefaultMap(), DefaultMap(), allow_multiple_allocations)
    for name, value in attributes.items():
        domain, key = _split(name, driver)
        try:
            device.attributes.setdefault(domain, {})[key] = _attribute(value)
        except SemverError as error:
            device.problem = f"attribute {name}: parse semantic version: {error}"
    for name, quantity in capacity.items():
        domain, key = _split(name, driver)
        device.capacity.setdefault(domain, {})[key] = quantity
    return device


def _split(name: str, driver: str) -> tuple[str, str]:
    domain, slash, key = name.partition("/")
    return (domain, key) if slash else (driver, name)


def _attribute(value: CelAttribute) -> Value:
    if isinstance(value, VersionText):
        return parse_version(str(value))
    if isinstance(value, tuple):
        return [_attribute(item) for item in value]
    return value


_SCALARS = ("bool", "int", "string")
_LISTS = ("bools", "ints", "strings")


def device_from_json(raw: Mapping[str, object]) -> CelDevice:
    """Return the device of a `ResourceSlice.spec.devices[]` entry with `driver` added.

    Understands v1 and v1beta2, and v1beta1 with everything in `basic`. Raises ValueError if it is none.
    """
    basic = raw.get("basic")
    body = basic if isinstance(basic, Mapping) else raw
    driver = raw.get("driver", "")
    if not isinstance(driver, str):
        raise ValueError("`driver` must be a string")  # noqa: TRY004 - a file is wrong, not a call
    return make_device(
        driver,
        {name: _read_attribute(name, box) for name, box in _entries(body, "attributes")},
        {name: _read_quantity(name, box) for name, box in _entries(body, "capacity")},
        body.get("allowMultipleAllocations") is True,
    )


def _entries(body: Mapping[str, object], field: str) -> list[tuple[str, object]]:
    found = body.get(field)
    if found is None:
        return []
    if not isinstance(found, Mapping):
        raise ValueError(f"`{field}` must be an object")  # noqa: TRY004 - a file is wrong, not a call
    return list(found.items())


def _read_attribute(name: str, box: object) -> CelAttribute:
    if isinstance(box, Mapping) and len(box) == 1:
        ((kind, value),) = box.items()
        if kind == "version" and isinstance(value, str):
            return VersionText(value)
        if kind == "versions" and isinstance(value, list):
            return tuple(VersionText(item) for item in value)
        if kind in _LISTS and isinstance(value, list):
            return tuple(value)
        if kind in _SCALARS and isinstance(value, bool | int | str):
            return value
    raise ValueError(f"attribute '{name}' must have exactly one of `bool`, `int`, `string`, `version` or their lists")


def _read_quantity(name: str, box: object) -> Quantity:
    value = box.get("value") if isinstance(box, Mapping) else box
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError(f"capacity '{name}' must have a `value`")  # noqa: TRY004 - a file is wrong, not a call
    try:
        return parse_quantity(value)
    except ValueError as error:
        raise ValueError(f"capacity '{name}': {error}") from error


def check_device(device: CelDevice) -> None:
    """Raise EvaluationError if no selector can be judged on the device."""
    if device.problem is not None:
        raise EvaluationError(device.problem)


def device_map(device: CelDevice) -> dict[MapKey, Value]:
    """The device as a value of its own, which the reference has as a map."""
    return {field: getattr(device, attribute) for field, attribute in DEVICE_FIELDS.items()}


DEVICE_FIELDS: Final[Mapping[str, str]] = {
    "driver": "driver",
    "attributes": "attributes",
    "capacity": "capacity",
    "allowMultipleAllocations": "allow_multiple_allocations",
}
