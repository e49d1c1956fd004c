import pytest

from webhook.cel.compile import MOST_BYTES, Compiled, Verdict, compile_selector
from webhook.cel.environment import VERSIONS, device_environment


def judged(text: str, version: str = "1.37", *, stored: bool = False) -> Compiled:
    return compile_selector(text, device_environment(version, stored=stored))


def test_a_condition_on_the_driver_is_accepted_with_its_cost() -> None:
    compiled = judged("device.driver == 'gpu.example.com'")
    assert (compiled.verdict, compiled.result_type, compiled.max_cost) == (Verdict.OK, "bool", 4)
    assert compiled.ast is not None
    assert compiled.diagnostics == ()


def test_the_bare_value_of_an_attribute_is_accepted() -> None:
    assert judged("device.attributes['d'].x").result_type == "google.protobuf.Any"


REFUSED = {
    "a result that is no condition": ("device.driver", "must evaluate to bool or the unknown type, not string"),
    "a constant that cannot be converted": (
        "int('x') == 1",
        "program instantiation failed: type conversion error from 'string' to 'int'",
    ),
    "a constant pattern that is none": (
        "'a'.find('[') == ''",
        "program instantiation failed: error parsing regexp: missing closing ]: `[`",
    ),
    "a type that does not exist at run time": (
        "timestamp == int",
        "program instantiation failed: reference to undefined type: timestamp",
    ),
    "a variable that holds a type": (
        "[int].all(t, t == int)",
        "program instantiation failed: reference to undefined type: t",
    ),
    "what makes the reference crash": ("{b'k': 1} == {}", "panic: runtime error: hash of unhashable type types.Bytes"),
}


@pytest.mark.parametrize(("text", "error"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_after_the_check_says_why(text: str, error: str) -> None:
    compiled = judged(text)
    assert (compiled.verdict, compiled.error) == (Verdict.INVALID, error)


def test_an_expression_at_the_limit_of_length_is_judged_and_one_byte_more_is_not() -> None:
    assert judged("true" + " " * (MOST_BYTES - 4)).verdict is Verdict.OK
    assert judged("true" + " " * (MOST_BYTES - 3)).verdict is Verdict.TOO_LONG


def test_length_is_counted_in_bytes() -> None:
    assert judged("'" + "\u00e9" * 5_120 + "' == ''").verdict is Verdict.TOO_LONG


def test_loops_within_loops_over_a_long_range_cost_too_much() -> None:
    text = "lists.range(1000).all(i, lists.range(1000).all(j, i + j >= 0))"
    compiled = judged(text)
    assert compiled.verdict is Verdict.TOO_COSTLY
    assert compiled.max_cost > 1_000_000


def test_a_type_that_doubles_with_each_line_ends() -> None:
    text = "[]"
    for name in "abcdefghijklmnopqrstuvwxyz":
        text = f"cel.bind({name}, {text}, {{{name}: {name}}})"
    assert judged(f"{text} == 1").verdict in (Verdict.TOO_COSTLY, Verdict.INVALID)


CHANGES = {
    "lists have more methods from 1.35 on": ("[1, 1].distinct() == [1]", ("1.35", "1.36", "1.37")),
    "shared devices are visible from 1.36 on": ("device.allowMultipleAllocations", ("1.36", "1.37")),
    "names in backquotes come with 1.37": ("{'a-b': 1}.`a-b` == 1", ("1.37",)),
    "a wrapped bool is a result from 1.37 on": ("google.protobuf.BoolValue{value: true}", ("1.37",)),
}


@pytest.mark.parametrize(("text", "versions"), CHANGES.values(), ids=CHANGES)
def test_releases_differ(text: str, versions: tuple[str, ...]) -> None:
    assert tuple(version for version in VERSIONS if judged(text, version).verdict is Verdict.OK) == versions


def test_stored_expressions_may_use_what_the_next_release_brings() -> None:
    assert judged("[1, 1].distinct() == [1]", "1.34", stored=True).verdict is Verdict.OK


def test_the_gate_of_list_attributes_makes_values_loopable() -> None:
    text = "device.attributes['d'].models.exists(m, m == 'a')"
    assert judged(text).verdict is Verdict.INVALID
    gated = device_environment("1.37", list_attributes=True)
    assert compile_selector(text, gated).verdict is Verdict.OK


def test_an_unknown_version_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        device_environment("1.20")


def test_carets_stand_right_under_wide_characters() -> None:
    lines = judged("'\U0001f600' == 1").error.splitlines()
    assert lines[0] == (
        "compilation failed: ERROR: <input>:1:5: found no matching overload for '_==_' applied to '(string, int)'"
    )
    assert lines[1:] == [" | '\U0001f600' == 1", " | .\uff0e..^"]


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "'\udfff' == 'a'", "\u202e", "e\u0301 == 1"])
def test_odd_characters_get_an_answer(text: str) -> None:
    compiled = judged(text)
    assert compiled.verdict is not Verdict.TOO_LONG
    assert "\ud800" not in compiled.expression
