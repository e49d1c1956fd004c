"""What a claim is charged, computed a second time: simple, slow, exact, and without any code of the product.

Written from the contract, section 5. It reads its own plain descriptions, never the product's objects:

* a device: `driver`, `type`, `profile`, `product` (None: not published), `capacity` {name: {"value", ...}}, `shared`,
  `place` (a node, "*" for all nodes, "zone:z" for the nodes of a zone);
* a condition: ("is", attribute, text), ("not", condition), ("or", one, other), ("in", attribute, texts), ("any",);
* a request: a list of alternatives with `class`, `conditions`, `mode`, `count`, `asked` {name: amount}, `admin`;
* a limit: `dimension`, `of`, `minimum`, and what it matches: `class`, `driver`, `profile`.
"""

import math
from fractions import Fraction
from itertools import product
from typing import Any

UNBOUNDED = "unbounded"
NVIDIA = "gpu.nvidia.com"
ALIASES = {("gpu.nvidia.com", "memory"): "addressableMemory", ("gpu.nvidia.com", "addressableMemory"): "memory"}
SMALL_MODELS = {"NVIDIA A30": 4}

Plain = dict[str, Any]


def holds(condition: tuple[Any, ...], device: Plain) -> bool | None:
    """Return what a condition says of a device; None is an error, as of an attribute that is not published."""
    match condition:
        case ("any",):
            return True
        case ("is", "driver", text):
            return bool(device["driver"] == text)
        case ("is", name, text):
            found = _attribute(name, device)
            return None if found is None else bool(found == text)
        case ("in", name, texts):
            found = _attribute(name, device)
            return None if found is None else found in texts
        case ("not", inner):
            inside = holds(inner, device)
            return None if inside is None else not inside
        case ("or", one, other):
            answers = (holds(one, device), holds(other, device))
            if True in answers:
                return True
            return None if None in answers else False
        case _:
            raise ValueError(condition)


def _attribute(name: str, device: Plain) -> str | None:
    """Return an attribute of the NVIDIA driver's domain; a device of another driver may publish it as `foreign`."""
    found = device[name] if device["driver"] == NVIDIA else device.get("foreign") if name == "profile" else None
    return None if found is None else str(found)


def claim_charge(world: Plain, requests: list[list[Plain]], limit: Plain) -> Fraction | str:
    total = Fraction(0)
    for alternatives in requests:
        charges = [_alternative(world, one, limit) for one in alternatives]
        if UNBOUNDED in charges:
            return UNBOUNDED
        total += max(Fraction(charge) for charge in charges)
    return total


def _alternative(world: Plain, one: Plain, limit: Plain) -> Fraction | str:
    if one["admin"] and not world["count_admin"]:
        return Fraction(0)
    if limit["class"] and limit["class"] != one["class"]:
        return Fraction(0)
    wanted = [*world["classes"].get(one["class"], []), *one["conditions"]]
    exists = one["class"] in world["classes"]
    everything = [*world["devices"], *(stated["device"] for stated in world["planned"])]
    shapes = [d for d in everything if exists and _accepted(wanted, d) and _serves(world, d, one)]
    if not shapes:
        return _blind(one, wanted, limit)
    concerned = [device for device in shapes if _meets(limit, device)]
    if not concerned:
        return Fraction(0)
    singles = [_single(world, device, one, limit) for device in concerned]
    if UNBOUNDED in singles:
        return UNBOUNDED
    most = max(Fraction(single) for single in singles)
    if one["mode"] == "ExactCount":
        return most * int(one["count"])
    return max([most, *(_node_sum(world, node, one, wanted, limit) for node in _nodes(world))])


def _accepted(conditions: list[tuple[Any, ...]], device: Plain) -> bool:
    return all(holds(condition, device) is True for condition in conditions)


def _meets(limit: Plain, device: Plain) -> bool:
    if limit["driver"] and limit["driver"] != device["driver"]:
        return False
    return not limit["profile"] or limit["profile"] == device["profile"]


def _nodes(world: Plain) -> list[list[Plain]]:
    """Return the devices that are reachable from each node, one entry a device."""
    found = []
    for node, zone in world["nodes"].items():
        found.append([d for d in world["devices"] if d["place"] in (node, "*", f"zone:{zone}")])
    planned = [d for d in world["devices"] if d["place"] == "*"]
    for stated in world["planned"]:
        planned += [stated["device"]] * min(stated["count"], stated["per_node"])
    return [*found, planned]


def _node_sum(world: Plain, node: list[Plain], one: Plain, wanted: list[tuple[Any, ...]], limit: Plain) -> Fraction:
    usable = [d for d in node if _accepted(wanted, d) and _serves(world, d, one) and _meets(limit, d)]
    singles = sorted((Fraction(_single(world, device, one, limit)) for device in usable), reverse=True)
    return sum(singles[:32], Fraction(0))


