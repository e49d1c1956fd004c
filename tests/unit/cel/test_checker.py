import pytest

from webhook.cel.compile import compile_selector
from webhook.cel.environment import device_environment
from webhook.cel.syntax import Call, walk
from webhook.cel.types import format_type

TYPES = {
    "an int": ("1", "int"),
    "an unsigned int": ("1u", "uint"),
    "a list of one type": ("[1, 2]", "list(int)"),
    "an empty list holds anything": ("[]", "list(dyn)"),
    "an empty list becomes what it is added to": ("[] + ['a']", "list(string)"),
    "a map": ("{'a': 1u}", "map(string, uint)"),
    "the field of a map is its value": ("{'a': 1}.a", "int"),
    "an optional field": ("{'a': 1}.?a", "optional_type(int)"),
    "an index of an optional stays optional": ("optional.of([1])[0]", "optional_type(int)"),
    "both branches agree": ("true ? 1 : 2", "int"),
    "a branch of any type wins": ("true ? 1 : dyn('a')", "dyn"),
    "map gives a list of results": ("[1].map(x, string(x))", "list(string)"),
    "a loop over a map has its keys": ("{'a': 1}.map(k, k)", "list(string)"),
    "two variables are key and value": ("{'a': 1}.transformList(k, v, v)", "list(int)"),
    "transformMap keeps the keys": ("['a'].transformMap(i, v, v)", "map(int, string)"),
    "bind gives what its body gives": ("cel.bind(x, 1, [x])", "list(int)"),
    "optMap maps what may be there": ("optional.of(1).optMap(x, x > 0)", "optional_type(bool)"),
    "a qualified function": ("lists.range(3)", "list(int)"),
    "a type is a value": ("type(1)", "type(int)"),
    "a qualified type": ("net.IP", "type(net.IP)"),
    "an attribute may be anything": ("device.attributes['d'].x", "any"),
    "a capacity is a quantity": ("device.capacity['d'].x", "kubernetes.Quantity"),
    "a message of a number": ("google.protobuf.Int64Value{value: 1}", "wrapper(int)"),
    "a constant of an enum": ("google.protobuf.NullValue.NULL_VALUE", "int"),
    "adding a duration to a time": ("timestamp(0) + duration('1s')", "timestamp"),
    "null before an object that may be missing": ("true ? null : duration('1s')", "null"),
}


@pytest.mark.parametrize(("text", "expected"), TYPES.values(), ids=TYPES)
def test_an_expression_has_this_type(text: str, expected: str) -> None:
    # a list holds it, so that only the check decides
    compiled = compile_selector(f"[{text}].size() == 1", device_environment())
    assert compiled.ast is not None, compiled.error
    found = {format_type(node.type) for node in walk(compiled.ast.root) if (node.start, node.end) == (1, 1 + len(text))}
    assert expected in found


WRONG = {
    "an unknown variable": ("x == 1", "1:1: undeclared reference to 'x' (in container '')"),
    "an unknown function": ("f(1) == 1", "1:2: undeclared reference to 'f' (in container '')"),
    "an unknown field": ("device.x == 1", "1:7: undefined field 'x'"),
    "a field of a number": ("1.x == 1", "1:2: type 'int' does not support field selection"),
    "numbers of two types are not equal": (
        "1 == 1.0",
        "1:3: found no matching overload for '_==_' applied to '(int, double)'",
    ),
    "a method on the wrong type": (
        "1.contains('a')",
        "1:11: found no matching overload for 'contains' applied to 'int.(string)'",
    ),
    "a condition that is none": ("1 && true", "1:1: expected type 'bool' but found 'int'"),
    "a loop over a number": (
        "1.all(x, true)",
        "1:1: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
    ),
    "a list of two types": ("[1, 'a'] == []", "1:5: expected type 'int' but found 'string'"),
    "an optional entry that is not optional": (
        "[?1] == []",
        "1:3: expected type 'optional_type(int)' but found 'int'",
    ),
    "a literal of a type that is no message": ("int{} == 1", "1:4: 'int' is not a message type"),
    "a field of the wrong type": (
        "google.protobuf.Int64Value{value: 'a'} == 1",
        "1:33: expected type of field 'value' is 'int' but provided type is 'string'",
    ),
    "a variable of a loop outside of it": (
        "[1].all(x, true) && x",
        "1:21: undeclared reference to 'x' (in container '')",
    ),
    "a pattern that is none": ("'a'.matches('(')", "1:13: invalid matches argument"),
    "a duration that is none": ("duration('x') == duration('1s')", "1:10: invalid duration argument"),
    "a format with too few values": ("'%d %d'.format([1]) == ''", "1:15: index 1 out of range"),
    "a format of another type": (
        "'%d'.format(['a']) == ''",
        "1:14: error during formatting: decimal clause can only be used on integers, was given string",
    ),
}


@pytest.mark.parametrize(("text", "error"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_told_in_the_api_servers_words(text: str, error: str) -> None:
    compiled = compile_selector(text, device_environment())
    assert compiled.error.split("\n", 1)[0] == f"compilation failed: ERROR: <input>:{error}"


def test_all_overloads_that_may_run_are_noted() -> None:
    compiled = compile_selector("device.attributes['d'].x < 1", device_environment())
    assert compiled.ast is not None
    root = compiled.ast.root
    assert isinstance(root, Call)
    assert set(root.overloads) == {"less_int64", "less_double_int64", "less_uint64_int64"}


@pytest.mark.parametrize(("version", "ok"), [("1.36", True), ("1.37", False)])
def test_a_variable_hides_a_qualified_name_only_from_one_release_on(version: str, ok: bool) -> None:
    compiled = compile_selector("[{'IP': 1}].all(net, net.IP == net.IP)", device_environment(version))
    assert compiled.ast is not None
    qualified = [node for node in walk(compiled.ast.root) if getattr(node, "reference", None) == "net.IP"]
    assert bool(qualified) == ok
