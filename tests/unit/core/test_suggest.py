"""Did-you-mean."""

import pytest

from webhook.core.suggest import distance, explains, nearest

KNOWN = ("productName", "brand", "architecture", "driverVersion", "cudaDriverVersion", "memory", "partition1")


@pytest.mark.parametrize(
    ("name", "best"),
    [("productname", "productName"), ("product_name", "productName"), ("brnad", "brand"), ("product", "productName")],
)
def test_the_nearest_name_comes_first(name: str, best: str) -> None:
    assert nearest(name, KNOWN)[0] == best


def test_nothing_is_near_a_different_word() -> None:
    assert nearest("tensorCores", KNOWN) == ()


@pytest.mark.parametrize(
    ("near", "name", "slip"),
    [
        pytest.param("productName", "productname", True, id="case"),
        pytest.param("productName", "prodcutName", True, id="two letters swapped"),
        pytest.param("memory", "memroy", True, id="a short name with two letters swapped"),
        pytest.param("partition1", "partition2", False, id="another number"),
        pytest.param("productName", "product", False, id="a part of the name"),
        pytest.param("id", "is", False, id="too short to tell"),
    ],
)
def test_only_a_slip_of_the_pen_explains_a_name(near: str, name: str, slip: bool) -> None:
    assert explains(near, name) is slip


def test_distance_stops_at_its_bound() -> None:
    assert distance("kitten", "sitting", 2) == 3
    assert distance("kitten", "sitting", 5) == 3
