"""The keeper of templates: makes what pods need and can ask for, mends, collects, and touches nothing else."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from tests.kube.fake_api import FakeApi, Json, fake_api, silent, until
from webhook.kube.client import ApiClient
from webhook.kube.events import Events
from webhook.kube.kinds import MAPPINGS, NAMESPACES
from webhook.kube.pods_seen import GENERATED_TEMPLATES, MADE_BY, PODS, TemplateNeeds
from webhook.kube.reflector import Pace, Reflector, Sink
from webhook.kube.templates import KeepPace, TemplateKeeper
from webhook.kube.view import ViewBuilder
from webhook.rewrite.original import ANNOTATION
from webhook.rewrite.templates import GENERATED, Shape, make_template

TEAM = "team-a"
KINDS = ("pods", "resourceclaimtemplates", "legacymappings", "namespaces", "events")
FAST = Pace(backoff_floor=0.01, backoff_ceiling=0.05)
QUICK = KeepPace(grace=0.4, patience=0.2, tick=0.05, again=0.05)
SLOW = replace(QUICK, grace=60.0)
TEMPLATE = make_template(Shape("gpu.nvidia.com"), 2)


def put_mapping(api: FakeApi, device_class: str = "gpu.nvidia.com") -> None:
    resources = [{"name": "nvidia.com/gpu", "deviceClassName": device_class}]
    api.put("legacymappings", "gpus", spec={"resources": resources})


def put_pod(
    api: FakeApi, name: str, template: str = TEMPLATE.name, *, asked: str = "2", phase: str = "Pending"
) -> None:
    """Store a pod as it is after its rewrite."""
    original = {"containers": {"main": {"nvidia.com/gpu": asked}}}
    api.put(
        "pods",
        name,
        TEAM,
        metadata={"annotations": {ANNOTATION: json.dumps(original)}},
        spec={
            "containers": [{"name": "main", "resources": {"claims": [{"name": "gpu"}]}}],
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": template}],
        },
        status={"phase": phase},
    )


def templates(api: FakeApi) -> dict[str, Json]:
    return {name: found for (_, name), found in api.objects["resourceclaimtemplates"].items()}


def events(api: FakeApi) -> list[Json]:
    return list(api.objects["events"].values())


@asynccontextmanager
async def keeping(client: ApiClient, pace: KeepPace) -> AsyncIterator[TemplateKeeper]:
    awake = asyncio.Event()
    needs = TemplateNeeds(awake.set)
    builder = ViewBuilder()
    builder.on_publish(lambda _: awake.set())
    keeper = TemplateKeeper(
        client,
        needs,
        lambda: builder.view,
        Events(client, lambda: datetime(2026, 11, 21, tzinfo=UTC), silent()),
        clock=time.monotonic,
        log=silent(),
        pace=pace,
        awake=awake,
    )
    sinks: tuple[tuple[Any, Sink], ...] = (
        (PODS, needs),
        (GENERATED_TEMPLATES, needs),
        (MAPPINGS, builder),
        (NAMESPACES, builder),
    )
    reflectors = [
        Reflector(kind, client, sink, clock=time.monotonic, random=Random(1), log=silent(), pace=FAST)
        for kind, sink in sinks
    ]
    tasks = [asyncio.create_task(reflector.run()) for reflector in reflectors]
    await until(lambda: all(reflector.synced for reflector in reflectors) and not builder.pending)
    tasks.append(asyncio.create_task(keeper.run()))
    try:
        yield keeper
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def played(play: Callable[[FakeApi, TemplateKeeper], Coroutine[Any, Any, None]], pace: KeepPace = SLOW) -> None:
    async def run() -> None:
        async with fake_api(*KINDS) as api, api.client() as client:
            api.put("namespaces", TEAM)
            put_mapping(api)
            async with keeping(client, pace) as keeper:
                await play(api, keeper)

    asyncio.run(run())


def test_what_a_pod_needs_is_made() -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        put_pod(api, "p1")
        await until(lambda: keeper.made == 1)
        made = templates(api)[TEMPLATE.name]
        assert made["spec"] == TEMPLATE.spec
        assert made["metadata"]["labels"] == {GENERATED: "true"}
        assert made["metadata"]["annotations"] == {MADE_BY: "controller"}

    played(play)


def test_a_storm_of_pods_of_one_workload_makes_one_template_once() -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        for number in range(300):
            put_pod(api, f"p{number}")
        await until(lambda: keeper.made == 1)
        await asyncio.sleep(0.2)
        assert api.count("POST", "resourceclaimtemplates") == 1

    played(play)


def test_templates_of_a_slow_api_server_are_asked_for_together() -> None:
    counts = range(1, 7)
    needed = [make_template(Shape("gpu.nvidia.com"), count).name for count in counts]

    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        put_mapping(api, "another.class")
        await asyncio.sleep(0.05)
        for count, name in zip(counts, needed, strict=True):
            put_pod(api, f"p{count}", name, asked=str(count))
        await until(lambda: keeper.underivable == len(needed))
        api.slow = 1.0
        put_mapping(api)  # all pods are looked at now
        await until(lambda: api.count("POST", "resourceclaimtemplates") == len(needed))
        assert not templates(api), "the first was answered before the last was asked for"
        await until(lambda: keeper.made == len(needed))
        assert templates(api).keys() == set(needed)
        assert api.count("POST", "resourceclaimtemplates") == len(needed)

    played(play)


def test_a_deleted_template_is_made_again() -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        put_pod(api, "p1")
        await until(lambda: templates(api))
        api.remove("resourceclaimtemplates", TEMPLATE.name, TEAM)
        await until(lambda: keeper.made == 2)
        assert TEMPLATE.name in templates(api)

    played(play)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda api: api.remove("pods", "p1", TEAM), id="the pod is deleted"),
        pytest.param(lambda api: put_pod(api, "p1", phase="Succeeded"), id="the pod has ended"),
    ],
)
def test_an_unused_template_is_collected_after_its_grace(end: Callable[[FakeApi], None]) -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        put_pod(api, "p1")
        await until(lambda: templates(api))
        await asyncio.sleep(0.5)
        assert templates(api)
        end(api)
        began = time.monotonic()
        await until(lambda: keeper.collected == 1)
        assert time.monotonic() - began >= 0.35
        assert not templates(api)

    played(play, QUICK)


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({}, id="made by somebody else"),
        pytest.param({"labels": {GENERATED: "true"}}, id="printed by migrate and applied by a user"),
    ],
)
def test_a_template_that_the_controller_did_not_make_is_never_touched(metadata: Json) -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        api.put("resourceclaimtemplates", TEMPLATE.name, TEAM, spec=TEMPLATE.spec, metadata=metadata)
        put_pod(api, "p1")
        await asyncio.sleep(0.2)
        api.remove("pods", "p1", TEAM)
        await asyncio.sleep(0.7)
        assert TEMPLATE.name in templates(api)
        assert (keeper.made, keeper.collected) == (0, 0)
        assert not events(api)

    played(play, QUICK)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        pytest.param("drawbridge-0123456789abcdef", "2", id="a name that follows from nothing"),
        pytest.param(TEMPLATE.name, "3", id="a name that follows from another count"),
        pytest.param(TEMPLATE.name, "many", id="an annotation that is no quantity"),
    ],
)
def test_a_reference_that_cannot_be_derived_is_told_at_the_pod(name: str, asked: str) -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        put_pod(api, "p1", name, asked=asked)
        await until(lambda: events(api))
        (event,) = events(api)
        assert event["reason"] == "TemplateNotDerivable"
        assert event["involvedObject"]["name"] == "p1"
        assert name in event["message"]
        await asyncio.sleep(0.5)
        assert len(events(api)) == 1
        assert keeper.underivable >= 1
        assert not templates(api)

    played(play)


def test_a_mapping_that_comes_a_moment_late_is_waited_for() -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        put_mapping(api, "another.class")
        await asyncio.sleep(0.05)
        put_pod(api, "p1")
        await asyncio.sleep(0.1)
        put_mapping(api)
        await until(lambda: templates(api))
        assert not events(api)
        assert keeper.underivable == 0

    played(play, replace(SLOW, patience=5.0))


def test_a_pod_that_was_told_gets_its_template_when_the_mapping_comes_at_last() -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        put_mapping(api, "another.class")
        await asyncio.sleep(0.05)
        put_pod(api, "p1")
        await until(lambda: events(api))
        put_mapping(api, "yet-another.class")
        await asyncio.sleep(0.3)
        assert not templates(api)
        put_mapping(api)
        await until(lambda: templates(api))
        assert keeper.underivable == len(events(api)) == 1

    played(play)


def test_a_template_of_the_name_that_says_something_else_is_told_and_left() -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        other = make_template(Shape("other.class"), 1).spec
        api.put("resourceclaimtemplates", TEMPLATE.name, TEAM, spec=other)
        put_pod(api, "p1")
        await until(lambda: events(api))
        assert events(api)[0]["reason"] == "TemplateDiffers"
        assert templates(api)[TEMPLATE.name]["spec"] == other
        assert keeper.made == 0

    played(play)


def test_a_refusal_by_the_api_server_is_told_at_the_pod_and_tried_again() -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        api.fail(403, method="POST", part="resourceclaimtemplates", times=2, reason="Forbidden")
        put_pod(api, "p1")
        await until(lambda: templates(api))
        (event,) = events(api)
        assert event["reason"] == "TemplateNotCreated"
        assert "right to create resourceclaimtemplates" in event["message"]
        assert keeper.refused == 2

    played(play)


def test_a_refused_template_is_asked_for_once_whatever_the_number_of_pods_and_each_pod_is_told() -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        api.fail(403, method="POST", part="resourceclaimtemplates", times=1000, reason="Forbidden")
        for number in range(50):
            put_pod(api, f"p{number}")
        await until(lambda: len(events(api)) == 50)
        await asyncio.sleep(0.3)
        assert api.count("POST", "resourceclaimtemplates") == keeper.refused == 1
        assert len({event["message"] for event in events(api)}) == 1
        assert len(events(api)) == 50

    played(play, replace(SLOW, again=60.0))


def test_an_api_server_without_an_answer_is_asked_once_a_tick_whatever_the_number_of_pods() -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        api.fail(503, method="POST", part="resourceclaimtemplates", times=2)
        for number in range(50):
            put_pod(api, f"p{number}")
        await until(lambda: keeper.made == 1)
        assert api.count("POST", "resourceclaimtemplates") == 3
        assert not events(api)

    played(play)


def test_pods_without_generated_templates_are_not_even_kept() -> None:
    async def play(api: FakeApi, keeper: TemplateKeeper) -> None:
        put_pod(api, "other", "somebodys-template")
        put_pod(api, "p1")
        await until(lambda: keeper.made == 1)
        assert len(templates(api)) == 1

    played(play)
