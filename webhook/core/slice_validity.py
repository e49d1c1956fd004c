"""The API server's structural rules for ResourceSlices (pkg/apis/resource/validation; dra.md 2.8, 3.6)."""

import itertools
from collections.abc import Iterator

from webhook.core.claims import FLAT_VERSION
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.quantity import Quantity, parse_quantity
from webhook.core.raw import RawObject
from webhook.core.strict import Flaw
from webhook.core.syntax_rules import (
    C_IDENTIFIER,
    SEMVER,
    dns_subdomain,
    label_key,
    named_once,
    objects_of,
    struct_of,
    within,
)

_MOST_DEVICES = 128
_MOST_NAMES = 32
_MOST_TEXT = 64
_MOST_VALID = 10
_MOST_TAINTS = 16
_EFFECTS = ("NoSchedule", "NoExecute", "None")
_PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")


def slice_flaws(raw: RawObject) -> Iterator[Flaw]:
    """Yield what the API server would refuse of a ResourceSlice."""
    spec, at = struct_of(raw, "spec"), ROOT.child("spec")
    flat = raw.get("apiVersion") == FLAT_VERSION
    driver = spec.get("driver")
    if not driver:
        yield Flaw(at.child("driver"), "must be set", "name the driver that publishes the devices")
    elif isinstance(driver, str):
        yield from dns_subdomain(driver, at.child("driver"), most=63)
    yield from _pool(struct_of(spec, "pool"), at.child("pool"))
    given = [name for name in _PLACES if spec.get(name)]
    listed = ", ".join(f"`{name}`" for name in _PLACES)
    if len(given) != 1:
        yield Flaw(at, f"must have exactly one of {listed}", "say which nodes reach the devices")
    devices, counters = objects_of(spec, "devices", at), objects_of(spec, "sharedCounters", at)
    if devices and counters:
        yield Flaw(at.child("sharedCounters"), "must not stand beside `devices`", "publish counters in their own slice")
    yield from within(spec, "devices", at, _MOST_DEVICES)
    yield from named_once(devices)
    for device, place in devices:
        body, inner = (struct_of(device, "basic"), place.child("basic")) if flat else (device, place)
        yield from _device(body, inner)


def _pool(pool: RawObject, at: FieldPath) -> Iterator[Flaw]:
    if not pool.get("name"):
        yield Flaw(at.child("name"), "must be set", "name the pool; drivers use the node's name")
    count = pool.get("resourceSliceCount")
    if count is None or (isinstance(count, int) and count <= 0):
        message = "must be greater than 0" if count is not None else "must be set"
        yield Flaw(at.child("resourceSliceCount"), message, "write of how many slices the pool consists")
    generation = pool.get("generation")
    if isinstance(generation, int) and generation < 0:
        yield Flaw(at.child("generation"), "must be greater than or equal to 0", "count generations up from 0")


def _device(device: RawObject, at: FieldPath) -> Iterator[Flaw]:
    attributes, capacity = struct_of(device, "attributes"), struct_of(device, "capacity")
    if len(attributes) + len(capacity) > _MOST_NAMES:
        yield Flaw(at, f"must have at most {_MOST_NAMES} attributes and capacities together", "publish fewer")
    for name, box in attributes.items():
        place = at.child("attributes").key(str(name))
        yield from _qualified(str(name), place)
        if isinstance(box, dict):
            yield from _attribute(box, place)
    for name, box in capacity.items():
        place = at.child("capacity").key(str(name))
        yield from _qualified(str(name), place)
        policy = struct_of(box, "requestPolicy") if isinstance(box, dict) else {}
        if policy:
            shared = device.get("allowMultipleAllocations") is True
            yield from _policy(policy, box, place.child("requestPolicy"), shared=shared)
    yield from within(device, "taints", at, _MOST_TAINTS)
    for taint, place in objects_of(device, "taints", at):
        if isinstance(taint.get("key"), str):
            yield from label_key(taint["key"], place.child("key"))
        if taint.get("effect") not in _EFFECTS:
            message = f"effect '{taint.get('effect') or ''}' does not exist"
            yield Flaw(place.child("effect"), message, "use 'NoSchedule', 'NoExecute' or 'None'")


