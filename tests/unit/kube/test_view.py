"""The view builder: whole views, few of them, that share what has not changed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tests.support.build import device, slice_object
from webhook.core.cluster import ClusterView, Namespace
from webhook.core.quotas import DeviceQuota
from webhook.core.versions import CONSUMABLE_CAPACITY
from webhook.kube.kinds import CLUSTER_QUOTAS, NAMESPACES, QUOTAS, SLICES, projected
from webhook.kube.view import Told, ViewBuilder


def played(play: Callable[[ViewBuilder], Coroutine[Any, Any, None]], told: Told = Told()) -> ViewBuilder:  # noqa: B008  # frozen
    """Return the builder after a play and the batch that follows it."""

    async def run() -> ViewBuilder:
        builder = ViewBuilder(told, batch_seconds=0.001)
        await play(builder)
        while builder.pending:  # noqa: ASYNC110  # it has no event to wait on
            await asyncio.sleep(0.002)
        return builder

    return asyncio.run(run())


def namespace(name: str, **labels: str) -> Namespace:
    return Namespace(name, labels)


def test_a_burst_of_events_becomes_one_view() -> None:
    async def play(builder: ViewBuilder) -> None:
        for number in range(1000):
            builder.changed(NAMESPACES, f"n{number}", namespace(f"n{number}"), str(number))

    builder = played(play)
    assert len(builder.view.namespaces) == 1000
    assert builder.published == 2


def test_an_event_that_changes_nothing_that_is_kept_makes_no_view() -> None:
    async def run() -> None:
        builder = ViewBuilder(batch_seconds=0.001)
        await builder.replaced(NAMESPACES, {"a": namespace("a")}, "1")
        await asyncio.sleep(0.01)
        before = builder.view
        builder.changed(NAMESPACES, "a", namespace("a"), "2")
        await builder.replaced(NAMESPACES, {"a": namespace("a")}, "3")
        assert not builder.pending
        assert builder.view is before

    asyncio.run(run())


def test_a_relist_keeps_what_is_the_same_and_drops_what_is_gone() -> None:
    async def run() -> None:
        builder = ViewBuilder(batch_seconds=0.001)
        kept = namespace("kept")
        await builder.replaced(NAMESPACES, {"kept": kept, "gone": namespace("gone")}, "1")
        await builder.replaced(NAMESPACES, {"kept": namespace("kept"), "new": namespace("new")}, "2")
        await asyncio.sleep(0.01)
        assert set(builder.view.namespaces) == {"kept", "new"}
        assert builder.view.namespaces["kept"] is kept

    asyncio.run(run())


def test_views_before_a_change_stay_as_they_were() -> None:
    async def run() -> None:
        seen: list[ClusterView] = []
        builder = ViewBuilder(batch_seconds=0.001)
        builder.on_publish(seen.append)
        for number in range(3):
            builder.changed(NAMESPACES, f"n{number}", namespace(f"n{number}"), str(number))
            await asyncio.sleep(0.01)
        assert [len(view.namespaces) for view in seen] == [1, 2, 3]
        assert all(view.slices is seen[0].slices for view in seen)

    asyncio.run(run())


def test_quotas_of_both_kinds_share_a_map_and_a_relist_of_one_leaves_the_other() -> None:
    async def play(builder: ViewBuilder) -> None:
        await builder.replaced(QUOTAS, {("team-a", "gpus"): DeviceQuota("team-a", "gpus")}, "1")
        await builder.replaced(CLUSTER_QUOTAS, {("", "gpus"): DeviceQuota("", "gpus")}, "1")
        await builder.replaced(QUOTAS, {}, "2")

    assert set(played(play).view.quotas) == {("", "gpus")}


def test_what_is_stated_wins_over_what_the_server_tells_and_that_over_what_slices_show() -> None:
    shared = slice_object({**device("d"), "allowMultipleAllocations": True})

    async def play(builder: ViewBuilder) -> None:
        await builder.replaced(SLICES, {"s": projected(shared, SLICES).value}, "1")

    async def told(builder: ViewBuilder) -> None:
        await play(builder)
        builder.told("1.35", {CONSUMABLE_CAPACITY: False, "Other": True})

    assert played(play).view.server.gates == {CONSUMABLE_CAPACITY: True}
    assert played(told).view.server.gates == {CONSUMABLE_CAPACITY: False, "Other": True}
    assert played(told).view.server.version == "1.35"
    stated = played(told, Told("1.36", {CONSUMABLE_CAPACITY: True})).view.server
    assert (stated.version, stated.gates[CONSUMABLE_CAPACITY]) == ("1.36", True)


def test_a_gate_that_nobody_tells_is_unknown_on_a_live_server() -> None:
    async def play(builder: ViewBuilder) -> None:
        builder.told("1.37", {})

    assert played(play).view.server.gate(CONSUMABLE_CAPACITY) is None