def _single(world: Plain, device: Plain, one: Plain, limit: Plain) -> Fraction | str:
    if limit["dimension"] == "devices":
        return Fraction(1)
    if limit["dimension"] == "slices":
        return Fraction(_slices(device))
    name = _published(device, limit)
    if name is None:
        return Fraction(0)
    entry = device["capacity"][name]
    minimum = limit["minimum"] or Fraction(0)
    if not device["shared"]:
        return max(Fraction(entry["value"]), minimum)
    taken = _taken(world, entry, _asked(one, device, name))
    if taken > 0:
        return max(taken, minimum)
    for bound in (minimum, entry.get("min"), entry.get("step")):
        if bound:
            return Fraction(bound)
    return UNBOUNDED


def _slices(device: Plain) -> int:
    if device["driver"] != NVIDIA:
        return 0
    if device["profile"]:
        return int(device["profile"].split("g.")[0])
    return SMALL_MODELS.get(device["product"], 7)


def _published(device: Plain, limit: Plain) -> str | None:
    domain, _, bare = limit["of"].rpartition("/")
    if domain and domain != device["driver"]:
        return None
    for name in (bare, ALIASES.get((device["driver"], bare))):
        if name in device["capacity"]:
            return str(name)
    return None


def _asked(one: Plain, device: Plain, name: str) -> Fraction | None:
    amounts = [amount for spelled, amount in one["asked"].items() if spelled in (name, f"{device['driver']}/{name}")]
    return max(amounts, default=None)


def _taken(world: Plain, entry: Plain, asked: Fraction | None) -> Fraction:
    """Return the consumed amount (KEP-5075)."""
    if asked is None:
        return Fraction(entry["default"] if "default" in entry else entry["value"])
    if "min" in entry:
        low = Fraction(entry["min"])
        if asked < low:
            return low
        if "step" not in entry:
            return asked
        scale = 1000 if world["milli"] else 1
        start, step, goal = (math.ceil(number * scale) for number in (low, entry["step"], asked))
        while start < goal:
            start += step
        return Fraction(start, scale)
    for listed in sorted(entry.get("values", [])):
        if listed >= asked:
            return Fraction(listed)
    return asked


def _serves(world: Plain, device: Plain, one: Plain) -> bool:
    known = {*device["capacity"], *(f"{device['driver']}/{name}" for name in device["capacity"])}
    if not set(one["asked"]) <= known:
        return False
    for name, entry in device["capacity"].items():
        taken = _taken(world, entry, _asked(one, device, name))
        if taken > entry["value"]:
            return False
        if taken == entry.get("default"):
            continue
        if taken > entry.get("max", taken) or ("values" in entry and taken not in entry["values"]):
            return False
    return True


def _blind(one: Plain, wanted: list[tuple[Any, ...]], limit: Plain) -> Fraction | str:
    """Return the charge of a request that may get no known shape: try every device that one could imagine."""
    imagined = [d for d in _imagined(wanted, limit) if _accepted(wanted, d)]
    if (limit["driver"] or limit["profile"]) and not any(_meets(limit, device) for device in imagined):
        return Fraction(0)
    count = one["count"] if one["mode"] == "ExactCount" else 1
    if limit["dimension"] == "devices":
        return Fraction(count)
    if limit["dimension"] == "slices":
        return Fraction(count * max((_slices(device) for device in imagined if _meets(limit, device)), default=0))
    amounts = [amount for name, amount in one["asked"].items() if _may_mean(name, limit)]
    if not amounts:
        return UNBOUNDED
    least = max(*amounts, limit["minimum"] or Fraction(0))
    return least * count if least > 0 else UNBOUNDED


def _may_mean(name: str, limit: Plain) -> bool:
    """Return whether a name that is asked for can be the limit's capacity on some device that the limit matches."""
    domain, _, bare = name.rpartition("/")
    of_domain, _, of_bare = limit["of"].rpartition("/")
    if domain and of_domain:
        owner = domain if domain == of_domain else None
    elif limit["driver"]:
        owner = limit["driver"] if (domain or of_domain) in ("", limit["driver"]) else None
    else:
        owner = domain or of_domain or NVIDIA
    return owner is not None and (bare == of_bare or ALIASES.get((owner, bare)) == of_bare)


def _imagined(wanted: list[tuple[Any, ...]], limit: Plain) -> list[Plain]:
    named = _texts(wanted) | {limit["driver"], limit["profile"]} - {None, ""}
    profiles = {text for text in named if "g." in text} | {"7g.fresh", None}
    drivers = {text for text in named if text.endswith(".com")} | {NVIDIA, "fresh.example.com"}
    types = {"gpu", "mig", "vfio", "fresh"}
    return [
        {"driver": driver, "type": kind, "profile": profile, "foreign": foreign, "product": "fresh"}
        for driver, kind, profile, foreign in product(drivers, types, profiles, profiles)
    ]


def _texts(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    return {text for part in value for text in _texts(part)} if isinstance(value, list | tuple) else set()
