"""What a claim is charged: a table of cases, each with its reason as its name (contract 5.1 to 5.5)."""

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.support.build import Raw, claim_object, make_claim, make_slice, request
from tests.support.quota import (
    CLASSES,
    NVIDIA,
    OTHER,
    capacity,
    charge_on,
    charged,
    cluster,
    devices,
    full_gpu,
    make_inventory,
    make_quota,
    mig,
    shared_gpu,
    slices,
    vfio,
)
from webhook.core.claims import Claim, parse_claim
from webhook.core.cluster import ClusterView, Node
from webhook.core.versions import ServerTruth
from webhook.inventory.consumed import Arithmetic
from webhook.quota.charge import Tariff, charge
from webhook.quota.cluster_supply import ClusterSupply
from webhook.quota.drivers import facts_of

PROFILE = f"device.attributes['{NVIDIA}'].profile == "
EMPTY = cluster()
H100 = cluster(full_gpu("gpu-0"), full_gpu("gpu-1"))


def _without(device: Raw, attribute: str) -> Raw:
    return {**device, "attributes": {key: value for key, value in device["attributes"].items() if key != attribute}}


def _holding(device: str) -> Claim:
    """Return a stored claim that was given a device of H100."""
    raw = claim_object(request("gpu", device_class="gpu.nvidia.com"), name=device, namespace="team-b")
    given = {"request": "gpu", "driver": NVIDIA, "pool": "node-1", "device": device}
    return parse_claim({**raw, "status": {"allocation": {"devices": {"results": [given]}}}})


TWO_MODELS = cluster(full_gpu("gpu-0"), full_gpu("gpu-1", "40Gi", "NVIDIA A100"))
A30 = cluster(full_gpu("gpu-0", "24Gi", "NVIDIA A30"))
MIG = cluster(mig("a", "1g.10gb", "10Gi"), mig("b", "3g.40gb", "40Gi"), mig("c", "1g.10gb+me", "10Gi"), full_gpu("d"))
VFIO = cluster(vfio("v"))
PLAIN = cluster(shared_gpu("s"))
STEPS = cluster(shared_gpu("s", policy={"default": "80Gi", "validRange": {"min": "1Gi", "max": "80Gi", "step": "5Gi"}}))
LISTED = cluster(shared_gpu("s", policy={"default": "20Gi", "validValues": ["10Gi", "20Gi", "40Gi"]}))
UNLIMITED = cluster(shared_gpu("s", policy={"default": "0", "validRange": {"min": "0", "max": "80Gi", "step": "1Mi"}}))
DEFAULT_ONLY = cluster(shared_gpu("s", policy={"default": "7Gi"}))
ZERO_DEFAULT = cluster(shared_gpu("s", policy={"default": "0"}))
SHARED_AND_WHOLE = cluster(shared_gpu("s"), full_gpu("gpu-0", "40Gi"))
NICS = cluster({"name": "n0", "capacity": {"bandwidth": {"value": "100G"}}}, driver=OTHER)
# One card does not publish what selectors look at; one is of a model that no catalogue knows.
ODD = cluster(full_gpu("gpu-0", "40Gi"), _without(full_gpu("gpu-1"), "productName"))
UNKNOWN_MODEL = cluster(full_gpu("gpu-0", product="NVIDIA Z999"))
SMALL = cluster(full_gpu("gpu-0", "1Gi"))
HELD = replace(H100, claims={("team-b", name): _holding(name) for name in ("gpu-0", "gpu-1")})
BOTH_DRIVERS = replace(
    H100,
    slices={
        **H100.slices,
        "nics": replace(
            make_slice({"name": "n0", "capacity": {"memory": {"value": "2Ti"}}}, driver=OTHER, pool="nics"), name="nics"
        ),
    },
)
PLANNED = replace(
    EMPTY, inventories={"planned": make_inventory({**full_gpu("h200", "141Gi"), "count": 64, "perNode": 8})}
)
FEW_PLANNED = replace(
    EMPTY, inventories={"planned": make_inventory({**full_gpu("h200", "141Gi"), "count": 3, "perNode": 8})}
)


AWAITING = replace(
    EMPTY,
    nodes={"n1": Node("n1", {"zone": "a"}, {})},
    slices={
        "zone": replace(
            make_slice(full_gpu("e", "20Gi"), full_gpu("f", "30Gi"), driver=NVIDIA, node="", pool="zone"),
            name="zone",
            node_selector={
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z"]}]}]
            },
        )
    },
)


def gpu(count: int | None = None, memory: str | None = None, *selectors: str, cls: str = "gpu.nvidia.com") -> Claim:
    asked = None if memory is None else {"memory": memory}
    return make_claim(request("gpu", *selectors, device_class=cls, count=count, capacity=asked))


def profile(text: str, count: int | None = None) -> Claim:
    return gpu(count, None, f"{PROFILE}'{text}'", cls="mig.nvidia.com")


def all_of(cls: str = "gpu.nvidia.com", *selectors: str) -> Claim:
    return make_claim(request("gpu", *selectors, device_class=cls, allocationMode="All"))


def first_available(*alternatives: Raw) -> Claim:
    return make_claim({"name": "gpu", "firstAvailable": list(alternatives)})


