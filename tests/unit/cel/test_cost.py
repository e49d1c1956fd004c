import pytest

from webhook.cel.compile import compile_selector
from webhook.cel.environment import device_environment
from webhook.cel.sizes import MOST

# Costs that Kubernetes' own estimator gives.
COSTS = {
    "a constant is free": ("true", 0),
    "an equality reads both sides": ("device.driver == 'x'", 3),
    "a list costs its making": ("[1, 2].size() == 2", 12),
    "a map costs more": ("{'a': 1}.a == 1", 32),
    "a presence test is free": ("has(device.attributes)", 1),
    "a loop costs its body for each element": ("[1, 2, 3].all(x, x > 0)", 26),
    "bind costs its value once": ("cel.bind(x, device.driver, x == x)", 21),
    "a pattern costs by the length of both": ("device.driver.matches('a+b')", 9),
    "the dearer branch counts": ("device.driver == 'a' ? [1].size() == 1 : true", 15),
}


@pytest.mark.parametrize(("text", "cost"), COSTS.values(), ids=COSTS)
def test_an_expression_costs_at_most(text: str, cost: int) -> None:
    assert compile_selector(text, device_environment()).max_cost == cost


def test_what_has_no_bound_costs_the_most_there_is() -> None:
    text = "lists.range(device.attributes['d'].n).all(i, lists.range(i).all(j, true))"
    assert compile_selector(text, device_environment()).max_cost == MOST


def test_a_key_of_two_variables_takes_the_size_of_the_value() -> None:
    """Two paths share memory in the reference, and the second overwrites the first."""
    looped = "device.capacity['d'].transformMapEntry(k, v, {k + 'x': v}).size() > 0"
    assert compile_selector(looped, device_environment()).max_cost == 1156
