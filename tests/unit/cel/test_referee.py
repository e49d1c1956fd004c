"""cel-python is asked where it can answer, and nowhere else."""

import sys

import pytest

from webhook.cel.compile import compile_selector
from webhook.cel.device import CelDevice, make_device
from webhook.cel.environment import device_environment
from webhook.cel.referee import referee, supported
from webhook.core.device import VersionText
from webhook.core.quantity import parse_quantity

DEVICE = make_device(
    "gpu.nvidia.com",
    {"type": "gpu", "index": 3, "shared": False, "version": VersionText("9.0.0")},
    {"memory": parse_quantity("80Gi")},
)


def opinion(expression: str, device: CelDevice = DEVICE) -> bool | None:
    compiled = compile_selector(expression, device_environment())
    assert compiled.ast is not None, compiled.error
    return referee(expression, compiled.ast, device)


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [
        pytest.param("device.attributes['gpu.nvidia.com'].type == 'gpu'", True, id="a string"),
        pytest.param("device.attributes['gpu.nvidia.com'].index > 5", False, id="a number"),
        pytest.param("device.attributes['nope'].type == 'gpu'", False, id="an unknown domain is an empty map"),
        pytest.param("'nope' in device.attributes", False, id="but it is not there"),
        pytest.param("has(device.attributes['gpu.nvidia.com'].type)", True, id="an attribute that is there"),
        pytest.param("device.attributes['gpu.nvidia.com'].nope == 1 || true", True, id="an error that is absorbed"),
        pytest.param(
            "['a', 'gpu'].exists(t, device.attributes['gpu.nvidia.com'].type == t)", True, id="a macro with one name"
        ),
        pytest.param("device.attributes['gpu.nvidia.com'].type.matches('^g')", True, id="a pattern"),
        pytest.param(
            "device.capacity['gpu.nvidia.com'].memory.compareTo(quantity('40Gi')) >= 0", True, id="a quantity"
        ),
        pytest.param("device.attributes['gpu.nvidia.com'].version.isLessThan(semver('8.0.0'))", False, id="a version"),
        pytest.param("device.attributes['gpu.nvidia.com'].shared", False, id="an attribute as the result"),
    ],
)
def test_plain_selectors_are_judged(expression: str, accepted: bool) -> None:
    assert opinion(expression) is accepted


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("device.attributes['gpu.nvidia.com'].?type.orValue('') == 'gpu'", id="optional syntax"),
        pytest.param("cel.bind(a, device.driver, a == 'x')", id="bind"),
        pytest.param("[1].all(i, v, v == 1)", id="a macro with two names"),
        pytest.param("device.driver == '\\x67'", id="an escape"),
        pytest.param("device.driver == '''a'''", id="a string of several lines"),
        pytest.param("type(device.driver) == string", id="types"),
        pytest.param("1.5 < 2.0", id="doubles"),
        pytest.param("device.attributes['gpu.nvidia.com'].type[0] == 'g'", id="an index of what may be a string"),
        pytest.param("device.attributes['gpu.nvidia.com'].index == 'gpu'", id="different types, where it is wrong"),
        pytest.param("device.attributes['gpu.nvidia.com'].version == 'x'", id="a version by an operator"),
        pytest.param("device.attributes['gpu.nvidia.com'].type", id="a result that is no bool"),
        pytest.param("isSemver(device.driver)", id="a function of Kubernetes"),
    ],
)
def test_there_is_no_opinion_on_what_it_does_not_know(expression: str) -> None:
    assert opinion(expression) is None


def test_there_is_no_opinion_on_a_broken_device() -> None:
    assert opinion("true", make_device("d", {"v": VersionText("x")}, {})) is None


def test_asking_it_leaves_the_recursion_limit_alone() -> None:
    before = sys.getrecursionlimit()
    assert opinion("device.driver == 'gpu.nvidia.com'") is True
    assert sys.getrecursionlimit() >= before


@pytest.mark.parametrize(("clauses", "asked"), [(11, True), (12, False)])
def test_long_chains_are_not_put_to_it(clauses: int, asked: bool) -> None:
    ast = compile_selector(
        " && ".join(f"device.attributes['d'].a{n} == 1" for n in range(clauses)), device_environment()
    ).ast
    assert ast is not None
    assert supported(ast) is asked


@pytest.mark.timeout(20)
@pytest.mark.parametrize("macro", ["all", "exists"])
def test_errors_in_a_loop_do_not_quote_each_other(macro: str) -> None:
    """The texts of such errors double with each entry: thirty took gigabytes."""
    entries = ", ".join(map(str, range(40)))
    assert opinion(f"[{entries}].{macro}(i, device.attributes['gpu.nvidia.com'].nope == i)") is None


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("[1].all(i, [1].all(j, i == j))", id="a loop in a loop"),
        pytest.param("[1].map(i, i + 1).all(j, j > 0)", id="a loop over a loop"),
        pytest.param(f"[{', '.join(map(str, range(500)))}].all(i, i >= 0)", id="a long list"),
        pytest.param("!" * 9999 + "true", id="signs of which the tree keeps one"),
        pytest.param(f"[{', '.join('(((((1)))))' for _ in range(50))}] == []", id="parentheses that no tree has"),
    ],
)
def test_what_would_take_it_long_is_not_asked(expression: str) -> None:
    assert opinion(expression) is None
