"""A thousand claims of random size at once over three quotas, while a replica and the API server are lost."""

import asyncio
import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.forwarder import TcpForwarder
from tests.controlplane.gate import Gate, create_quota
from tests.controlplane.objects import (
    CLAIMS,
    CLASSES,
    CLUSTER_DEVICE_QUOTAS,
    DEVICE_QUOTAS,
    MIG_CLASS,
    MIG_SELECTOR,
    SLICES,
    make_cluster_device_quota,
    make_device_class,
    make_device_quota,
    make_gpu,
    make_mig,
    make_slice,
)
from tests.controlplane.replicas import Replicas
from tests.controlplane.storm import Storm
from tests.controlplane.waiting import wait_for
from tests.e2e.quota_storm import CREATES, HARD, LAG, LIFE, SHARE, SHARED, Course, Wish, small_claim, wishes

pytestmark = pytest.mark.e2e
AT_ONCE = 64


class Users(threading.Thread):
    """Create all that is wished, delete some of it soon after, and now and then only ask."""

    def __init__(self, gate: Gate, course: Course) -> None:
        super().__init__()
        self._storm = Storm(gate.cluster.kubeconfig(), at_once=AT_ONCE, seed=1)
        self._course = course

    def run(self) -> None:
        asyncio.run(self._all())

    def have_answers(self, count: float) -> bool:
        return len(self._course.answers) >= count

    async def _all(self) -> None:
        async with self._storm:
            await asyncio.gather(*map(self._one, self._course.wishes.values()))

    async def _one(self, wish: Wish) -> None:
        course, storm = self._course, self._storm
        dry, deleted, pause = storm.random.random() < 0.1, storm.random.random() < 0.4, storm.random.uniform(0, 2)
        if dry:
            metadata = {**wish.claim["metadata"], "name": f"dry-{wish.name}"}
            await storm.create({**wish.claim, "metadata": metadata}, dry_run=True)
            course.dry_runs += 1
        answer = course.answers[wish.name] = await storm.create(wish.claim)
        if deleted and not answer.refusal:
            await asyncio.sleep(pause)
            course.gone[wish.name] = await storm.delete(wish.claim)


class Auditor(threading.Thread):
    """Lists what is stored, again and again, and keeps the most that was ever taken of each quota.

    One list is one moment; claims of other tests, whose namespaces are still going, are not counted.
    """

    def __init__(self, api: Api, course: Course, namespaces: tuple[str, ...]) -> None:
        super().__init__()
        self.most = dict.fromkeys(HARD, 0)
        self.listings = 0
        self._api = api
        self._course = course
        self._namespaces = namespaces
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.1):
            try:
                stored = self._api.list_all(CLAIMS)
            except (ApiError, OSError, http.client.HTTPException):
                continue  # the API server is away
            self.listings += 1
            taken = self._course.taken(
                claim["metadata"]["name"] for claim in stored if claim["metadata"]["namespace"] in self._namespaces
            )
            self.most = {quota: max(most, taken[quota]) for quota, most in self.most.items()}

    def end(self) -> None:
        self._over.set()
        self.join()


@contextmanager
def three_quotas(gate: Gate) -> Iterator[tuple[str, str]]:
    """A namespace with a quota on devices and one on memory, and another; a pot of slices over both."""
    api = gate.cluster.api
    limited, other = namespaces = [gate.cluster.create_namespace() for _ in range(2)]
    slices = make_cluster_device_quota("slices", namespaces, {"name": "slices", "slices": HARD["slices"]})
    devices = [make_gpu(0), make_mig(0), make_mig(1, "3g.40gb", "40320Mi")]
    with (
        api.temporarily(CLASSES, make_device_class()),
        api.temporarily(CLASSES, make_device_class(MIG_CLASS, MIG_SELECTOR)),
        api.temporarily(CLASSES, make_device_class(SHARED, f"device.driver == '{SHARED}'")),
        api.temporarily(SLICES, make_slice("storm", devices)),
        api.temporarily(SLICES, make_slice("storm", [SHARE], SHARED)),
        api.temporarily(CLUSTER_DEVICE_QUOTAS, slices),
    ):
        memory = {"name": "memory", "capacity": {"name": "memory", "quantity": f"{HARD['memory']}Gi"}}
        create_quota(api, make_device_quota(limited, "devices", {"name": "devices", "devices": HARD["devices"]}))
        create_quota(api, make_device_quota(limited, "memory", {**memory, "match": {"driver": SHARED}}))
        wait_for("books of the pot", lambda: "slices" in books(api, limited))
        yield limited, other
    for namespace in namespaces:
        gate.cluster.delete_namespace(namespace)


