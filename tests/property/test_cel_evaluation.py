"""Laws of evaluation: the quick program and the counting one agree, whatever the expression and the device."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.generator import Generator
from webhook.cel.compile import Verdict, compile_selector, device_environment
from webhook.cel.device import CelDevice, make_device
from webhook.cel.environment import VERSIONS
from webhook.cel.evaluator import EvaluationError, build, evaluate
from webhook.cel.functions.times import civil_from_days, days_from_civil
from webhook.cel.values import compare, equal
from webhook.core.device import AttributeValue, VersionText
from webhook.core.quantity import parse_quantity

LIMIT = "operation cancelled: actual cost limit exceeded"
NAMES = st.sampled_from(("type", "index", "productName", "driverVersion", "memory", "cores"))
ATTRIBUTES: st.SearchStrategy[AttributeValue] = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=8),
    st.sampled_from(("1.2.3", "0.0.0-rc.1", "10.0.0+b")).map(VersionText),
)
QUANTITIES = st.sampled_from(("0", "80Gi", "1500m", "1Pi", "-3", "12345678901234567890123")).map(parse_quantity)
DEVICES = st.builds(
    make_device,
    st.just("gpu.nvidia.com"),
    st.dictionaries(NAMES, ATTRIBUTES, max_size=4),
    st.dictionaries(NAMES, QUANTITIES, max_size=3),
    st.booleans(),
)


@settings(deadline=None)
@given(st.integers(0, 2**32), DEVICES, st.sampled_from(VERSIONS))
def test_both_evaluators_give_the_same_result_or_error(seed: int, device: CelDevice, version: str) -> None:
    environment = device_environment(version)
    generator = Generator(environment, Random(seed))
    for _ in range(5):
        compiled = compile_selector(generator.expression(), environment)
        if compiled.ast is None or compiled.verdict is not Verdict.OK:
            continue
        counted = evaluate(compiled.ast, device, version=version)
        result, error = None, None
        try:
            result = build(compiled.ast, version).matches(device)
        except EvaluationError as problem:
            error = str(problem)
        if counted.error != LIMIT:
            assert (result, error) == (counted.result, counted.error), compiled.expression


@settings(deadline=None)
@given(st.integers(0, 2**32), DEVICES)
def test_cost_grows_with_the_limit_and_never_beyond_need(seed: int, device: CelDevice) -> None:
    environment = device_environment()
    compiled = compile_selector(Generator(environment, Random(seed)).expression(), environment)
    if compiled.ast is None:
        return
    full = evaluate(compiled.ast, device)
    if full.error != LIMIT and full.cost > 1:
        cut = evaluate(compiled.ast, device, cost_limit=full.cost - 1)
        assert (cut.error, cut.result) == (LIMIT, None)
        assert evaluate(compiled.ast, device, cost_limit=full.cost) == full


@given(st.integers(-800_000, 3_000_000))
def test_days_become_dates_and_dates_days(days: int) -> None:
    assert days_from_civil(*civil_from_days(days)) == days


NUMBERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))


@given(NUMBERS, NUMBERS)
def test_order_and_equality_of_numbers_belong_together(left: float, right: float) -> None:
    assert compare(left, right) == -compare(right, left)
    assert (compare(left, right) == 0) == equal(left, right)
