"""Claims and the devices they may get, each on nodes of its own, for the real scheduler to choose from."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.controlplane.api import Json
from tests.controlplane.objects import GPU_DRIVER, make_claim_object, make_device_class, make_node

SMALL, LARGE = "device.attributes['DRIVER'].size == 'small'", "device.attributes['DRIVER'].size == 'large'"
RANGE: Json = {"default": "20Gi", "validRange": {"min": "10Gi", "max": "60Gi", "step": "10Gi"}}
VALUES: Json = {"default": "10Gi", "validValues": ["10Gi", "20Gi", "40Gi"]}
ZONE: Json = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["CASE"]}]}]}


def device(name: str, memory: str = "80Gi", **attributes: str) -> Json:
    """Return a device of a driver that nobody knows; without memory where that is empty."""
    capacity = {"memory": {"value": memory}} if memory else {}
    return {
        "name": name,
        "attributes": {key: {"string": text} for key, text in attributes.items()},
        "capacity": capacity,
    }


def shared(name: str, policy: Json | None = None, memory: str = "80Gi", **others: str) -> Json:
    """Return a device that many claims may share; `others` are further capacities that are shared in ones."""
    capacity: Json = {"memory": {"value": memory, **({"requestPolicy": policy} if policy else {})}}
    ones = {"default": "1", "validRange": {"min": "1", "step": "1"}}
    capacity |= {key: {"value": value, "requestPolicy": ones} for key, value in others.items()}
    return {"name": name, "allowMultipleAllocations": True, "capacity": capacity}


def mig(name: str, profile: str, memory: str) -> Json:
    return device(name, memory, type="mig", profile=profile)


def gpu(name: str, product: str, memory: str) -> Json:
    return device(name, memory, type="gpu", productName=product)


def parts(name: str, counters: Mapping[str, str], **fields: Any) -> Json:
    """Return a device that takes of the counters of one card."""
    taken = {key: {"value": value} for key, value in counters.items()}
    return {
        **device(name, counters["memory"], **fields),
        "consumesCounters": [{"counterSet": "card", "counters": taken}],
    }


WHOLE_AND_HALVES = [
    parts("whole", {"memory": "80Gi"}, size="large"),
    parts("half-0", {"memory": "40Gi"}, size="small"),
    parts("half-1", {"memory": "40Gi"}, size="small"),
]
CARD: Sequence[Json] = (
    {"nodeName": "CASE-0", "devices": WHOLE_AND_HALVES},
    {"nodeName": "CASE-0", "sharedCounters": [{"name": "card", "counters": {"memory": {"value": "80Gi"}}}]},
)


def ask(count: int = 1, *selectors: str, name: str = "gpu", memory: str = "", **fields: Any) -> Json:
    """Return a request for so many devices; with `memory`, for so much of each."""
    return {"name": name, "exactly": wants(count, *selectors, memory=memory, **fields)}


def wants(count: int, *selectors: str, memory: str = "", **fields: Any) -> Json:
    wanted: Json = {"allocationMode": "ExactCount", "count": count, **fields}
    if selectors:
        wanted["selectors"] = [{"cel": {"expression": selector}} for selector in selectors]
    if memory:
        wanted["capacity"] = {"requests": {"memory": memory}}
    return wanted


def ask_all(*selectors: str) -> Json:
    wanted = wants(1, *selectors)
    del wanted["count"]
    return {"name": "gpu", "exactly": {**wanted, "allocationMode": "All"}}


def first_of(*alternatives: Json) -> Json:
    named = [{"name": f"choice-{index}", **alternative} for index, alternative in enumerate(alternatives)]
    return {"name": "gpu", "firstAvailable": named}


@dataclass(frozen=True, slots=True)
class Case:
    """`nodes` are the devices of each node; `pools` are further slices, of the case's driver, as their specs say.

    `exact` where whatever the scheduler may choose takes the same.
    """

    name: str
    requests: tuple[Json, ...]
    nodes: Sequence[Sequence[Json]]
    exact: bool = True
    pools: Sequence[Json] = ()
    nvidia: bool = False
    constraints: Sequence[Json] = ()

    @property
    def class_name(self) -> str:
        return f"{self.name}.example.com"

    @property
    def driver(self) -> str:
        return GPU_DRIVER if self.nvidia else self.class_name

    def device_class(self) -> Json:
        mine = f" && device.attributes['{GPU_DRIVER}'].case == '{self.name}'" if self.nvidia else ""
        return make_device_class(self.class_name, f"device.driver == '{self.driver}'{mine}")

    def limits(self) -> tuple[Json, ...]:
        """Return limits on all that is counted, of this case's devices, which nothing here exceeds."""
        match = {"deviceClassName": self.class_name} if self.nvidia else {"driver": self.driver}
        return (
            {"name": "devices", "match": match, "devices": 1_000},
            {"name": "memory", "match": match, "capacity": {"name": "memory", "quantity": "1Pi"}},
            {"name": "slices", "match": match, "slices": 1_000},
        )

    def node_objects(self) -> Iterator[Json]:
        for index in range(len(self.nodes)):
            yield make_node(self._node(index), {"zone": self.name})

    def slice_objects(self) -> Iterator[Json]:
        """Return the slices: a pool on each node, and another of all that is not on one."""
        for index, devices in enumerate(self.nodes):
            if devices:
                pool = {"name": self._node(index), "generation": 1, "resourceSliceCount": 1}
                spec = {"nodeName": self._node(index), "pool": pool, "devices": list(devices)}
                yield self._slice(self._node(index), spec)
        for index, spec in enumerate(self.pools):
            pool = {"name": self.name, "generation": 1, "resourceSliceCount": len(self.pools)}
            yield self._slice(f"{self.name}-pool-{index}", {**spec, "pool": pool})

    def claim(self, namespace: str) -> Json:
        claim = make_claim_object(namespace, self.name, {})
        requests = self._told(list(self.requests))
        for request in requests:
            for wanted in request.get("firstAvailable") or [request["exactly"]]:
                wanted["deviceClassName"] = self.class_name
        claim["spec"]["devices"] = {"requests": requests, "constraints": self._told(list(self.constraints))}
        return claim

    def pod(self, namespace: str) -> Json:
        container = {"name": "main", "image": "example.com/train:1", "resources": {"claims": [{"name": "gpu"}]}}
        spec = {"containers": [container], "resourceClaims": [{"name": "gpu", "resourceClaimName": self.name}]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": self.name},
            "spec": spec,
        }

    def _node(self, index: int) -> str:
        return f"{self.name}-{index}"

    def _slice(self, name: str, spec: Json) -> Json:
        spec = self._told({**spec, "driver": self.driver})
        for each in spec.get("devices", ()) if self.nvidia else ():
            each["attributes"]["case"] = {"string": self.name}
        return {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceSlice",
            "metadata": {"name": name},
            "spec": spec,
        }

    def _told(self, value: Any) -> Any:
        """Return a copy in which DRIVER and CASE stand for this case's."""
        match value:
            case str():
                return value.replace("DRIVER", self.driver).replace("CASE", self.name)
            case list():
                return [self._told(each) for each in value]
            case dict():
                return {key: self._told(each) for key, each in value.items()}
            case _:
                return copy.copy(value)


