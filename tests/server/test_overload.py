"""Overload: a bounded number of reviews is decided, a bounded number waits, the rest is asked to come again."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from tests.controlplane.waiting import wait_for
from tests.support.serving import Answer, Door, Served, allow, make_review, serving
from webhook.core.decision import Allow, Decision
from webhook.core.review import Review
from webhook.server.app import VALIDATE_CLAIMS, VALIDATE_PODS
from webhook.server.limits import KIB, Budget, Limits
from webhook.server.work import Work


@contextmanager
def kept(door: Door, server: Served, body: bytes | None = None) -> Iterator[Future[Answer]]:
    """A first review waits behind the door in this block, at whose end it is opened."""
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.post, VALIDATE_CLAIMS, body)
        try:
            assert door.knocked.wait(20)
            yield first
        finally:
            door.opened.set()


async def hang(_: Review, __: Budget) -> Decision:
    await asyncio.sleep(60)
    return Allow()


def test_a_full_queue_is_503_with_an_integer_retry_after(tmp_path: Path) -> None:
    door, limits = Door(), Limits(deciding=1, queue=1, wait_seconds=20.0)
    with serving({VALIDATE_CLAIMS: door.decide}, tmp_path, limits=limits) as server, ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(server.post) for _ in range(6)]
        try:
            shed = [answer.result() for answer in islice(as_completed(asked), 4)]
            assert [answer.status for answer in shed] == [503] * 4
            assert all(answer.headers["retry-after"] == "1" for answer in shed)
            assert server.metric("drawbridge_shed_total", reason="queue") == 4
        finally:
            door.opened.set()
        assert sorted(answer.result().status for answer in asked) == [200] * 2 + [503] * 4
        assert server.post().status == 200


def test_who_waits_too_long_is_asked_to_come_again(tmp_path: Path) -> None:
    door, limits = Door(), Limits(deciding=1, queue=10, wait_seconds=0.2)
    with serving({VALIDATE_CLAIMS: door.decide}, tmp_path, limits=limits) as server:
        with kept(door, server) as first, ThreadPoolExecutor(3) as pool:
            assert [answer.status for answer in pool.map(lambda _: server.post(), range(3))] == [503] * 3
        assert first.result().status == 200
        assert server.post().status == 200


def test_a_quiet_namespace_is_answered_while_a_noisy_one_is_sent_away(tmp_path: Path) -> None:
    work, opened = Work(4), threading.Event()

    async def think(review: Review, _: Budget) -> Decision:
        if review.namespace == "noisy":
            await work.run(opened.wait, 20)
        return Allow()

    def ask(namespace: str) -> int:
        return server.post(body=make_review(namespace=namespace)).status

    limits = Limits(computing=1, queue_of_one=2, wait_seconds=20.0)
    with serving({VALIDATE_CLAIMS: think}, tmp_path, limits=limits) as server, ThreadPoolExecutor(9) as pool:
        noisy = [pool.submit(ask, "noisy") for _ in range(9)]
        try:
            first = list(islice(as_completed(noisy), 6))
            assert [answer.result() for answer in first] == [503] * 6
            assert server.metric("drawbridge_shed_total", reason="queue") == 6
            assert [ask("quiet") for _ in range(3)] == [200] * 3
        finally:
            opened.set()
        assert sorted(answer.result() for answer in noisy) == [200] * 3 + [503] * 6
    work.close()


def test_large_bodies_share_a_bound_that_small_ones_do_not_feel(tmp_path: Path) -> None:
    door, limits = Door(), Limits(small_body=KIB, large_reviews=100 * KIB)
    large = json.dumps(make_review()).encode() + b" " * 80 * KIB
    with serving({VALIDATE_CLAIMS: door.decide, VALIDATE_PODS: allow}, tmp_path, limits=limits) as server:
        with kept(door, server, large) as first:
            assert server.post(body=large).status == 503
            assert server.post(VALIDATE_PODS).status == 200
        assert first.result().status == 200
        assert server.metric("drawbridge_shed_total", reason="memory") == 1
        assert server.post(body=large).status == 200


def test_what_many_small_values_take_in_memory_counts(tmp_path: Path) -> None:
    door, limits = Door(), Limits(large_reviews=2 * 1024 * KIB)
    many = json.dumps(make_review(object={"spec": [[]] * 20_000})).encode()
    with serving({VALIDATE_CLAIMS: door.decide}, tmp_path, limits=limits) as server:
        with kept(door, server, many) as first:
            assert server.post(body=many).status == 503
        assert first.result().status == 200


def test_fm_28_a_decision_that_hangs_is_503_and_frees_its_place(tmp_path: Path) -> None:
    limits = Limits(deciding=1, queue=0, answer_seconds=0.3)
    with serving({VALIDATE_CLAIMS: hang, VALIDATE_PODS: allow}, tmp_path, limits=limits) as server:
        assert server.post(body=make_review(uid="hangs")).status == 503
        assert server.metric("drawbridge_shed_total", reason="late") == 1
        assert server.logged(msg="too-late")["uid"] == "hangs"
        assert server.post(VALIDATE_PODS).status == 200


def test_fm_28_the_caller_s_timeout_bounds_the_answer(tmp_path: Path) -> None:
    """Nothing else does: the review would hang for a minute."""
    limits = Limits(answer_seconds=60.0)
    with serving({VALIDATE_CLAIMS: hang}, tmp_path, limits=limits) as server:
        assert server.post(f"{VALIDATE_CLAIMS}?timeout=1s").status == 503


def test_the_budget_ends_half_a_second_before_the_caller_gives_up(tmp_path: Path) -> None:
    left: list[float] = []

    async def note(_: Review, budget: Budget) -> Decision:
        left.append(budget.left())
        return Allow()

    with serving({VALIDATE_CLAIMS: note}, tmp_path) as server:
        for query in ("?timeout=2s", "?timeout=1s500ms", "?timeout=30s", "", "?timeout=soon", "?timeout=0s"):
            assert server.post(VALIDATE_CLAIMS + query).status == 200
    # What the way to the handler takes is spent: how much says something of the machine.
    assert 0.2 < left[0] <= 1.5
    assert 0.15 < left[1] <= 1.0
    assert all(1.0 < seconds <= 2.0 for seconds in left[2:])


def test_probes_and_reviews_are_answered_while_a_decision_computes(tmp_path: Path) -> None:
    work, computing, enough = Work(1), threading.Event(), threading.Event()

    def compute() -> Decision:
        computing.set()
        while not enough.is_set():
            pass
        return Allow()

    async def think(_: Review, __: Budget) -> Decision:
        return await work.run(compute)

    handlers = {VALIDATE_CLAIMS: think, VALIDATE_PODS: allow}
    with serving(handlers, tmp_path) as server, ThreadPoolExecutor(1) as pool:
        thinking = pool.submit(server.post)
        try:
            assert computing.wait(20)
            assert server.probe("/livez").status == 200
            assert server.post(VALIDATE_PODS).status == 200
            assert not thinking.done()
        finally:
            enough.set()
        assert thinking.result().status == 200
    work.close()


def test_a_large_review_is_read_off_the_loop(tmp_path: Path) -> None:
    """So it waits for a thread, where a small one needs none."""
    standing, opened = threading.Event(), threading.Event()

    def stand() -> None:
        standing.set()
        opened.wait(20)

    async def occupy(_: Review, __: Budget) -> Decision:
        await server.needs.work.run(stand)
        return Allow()

    def decided() -> float:
        return server.metric("drawbridge_admission_duration_seconds_count", endpoint=VALIDATE_CLAIMS)

    large = json.dumps(make_review(object={"spec": [1] * 20_000})).encode()
    handlers, limits = {VALIDATE_CLAIMS: allow, VALIDATE_PODS: occupy}, Limits(threads=1)
    with serving(handlers, tmp_path, limits=limits) as server, ThreadPoolExecutor(2) as pool:
        occupying = pool.submit(server.post, VALIDATE_PODS)
        try:
            assert standing.wait(20)
            reading = pool.submit(server.post, VALIDATE_CLAIMS, large)
            wait_for("both bodies", lambda: server.metric("drawbridge_request_body_bytes_count") == 2)
            assert server.post(body=make_review(namespace="team-b")).status == 200
            assert decided() == 1
        finally:
            opened.set()
        assert (reading.result().status, occupying.result().status) == (200, 200)
        assert decided() == 2