def sub(name: str, cls: str = "gpu.nvidia.com", *selectors: str, memory: str | None = None, **fields: object) -> Raw:
    asked = None if memory is None else {"memory": memory}
    return {"name": name, **request("", *selectors, device_class=cls, capacity=asked)["exactly"], **fields}


Case = tuple[ClusterView, Claim, Raw, str]

DEVICES: dict[str, Case] = {
    "one device": (H100, gpu(), devices(8), "1"),
    "four devices": (H100, gpu(4), devices(8), "4"),
    "more than there are is charged in full": (H100, gpu(100), devices(8), "100"),
    "the largest count there is does not wrap": (H100, gpu(2**63 - 1), devices(8), "9223372036854775807"),
    "a count of zero is one": (H100, gpu(0), devices(8), "1"),
    "a negative count gives nothing back": (H100, gpu(-5), devices(8), "1"),
    "a share counts as one device": (PLAIN, gpu(memory="1Gi"), devices(8), "1"),
    "several requests add up": (H100, make_claim(*(request(n, device_class="nic") for n in "ab")), devices(8), "2"),
    "no requests, no charge": (H100, parse_claim({"kind": "ResourceClaim", "spec": {}}), devices(8), "0"),
    "the limit's class": (H100, gpu(2), devices(8, deviceClassName="gpu.nvidia.com"), "2"),
    "another class misses the limit": (H100, gpu(2), devices(8, deviceClassName="mig.nvidia.com"), "0"),
    "the same devices by another class miss a limit on the class": (
        H100,
        gpu(2, cls="everything"),
        devices(8, deviceClassName="gpu.nvidia.com"),
        "0",
    ),
    "the same devices by another class meet a limit on the driver": (
        H100,
        gpu(2, cls="everything"),
        devices(8, driver=NVIDIA),
        "2",
    ),
    "the limit's driver": (H100, gpu(), devices(8, driver=NVIDIA), "1"),
    "another driver": (H100, gpu(), devices(8, driver=OTHER), "0"),
    "a driver is compared with its case": (H100, gpu(), devices(8, driver="GPU.nvidia.com"), "0"),
    "the limit's selector": (
        H100,
        gpu(),
        devices(8, selector=f"device.attributes['{NVIDIA}'].productName == 'NVIDIA H100'"),
        "1",
    ),
    "a selector that no shape satisfies": (
        H100,
        gpu(),
        devices(8, selector=f"device.attributes['{NVIDIA}'].productName == 'NVIDIA L4'"),
        "0",
    ),
    "a selector that errors on every shape is not satisfied": (
        H100,
        gpu(),
        devices(8, selector=f"device.attributes['{NVIDIA}'].noSuchThing == 'x'"),
        "0",
    ),
    "a selector that cannot be judged is satisfied": (H100, gpu(), devices(8, selector="device.driver =="), "1"),
    "devices that others hold are shapes all the same": (HELD, gpu(2), devices(8, driver=NVIDIA), "2"),
    "an empty match is every device": (BOTH_DRIVERS, gpu(2, cls="everything"), devices(8), "2"),
    "the driver of one of several shapes": (BOTH_DRIVERS, gpu(2, cls="everything"), devices(8, driver=OTHER), "2"),
    "a shape on which a selector errors is not accepted": (
        ODD,
        gpu(2, None, f"device.attributes['{NVIDIA}'].productName.startsWith('NVIDIA')"),
        devices(8, selector=f"!has(device.attributes['{NVIDIA}'].productName)"),
        "0",
    ),
    "all that a match names must hold": (
        H100,
        gpu(),
        devices(8, driver=NVIDIA, selector=f"device.driver == '{OTHER}'"),
        "0",
    ),
    "one of several shapes satisfies the selector": (
        TWO_MODELS,
        gpu(3),
        devices(8, selector=f"device.attributes['{NVIDIA}'].productName == 'NVIDIA A100'"),
        "3",
    ),
}

PROFILES: dict[str, Case] = {
    "a profile's own limit": (MIG, profile("3g.40gb", 2), devices(4, migProfile="3g.40gb"), "2"),
    "another profile's limit": (MIG, profile("1g.10gb"), devices(4, migProfile="3g.40gb"), "0"),
    "profiles are compared with their case": (MIG, profile("3g.40gb"), devices(4, migProfile="3G.40gb"), "0"),
    "+me is a profile of its own": (MIG, profile("1g.10gb+me"), devices(4, migProfile="1g.10gb"), "0"),
    "what could be several profiles is charged on each": (
        MIG,
        gpu(2, None, f"device.attributes['{NVIDIA}'].profile.startsWith('1g')", cls="mig.nvidia.com"),
        devices(4, migProfile="1g.10gb+me"),
        "2",
    ),
    "any MIG device could be the largest": (MIG, gpu(cls="mig.nvidia.com"), devices(4, migProfile="3g.40gb"), "1"),
    "a selector that is hidden in an or counts all the same": (
        MIG,
        gpu(1, None, f"{PROFILE}'1g.10gb' || true", cls="mig.nvidia.com"),
        devices(4, migProfile="3g.40gb"),
        "1",
    ),
    "a whole card has no profile": (MIG, gpu(), devices(4, migProfile="3g.40gb"), "0"),
    "slices of a profile": (MIG, profile("3g.40gb", 2), slices(28), "6"),
    "slices of a profile with extras": (MIG, profile("1g.10gb+me"), slices(28), "1"),
    "slices of the largest profile that it could be": (MIG, gpu(cls="mig.nvidia.com"), slices(28), "3"),
    "slices of a whole card": (H100, gpu(), slices(28), "7"),
    "slices of a card that may be whole": (MIG, gpu(cls="any-nvidia"), slices(28), "7"),
    "slices of a model with fewer": (A30, gpu(2), slices(28), "8"),
    "slices of a model that no catalogue knows": (UNKNOWN_MODEL, gpu(2), slices(28), "14"),
    "slices of all profiles that it could be, under a limit on one": (
        MIG,
        gpu(2, cls="mig.nvidia.com"),
        slices(28, migProfile="1g.10gb"),
        "2",
    ),
    "slices of a VFIO card": (VFIO, gpu(cls="vfio.gpu.nvidia.com"), slices(28), "7"),
    "slices of other drivers' devices": (NICS, gpu(cls="nic"), slices(28), "0"),
}