A, B, C = (device(f"gpu-{index}", index=str(index)) for index in range(3))
SIZES = (device("gpu-0", "40Gi", size="small"), device("gpu-1", "80Gi", size="large"))
PAIRS = tuple(device(f"gpu-{index}", size="small" if index % 2 else "large") for index in range(4))
FABRIC: Json = {"allNodes": True, "devices": [device("nic-0", "1Gi"), device("nic-1", "1Gi")]}
TAINTED: Json = {**A, "taints": [{"key": "example.com/worn", "value": "yes", "effect": "NoSchedule"}]}
TOLERATED = {"key": "example.com/worn", "operator": "Exists", "effect": "NoSchedule"}
H100, A30 = "NVIDIA H100 80GB HBM3", "NVIDIA A30"
SMALL_PART, LARGE_PART = mig("mig-0", "1g.10gb", "9856Mi"), mig("mig-1", "3g.40gb", "40320Mi")
PROFILE = "device.attributes['DRIVER'].profile == '{}'".format

CASES = (
    # Whole devices
    Case("one-device", (ask(),), [[A]]),
    Case("three-devices", (ask(3),), [[A, B, C]]),
    Case("two-sizes", (ask(),), [SIZES], exact=False),
    Case("one-size-of-two", (ask(1, SMALL),), [SIZES]),
    Case("two-selectors", (ask(1, LARGE, "device.driver == 'DRIVER'"),), [SIZES]),
    Case(
        "size-by-capacity",
        (ask(1, "device.capacity['DRIVER'].memory.compareTo(quantity('60Gi')) >= 0"),),
        [SIZES],
    ),
    Case("size-by-request", (ask(memory="60Gi"),), [SIZES]),
    Case("whole-though-less-is-asked", (ask(memory="10Gi"),), [[A]]),
    Case("no-memory", (ask(2),), [[device("nic-0", ""), device("nic-1", "")]]),
    Case("bytes", (ask(2),), [[device("gpu-0", "85899345921"), device("gpu-1", "85899345921")]]),
    Case("decimal-memory", (ask(),), [[device("gpu-0", "80G")]]),
    Case("two-requests", (ask(1, SMALL), ask(1, LARGE, name="other")), [SIZES]),
    Case("two-requests-alike", (ask(2), ask(1, name="other")), [[A, B, C]]),
    Case("two-nodes-two-sizes", (ask(2),), [[A, B], [device("gpu-0", "40Gi"), device("gpu-1", "40Gi")]], exact=False),
    Case(
        "same-size",
        (ask(2),),
        [PAIRS],
        constraints=[{"requests": ["gpu"], "matchAttribute": "DRIVER/size"}],
    ),
    Case("tainted-and-tolerated", (ask(tolerations=[TOLERATED]),), [[TAINTED]]),
    # All
    Case("all-of-a-node", (ask_all(),), [[A, B, C]]),
    Case("all-that-match", (ask_all(LARGE),), [PAIRS]),
    Case("all-of-unlike-nodes", (ask_all(),), [[A], [A, B, C]], exact=False),
    Case("all-of-a-fabric", (ask_all(),), [[]], pools=[FABRIC]),
    Case("all-and-one-more", (ask_all(SMALL), ask(1, LARGE, name="other")), [PAIRS]),
    # Alternatives
    Case("first-choice", (first_of(wants(1, LARGE), wants(1, SMALL)),), [SIZES]),
    Case("second-choice", (first_of(wants(3), wants(1, SMALL)),), [SIZES], exact=False),
    Case("larger-second-choice", (first_of(wants(1, SMALL), wants(2)),), [SIZES], exact=False),
    Case(
        "alternatives-beside-a-request",
        (first_of(wants(2, LARGE), wants(1, LARGE)), ask(1, SMALL, name="other")),
        [PAIRS],
    ),
    # adminAccess
    Case("monitoring", (ask(adminAccess=True),), [[A]]),
    Case("monitoring-and-work", (ask(2, adminAccess=True), ask(1, name="other")), [[A, B, C]]),
    # Shares
    Case("share-rounded-up-to-a-step", (ask(memory="15Gi"),), [[shared("s", RANGE)]]),
    Case("share-on-a-step", (ask(memory="30Gi"),), [[shared("s", RANGE)]]),
    Case("share-below-the-least", (ask(memory="1Mi"),), [[shared("s", RANGE)]]),
    Case("share-by-default", (ask(),), [[shared("s", RANGE)]]),
    Case(
        "share-without-steps",
        (ask(memory="15Gi"),),
        [[shared("s", {"default": "10Gi", "validRange": {"min": "10Gi"}})]],
    ),
    Case(
        "share-to-the-mebibyte",
        (ask(memory="10241Ki"),),
        [[shared("s", {"default": "1Mi", "validRange": {"min": "1Mi", "step": "1Mi"}})]],
    ),
    Case("share-of-listed-sizes", (ask(memory="11Gi"),), [[shared("s", VALUES)]]),
    Case("share-of-a-listed-size", (ask(memory="40Gi"),), [[shared("s", VALUES)]]),
    Case("share-of-listed-sizes-by-default", (ask(),), [[shared("s", VALUES)]]),
    Case("share-without-policy", (ask(memory="7Gi"),), [[shared("s")]]),
    Case("share-without-policy-and-amount", (ask(),), [[shared("s")]]),
    Case("shares-of-two-devices", (ask(2, memory="12Gi"),), [[shared("s", RANGE), shared("t", RANGE)]]),
    Case("two-shares-of-a-device", (ask(memory="12Gi"), ask(memory="10Gi", name="other")), [[shared("s", RANGE)]]),
    Case("share-with-another-capacity", (ask(memory="12Gi"),), [[shared("s", RANGE, cores="100")]]),
    Case("unlike-shares", (ask(memory="11Gi"),), [[shared("s", RANGE), shared("t", VALUES, "40Gi")]]),
    Case(
        "share-that-is-coarse-elsewhere",
        (ask(memory="22Gi"),),
        [[shared("s", RANGE), shared("t", VALUES)]],
        exact=False,
    ),
    Case("share-or-whole", (ask(memory="12Gi"),), [[shared("s", RANGE), A]], exact=False),
    Case(
        "share-that-only-one-can-give", (ask(memory="50Gi"),), [[shared("s", RANGE), shared("t", VALUES)]], exact=False
    ),
    # Partitions of one card
    Case("whole-card", (ask(1, LARGE),), [[]], pools=CARD),
    Case("both-halves", (ask(2, SMALL),), [[]], pools=CARD),
    Case("half-or-whole", (ask(),), [[]], False, pools=CARD),
    # MIG
    Case("mig-profile", (ask(1, PROFILE("1g.10gb")),), [[SMALL_PART, LARGE_PART]], nvidia=True),
    Case(
        "mig-two-profiles",
        (ask(1, PROFILE("1g.10gb")), ask(1, PROFILE("3g.40gb"), name="other")),
        [[SMALL_PART, LARGE_PART]],
        nvidia=True,
    ),
    Case("mig-any-profile", (ask(),), [[SMALL_PART, LARGE_PART]], nvidia=True, exact=False),
    Case(
        "mig-first-choice",
        (first_of(wants(1, PROFILE("3g.40gb")), wants(1, PROFILE("1g.10gb"))),),
        [[SMALL_PART, LARGE_PART]],
        nvidia=True,
    ),
    Case("seven-slices", (ask(),), [[gpu("gpu-0", H100, "81559Mi")]], nvidia=True),
    Case("four-slices", (ask(),), [[gpu("gpu-0", A30, "24Gi")]], nvidia=True),
    Case(
        "two-models", (ask(),), [[gpu("gpu-0", A30, "24Gi")], [gpu("gpu-0", H100, "81559Mi")]], nvidia=True, exact=False
    ),
    # Devices of several nodes
    Case("zone", (ask(2),), [[], []], pools=[{"nodeSelector": ZONE, "devices": [A, B]}]),
    Case(
        "zone-by-device",
        (ask(),),
        [[]],
        pools=[{"perDeviceNodeSelection": True, "devices": [{**A, "nodeSelector": ZONE}, {**B, "nodeName": "CASE-0"}]}],
    ),
    Case(
        "fabric-and-node",
        (
            ask(1, "device.capacity['DRIVER'].memory.isGreaterThan(quantity('2Gi'))"),
            ask(1, "device.capacity['DRIVER'].memory.isLessThan(quantity('2Gi'))", name="other"),
        ),
        [[A]],
        pools=[FABRIC],
    ),
)
