"""The real scheduler settles what a claim takes: it was never charged less, nor more where there was no choice."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction

import pytest

from tests.controlplane.api import Api, Json
from tests.controlplane.drawbridge import ControllerProcess
from tests.controlplane.gate import Gate, quota_status
from tests.controlplane.objects import CLAIMS, CLASSES, DEVICE_QUOTAS, NODES, PODS, SLICES, make_device_quota
from tests.controlplane.waiting import wait_for
from tests.e2e.allocation_cases import A30, CASES, Case

pytestmark = pytest.mark.e2e
Amounts = dict[str, Fraction]
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}


@dataclass(frozen=True, slots=True)
class Settled:
    """What each case was charged before any pod came."""

    api: Api
    namespace: str
    charged: dict[str, Amounts]

    def allocation(self, case: Case) -> Json:
        """What the scheduler has given to the case's claim; nothing before."""
        claim = self.api.get(CLAIMS, case.name, self.namespace)
        found: Json | None = claim.get("status", {}).get("allocation")
        return found or {}


@pytest.fixture(scope="module")
def settled(gate: Gate, controller: ControllerProcess) -> Iterator[Settled]:  # noqa: ARG001 - it only has to run
    """All cases in one namespace, where adminAccess is allowed, each with a quota and devices of its own."""
    cluster, api = gate.cluster, gate.cluster.api
    namespace = cluster.create_namespace(labels={"resource.kubernetes.io/admin-access": "true"})
    with ExitStack() as exits:
        exits.callback(cluster.delete_namespace, namespace)
        for case in CASES:
            exits.enter_context(api.temporarily(CLASSES, case.device_class()))
            for node in case.node_objects():
                cluster.add_node(node)
                exits.callback(api.delete, NODES, node["metadata"]["name"])
            for resource_slice in case.slice_objects():
                exits.enter_context(api.temporarily(SLICES, resource_slice))
            api.create(DEVICE_QUOTAS, make_device_quota(namespace, case.name, *case.limits()))
        wait_for("books", lambda: all("status" in quota for quota in api.list_all(DEVICE_QUOTAS, namespace)))
        replica = gate.serve()  # now: it is ready when it has read all that
        exits.callback(replica.kill)
        wait_for("readiness", replica.is_ready)
        exits.enter_context(gate.guarding(namespace, replica.port))
        charged = {}
        for case in CASES:
            api.create(CLAIMS, case.claim(namespace))
            charged[case.name] = used(api, namespace, case)
        for case in CASES:
            api.create(PODS, case.pod(namespace))
        yield Settled(api, namespace, charged)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_t_16_the_charge_is_at_least_what_the_scheduler_allocates(settled: Settled, case: Case) -> None:
    taken = consumption(case, wait_for("allocation", lambda: settled.allocation(case)))
    charged = settled.charged[case.name]
    if case.exact:
        assert charged == taken
    else:
        assert all(charged[limit] >= amount for limit, amount in taken.items())
    wait_for("the allocation in the books", lambda: used(settled.api, settled.namespace, case) == taken)


def consumption(case: Case, allocation: Json) -> Amounts:
    """Count what an allocation says, by the devices as their slices publish them."""
    published = {
        (each["spec"]["pool"]["name"], device["name"]): device
        for each in case.slice_objects()
        for device in each["spec"].get("devices", ())
    }
    total = {"devices": Fraction(0), "memory": Fraction(0), "slices": Fraction(0)}
    for result in allocation["devices"]["results"]:
        if result.get("adminAccess"):
            continue
        device = published[result["pool"], result["device"]]
        whole = {name: capacity["value"] for name, capacity in device["capacity"].items()}
        total["devices"] += 1
        total["memory"] += amount(result.get("consumedCapacity", whole).get("memory", "0"))
        total["slices"] += slices_of(device["attributes"]) if case.nvidia else 0
    return total


def slices_of(attributes: Json) -> int:
    if "profile" in attributes:
        return int(attributes["profile"]["string"].partition("g.")[0])
    return 4 if attributes["productName"]["string"] == A30 else 7


def used(api: Api, namespace: str, case: Case) -> Amounts:
    return {limit["name"]: amount(limit["used"]) for limit in quota_status(api, namespace, case.name)["limits"]}


def amount(quantity: str) -> Fraction:
    unit = next((unit for unit in UNITS if quantity.endswith(unit)), "")
    return Fraction(quantity.removesuffix(unit)) * UNITS.get(unit, 1)