CAPACITY: dict[str, Case] = {
    "a device that is not shared is taken whole": (H100, gpu(), capacity("320Gi"), "80Gi"),
    "a device that is not shared is taken whole whatever is asked": (H100, gpu(1, "10Gi"), capacity("320Gi"), "80Gi"),
    "only shapes that the selectors do not err on": (
        ODD,
        gpu(1, None, f"device.attributes['{NVIDIA}'].productName.startsWith('NVIDIA')"),
        capacity("320Gi"),
        "40Gi",
    ),
    "the catalogue's larger models do not count": (SMALL, gpu(), capacity("320Gi"), "1Gi"),
    "a larger device that another driver publishes does not count": (
        BOTH_DRIVERS,
        gpu(cls="everything"),
        capacity("320Gi", driver=NVIDIA),
        "80Gi",
    ),
    "of several drivers' shapes the largest": (BOTH_DRIVERS, gpu(cls="everything"), capacity("320Gi"), "2Ti"),
    "a device that is not shared is charged the limit's minimum": (
        SMALL,
        gpu(2),
        capacity("320Gi", minimum="2Gi"),
        "4Gi",
    ),
    "a device that does not publish it is charged no minimum": (H100, gpu(), capacity("9", "cores", minimum="2"), "0"),
    "capacity is per device": (H100, gpu(3, "10Gi"), capacity("320Gi"), "240Gi"),
    "of several shapes the largest": (TWO_MODELS, gpu(), capacity("320Gi"), "80Gi"),
    "the selector narrows the shapes": (
        TWO_MODELS,
        gpu(1, None, f"device.attributes['{NVIDIA}'].productName == 'NVIDIA A100'"),
        capacity("320Gi"),
        "40Gi",
    ),
    "a shape that cannot serve what is asked does not count": (TWO_MODELS, gpu(1, "41Gi"), capacity("320Gi"), "80Gi"),
    "the limit's selector narrows the shapes too": (
        TWO_MODELS,
        gpu(),
        capacity("320Gi", selector=f"device.attributes['{NVIDIA}'].productName == 'NVIDIA A100'"),
        "40Gi",
    ),
    "a share as asked": (PLAIN, gpu(1, "35Gi"), capacity("320Gi"), "35Gi"),
    "shares of two devices": (PLAIN, gpu(2, "35Gi"), capacity("320Gi"), "70Gi"),
    "a share of which nothing is asked takes all": (PLAIN, gpu(), capacity("320Gi"), "80Gi"),
    "a share is rounded by the driver's step": (STEPS, gpu(1, "35Gi"), capacity("320Gi"), "36Gi"),
    "a share is raised to the driver's minimum": (STEPS, gpu(1, "1Mi"), capacity("320Gi"), "1Gi"),
    "a share is rounded to a listed value": (LISTED, gpu(1, "11Gi"), capacity("320Gi"), "20Gi"),
    "nothing asked of a listed capacity: its default": (LISTED, gpu(), capacity("320Gi"), "20Gi"),
    "nothing asked: the default": (DEFAULT_ONLY, gpu(), capacity("320Gi"), "7Gi"),
    "of a share and a whole device the larger": (SHARED_AND_WHOLE, gpu(1, "10Gi"), capacity("320Gi"), "40Gi"),
    "of a share and a whole device the larger share": (SHARED_AND_WHOLE, gpu(1, "50Gi"), capacity("320Gi"), "50Gi"),
    "the qualified name in the limit": (PLAIN, gpu(1, "35Gi"), capacity("320Gi", f"{NVIDIA}/memory"), "35Gi"),
    "the qualified name in the claim": (
        PLAIN,
        make_claim(request("gpu", device_class="gpu.nvidia.com", capacity={f"{NVIDIA}/memory": "35Gi"})),
        capacity("320Gi"),
        "35Gi",
    ),
    "another driver's capacity of that name": (PLAIN, gpu(1, "35Gi"), capacity("320Gi", f"{OTHER}/memory"), "0"),
    "a capacity that the device does not publish": (H100, gpu(), capacity("320Gi", "cores"), "0"),
    "a capacity of another driver's device": (NICS, gpu(cls="nic"), capacity("1T", "bandwidth"), "100G"),
    "VFIO publishes its memory by another name": (VFIO, gpu(cls="vfio.gpu.nvidia.com"), capacity("320Gi"), "80Gi"),
    "and the other way round": (H100, gpu(), capacity("320Gi", "addressableMemory"), "80Gi"),
    "a zero share is charged the limit's minimum": (PLAIN, gpu(1, "0"), capacity("320Gi", minimum="1Gi"), "1Gi"),
    "a zero share is charged the driver's minimum": (STEPS, gpu(1, "0"), capacity("320Gi"), "1Gi"),
    "both spellings of one capacity: the larger amount": (
        PLAIN,
        make_claim(
            request("gpu", device_class="gpu.nvidia.com", capacity={"memory": "10Gi", f"{NVIDIA}/memory": "20Gi"})
        ),
        capacity("320Gi"),
        "20Gi",
    ),
    "an amount beyond 64 bits stays exact": (
        cluster(shared_gpu("s", "100Ei")),
        gpu(1, "36893488147419103233"),
        capacity("1"),
        "36893488147419103233",
    ),
    "a zero share is charged the driver's step": (UNLIMITED, gpu(), capacity("320Gi"), "1Mi"),
    "the limit's minimum comes before the step": (UNLIMITED, gpu(), capacity("320Gi", minimum="2Gi"), "2Gi"),
    "a zero share that nothing bounds": (PLAIN, gpu(1, "0"), capacity("320Gi"), "unbounded"),
    "a default of zero that nothing bounds": (ZERO_DEFAULT, gpu(), capacity("320Gi"), "unbounded"),
    "a negative share gives nothing back": (PLAIN, gpu(1, "-10Gi"), capacity("320Gi"), "unbounded"),
    "a negative share below the driver's minimum": (STEPS, gpu(1, "-10Gi"), capacity("320Gi"), "1Gi"),
    "a small share is charged the limit's minimum": (PLAIN, gpu(1, "1Mi"), capacity("320Gi", minimum="1Gi"), "1Gi"),
    "decimal suffixes": (PLAIN, gpu(1, "1G"), capacity("320G"), "1G"),
    "an exponent": (PLAIN, gpu(1, "1e9"), capacity("320G"), "1G"),
    "half a gibibyte": (PLAIN, gpu(1, "0.5Gi"), capacity("320Gi"), "512Mi"),
    "thousandths stay exact": (PLAIN, gpu(3, "1500m"), capacity("320"), "4500m"),
    "the largest count of the largest device": (H100, gpu(2**63 - 1), capacity("1"), str((2**63 - 1) * 80 * 2**30)),
}