def _qualified(name: str, at: FieldPath) -> Iterator[Flaw]:
    domain, slash, bare = name.rpartition("/")
    if len(bare) > _MOST_NAMES or not C_IDENTIFIER.matches(bare):
        yield Flaw(at, f"the name must be {C_IDENTIFIER.what} of at most 32 characters", "use letters, digits and '_'")
    if slash:
        yield from dns_subdomain(domain, at, most=63)


def _attribute(box: RawObject, at: FieldPath) -> Iterator[Flaw]:
    for name in ("string", "version"):
        text = box.get(name)
        if not isinstance(text, str):
            continue
        if len(text) > _MOST_TEXT:
            yield Flaw(at.child(name), f"must have at most {_MOST_TEXT} characters", "publish something shorter")
        elif name == "version" and not SEMVER.matches(text):
            yield Flaw(at.child(name), f"must be {SEMVER.what}", "write major.minor.patch")


def _policy(policy: RawObject, box: RawObject, at: FieldPath, *, shared: bool) -> Iterator[Flaw]:
    """The rules that keep a request policy sane (KEP-5075)."""
    if not shared:
        yield Flaw(at, "must not be set unless `allowMultipleAllocations` is true", "drop it, or share the device")
        return
    total, default = _amount(box.get("value")), _amount(policy.get("default"))
    listed, spread = policy.get("validValues"), struct_of(policy, "validRange")
    if listed and spread:
        yield Flaw(at, "must have `validValues` or `validRange`, not both", "keep one of them")
    if (listed or spread) and policy.get("default") is None:
        yield Flaw(at.child("default"), "must be set", "say what a request takes that names nothing")
    if isinstance(listed, list):
        yield from _listed(listed, total, default, at)
    if spread:
        yield from _range(spread, total, default, at)


def _listed(listed: list[object], total: Quantity | None, default: Quantity | None, at: FieldPath) -> Iterator[Flaw]:
    place = at.child("validValues")
    amounts = [found.amount for value in listed if (found := _amount(value)) is not None]
    if len(listed) > _MOST_VALID:
        yield Flaw(place, f"must have at most {_MOST_VALID} entries, not {len(listed)}", "use fewer")
    if any(one >= other for one, other in itertools.pairwise(amounts)):
        yield Flaw(place, "must be in ascending order, each value once", "sort them")
    if total is not None and amounts and amounts[-1] > total.amount:
        yield Flaw(place, f"must be at most the capacity's value '{total}'", "drop what is larger")
    if default is not None and default.amount not in amounts:
        yield Flaw(at.child("default"), "must be one of `validValues`", "choose one of them")


def _range(spread: RawObject, total: Quantity | None, default: Quantity | None, at: FieldPath) -> Iterator[Flaw]:
    place = at.child("validRange")
    least, most, step = (_amount(spread.get(name)) for name in ("min", "max", "step"))
    if spread.get("min") is None:
        yield Flaw(place.child("min"), "must be set", "say the least amount that can be asked for")
    ordered = [("min", least), ("default", default), ("max", most), ("the capacity's value", total)]
    known = [(name, found) for name, found in ordered if found is not None]
    for (name, one), (other, two) in itertools.pairwise(known):
        if one.amount > two.amount:
            yield Flaw(place, f"{name} '{one}' must be less than or equal to {other} '{two}'", "put them in order")
    if step is not None and least is not None:
        for name, found in (("default", default), ("max", most)):
            if found is not None and step.amount > 0 and (found.amount - least.amount) % step.amount:
                yield Flaw(place.child("step"), f"{name} '{found}' must be min plus whole steps", "change the step")


def _amount(value: object) -> Quantity | None:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return parse_quantity(value)
        except ValueError:
            return None
    return None