def books(api: Api, namespace: str) -> dict[str, tuple[int, int]]:
    """Return `used` and `reserved` of each quota, memory in Gi; none before the controller has written all."""
    objects = [
        (CLUSTER_DEVICE_QUOTAS, "slices", None),
        *((DEVICE_QUOTAS, name, namespace) for name in ("devices", "memory")),
    ]
    found: dict[str, tuple[int, int]] = {}
    for resource, name, place in objects:
        quota: Json = api.find(resource, name, place) or {}
        for limit in quota.get("status", {}).get("limits", ()):
            used, reserved = (int(limit[key].removesuffix("Gi")) for key in ("used", "reserved"))
            found[name] = used, reserved
    return found


def lose_replicas_and_api_server(gate: Gate, replicas: Replicas, entrance: TcpForwarder, users: Users) -> None:
    """Kill a replica, another, and the API server, each as soon as some more claims are answered."""
    for share in (0.15, 0.4):
        wait_for("answers", partial(users.have_answers, share * CREATES), 120)
        replicas.kill(0)
        entrance.backends = replicas.ports()
    wait_for("answers", partial(users.have_answers, 0.6 * CREATES), 120)
    gate.cluster.kill_apiserver()
    gate.cluster.start_apiserver()


@pytest.mark.timeout(300)  # with nothing else to do the machine needs half a minute
def test_a_thousand_claims_at_once_never_exceed_three_quotas(gate: Gate) -> None:
    """Nothing may be over a limit at any moment, and in the end the books are what is stored."""
    api = gate.cluster.api
    with ExitStack() as exits:
        exits.callback(gate.controller("--reservation-seconds", str(LIFE)).stop)
        replicas = Replicas(gate)
        exits.callback(replicas.end)
        limited, other = exits.enter_context(three_quotas(gate))
        entrance = exits.enter_context(TcpForwarder(*replicas.ports()))
        exits.enter_context(gate.guarding((limited, other), entrance.port))

        course = Course({wish.name: wish for wish in wishes(limited, other)})
        users, auditor = Users(gate, course), Auditor(api, course, (limited, other))
        began = time.monotonic()
        auditor.start()
        users.start()
        lose_replicas_and_api_server(gate, replicas, entrance, users)
        users.join()
        rested = time.monotonic()
        auditor.end()

        truth = course.taken(
            each["metadata"]["name"] for place in (limited, other) for each in api.list_all(CLAIMS, place)
        )
        wait_for("books of what is stored", lambda: unreserved(books(api, limited)) == truth, LAG)
        seen = time.monotonic()
        settled = {quota: (amount, 0) for quota, amount in truth.items()}
        wait_for("end of the reservations", lambda: books(api, limited) == settled, 40)
        ended = time.monotonic()
        print(
            f"{rested - began:.1f} s: {course.summary()}\n{auditor.listings} listings, most taken {auditor.most} of "
            f"{HARD}; books true after {seen - rested:.1f} s, without reservations after {ended - rested:.1f} s"
        )

        assert {answer.refusal for answer in course.answers.values() if not answer.is_over_quota} == {""}
        assert len(course.answers) == CREATES
        assert auditor.listings > 20
        for quota, hard in HARD.items():
            assert auditor.most[quota] <= hard
            assert auditor.most[quota] > hard * 0.8, f"this storm does not test '{quota}'"
        assert course.refused_with_room(deleted=LAG, lost=LIFE + LAG) <= CREATES // 100
        # What the dead had reserved is free again, to the last slice.
        left = HARD["slices"] - truth["slices"]
        for number, slices in enumerate(filter(None, (*[32] * (left // 32), left % 32))):
            api.create(CLAIMS, small_claim(other, f"late-{number}", slices))
        with pytest.raises(ApiError, match="exceeded quota: 'slices'"):
            api.create(CLAIMS, small_claim(other, "one-more", 1))


def unreserved(standings: dict[str, tuple[int, int]]) -> dict[str, int]:
    """Return what is stored by the books."""
    return {quota: used - reserved for quota, (used, reserved) in standings.items()}
