"""The event loop is watched: that it stands is measured and told, and probes are answered all the same."""

import io
import json
import threading
import time
from pathlib import Path
from typing import Any

from tests.controlplane.waiting import wait_for
from tests.support.serving import serving
from webhook.core.decision import Allow, Decision
from webhook.core.review import Review
from webhook.server.app import VALIDATE_CLAIMS
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Budget
from webhook.server.log import LineSink, make_log
from webhook.server.metrics import Metrics
from webhook.server.probes import Probes
from webhook.server.watchdog import Longest, Watchdog

LAG = "drawbridge_event_loop_lag_seconds"


def test_fm_30_probes_are_answered_and_the_culprit_is_named_while_the_loop_stands(tmp_path: Path) -> None:
    stuck, freed = threading.Event(), threading.Event()

    async def busy_without_a_pause(_: Review, __: Budget) -> Decision:
        stuck.set()
        while not freed.is_set():
            pass
        return Allow()

    with serving({VALIDATE_CLAIMS: busy_without_a_pause}, tmp_path) as server:

        def stand() -> None:
            stuck.clear()
            freed.clear()
            asking = threading.Thread(target=server.post)
            asking.start()
            try:
                assert stuck.wait(10)
                time.sleep(0.3)
                assert server.probe("/livez").status == 200
                assert server.probe("/readyz").status == 200
                assert LAG.encode() in server.probe("/metrics").body
                assert server.metric(LAG) > 0.2
            finally:
                freed.set()
                asking.join(10)

        def told() -> dict[str, Any] | None:
            """Stand again: of two blocks within ten seconds, of which a busy machine may have made one, one is told."""
            stand()
            lines = (line for line in server.log_lines() if line["msg"] == "loop-blocked")
            return next(
                (line for line in lines if any("busy_without_a_pause" in frame for frame in line["where"])), None
            )

        assert wait_for("the culprit", told)["milliseconds"] > 200
        assert server.metric(LAG) > 0.2
        assert server.metric("drawbridge_event_loop_blocks_total") >= 1


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_is_late_is_measured_until_it_is_a_minute_old() -> None:
    clock, metrics = Clock(), Metrics()
    dog = Watchdog(metrics, make_log(LineSink(io.StringIO())), clock)

    def lag() -> float:
        return round(metrics.registry.get_sample_value(LAG) or 0.0, 3)

    clock.now += 0.12
    assert lag() == 0.1
    dog.round(0.0)
    assert lag() == 0.1
    for _ in range(29 * 50):
        clock.now += 0.02
        dog.round(0.0)
    assert lag() == 0.1
    for _ in range(61 * 50):
        clock.now += 0.02
        dog.round(0.0)
    assert lag() == 0.0


def test_the_longest_is_forgotten_after_a_silence() -> None:
    longest = Longest()
    longest.note(3.0, 10.0)
    assert longest.roll(45.0) == 3.0
    assert longest.roll(500.0) == 0.0


def test_blocks_are_counted_and_told_at_most_once_in_ten_seconds() -> None:
    clock, metrics, text = Clock(), Metrics(), io.StringIO()
    sink = LineSink(text)
    dog = Watchdog(metrics, make_log(sink), clock)
    for late in (0.04, 0.06, 2.0, 0.06, 20.0):
        clock.now += 0.02 + late
        dog.look()
        dog.round(late / 2)
    sink.close()
    lines = [json.loads(line) for line in text.getvalue().splitlines()]
    told = [(line["msg"], line["milliseconds"], line["computed"], line["blocks"]) for line in lines]
    assert told == [("loop-blocked", 60, 30, 1), ("loop-blocked", 20_000, 10_000, 3)]
    assert metrics.registry.get_sample_value("drawbridge_event_loop_blocks_total") == 4


def test_a_loop_that_stands_for_good_is_not_alive() -> None:
    late = 29.9
    probes = Probes(tuple, Lifecycle(), Metrics(), lambda: late)
    assert probes.answer("GET", "/livez", b"")[0] == 200
    late = 30.0
    assert probes.answer("GET", "/livez", b"")[0] == 503
