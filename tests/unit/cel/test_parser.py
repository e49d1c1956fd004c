import pytest

from tests.support.selectors import parsed, shape
from webhook.cel.environment import device_environment
from webhook.cel.lexer import tokenize
from webhook.cel.parser import MOST_DEPTH, parse
from webhook.cel.syntax import Call, Comprehension, Literal, Select, walk

SHAPES = {
    "multiplication binds tighter than addition": ("1 + 2 * 3", "(1 + (2 * 3))"),
    "operators of one level group from the left": ("1 - 2 - 3", "((1 - 2) - 3)"),
    "comparison is looser than addition": ("1 + 2 < 4", "((1 + 2) < 4)"),
    "and binds tighter than or": ("true || false && true", "(true || (false && true))"),
    "a chain of and is a balanced tree": ("true && true && true && true", "((true && true) && (true && true))"),
    "the else part of a condition may be a condition": ("true ? 1 : false ? 2 : 3", "(true ? 1 : (false ? 2 : 3))"),
    "not binds looser than a method": ("!'a'.contains('b')", "!'a'.contains('b')"),
    "an even number of minus signs is none": ("--1", "1"),
    "a minus before a number is part of it": ("-1.size()", "(-1).size()"),
    "an index may be optional": ("a[?0]", "a[?0]"),
    "a field may be optional": ("a.?b", "a.?b"),
    "a list may end in a comma": ("[1, 2,]", "[1, 2]"),
    "a map may hold optional entries": ("{?'a': b}", "{?'a': b}"),
    "a message has a name of several parts": ("a.b.C{d: 1}", "a.b.C{d: 1}"),
    "brackets only group": ("((1))", "1"),
}


@pytest.mark.parametrize(("text", "expected"), SHAPES.values(), ids=SHAPES)
def test_a_text_groups_like_this(text: str, expected: str) -> None:
    assert shape(parsed(text).root) == expected


def test_has_tests_a_field() -> None:
    root = parsed("has(device.attributes)").root
    assert isinstance(root, Select)
    assert root.test_only


def test_a_loop_keeps_the_call_as_it_was_written() -> None:
    ast = parsed("[1].all(x, x > 0)")
    assert isinstance(ast.root, Comprehension)
    assert ast.macros[ast.root.id].function == "all"
    assert (ast.root.start, ast.root.end) == (0, 17)


def test_places_are_those_that_the_api_server_reports() -> None:
    root = parsed("a.b(c) + 1").root
    assert isinstance(root, Call)
    assert root.pos == 7
    call = root.args[0]
    assert call.pos == 3
    assert (call.start, call.end) == (0, 6)


def problems(text: str, version: str = "1.37") -> list[str]:
    environment = device_environment(version)
    result = parse(tokenize(text), environment.macros, escaped_names=environment.escaped_names)
    return [error.message for error in result.errors]


MISTAKES = {
    "a reserved name": ("as + 1", "reserved identifier: as"),
    "a number beyond 64 bits": ("9223372036854775808", "invalid int literal"),
    "an unsigned number beyond 64 bits": ("18446744073709551616u", "invalid uint literal"),
    "a number of ten thousand digits": ("1" * 10_000, "invalid int literal"),
    "a double beyond its range": ("1e400", "invalid double literal"),
    "an escape of no character": (r"'\ud800'", "invalid unicode code point"),
    "a loop variable that is no name": ("[1].all(x.y, true)", "argument must be a simple name"),
    "two loop variables of one name": ("[1].all(x, x, true)", "duplicate variable name: x"),
    "a loop variable that is the accumulator": (
        "[1].map(__result__, 1)",
        "iteration variable overwrites accumulator variable",
    ),
    "has without a field": ("has(device)", "invalid argument to has() macro"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_within_the_grammar_is_reported(text: str, message: str) -> None:
    assert problems(text) == [message]


def test_the_least_int_is_a_number() -> None:
    root = parsed("-9223372036854775808").root
    assert isinstance(root, Literal)
    assert root.value == -(2**63)


def test_backquotes_are_known_from_one_release_on() -> None:
    assert problems("a.`b-c`", "1.37") == []
    assert problems("a.`b-c`", "1.36") == ["unsupported syntax: '`'"]


DEEP = {
    "brackets": "({})",
    "lists": "[{}]",
    "calls": "int({})",
    "conditions": "true ? 1 : {}",
    "sums in brackets": "1 + ({})",
}


@pytest.mark.parametrize("form", DEEP.values(), ids=DEEP)
def test_nesting_beyond_the_limit_is_an_error_and_no_crash(form: str) -> None:
    before, after = form.split("{}")
    depth = MOST_DEPTH + 10
    assert problems(before * depth + "1" + after * depth) == [f"expression recursion limit exceeded: {MOST_DEPTH}"]


@pytest.mark.parametrize("link", [".a", "[0]", ".trim()", " + 1", " < 1"])
def test_a_chain_beyond_the_limit_is_an_error(link: str) -> None:
    assert problems("device" + link * MOST_DEPTH) == []
    assert problems("device" + link * (MOST_DEPTH + 1)) == ["max recursion depth exceeded"]


def test_a_chain_of_and_may_be_as_long_as_it_likes() -> None:
    assert problems(" && ".join(["true"] * 1_000)) == []


def test_expansion_that_doubles_with_each_link_ends() -> None:
    text = "optional.of(1)" + ".optMap(x, x)" * 40
    environment = device_environment()
    result = parse(tokenize(text), environment.macros, escaped_names=True)
    assert result.exhausted


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        pytest.param("optional.of(1)", 3, id="without a macro"),
        pytest.param("optional.of(1).optMap(x, x)", 16, id="one link copies what it stands on"),
        pytest.param("optional.of(1).optMap(x, x).optFlatMap(y, optional.of(y))", 43, id="the next copies that copy"),
        pytest.param("optional.of({1: [2]}).optMap(x, [x].map(y, y))", 31, id="maps, lists and loops are copied"),
    ],
)
def test_what_a_macro_uses_twice_is_copied(text: str, nodes: int) -> None:
    environment = device_environment()
    root = parse(tokenize(text), environment.macros, escaped_names=True).root
    assert root is not None
    found = list(walk(root))
    assert len({node.id for node in found}) == len({id(node) for node in found}) == len(found) == nodes