UNKNOWN: dict[str, Case] = {
    "a class that does not exist: devices": (EMPTY, gpu(2, cls="soon"), devices(8), "2"),
    "a class that does not exist: a limit on another class": (
        EMPTY,
        gpu(2, cls="soon"),
        devices(8, deviceClassName="gpu.nvidia.com"),
        "0",
    ),
    "a class that does not exist: its own limit": (EMPTY, gpu(2, cls="soon"), devices(8, deviceClassName="soon"), "2"),
    "a class that does not exist: capacity as asked": (EMPTY, gpu(2, "35Gi", cls="soon"), capacity("320Gi"), "70Gi"),
    "a class that does not exist: capacity and nothing asked": (
        EMPTY,
        gpu(cls="soon"),
        capacity("320Gi"),
        "unbounded",
    ),
    "scaled to zero: devices": (EMPTY, gpu(2), devices(8, driver=NVIDIA), "2"),
    "scaled to zero: the class excludes the driver": (EMPTY, gpu(2, cls="nic"), devices(8, driver=NVIDIA), "0"),
    "scaled to zero: the class excludes the driver of a capacity": (
        EMPTY,
        gpu(cls="nic"),
        capacity("320Gi", driver=NVIDIA),
        "0",
    ),
    "scaled to zero: the class does not exclude the driver": (
        EMPTY,
        gpu(2, cls="everything"),
        devices(8, driver=NVIDIA),
        "2",
    ),
    "scaled to zero: the selector excludes the profile": (
        EMPTY,
        profile("1g.10gb"),
        devices(8, driver=NVIDIA, migProfile="3g.40gb"),
        "0",
    ),
    "scaled to zero: the profile and no driver in the limit": (
        EMPTY,
        profile("1g.10gb"),
        devices(8, migProfile="3g.40gb"),
        "0",
    ),
    "scaled to zero: the selector allows the profile": (
        EMPTY,
        profile("3g.40gb"),
        devices(8, driver=NVIDIA, migProfile="3g.40gb"),
        "1",
    ),
    "scaled to zero: an or that is always true excludes nothing": (
        EMPTY,
        gpu(1, None, f"{PROFILE}'1g.10gb' || true", cls="mig.nvidia.com"),
        devices(8, driver=NVIDIA, migProfile="3g.40gb"),
        "1",
    ),
    "scaled to zero: a negated profile": (
        EMPTY,
        gpu(1, None, f"!({PROFILE}'3g.40gb')", cls="mig.nvidia.com"),
        devices(8, driver=NVIDIA, migProfile="3g.40gb"),
        "0",
    ),
    "scaled to zero: a profile glued together cannot be told": (
        EMPTY,
        gpu(1, None, f"{PROFILE}'1g.' + '10gb'", cls="mig.nvidia.com"),
        devices(8, driver=NVIDIA, migProfile="3g.40gb"),
        "1",
    ),
    "scaled to zero: a list of profiles": (
        EMPTY,
        gpu(1, None, f"device.attributes['{NVIDIA}'].profile in ['1g.10gb', '2g.20gb']", cls="mig.nvidia.com"),
        devices(8, driver=NVIDIA, migProfile="3g.40gb"),
        "0",
    ),
    "scaled to zero: a limit's selector excludes nothing": (
        EMPTY,
        gpu(),
        devices(8, selector=f"device.driver == '{OTHER}'"),
        "1",
    ),
    "nothing can serve what is asked: as asked": (H100, gpu(2, "100Gi"), capacity("320Gi"), "200Gi"),
    "nothing can serve what is asked: the minimum": (H100, gpu(1, "100Gi"), capacity("1Ti", minimum="120Gi"), "120Gi"),
    "no shape and zero asked: the limit's minimum": (EMPTY, gpu(2, "0"), capacity("320Gi", minimum="1Gi"), "2Gi"),
    "no shape and zero asked: unbounded": (EMPTY, gpu(2, "0"), capacity("320Gi"), "unbounded"),
    "no shape and another capacity asked: unbounded": (EMPTY, gpu(2, "1Gi"), capacity("9", "cores"), "unbounded"),
    "no shape: the alias of what is asked": (
        EMPTY,
        gpu(2, "1Gi", cls="vfio.gpu.nvidia.com"),
        capacity("320Gi", "addressableMemory"),
        "2Gi",
    ),
    "no shape: slices of a profile": (EMPTY, profile("3g.40gb", 2), slices(28), "6"),
    "no shape: slices of one of several profiles": (
        EMPTY,
        gpu(1, None, f"{PROFILE}'1g.10gb' || {PROFILE}'2g.20gb'", cls="mig.nvidia.com"),
        slices(28),
        "2",
    ),
    "no shape: slices of what may be a whole card": (
        EMPTY,
        gpu(1, None, f"{PROFILE}'1g.10gb' || !has(device.attributes['{NVIDIA}'].profile)", cls="any-nvidia"),
        slices(28),
        "7",
    ),
    "no shape: slices of another driver": (EMPTY, gpu(cls="nic"), slices(28), "0"),
    "no shape: slices of anything": (EMPTY, gpu(cls="soon"), slices(28), "7"),
    "nothing can serve what is asked: another driver's limit": (
        H100,
        gpu(2, "100Gi"),
        devices(8, driver=OTHER),
        "0",
    ),
    "nothing can serve what is asked: its driver's limit": (H100, gpu(2, "100Gi"), devices(8, driver=NVIDIA), "2"),
    "no shape: the driver is excluded whatever else the device is": (
        EMPTY,
        gpu(1, None, f"device.driver != '{NVIDIA}'", cls="everything"),
        devices(8, driver=NVIDIA, selector="true"),
        "0",
    ),
    "no shape: several alternatives, each as asked": (
        EMPTY,
        first_available(sub("a", memory="10Gi"), sub("b", memory="30Gi")),
        capacity("320Gi"),
        "30Gi",
    ),
    "no shape: slices under a limit on a profile": (EMPTY, gpu(cls="soon"), slices(28, migProfile="2g.20gb"), "2"),
    "no shape: all is one device at least": (EMPTY, all_of(), devices(8), "1"),
    "a selector that cannot be judged is no known shape": (
        H100,
        gpu(1, "10Gi", "device.driver =="),
        capacity("320Gi"),
        "10Gi",
    ),
    "a request of a kind that a later release brings: devices": (H100, make_claim({"name": "x"}), devices(8), "1"),
    "a request of a kind that a later release brings: capacity": (
        H100,
        make_claim({"name": "x"}),
        capacity("320Gi"),
        "unbounded",
    ),
}

