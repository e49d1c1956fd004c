"""Pods are told why a claim that was made from their template is refused: once, briefly, and not too many of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kube.fake_api import FakeApi, Json, fake_api, silent, until
from webhook.core.decision import Deny
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Fix, Severity
from webhook.core.review import Resource, Review
from webhook.kube.denials import CLAIM_CONTROLLERS, PodTelling, telling_of
from webhook.kube.events import Events

CONTROLLER = "system:serviceaccount:kube-system:resource-claim-controller"
AT = ROOT.child("spec", "devices", "requests").index(0)
OVER = Finding(
    "quota-exceeded",
    Severity.DENY,
    AT,
    "exceeded quota: 'gpus', requested: 2, used: 1, limited: 2",
    fixes=(Fix("ask for 1 at most"),),
)
MORE = Finding("request-count", Severity.DENY, AT, "must be less")


def make_refused(pod: str = "worker", **fields: Any) -> Review:
    """Return the review of a claim that the claim controller makes for a pod; `fields` replace the review's."""
    claim = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {
            "generateName": f"{pod}-gpu-",
            "annotations": {"resource.kubernetes.io/pod-claim-name": "gpu"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": f"uid-of-{pod}", "controller": True}
            ],
        },
    }
    about = Resource("resource.k8s.io", "v1", "ResourceClaim")
    plural = Resource("resource.k8s.io", "v1", "resourceclaims")
    told: dict[str, Any] = {"namespace": "team-a", "username": CONTROLLER, "object": claim, **fields}
    return Review("review-uid", "CREATE", about, plural, **told)


@dataclass
class World:
    """A telling whose clocks stand until they are moved, and what it wrote to which API server."""

    api: FakeApi
    telling: PodTelling
    counted: Counter[str]
    moment: list[float]

    def events(self) -> list[Json]:
        return list(self.api.objects["events"].values())

    async def wrote(self, count: int) -> list[Json]:
        await until(lambda: len(self.events()) >= count)
        return self.events()


@asynccontextmanager
async def telling() -> AsyncIterator[World]:
    async with fake_api("events") as api, api.client() as client:
        moment, counted = [0.0], Counter[str]()

        def now() -> datetime:
            return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=moment[0])

        events = Events(client, now, silent(), "drawbridge")
        world = World(api, PodTelling(events, lambda: moment[0], lambda what: counted.update([what])), counted, moment)
        task = asyncio.create_task(world.telling.run())
        try:
            yield world
        finally:
            task.cancel()


def test_the_pod_is_told_why_in_one_line() -> None:
    async def scenario() -> None:
        async with telling() as world:
            world.telling.refused(make_refused(), Deny((OVER, MORE)))
            (event,) = await world.wrote(1)
            assert event["message"] == (
                "claim 'gpu' is refused: spec.devices.requests[0]: exceeded quota: 'gpus', requested: 2, used: 1, "
                "limited: 2; ask for 1 at most [quota-exceeded]; and 1 more"
            )
            about = {"apiVersion": "v1", "kind": "Pod", "namespace": "team-a", "name": "worker", "uid": "uid-of-worker"}
            assert event["involvedObject"] == about
            assert (event["type"], event["reason"]) == ("Warning", "ClaimDenied")
            assert event["source"] == {"component": "drawbridge"}
            await until(lambda: world.counted == {"written": 1})

    asyncio.run(scenario())


def test_the_same_is_told_again_when_its_event_has_expired() -> None:
    async def scenario() -> None:
        async with telling() as world:
            world.telling.refused(make_refused(), Deny((OVER,)))
            await world.wrote(1)
            world.moment[0] = 3599.0
            world.telling.refused(make_refused(), Deny((OVER,)))
            world.telling.refused(make_refused(), Deny((MORE,)))
            await world.wrote(2)
            world.api.objects["events"].clear()
            world.moment[0] = 3601.0
            world.telling.refused(make_refused(), Deny((OVER,)))
            assert "exceeded" in (await world.wrote(1))[0]["message"]

    asyncio.run(scenario())


def test_fm_40_a_storm_of_denials_writes_twenty_events_a_minute() -> None:
    async def scenario() -> None:
        async with telling() as world:
            for number in range(10_000):
                world.telling.refused(make_refused(f"pod-{number}"), Deny((OVER,)))
            assert len(await world.wrote(20)) == 20
            world.moment[0] = 60.0
            for number in range(10_000):
                world.telling.refused(make_refused(f"pod-{number}"), Deny((OVER,)))
            assert len(await world.wrote(40)) == 40
            await until(lambda: world.counted["written"] == 40)
            assert world.counted["held-back"] == 10_000 - 20 + 10_000 - 40

    asyncio.run(scenario())


def test_a_write_that_fails_ends_nothing() -> None:
    async def scenario() -> None:
        async with telling() as world:
            world.api.fail(403, method="POST", part="/events")
            world.telling.refused(make_refused("first"), Deny((OVER,)))
            await until(lambda: world.api.count("POST", "/events") == 1)
            world.telling.refused(make_refused("second"), Deny((OVER,)))
            assert [event["involvedObject"]["name"] for event in await world.wrote(1)] == ["second"]

    asyncio.run(scenario())


WITHOUT_OWNER = {"metadata": {"annotations": {"resource.kubernetes.io/pod-claim-name": "gpu"}}}


@pytest.mark.parametrize(
    "fields",
    [
        {"dry_run": True},
        {"username": "alice"},
        {"object": WITHOUT_OWNER},
        {"object": None},
        {"kind": Resource("resource.k8s.io", "v1", "ResourceClaimTemplate")},
    ],
    ids=["a dry run", "a claim that a user makes", "no owner", "no object", "a template"],
)
def test_nobody_is_told_of(fields: Mapping[str, Any]) -> None:
    assert telling_of(make_refused(), Deny((OVER,))) is not None
    review = make_refused()
    changed = {name: getattr(review, name) for name in review.__slots__} | dict(fields)
    assert telling_of(Review(**changed), Deny((OVER,))) is None


class Unread(dict[str, Any]):
    """A part of a claim that may be so large that to read it would hold the event loop up."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)


def test_of_a_claim_only_the_metadata_is_read() -> None:
    claim = {**(make_refused().object or {}), "spec": Unread(devices={})}
    assert telling_of(make_refused(object=claim), Deny((OVER,))) is not None


@pytest.mark.parametrize("username", sorted(CLAIM_CONTROLLERS))
def test_both_names_of_the_claim_controller_are_known(username: str) -> None:
    assert telling_of(make_refused(username=username), Deny((OVER,))) is not None


def test_what_users_wrote_stays_on_one_line() -> None:
    sly = Finding("config-invalid-value", Severity.DENY, ROOT, "must not be 'a\nb\x1b[31m'")
    told = telling_of(make_refused(), Deny((sly,)))
    assert told is not None
    assert told.message.isprintable()
