"""Laws of the CEL front end, for any text and for expressions made of its own pieces."""

import re
from time import process_time

from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.cel.compile import Verdict, compile_selector
from webhook.cel.depth import allow_depth
from webhook.cel.environment import VERSIONS, device_environment
from webhook.cel.lexer import tokenize
from webhook.cel.parser import parse
from webhook.cel.printer import print_expression
from webhook.cel.syntax import Ast, walk
from webhook.cel.tree import render_tree

allow_depth()  # long texts raise the limit of recursion, and Hypothesis minds a change while it runs

PIECES = (
    *(
        "device",
        ".attributes",
        ".capacity",
        ".driver",
        "['d']",
        ".x",
        ".?x",
        "[?'a']",
        "[0]",
        "x",
        "k",
        "v",
        "`a-b`",
        "as",
    ),
    *("'a'", '"b"', r"r'\d'", "1", "-1", "2u", "1.5", "true", "false", "null", "[1,2]", "{'a':1}"),
    *("[", "]", "{", "}", "(", ")", ",", ":", "?", ".", "!"),
    *("+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"),
    *(".size()", ".all(x,", ".map(x,", ".exists(k,v,", "has(", "cel.bind(b,", ".sortBy(e,", ".optMap(o,", ".orValue("),
    *("quantity('1Gi')", ".compareTo(", "semver('1.2.3')", "optional.of(", "int(", "string("),
)
ANY_TEXT = st.text(st.characters(), max_size=80)
MADE_OF_PIECES = st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join)
TEXTS = st.one_of(ANY_TEXT, MADE_OF_PIECES)
PLACES = re.compile(r" \[\d+:\d+\]")


@given(TEXTS, st.sampled_from(VERSIONS))
def test_every_text_gets_a_verdict_and_every_refusal_a_reason_within_the_text(text: str, version: str) -> None:
    compiled = compile_selector(text, device_environment(version))
    assert (compiled.verdict is Verdict.OK) == (compiled.error == "")
    assert (compiled.verdict is Verdict.OK) == (compiled.diagnostics == ())
    for diagnostic in compiled.diagnostics:
        assert 0 <= diagnostic.start < diagnostic.end <= max(len(text), 1)
        assert diagnostic.message
        assert diagnostic.fixes


@given(TEXTS)
def test_an_applied_fix_compiles(text: str) -> None:
    environment = device_environment()
    for diagnostic in compile_selector(text, environment).diagnostics:
        for fix in diagnostic.fixes:
            if fix.expression is not None:
                assert compile_selector(fix.expression, environment).verdict is Verdict.OK


@given(MADE_OF_PIECES)
def test_every_span_lies_in_its_source_and_parts_lie_in_their_whole(text: str) -> None:
    ast = tree(text)
    if ast is not None:
        for node in walk(ast.root):
            assert 0 <= node.start <= node.pos < node.end <= len(text)


def tree(text: str) -> Ast | None:
    tokens = tokenize(text)
    if tokens.errors:
        return None
    parsed = parse(tokens, device_environment().macros, escaped_names=True)
    return None if parsed.root is None else Ast(parsed.root, text, parsed.macros)


@given(MADE_OF_PIECES)
def test_a_tree_printed_and_parsed_again_is_the_same(text: str) -> None:
    ast = tree(text)
    if ast is not None:
        again = tree(print_expression(ast))
        assert again is not None
        assert PLACES.sub("", render_tree(again)) == PLACES.sub("", render_tree(ast))


HOSTILE = st.sampled_from(
    [
        "(",
        "[",
        "{",
        "!",
        "-",
        "a.",
        "1+",
        "true?",
        "'",
        '"""',
        "&",
        ")",
        ",",
        "[1].map(x,",
        "x&&",
        ".optMap(x,x)",
        "`",
        "\\",
    ]
)


@settings(max_examples=25, deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=3).map("".join))
def test_ten_kilobytes_of_anything_are_answered_in_bounded_time(piece: str) -> None:
    text = (piece * 10_240)[:10_240]
    before = process_time()
    compile_selector(text, device_environment())
    assert process_time() - before < 1