WIDE = cluster(*(full_gpu(f"gpu-{number}") for number in range(40)))
UNEVEN = cluster(*(full_gpu(f"a{n}", "10Gi") for n in range(30)), *(full_gpu(f"b{n}") for n in range(4)))
TWO_NODES = replace(
    H100,
    slices={
        "one": replace(make_slice(full_gpu("a"), full_gpu("b"), full_gpu("c"), driver=NVIDIA, node="n1"), name="one"),
        "two": replace(make_slice(full_gpu("d", "100Gi"), driver=NVIDIA, node="n2"), name="two"),
    },
)
FABRIC = replace(
    TWO_NODES,
    slices={
        **TWO_NODES.slices,
        "all": replace(
            make_slice(full_gpu("e", "20Gi"), driver=NVIDIA, node="", pool="fabric"), name="all", all_nodes=True
        ),
    },
)
ZONED = replace(
    TWO_NODES,
    nodes={"n1": Node("n1", {"zone": "a"}, {}), "n2": Node("n2", {"zone": "b"}, {})},
    slices={
        **TWO_NODES.slices,
        "zone": replace(
            make_slice(full_gpu("e", "20Gi"), full_gpu("f", "300Gi"), driver=NVIDIA, node="", pool="zone"),
            name="zone",
            node_selector={
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}]
            },
        ),
    },
)

