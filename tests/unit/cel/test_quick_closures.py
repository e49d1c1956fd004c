"""The shapes of selectors that run by a short cut mean what the counting evaluation, which has none, says."""

import pytest

from webhook.cel.compile import compile_selector
from webhook.cel.device import CelAttribute, make_device
from webhook.cel.environment import device_environment
from webhook.cel.evaluator import EvaluationError, build, evaluate
from webhook.core.device import VersionText
from webhook.core.quantity import parse_quantity

A = "device.attributes['d'].a"
C = "device.capacity['d'].a"
SHAPES = (
    "device.driver == 'd'",
    f"{A} == 'x'",
    f"{A} == 1",
    f"{A} == true",
    f"{A} != 'x'",
    f"{A} != 1 && {A} != true",
    f"{A} in ['x', 'y']",
    f"{A} in [1, 2]",
    f"{A} < 2",
    f"{A} <= 1",
    f"2 > {A} || {A} >= 2",
    f"has({A})",
    f"has({C}) == true",
    f"has({A}) && {A} == 'x'",
    f"{A} == 'x' && true",
    f"{A} == 'x' || false",
    f"true && {A}",
    f"false || {A}",
    f"{A} && false",
    f"{A} || true",
    f"{A} && {A}",
    f"({A} == 'x' && {C}.isGreaterThan(quantity('1Gi'))) || !has({A})",
    f"{C}.compareTo(quantity('1Gi')) > 0",
    f"{A}.isGreaterThan(quantity('1Gi'))",
    f"{A}.startsWith('x')",
    f"{A}.isLessThan(semver('2.0.0'))",
    "device.attributes['d'].?a.orValue('') == 'x'",
    "device.attributes['d'].?a.or(optional.of('x')) == optional.of('x')",
    "device.capacity['d'].?a.orValue(quantity('2Gi')).isGreaterThan(quantity('1Gi'))",
    "device.attributes['d'].?a.hasValue()",
    "cel.bind(g, device.attributes['d'], g.a == 'x')",
    "cel.bind(g, device.attributes['d'], has(g.a) && g.?a.orValue(1) == 1)",
    "cel.bind(g, device.attributes['d'].a, true || g == 'x')",
    "cel.bind(g, device.attributes['nope'], g == {})",
    "['d'].exists(device, device == 'd')",
    "[{'d': {'a': 'y'}}].exists(device, device['d'].a == 'x')",
    "[1].all(i, device.attributes['d'].a == 'x')",
)
VALUES = {
    "nothing": {},
    "a text": {"a": "x"},
    "another text": {"a": "z"},
    "an int": {"a": 1},
    "true": {"a": True},
    "a version": {"a": VersionText("1.2.3")},
    "a list": {"a": ("x", "y")},
}


@pytest.mark.parametrize("version", ["1.34", "1.37"])
@pytest.mark.parametrize("attributes", VALUES.values(), ids=VALUES)
def test_a_short_cut_gives_the_same_result_or_error(version: str, attributes: dict[str, CelAttribute]) -> None:
    environment = device_environment(version, list_attributes=None if version == "1.34" else True)
    for driver, capacity in (("d", {}), ("d", {"a": parse_quantity("2Gi")}), ("other", {"a": parse_quantity("1")})):
        device = make_device(driver, attributes, capacity)
        for shape in SHAPES:
            compiled = compile_selector(shape, environment)
            assert compiled.ast is not None, compiled.error
            counted = evaluate(compiled.ast, device, version=version)
            result, error = None, None
            try:
                result = build(compiled.ast, version).matches(device)
            except EvaluationError as problem:
                error = str(problem)
            assert (result, error) == (counted.result, counted.error), shape
