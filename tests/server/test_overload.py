"""Overload: a bounded number of reviews is decided, a bounded number waits, the rest is asked to come again."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

from tests.support.serving import Answer, Served, allow, make_review, serving
from webhook.core.decision import Allow, Decision
from webhook.core.review import Review
from webhook.server.app import VALIDATE_CLAIMS, VALIDATE_PODS
from webhook.server.limits import KIB, Budget, Limits
from webhook.server.work import Work


async def nap(_: Review, __: Budget) -> Decision:
    await asyncio.sleep(0.5)
    return Allow()


async def hang(_: Review, __: Budget) -> Decision:
    await asyncio.sleep(60)
    return Allow()


def all_at_once(server: Served, number: int, path: str = VALIDATE_CLAIMS) -> list[Answer]:
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(lambda _: server.post(path), range(number)))


def test_a_full_queue_is_503_with_an_integer_retry_after(tmp_path: Path) -> None:
    with serving({VALIDATE_CLAIMS: nap}, tmp_path, limits=Limits(deciding=1, queue=1)) as server:
        answers = all_at_once(server, 6)
        shed = [answer for answer in answers if answer.status == 503]
        assert {answer.status for answer in answers} == {200, 503}
        assert len(shed) >= 3
        assert all(answer.headers["retry-after"] == "1" for answer in shed)
        assert server.metric("drawbridge_shed_total", reason="queue") == len(shed)
        assert server.post().status == 200


def test_who_waits_too_long_is_asked_to_come_again(tmp_path: Path) -> None:
    limits = Limits(deciding=1, queue=10, wait_seconds=0.7)
    with serving({VALIDATE_CLAIMS: nap}, tmp_path, limits=limits) as server:
        statuses = sorted(answer.status for answer in all_at_once(server, 4))
        assert statuses[:2] == [200, 200]
        assert 503 in statuses
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
    limits = Limits(small_body=KIB, large_reviews=100 * KIB)
    large = json.dumps(make_review()).encode() + b" " * 80 * KIB
    with serving({VALIDATE_CLAIMS: nap}, tmp_path, limits=limits) as server:
        with ThreadPoolExecutor(4) as pool:
            first = pool.submit(server.post, VALIDATE_CLAIMS, large)
            time.sleep(0.2)
            second = pool.submit(server.post, VALIDATE_CLAIMS, large)
            small = pool.submit(server.post)
            assert (first.result().status, second.result().status, small.result().status) == (200, 503, 200)
        assert server.metric("drawbridge_shed_total", reason="memory") == 1
        assert server.post(body=large).status == 200


def test_what_many_small_values_take_in_memory_counts(tmp_path: Path) -> None:
    many = json.dumps(make_review(object={"spec": [[]] * 20_000})).encode()
    with serving({VALIDATE_CLAIMS: nap}, tmp_path, limits=Limits(large_reviews=2 * 1024 * KIB)) as server:
        with ThreadPoolExecutor(2) as pool:
            statuses = sorted(answer.status for answer in pool.map(lambda _: server.post(body=many), range(2)))
        assert statuses == [200, 503]


def test_fm_28_a_decision_that_hangs_is_503_and_frees_its_place(tmp_path: Path) -> None:
    limits = Limits(deciding=1, queue=0, answer_seconds=0.3)
    with serving({VALIDATE_CLAIMS: hang, VALIDATE_PODS: allow}, tmp_path, limits=limits) as server:
        assert server.post(body=make_review(uid="hangs")).status == 503
        assert server.metric("drawbridge_shed_total", reason="late") == 1
        assert server.logged(msg="too-late")["uid"] == "hangs"
        assert server.post(VALIDATE_PODS).status == 200


def test_fm_28_the_caller_s_timeout_bounds_the_answer(tmp_path: Path) -> None:
    with serving({VALIDATE_CLAIMS: hang}, tmp_path) as server:
        started = time.monotonic()
        assert server.post(f"{VALIDATE_CLAIMS}?timeout=1s").status == 503
        assert time.monotonic() - started < 3


def test_the_budget_ends_half_a_second_before_the_caller_gives_up(tmp_path: Path) -> None:
    left: list[float] = []

    async def note(_: Review, budget: Budget) -> Decision:
        left.append(budget.left())
        return Allow()

    with serving({VALIDATE_CLAIMS: note}, tmp_path) as server:
        for query in ("?timeout=1s", "?timeout=2s500ms", "?timeout=30s", "", "?timeout=soon", "?timeout=0s"):
            assert server.post(VALIDATE_CLAIMS + query).status == 200
    assert [round(seconds, 1) for seconds in left] == [0.5, 2.0, 2.0, 2.0, 2.0, 2.0]


def test_probes_answer_while_a_decision_computes(tmp_path: Path) -> None:
    work = Work(1)

    def compute() -> Decision:
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            pass
        return Allow()

    async def think(_: Review, __: Budget) -> Decision:
        return await work.run(compute)

    with serving({VALIDATE_CLAIMS: think}, tmp_path) as server, ThreadPoolExecutor(1) as pool:
        thinking = pool.submit(server.post)
        time.sleep(0.2)
        started = time.monotonic()
        assert server.probe("/livez").status == 200
        assert time.monotonic() - started < 1.0
        assert thinking.result().status == 200
    work.close()


def test_a_large_review_is_read_off_the_loop(tmp_path: Path) -> None:
    deep = b'{"a":' * 2000 + b"[" + b"1," * 100_000 + b"1]" + b"}" * 2000
    body = json.dumps(make_review(object={"spec": "HERE"})).encode().replace(b'"HERE"', deep)
    with serving({VALIDATE_CLAIMS: allow}, tmp_path) as server, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(server.post, VALIDATE_CLAIMS, body)
        started = time.monotonic()
        assert server.probe("/livez").status == 200
        assert time.monotonic() - started < 1.0
        assert reading.result().status == 200