ALL: dict[str, Case] = {
    "all devices of the node": (H100, all_of(), devices(8), "2"),
    "all capacity of the node": (H100, all_of(), capacity("320Gi"), "160Gi"),
    "the node with most, not all nodes together": (TWO_NODES, all_of(), devices(8), "3"),
    "the node with most memory": (TWO_NODES, all_of(), capacity("320Gi"), "240Gi"),
    "all-nodes pools are reachable from every node": (FABRIC, all_of(), devices(8), "4"),
    "and add to its capacity": (FABRIC, all_of(), capacity("320Gi"), "260Gi"),
    "selector pools are reachable from the nodes that they name": (ZONED, all_of(), capacity("1Ti"), "420Gi"),
    "selector pools do not add to other nodes": (ZONED, all_of(), devices(8), "3"),
    "at most 32 devices": (WIDE, all_of(), devices(100), "32"),
    "at most 32 devices, the largest": (UNEVEN, all_of(), capacity("1Ti"), "600Gi"),
    "only those that the selectors accept": (
        MIG,
        all_of("mig.nvidia.com", f"device.attributes['{NVIDIA}'].profile.startsWith('1g')"),
        devices(8),
        "2",
    ),
    "only those that the limit concerns": (MIG, all_of("any-nvidia"), devices(8, migProfile="1g.10gb"), "1"),
    "slices of all": (MIG, all_of("any-nvidia"), slices(28), "12"),
    "a pool that waits for nodes stands on one that may come": (AWAITING, all_of(), devices(8), "2"),
    "with all its capacity": (AWAITING, all_of(), capacity("320Gi"), "50Gi"),
    "all and a count add up": (
        H100,
        make_claim(
            request("a", device_class="gpu.nvidia.com", allocationMode="All"),
            request("b", device_class="gpu.nvidia.com", count=3),
        ),
        devices(8),
        "5",
    ),
    "planned devices, as many as fit on one node": (PLANNED, all_of(), devices(100), "8"),
    "planned devices, but no more than are planned": (FEW_PLANNED, all_of(), devices(100), "3"),
    "planned devices count as a shape": (PLANNED, gpu(2), capacity("1Ti"), "282Gi"),
}

FIRST_AVAILABLE: dict[str, Case] = {
    "the largest alternative": (
        MIG,
        first_available(sub("big", memory="50Gi"), sub("small", "mig.nvidia.com", f"{PROFILE}'1g.10gb'")),
        capacity("320Gi"),
        "80Gi",
    ),
    "not their sum": (H100, first_available(sub("a", count=3), sub("b", count=2)), devices(8), "3"),
    "each limit has its own maximum": (
        MIG,
        first_available(sub("big"), sub("small", "mig.nvidia.com", count=3)),
        devices(8, deviceClassName="mig.nvidia.com"),
        "3",
    ),
    "each alternative's own capacity": (
        PLAIN,
        first_available(sub("a", memory="10Gi"), sub("b", memory="30Gi")),
        capacity("320Gi"),
        "30Gi",
    ),
    "one alternative without bound": (
        PLAIN,
        first_available(sub("a", memory="10Gi"), sub("b", memory="0")),
        capacity("320Gi"),
        "unbounded",
    ),
    "an alternative that nothing can serve counts as it asks": (
        H100,
        first_available(sub("a", memory="200Gi"), sub("b", memory="30Gi")),
        capacity("1Ti"),
        "200Gi",
    ),
    "several requests with alternatives add up": (
        H100,
        make_claim(
            {"name": "a", "firstAvailable": [sub("x", count=3), sub("y")]},
            {"name": "b", "firstAvailable": [sub("x"), sub("y", count=2)]},
        ),
        devices(8),
        "5",
    ),
    "all in an alternative": (H100, first_available(sub("a", allocationMode="All"), sub("b")), devices(8), "2"),
}

TABLE = {
    f"{title}: {reason}": case
    for title, cases in {
        "devices": DEVICES,
        "profiles": PROFILES,
        "capacity": CAPACITY,
        "no known shape": UNKNOWN,
        "all": ALL,
        "first available": FIRST_AVAILABLE,
    }.items()
    for reason, case in cases.items()
}


@pytest.mark.parametrize(("view", "claim", "limit", "expected"), TABLE.values(), ids=TABLE.keys())
def test_fm_43_every_shape_of_a_request_is_charged(view: ClusterView, claim: Claim, limit: Raw, expected: str) -> None:
    assert charge_on(limit, claim, view) == expected


def test_the_order_of_requests_does_not_matter() -> None:
    asked = [request("a", device_class="gpu.nvidia.com"), request("b", device_class="mig.nvidia.com", count=2)]
    there, back = (charge_on(slices(28), make_claim(*order), MIG) for order in (asked, reversed(asked)))
    assert there == back == "13"


