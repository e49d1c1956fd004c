"""JSON Patch as the API server applies it (RFC 6902)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.patch import Operation, PatchError, apply, difference

DOCUMENT = {"spec": {"list": [{"a": 1}, {"b": 2}], "a/b": 1, "m~n": 2}, "n": None}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=3), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        pytest.param(Operation("add", "/spec/new", 1), {"new": 1}, id="add a field"),
        pytest.param(Operation("add", "/spec/a~1b", 3), {"a/b": 3}, id="add over a field that is there, with a slash"),
        pytest.param(Operation("replace", "/spec/m~0n", 3), {"m~n": 3}, id="replace a field with a tilde"),
        pytest.param(Operation("add", "/spec/list/-", 9), {"list": [{"a": 1}, {"b": 2}, 9]}, id="append"),
        pytest.param(Operation("add", "/spec/list/2", 9), {"list": [{"a": 1}, {"b": 2}, 9]}, id="add at the end"),
        pytest.param(Operation("add", "/spec/list/0", 9), {"list": [9, {"a": 1}, {"b": 2}]}, id="insert"),
        pytest.param(Operation("remove", "/spec/list/0"), {"list": [{"b": 2}]}, id="remove from a list"),
        pytest.param(Operation("add", "/spec/list/1/c", 3), {"list": [{"a": 1}, {"b": 2, "c": 3}]}, id="add inside"),
        pytest.param(Operation("test", "/spec/a~1b", 1), {}, id="a test that holds"),
    ],
)
def test_operation_changes_only_its_target(operation: Operation, expected: dict[str, Any]) -> None:
    assert apply(DOCUMENT, [operation]) == {**DOCUMENT, "spec": {**DOCUMENT["spec"], **expected}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(Operation("remove", "/spec/none"), id="remove what is not there"),
        pytest.param(Operation("replace", "/spec/none", 1), id="replace what is not there"),
        pytest.param(Operation("add", "/none/field", 1), id="add below a missing parent"),
        pytest.param(Operation("add", "/n/field", 1), id="add below null"),
        pytest.param(Operation("add", "/spec/list/3", 1), id="add past the end"),
        pytest.param(Operation("remove", "/spec/list/-"), id="remove past the end"),
        pytest.param(Operation("remove", "/spec/list/-1"), id="an index below 0"),
        pytest.param(Operation("remove", "/spec/list/01"), id="an index with a leading 0"),
        pytest.param(Operation("remove", "/spec/list/x"), id="no index"),
        pytest.param(Operation("test", "/spec/a~1b", True), id="a test against true where 1 is"),
        pytest.param(Operation("test", "/spec/none", None), id="a test of what is not there"),
        pytest.param(Operation("add", "spec", 1), id="no pointer"),
        pytest.param(Operation("move", "/spec/list", 1), id="an operation that is not used here"),
    ],
)
def test_operation_that_does_not_fit_is_refused(operation: Operation) -> None:
    with pytest.raises(PatchError):
        apply(DOCUMENT, [operation])


def test_the_document_stays_as_it_is_and_shares_what_has_not_changed() -> None:
    after = apply(DOCUMENT, [Operation("add", "/spec/list/0/c", 1)])
    assert DOCUMENT["spec"]["list"] == [{"a": 1}, {"b": 2}]  # type: ignore[index]
    assert after["spec"]["list"][1] is DOCUMENT["spec"]["list"][1]  # type: ignore[index]


def test_equal_documents_have_no_difference() -> None:
    assert difference(DOCUMENT, {**DOCUMENT, "spec": {**DOCUMENT["spec"]}}) == ()  # type: ignore[dict-item]


def test_difference_names_only_what_differs() -> None:
    after = apply(DOCUMENT, [Operation("remove", "/spec/a~1b"), Operation("add", "/spec/list/-", 1)])
    assert difference(DOCUMENT, after) == (Operation("remove", "/spec/a~1b"), Operation("add", "/spec/list/-", 1))


def test_true_is_not_one() -> None:
    assert difference({"a": 1}, {"a": True}) == (Operation("replace", "/a", True),)


def test_depth_of_what_does_not_change_is_no_matter() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    before = {"deep": deep, "a": 1}
    after = {"deep": deep, "a": 2}
    assert apply(before, difference(before, after))["a"] == 2
    while deep:  # taken apart by hand: the interpreter frees nested lists one inside the other
        deep = deep.pop()


@given(json_values, json_values)
def test_applying_the_difference_gives_the_other_document(before: Any, after: Any) -> None:
    made = apply(before, difference(before, after))
    assert made == after
    assert difference(made, after) == ()
