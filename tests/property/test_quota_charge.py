"""Charging against a second implementation, and the laws that every charge keeps."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import charge_oracle as oracle
from tests.support.build import claim_object, make_class, make_view
from tests.support.examples import examples
from tests.support.quota import charged, make_inventory, make_quota
from webhook.core.claims import Claim, parse_claim
from webhook.core.cluster import ClusterView, Node
from webhook.core.devices import ResourceSlice, parse_slice
from webhook.core.quantity import Quantity
from webhook.core.quotas import DeviceQuota
from webhook.core.versions import ServerTruth
from webhook.kube.shipped import shipped_catalogue

Plain = dict[str, Any]

NVIDIA, OTHER = "gpu.nvidia.com", "nic.example.com"
PROFILES = ("1g.10gb", "2g.20gb", "3g.40gb", "1g.10gb+me")
PRODUCTS = ("NVIDIA H100", "NVIDIA A30")
NODES = {"n1": "a", "n2": "b"}
CLASSES: dict[str, list[tuple[Any, ...]]] = {
    "gpu": [("is", "driver", NVIDIA), ("is", "type", "gpu")],
    "mig": [("is", "driver", NVIDIA), ("is", "type", "mig")],
    "nvidia": [("is", "driver", NVIDIA)],
    "nic": [("is", "driver", OTHER)],
    "all": [("any",)],
    "empty": [("not", ("any",))],
}

amounts = st.one_of(st.integers(0, 12).map(Fraction), st.integers(0, 24).map(lambda half: Fraction(half, 2)))
names = st.sampled_from(["memory", f"{NVIDIA}/memory", "addressableMemory", "cores", f"{OTHER}/memory"])


# Strategies are made once: making them anew for each draw takes longer than drawing.
POLICIES = st.sampled_from(["none", "default", "range", "step", "values"])
NUMBERS = {highest: st.integers(0, highest) for highest in range(13)}
LISTED = {highest: st.sets(st.integers(0, highest), min_size=1, max_size=4) for highest in range(13)}
DRIVERS = st.sampled_from([NVIDIA, NVIDIA, OTHER])
TYPES = st.sampled_from(["gpu", "mig", "vfio"])
PUBLISHED = st.sampled_from([(), ("memory",), ("cores",), ("memory", "cores")])
PLACES = st.sampled_from(["n1", "n1", "n2", "*", "zone:b"])
ANY_PROFILE, ANY_PRODUCT = st.sampled_from(PROFILES), st.sampled_from(PRODUCTS)


@st.composite
def policies(draw: st.DrawFn, value: int) -> Plain:
    """Return a request policy that slice validation would accept (dra.md 3.6)."""
    kind = draw(POLICIES)
    if kind == "none":
        return {}
    if kind == "default":
        return {"default": draw(NUMBERS[value])}
    if kind == "values":
        values = sorted(draw(LISTED[value]))
        return {"values": values, "default": values[draw(NUMBERS[len(values) - 1])]}
    low = draw(NUMBERS[value])
    high = low + draw(NUMBERS[value - low])
    if kind == "range" or high == low:
        return {"min": low, "max": high, "default": low + draw(NUMBERS[high - low])}
    step = 1 + draw(NUMBERS[high - low - 1])
    most = (high - low) // step
    return {"min": low, "max": low + step * most, "step": step, "default": low + step * draw(NUMBERS[most])}


OF_VALUE = {value: policies(value) for value in range(13)}


@st.composite
def devices(draw: st.DrawFn) -> Plain:
    driver = draw(DRIVERS)
    kind = draw(TYPES) if driver == NVIDIA else None
    shared = draw(st.booleans())
    capacity = {}
    for name in draw(PUBLISHED):
        published = "addressableMemory" if kind == "vfio" and name == "memory" else name
        value = draw(NUMBERS[12])
        capacity[published] = {"value": Fraction(value), **(draw(OF_VALUE[value]) if shared else {})}
    return {
        "driver": driver,
        "type": kind,
        "profile": draw(ANY_PROFILE) if kind == "mig" else None,
        "product": draw(ANY_PRODUCT) if driver == NVIDIA else None,
        "capacity": capacity,
        "shared": shared,
        "place": draw(PLACES),
    }


DEVICES = st.one_of(st.lists(devices(), max_size=3), st.lists(devices(), min_size=2, max_size=6))
PLANNED = st.lists(st.tuples(devices(), st.integers(1, 6), st.integers(1, 6)), max_size=1)


of_profile = st.one_of(
    st.sampled_from(PROFILES).map(lambda text: ("is", "profile", text)),
    st.lists(st.sampled_from(PROFILES), min_size=1, max_size=2).map(lambda texts: ("in", "profile", texts)),
)
of_driver = st.sampled_from([NVIDIA, OTHER]).map(lambda text: ("is", "driver", text))
simple = st.one_of(of_profile, of_driver)
compound = st.one_of(
    simple, simple.map(lambda one: ("not", one)), st.tuples(simple, simple).map(lambda both: ("or", *both))
)
# One condition on the profile at most: what other drivers publish in that domain is not followed further.
conditions: st.SearchStrategy[list[Any]] = st.one_of(
    st.just([]), st.just([]), compound.map(lambda one: [one]), st.tuples(of_driver, compound).map(list)
)


CLASS_NAMES = st.sampled_from([*CLASSES, "unknown"])
MODES = st.sampled_from(["ExactCount", "ExactCount", "All"])
COUNTS = st.integers(1, 5)
ASKED = st.dictionaries(names, amounts, max_size=2)


@st.composite
def alternatives(draw: st.DrawFn) -> Plain:
    return {
        "class": draw(CLASS_NAMES),
        "conditions": draw(conditions),
        "mode": draw(MODES),
        "count": draw(COUNTS),
        "asked": draw(ASKED),
        "admin": False,
    }


SUBREQUESTS = st.lists(alternatives(), min_size=1, max_size=3)
EXACTLY = st.tuples(alternatives(), st.booleans()).map(lambda both: [{**both[0], "admin": both[1], "only": True}])
REQUESTS = st.one_of(SUBREQUESTS, EXACTLY)

LIMITS = st.fixed_dictionaries(
    {
        "dimension": st.sampled_from(["devices", "slices", "capacity", "capacity"]),
        "of": names,
        "minimum": st.one_of(st.none(), st.integers(0, 3).map(Fraction)),
        "class": st.sampled_from([None, None, None, "gpu", "mig"]),
        "driver": st.sampled_from([None, NVIDIA, NVIDIA, OTHER]),
        "profile": st.sampled_from([None, None, None, None, *PROFILES]),
    }
)


@st.composite
def worlds(draw: st.DrawFn) -> Plain:
    planned = draw(PLANNED)
    return {
        "devices": draw(DEVICES),
        "planned": [{"device": device, "count": count, "per_node": fits} for device, count, fits in planned],
        "classes": CLASSES,
        "nodes": NODES,
        "milli": draw(st.booleans()),
        "count_admin": draw(st.booleans()),
    }


WORLDS = worlds()


def cel(condition: tuple[Any, ...]) -> str:
    match condition:
        case ("any",):
            return "true"
        case ("is", "driver", text):
            return f"device.driver == '{text}'"
        case ("is", name, text):
            return f"device.attributes['{NVIDIA}'].{name} == '{text}'"
        case ("in", name, texts):
            return f"device.attributes['{NVIDIA}'].{name} in {texts}"
        case ("not", inner):
            return f"!({cel(inner)})"
        case ("or", one, other):
            return f"({cel(one)}) || ({cel(other)})"
        case _:
            raise ValueError(condition)


def written(amount: Fraction | int) -> str:
    return str(Quantity(Fraction(amount)))


def device_object(device: Plain, name: str) -> Plain:
    attributes = {
        key: {"string": device[plain]}
        for key, plain in (("type", "type"), ("profile", "profile"), ("productName", "product"))
        if device[plain] is not None
    }
    capacity = {}
    for key, entry in device["capacity"].items():
        policy: Plain = {"default": written(entry["default"])} if "default" in entry else {}
        if "min" in entry:
            policy["validRange"] = {part: written(entry[part]) for part in ("min", "max", "step") if part in entry}
        if "values" in entry:
            policy["validValues"] = [written(value) for value in entry["values"]]
        capacity[key] = {"value": written(entry["value"]), **({"requestPolicy": policy} if policy else {})}
    shared = {"allowMultipleAllocations": True} if device["shared"] else {}
    return {"name": name, "attributes": attributes, "capacity": capacity, **shared}


def slice_of(device: Plain, number: int) -> ResourceSlice:
    place = device["place"]
    spec: Plain = {
        "driver": device["driver"],
        "pool": {"name": f"pool-{number}", "generation": 1, "resourceSliceCount": 1},
        "devices": [device_object(device, f"device-{number}")],
    }
    if place == "*":
        spec["allNodes"] = True
    elif place.startswith("zone:"):
        requirement = {"key": "zone", "operator": "In", "values": [place.removeprefix("zone:")]}
        spec["nodeSelector"] = {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
    else:
        spec["nodeName"] = place
    return parse_slice({"kind": "ResourceSlice", "metadata": {"name": f"slice-{number}"}, "spec": spec})


def view_of(world: Plain) -> ClusterView:
    planned = {
        f"planned-{number}": replace(
            make_inventory(
                {**device_object(stated["device"], "d"), "count": stated["count"], "perNode": stated["per_node"]},
                driver=stated["device"]["driver"],
            ),
            name=f"planned-{number}",
        )
        for number, stated in enumerate(world["planned"])
    }
    return make_view(
        *(slice_of(device, number) for number, device in enumerate(world["devices"])),
        classes=[make_class(name, *map(cel, wanted)) for name, wanted in CLASSES.items()],
        nodes={name: Node(name, {"zone": zone}, {}) for name, zone in NODES.items()},
        inventories=planned,
        server=ServerTruth("1.37" if world["milli"] else "1.36"),
        catalogue=shipped_catalogue(),
    )


def claim_of(asked: list[list[Plain]]) -> Claim:
    raw = claim_object()
    raw["spec"]["devices"]["requests"] = [request_object(f"r{number}", one) for number, one in enumerate(asked)]
    return parse_claim(raw)


def request_object(name: str, one: list[Plain]) -> Plain:
    if one[0].get("only"):
        return {"name": name, "exactly": {**alternative_object(one[0]), "adminAccess": one[0]["admin"]}}
    return {
        "name": name,
        "firstAvailable": [{"name": f"s{number}", **alternative_object(sub)} for number, sub in enumerate(one)],
    }


def alternative_object(one: Plain) -> Plain:
    return {
        "deviceClassName": one["class"],
        "selectors": [{"cel": {"expression": cel(condition)}} for condition in one["conditions"]],
        "allocationMode": one["mode"],
        **({"count": one["count"]} if one["mode"] == "ExactCount" else {}),
        "capacity": {"requests": {name: written(amount) for name, amount in one["asked"].items()}},
    }


def quota_of(wanted: list[Plain], *, count_admin: bool = False) -> DeviceQuota:
    return make_quota(*(limit_object(f"l{n}", one) for n, one in enumerate(wanted)), countAdminAccess=count_admin)


def limit_object(name: str, one: Plain) -> Plain:
    given = {"deviceClassName": one["class"], "driver": one["driver"], "migProfile": one["profile"]}
    match = {key: value for key, value in given.items() if value}
    if one["dimension"] != "capacity":
        return {"name": name, "match": match, one["dimension"]: 1000}
    minimum = {} if one["minimum"] is None else {"minimum": written(one["minimum"])}
    return {"name": name, "match": match, "capacity": {"name": one["of"], "quantity": "1000", **minimum}}


def charges(world: Plain, asked: list[list[Plain]], wanted: list[Plain]) -> list[Fraction | str]:
    quota = quota_of(wanted, count_admin=world["count_admin"])
    result = charged(claim_of(asked), quota, view_of(world))
    return [oracle.UNBOUNDED if on_limit.unbounded else on_limit.amount for on_limit in result.limits]


@settings(max_examples=examples(500), deadline=None)
@given(WORLDS, st.lists(REQUESTS, min_size=1, max_size=3), st.lists(LIMITS, min_size=1, max_size=3))
def test_fm_43_charges_agree_with_the_second_implementation(
    world: Plain, asked: list[list[Plain]], wanted: list[Plain]
) -> None:
    assert charges(world, asked, wanted) == [oracle.claim_charge(world, asked, limit) for limit in wanted]


@settings(deadline=None)
@given(WORLDS, st.lists(REQUESTS, min_size=2, max_size=3), LIMITS)
def test_the_order_of_requests_does_not_matter(world: Plain, asked: list[list[Plain]], limit: Plain) -> None:
    assert charges(world, asked, [limit]) == charges(world, asked[::-1], [limit])


@settings(deadline=None)
@given(WORLDS, REQUESTS, REQUESTS, LIMITS)
def test_two_claims_are_charged_as_much_as_one_that_asks_for_both(
    world: Plain, one: list[Plain], other: list[Plain], limit: Plain
) -> None:
    [first], [second], [both] = (charges(world, asked, [limit]) for asked in ([one], [other], [one, other]))
    if oracle.UNBOUNDED in (first, second):
        assert both == oracle.UNBOUNDED
    else:
        assert both == Fraction(first) + Fraction(second)


@settings(deadline=None)
@given(WORLDS, st.lists(REQUESTS, max_size=3), LIMITS)
def test_nothing_is_ever_credited(world: Plain, asked: list[list[Plain]], limit: Plain) -> None:
    [amount] = charges(world, asked, [limit])
    assert amount == oracle.UNBOUNDED or Fraction(amount) >= 0
