"""Kubernetes' own compiler answers, in each minor, where `make conformance-reference` has built it."""

import pytest

from tests.support.reference import MINORS, Question, Reference

H100 = {
    "name": "gpu-0",
    "driver": "gpu.nvidia.com",
    "attributes": {"productName": {"string": "NVIDIA H100"}},
    "capacity": {"memory": {"value": "80Gi"}},
}


@pytest.fixture(params=MINORS)
def reference(request: pytest.FixtureRequest) -> Reference:
    if not Reference.is_built(request.param):
        pytest.skip("the reference compiler is not built: run `make conformance-reference` (needs what e2e tests need)")
    return Reference(request.param)


def test_each_kind_of_verdict_is_told_apart_and_none_stops_the_next(reference: Reference) -> None:
    memory = "device.capacity['gpu.nvidia.com'].memory"
    answers = reference.ask(
        [
            Question(f"{memory}.isGreaterThan(quantity('40Gi'))", H100),
            Question("device.driver =="),
            Question("{b'k': 1} == {}"),
            Question("[0, 1].all(i, [0, 1].all(j, " * 8 + "device.driver.matches('^gpu.*')" + "))" * 8),
            Question("true" + " " * 10_240),
            Question("device.attributes['gpu.nvidia.com'].serial == 'x'", H100),
        ]
    )
    assert [answer.kind for answer in answers] == ["ok", "invalid", "invalid", "too-costly", "too-long", "ok"]
    assert (answers[0].result, answers[0].type, answers[0].max_cost) == (True, "bool", 6)
    assert answers[1].error.startswith("compilation failed: ERROR: <input>:1:17: Syntax error")
    assert answers[2].error.startswith("panic: ")
    assert answers[5].eval_error == "no such key: serial"


def test_gates_change_the_language(reference: Reference) -> None:
    expression = "device.allowMultipleAllocations"
    on, off = reference.ask(Question(expression, gates={"DRAConsumableCapacity": gate}) for gate in (True, False))
    assert (on.kind, off.kind) == ("ok", "invalid")


def test_times_are_told(reference: Reference) -> None:
    (timing,) = reference.time([Question("device.driver == 'gpu.nvidia.com'", H100)])
    assert timing.compile_ns > timing.eval_ns > 0


def test_times_of_passes_are_told_in_order_also_where_the_compiler_panics(reference: Reference) -> None:
    texts = ("true", "{b'k': 1} == {}", "device.driver == 'gpu.nvidia.com'")
    timings = reference.time_in_passes([Question(text) for text in texts], 3)
    assert [timing.expression for timing in timings] == list(texts)
    assert all(timing.compile_ns > 0 for timing in timings)
