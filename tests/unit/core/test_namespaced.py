"""Frozen copies stay as they were, whatever changes afterwards, and say what a plain map would."""

from hypothesis import given
from hypothesis import strategies as st

from webhook.core.namespaced import Changing

KEYS = st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"))
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.integers(0, 3)), max_size=30)


@given(st.dictionaries(KEYS, st.integers()), CHANGES)
def test_it_is_a_map_and_what_was_given_out_does_not_change(
    first: dict[tuple[str, str], int], changes: list[tuple[tuple[str, str], int | None]]
) -> None:
    changing, plain = Changing(first), dict(first)
    given_out = []
    for key, value in changes:
        if value is None:
            assert changing.pop(key, None) == plain.pop(key, None)
        else:
            changing[key] = plain[key] = value
        given_out.append((changing.frozen(), dict(plain)))
    assert dict(changing) == plain
    assert len(changing) == len(plain)
    for frozen, then in given_out:
        assert dict(frozen.items()) == then
        assert set(frozen) == set(then)
        assert len(frozen) == len(then)
        assert all(frozen[key] == value for key, value in then.items())
        assert frozen.get(("c", "x")) is None


def test_namespaces_without_a_change_are_shared() -> None:
    changing = Changing({("a", "x"): object(), ("b", "x"): object()})
    before = changing.frozen()
    changing["a", "y"] = object()
    after = changing.frozen()
    assert ("a", "y") not in before
    assert before[("b", "x")] is after[("b", "x")]
