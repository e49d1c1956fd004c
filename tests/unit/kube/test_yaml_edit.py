"""A YAML document changes where its data changed, and nowhere else."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.patch import Operation, apply
from webhook.kube.yaml_edit import dump, edit

REMOVE, ADD, REPLACE = "remove", "add", "replace"


def _edited(text: str, *operations: Operation) -> str:
    before = yaml.safe_load(text)
    after = apply(before, operations)
    changed = edit(text, before, after)
    assert yaml.safe_load(changed) == after
    return changed


def test_an_entry_that_comes_first_is_put_first_and_comments_stay_with_what_they_are_about() -> None:
    text = "t:\n  # about b\n  b: 1\nu: {c: 1}\nv:\n- d: 1\n"
    before = yaml.safe_load(text)
    after = {
        **before,
        "t": {"a": [1], **before["t"], "z": 2},
        "u": {"a": 0, **before["u"]},
        "v": [{"a": 0, **before["v"][0]}],
    }
    expected = "t:\n  a:\n  - 1\n  # about b\n  b: 1\n  z: 2\nu: {c: 1, a: 0}\nv:\n- d: 1\n  a: 0\n"
    assert edit(text, before, after) == expected


@pytest.mark.parametrize(
    ("before", "operations", "after"),
    [
        pytest.param(
            "a:\n  b: 1  # why\n  # below\n  c: 2\n",
            [Operation(REMOVE, "/a/b")],
            "a:\n  # why\n  # below\n  c: 2\n",
            id="a removed entry leaves its comment",
        ),
        pytest.param(
            "a:\n  b:\n    # inner\n    x: 1 # last\n  c: 2\n",
            [Operation(REMOVE, "/a/b")],
            "a:\n  # inner\n  # last\n  c: 2\n",
            id="a removed block leaves all its comments",
        ),
        pytest.param(
            "a:\n  b: 1\n\n# c begins\nc: 2\n",
            [Operation(ADD, "/a/d", [{"x": 1}])],
            "a:\n  b: 1\n  d:\n  - x: 1\n\n# c begins\nc: 2\n",
            id="a new entry stands below the last one, above what belongs to the next",
        ),
        pytest.param(
            "a:\n  - x: 1\n  - y: 2\nb: 1\n",
            [Operation(ADD, "/a/-", {"z": [1]})],
            "a:\n  - x: 1\n  - y: 2\n  - z:\n    - 1\nb: 1\n",
            id="an appended item",
        ),
        pytest.param(
            "l:\n  - 1\na: 1\n",
            [Operation(ADD, "/m", {"k": [{"n": 1}]})],
            "l:\n  - 1\na: 1\nm:\n  k:\n    - n: 1\n",
            id="new lists are indented as the document's own",
        ),
        pytest.param(
            'a: {b: 1, c: "2", d: 3}\n',
            [Operation(REMOVE, "/a/b"), Operation(ADD, "/a/e", [1])],
            'a: {c: "2", d: 3, e: [1]}\n',
            id="a flow mapping keeps its quotes",
        ),
        pytest.param(
            "a: {b: 1, c: 2, d: 3}\n",
            [Operation(REMOVE, "/a/c"), Operation(REMOVE, "/a/d")],
            "a: {b: 1}\n",
            id="the end of a flow mapping",
        ),
        pytest.param("a: {b: 1}\n", [Operation(REMOVE, "/a/b")], "a: {}\n", id="all of a flow mapping"),
        pytest.param("a: [1]\n", [Operation(ADD, "/a/-", {"x": 1})], "a: [1, {x: 1}]\n", id="a flow sequence"),
        pytest.param("a: []\n", [Operation(ADD, "/a/-", 1)], "a: [1]\n", id="an empty flow sequence"),
        pytest.param("a: 1 # c\nb: 2\n", [Operation(REPLACE, "/a", "x")], "a: x # c\nb: 2\n", id="a scalar"),
        pytest.param("a:\nb: 2\n", [Operation(REPLACE, "/a", {"x": 1})], "a:\n  x: 1\nb: 2\n", id="an empty value"),
        pytest.param(
            "a: # why\nb: 2\n", [Operation(REPLACE, "/a", {"x": 1})], "# why\na:\n  x: 1\nb: 2\n", id="empty, commented"
        ),
        pytest.param("a: 1", [Operation(ADD, "/b", 2)], "a: 1\nb: 2\n", id="no line break at the end"),
        pytest.param("a: 1\r\nc: 3\r\n", [Operation(ADD, "/b", [2])], "a: 1\r\nc: 3\r\nb:\r\n- 2\r\n", id="CRLF"),
        pytest.param(
            "a:\n  t: |\n    one\n\n    two\nb: 1\n",
            [Operation(ADD, "/a/x", 1)],
            "a:\n  t: |\n    one\n\n    two\n  x: 1\nb: 1\n",
            id="below a literal block",
        ),
        pytest.param(
            "l:\n- a: 1\n  b: 2\n", [Operation(REMOVE, "/l/0/b")], "l:\n- a: 1\n", id="the second key of an item"
        ),
        pytest.param(
            "l:\n- a: 1\n  b: 2\n", [Operation(REMOVE, "/l/0/a")], "l:\n- b: 2\n", id="the first key of an item"
        ),
        pytest.param("l:\n- 1\n- 2\n", [Operation(REMOVE, "/l/1")], "l:\n- 1\n", id="the last item"),
        pytest.param(
            "x: &x {n: 1}\ny: *x\n", [Operation(ADD, "/y/m", 2)], "x: &x {n: 1}\ny: {n: 1, m: 2}\n", id="an alias"
        ),
        pytest.param(
            "x: &x\n  n: 1\ny: *x\nz: *x\n",
            [Operation(ADD, "/x/m", 2)],
            "x: &x\n  n: 1\n  m: 2\ny: {n: 1}\nz: {n: 1}\n",
            id="what aliases mean stays where the anchored text changes",
        ),
        pytest.param(
            "x: &x\n  n: 1\ny:\n  <<: *x\n  o: 1\n",
            [Operation(ADD, "/y/m", 2)],
            "x: &x\n  n: 1\ny:\n  <<: *x\n  o: 1\n  m: 2\n",
            id="beside a merge key",
        ),
        pytest.param(
            "x: &x\n  n: 1\ny:\n  <<: *x\n  o: 1\n",
            [Operation(REMOVE, "/y/n")],
            "x: &x\n  n: 1\ny:\n  o: 1\n",
            id="what comes from a merge key goes",
        ),
        pytest.param(
            "x: &x\n  n: 1\ny:\n  <<: *x\n  o: 1\n",
            [Operation(REPLACE, "/y/n", 2)],
            "x: &x\n  n: 1\ny:\n  <<: *x\n  o: 1\n  n: 2\n",
            id="what comes from a merge key changes",
        ),
        pytest.param(
            "x: &x\n  n: 1\ny:\n  <<: *x\n  o: 1\n",
            [Operation(REPLACE, "/x/n", 2)],
            "x: &x\n  n: 2\ny:\n  n: 1\n  o: 1\n",
            id="the anchor of a merge key changes",
        ),
        pytest.param(
            "l: [&x {n: 1}, 2]\ny: *x # c\n",
            [Operation(REPLACE, "/l", {"k": 1})],
            "l: {k: 1}\ny: {n: 1} # c\n",
            id="an anchor inside what is written anew",
        ),
        pytest.param('{"a": {"b": 1}}\n', [Operation(ADD, "/c", [1])], '{"a": {"b": 1}, "c": [1]}\n', id="JSON"),
        pytest.param('{\n "a": 1\n}\n', [Operation(ADD, "/c", 1)], '{\n "a": 1,\n "c": 1\n}\n', id="JSON on lines"),
    ],
)
def test_edit(before: str, operations: list[Operation], after: str) -> None:
    assert _edited(before, *operations) == after


def test_what_does_not_change_keeps_every_character() -> None:
    text = "# c\na:   {b: 1,   c: 'x'}   # d\n\n\nd: >\n   folded\n   text\ne: 0x10\n"
    value = yaml.safe_load(text)
    assert edit(text, value, value) == text


keys = st.text("abc", min_size=1, max_size=2)
values = st.recursive(
    st.integers(-9, 9) | st.text("xyz #:-'\n", max_size=6) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(keys, values, min_size=1), st.dictionaries(keys, values), st.data())
def test_the_edited_text_reads_as_what_was_meant(
    before: dict[str, Any], new: dict[str, Any], data: st.DataObject
) -> None:
    """Parts of the document change at random depth; some writing styles of YAML are tried."""
    flow = data.draw(st.sampled_from([None, False, True]))
    text = yaml.safe_dump(before, default_flow_style=flow, sort_keys=False)
    if data.draw(st.booleans()):
        text = dump(before, indented=True)
    after = _varied(before, new, data)
    assert _same(yaml.safe_load(edit(text, before, after)), after)


def _varied(value: Any, new: dict[str, Any], data: st.DataObject) -> Any:
    """Return the value changed somewhere, sharing what has not changed."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(value)))
        if data.draw(st.booleans()):
            return {name: item for name, item in value.items() if name != key}
        return {name: _varied(item, new, data) if name == key else item for name, item in value.items()}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [_varied(value[0], new, data), *value[1:]]
    if isinstance(value, dict):
        return {**value, **new}
    return [*value, new] if isinstance(value, list) else new


def _same(one: object, other: object) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