def test_every_version_of_the_api_is_charged_alike() -> None:
    v1 = claim_object(request("gpu", device_class="gpu.nvidia.com", count=2))
    flat = {"name": "gpu", "deviceClassName": "gpu.nvidia.com", "count": 2}
    old = {**v1, "apiVersion": "resource.k8s.io/v1beta1", "spec": {"devices": {"requests": [flat]}}}
    middle = {**v1, "apiVersion": "resource.k8s.io/v1beta2"}
    assert [charge_on(capacity("1Ti"), parse_claim(raw), H100) for raw in (v1, middle, old)] == ["160Gi"] * 3


ADMIN = make_claim(request("gpu", device_class="gpu.nvidia.com", adminAccess=True))


def test_admin_access_is_free() -> None:
    assert charge_on(devices(8), ADMIN, H100) == "0"


def test_admin_access_is_charged_where_the_quota_says_so() -> None:
    assert charge_on(devices(8), ADMIN, H100, countAdminAccess=True) == "1"


def test_t_13_a_forged_annotation_of_the_scheduler_exempts_nobody() -> None:
    raw = claim_object(request("gpu", device_class="gpu.nvidia.com"))
    raw["metadata"]["annotations"] = {"resource.kubernetes.io/extended-resource-claim": "true"}
    assert charge_on(devices(8), parse_claim(raw), H100) == "1"


def test_fractions_follow_the_version() -> None:
    halves = {"default": "1", "validRange": {"min": "500m", "max": "8", "step": "500m"}}
    claim = gpu(1, "1200m")
    by_version = {
        version: charge_on(capacity("100"), claim, cluster(shared_gpu("s", "8", halves), server=ServerTruth(version)))
        for version in ("1.36", "1.37")
    }
    assert by_version == {"1.36": "2", "1.37": "1500m"}


def test_only_the_newest_complete_generation_of_a_pool_counts() -> None:
    slices_ = {
        "old": replace(make_slice(full_gpu("a", "10Gi"), driver=NVIDIA), name="old"),
        "new": replace(make_slice(full_gpu("b", "20Gi"), driver=NVIDIA, generation=2), name="new"),
        "half": replace(make_slice(full_gpu("c", "90Gi"), driver=NVIDIA, generation=3, count=2), name="half"),
    }
    assert charge_on(capacity("1Ti"), gpu(), replace(EMPTY, slices=slices_)) == "20Gi"


def test_taints_do_not_matter() -> None:
    tainted = {**full_gpu("a"), "taints": [{"key": "broken", "effect": "NoSchedule"}]}
    assert charge_on(capacity("1Ti"), gpu(), cluster(tainted)) == "80Gi"


def allocated(*results: Raw, claim: Raw | None = None) -> Claim:
    raw = claim or claim_object(request("gpu", device_class="gpu.nvidia.com", count=2, capacity={"memory": "35Gi"}))
    return parse_claim({**raw, "status": {"allocation": {"devices": {"results": list(results)}}}})


def result(device: str, consumed: str | None = None, request: str = "gpu", **fields: object) -> Raw:
    taken = {} if consumed is None else {"consumedCapacity": {"memory": consumed}}
    return {"request": request, "driver": NVIDIA, "pool": "node-1", "device": device, **taken, **fields}


ALLOCATED: dict[str, Case] = {
    "devices that were given": (H100, allocated(result("gpu-0"), result("gpu-1")), devices(8), "2"),
    "fewer than the worst case": (TWO_MODELS, allocated(result("gpu-1")), capacity("1Ti"), "40Gi"),
    "a share as it was consumed": (STEPS, allocated(result("s", "36Gi")), capacity("1Ti"), "36Gi"),
    "consumed capacity by its qualified name": (
        STEPS,
        allocated({**result("s"), "consumedCapacity": {f"{NVIDIA}/memory": "36Gi"}}),
        capacity("1Ti"),
        "36Gi",
    ),
    "a shareable device that was taken whole": (STEPS, allocated(result("s")), capacity("1Ti"), "80Gi"),
    "a share of nothing is not free": (UNLIMITED, allocated(result("s", "0")), capacity("1Ti"), "1Mi"),
    "a share of nothing that nothing bounds counts as all": (
        ZERO_DEFAULT,
        allocated(result("s", "0")),
        capacity("1Ti"),
        "80Gi",
    ),
    "slices of what was given": (
        MIG,
        allocated(result("b"), claim=claim_object(request("gpu", device_class="any-nvidia"))),
        slices(28),
        "3",
    ),
    "a profile that was not given after all": (
        MIG,
        allocated(result("b"), claim=claim_object(request("gpu", device_class="mig.nvidia.com"))),
        devices(8, migProfile="1g.10gb"),
        "0",
    ),
    "admin access is free": (H100, allocated(result("gpu-0", adminAccess=True)), devices(8), "0"),
    "another driver's device": (H100, allocated(result("gpu-0")), devices(8, driver=OTHER), "0"),
    "another class than the limit's": (H100, allocated(result("gpu-0")), devices(8, deviceClassName="nic"), "0"),
    "an alternative that was taken": (
        MIG,
        allocated(
            result("a", request="gpu/small"),
            claim=claim_object(
                {"name": "gpu", "firstAvailable": [sub("big", count=4), sub("small", "mig.nvidia.com")]}
            ),
        ),
        devices(8, deviceClassName="mig.nvidia.com"),
        "1",
    ),
    "the limit's selector, not satisfied": (
        TWO_MODELS,
        allocated(result("gpu-0")),
        devices(8, selector=f"device.attributes['{NVIDIA}'].productName == 'NVIDIA A100'"),
        "0",
    ),
    "a device that is gone: devices": (EMPTY, allocated(result("gone")), devices(8), "1"),
    "a device that is gone: what was consumed": (EMPTY, allocated(result("gone", "36Gi")), capacity("1Ti"), "36Gi"),
    "a device that is gone: as asked": (EMPTY, allocated(result("gone")), capacity("1Ti"), "35Gi"),
    "a device that is gone: the worst of its request": (H100, allocated(result("gone")), capacity("1Ti"), "80Gi"),
    "a claim by a class of another name": (
        H100,
        allocated(result("gpu-0"), claim=claim_object(request("gpu", device_class="everything"))),
        devices(8, driver=NVIDIA),
        "1",
    ),
    "a device that is not shared is charged the limit's minimum": (
        SMALL,
        allocated(result("gpu-0")),
        capacity("1Ti", minimum="2Gi"),
        "2Gi",
    ),
    "an allocation of nothing": (H100, allocated(), devices(8), "0"),
}


