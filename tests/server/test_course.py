"""What the time of a request is spent on: every moment belongs to one stage."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.controlplane.waiting import wait_for
from tests.support.serving import Served, make_review, serving
from webhook.core.decision import Allow, Decision
from webhook.core.review import Review
from webhook.server.app import VALIDATE_CLAIMS
from webhook.server.course import Course, Stage
from webhook.server.limits import Budget
from webhook.server.metrics import Metrics


def ticking() -> Callable[[], float]:
    """Return a clock that is a second later each time that it is asked."""
    moments = iter(range(100))
    return lambda: float(next(moments))


def test_one_stage_begins_where_the_one_before_ends() -> None:
    course = Course(ticking())
    course.enter(Stage.PARSE)
    course.enter(Stage.JUDGE)
    with course.within(Stage.LEDGER):
        pass
    course.end()
    assert course.spent == [
        (Stage.READ, 0.0, 1.0),
        (Stage.PARSE, 1.0, 2.0),
        (Stage.JUDGE, 2.0, 3.0),
        (Stage.LEDGER, 3.0, 4.0),
        (Stage.JUDGE, 4.0, 5.0),
    ]


def test_a_fault_of_the_ledger_ends_its_stage() -> None:
    course = Course(ticking())
    with pytest.raises(TimeoutError), course.within(Stage.LEDGER):
        raise TimeoutError
    course.end()
    assert [each.stage for each in course.spent] == [Stage.READ, Stage.LEDGER, Stage.READ]


def test_a_stage_that_comes_twice_is_counted_once_with_the_sum() -> None:
    metrics = Metrics()
    course = Course(ticking())
    with course.within(Stage.LEDGER):
        pass
    course.end()
    metrics.spent(VALIDATE_CLAIMS, course.spent)
    labels = {"endpoint": VALIDATE_CLAIMS, "stage": "read"}
    name = "drawbridge_admission_stage_seconds"
    assert metrics.registry.get_sample_value(f"{name}_count", labels) == 1
    assert metrics.registry.get_sample_value(f"{name}_sum", labels) == 2


def _stages(server: Served) -> dict[str, float]:
    name = "drawbridge_admission_stage_seconds_count"
    return {each: server.metric(name, endpoint=VALIDATE_CLAIMS, stage=each) for each in Stage}


def test_stages_of_decisions_and_faults_are_on_metrics(tmp_path: Path) -> None:
    async def judge(_: Review, budget: Budget) -> Decision:
        with budget.course.within(Stage.LEDGER):
            return Allow()

    with serving({VALIDATE_CLAIMS: judge}, tmp_path) as server:
        assert server.post(body=make_review()).status == 200
        assert server.post(body=b"{").status == 400
        expected = {"read": 2.0, "wait": 0.0, "parse": 2.0, "judge": 1.0, "ledger": 1.0, "write": 2.0}
        wait_for("both courses", lambda: _stages(server) == expected)  # they end when the answer is on its way