@pytest.mark.parametrize(("view", "claim", "limit", "expected"), ALLOCATED.values(), ids=ALLOCATED.keys())
def test_charge_of_an_allocated_claim(view: ClusterView, claim: Claim, limit: Raw, expected: str) -> None:
    assert charge_on(limit, claim, view) == expected


def test_admin_access_that_was_given_is_charged_where_the_quota_says_so() -> None:
    claim = allocated(result("gpu-0", adminAccess=True))
    assert charge_on(devices(8), claim, H100, countAdminAccess=True) == "1"


def test_a_device_that_is_gone_keeps_its_last_known_charge() -> None:
    known = next(iter(TWO_MODELS.slices.values())).devices[1]
    facts = facts_of(EMPTY.catalogue)
    supply = ClusterSupply(EMPTY, facts, gone={(NVIDIA, "node-1", "gpu-1"): known})
    quota = make_quota(capacity("1Ti"))
    [on_limit] = charge(allocated(result("gpu-1")), quota, Tariff(supply, facts, Arithmetic.WHOLE)).limits
    assert on_limit.amount == 40 * 2**30


def test_findings_stand_at_the_request_with_the_largest_charge() -> None:
    claim = make_claim(
        request("a", device_class="mig.nvidia.com"), request("b", device_class="gpu.nvidia.com", count=2)
    )
    [on_limit] = charged(claim, make_quota(capacity("1Ti")), MIG).limits
    assert on_limit.largest is not None
    assert str(on_limit.largest.path) == "spec.devices.requests[1].exactly"
    assert on_limit.amount == Fraction(200 * 2**30)


def test_a_limit_on_the_class_does_not_see_devices_of_the_class_by_another_name() -> None:
    assert {one.name for one in CLASSES} >= {"any-nvidia", "everything"}
    assert charge_on(devices(8, deviceClassName="any-nvidia"), gpu(), H100) == "0"


def test_once_the_time_is_over_a_request_has_no_known_shape() -> None:
    facts = facts_of(H100.catalogue)
    tariff = Tariff(ClusterSupply(H100, facts, expired=lambda: True), facts, Arithmetic.WHOLE)
    [bounded] = charge(gpu(1, "10Gi"), make_quota(capacity("1Ti")), tariff).limits
    [unbounded] = charge(gpu(), make_quota(capacity("1Ti")), tariff).limits
    assert bounded.amount == 10 * 2**30
    assert unbounded.unbounded


@pytest.mark.parametrize(("selectors", "amount"), [(3, "0"), (100, "1")])
def test_once_the_time_is_over_what_excludes_a_limit_is_seen_of_as_many_selectors_as_claims_have(
    selectors: int, amount: str
) -> None:
    texts = [*(f"device.driver != 'other-{number}'" for number in range(selectors - 1)), "device.driver == 'x.example'"]
    facts = facts_of(H100.catalogue)
    tariff = Tariff(ClusterSupply(H100, facts, expired=lambda: True), facts, Arithmetic.WHOLE)
    claim = make_claim(request("gpu", *texts, device_class="gpu.nvidia.com"))
    limits = charge(claim, make_quota(devices(8, driver=NVIDIA)), tariff).limits
    assert str(limits[0].amount) == amount


def test_time_that_ends_between_two_limits_makes_nothing_free() -> None:
    answers = iter([False, *[True] * 100])
    facts = facts_of(TWO_MODELS.catalogue)
    tariff = Tariff(ClusterSupply(TWO_MODELS, facts, expired=lambda: next(answers)), facts, Arithmetic.WHOLE)
    quota = make_quota(capacity("1Ti", selector=f"device.attributes['{NVIDIA}'].productName == 'NVIDIA A100'"))
    assert charge(gpu(), quota, tariff).limits[0].amount == 80 * 2**30
