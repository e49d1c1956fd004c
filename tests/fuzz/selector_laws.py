"""What must hold of any text that is given as a selector, in every release."""

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from time import thread_time

from tests.conformance.differential import devices
from tests.support.selectors import parsed
from webhook.cel.compile import Compiled, Verdict, compile_selector
from webhook.cel.depth import allow_depth
from webhook.cel.device import CelDevice, device_from_json
from webhook.cel.environment import VERSIONS, Environment, device_environment
from webhook.cel.evaluator import EvaluationError, build, evaluate
from webhook.cel.lexer import tokenize
from webhook.cel.macros import MOST_NODES
from webhook.cel.printer import print_expression
from webhook.cel.referee import referee
from webhook.cel.syntax import Ast, walk
from webhook.cel.tree import render_tree

MOST_SECONDS = 2.0
"""Of the processor for one text; far above what it takes, because a fuzzer's instruments slow the program down."""
MOST_COST = 20_000
"""Where evaluations are ended: a fuzzer finds those of the real limit, a million, and would do little else."""
LIMIT = "operation cancelled: actual cost limit exceeded"
_PLACE = re.compile(r" \[\d+:\d+\]")


@cache
def recorded_devices() -> tuple[CelDevice, ...]:
    return tuple(device_from_json(device) for device in devices())


def go_deep() -> None:
    """See to it that what raises the limit of recursion has done so: Hypothesis minds a change while it runs."""
    allow_depth()
    compiled = compile_selector("true", device_environment())
    assert compiled.ast is not None
    assert referee(compiled.expression, compiled.ast, recorded_devices()[0])


def hold_for_selector(text: str, versions: Iterable[str] = VERSIONS, fully: str = VERSIONS[-1]) -> None:
    """Fail unless the text is compiled as it must be in these releases; the costly laws are tried in one of them."""
    for version in versions:
        environment = device_environment(version)
        started = thread_time()
        compiled = compile_selector(text, environment)
        assert (compiled.verdict is Verdict.OK) == (compiled.error == "")
        if version == fully:
            _is_explained(compiled, environment)
        assert thread_time() - started < MOST_SECONDS, "the verdict must not take that long"
        if version == fully and compiled.ast is not None:
            _is_evaluated(compiled, compiled.ast, version)
        if version == fully and compiled.verdict is not Verdict.TOO_LONG:
            _is_printed(compiled.expression, version)


def _is_explained(compiled: Compiled, environment: Environment) -> None:
    """Every refusal has a reason inside the text, and a way out; a way out that is written out compiles."""
    assert (compiled.verdict is Verdict.OK) == (compiled.diagnostics == ())
    for diagnostic in compiled.diagnostics:
        assert 0 <= diagnostic.start < diagnostic.end <= max(len(compiled.expression), 1)
        assert diagnostic.message
        assert diagnostic.fixes
        for fix in diagnostic.fixes:
            if fix.expression is not None:
                assert compile_selector(fix.expression, environment).verdict is Verdict.OK, fix.expression


def _is_evaluated(compiled: Compiled, ast: Ast, version: str) -> None:
    """Evaluation returns or ends in an EvaluationError, and both programs agree."""
    program = build(ast, version, compiled.verdict is not Verdict.OK)
    for device in recorded_devices():
        counted = evaluate(ast, device, MOST_COST, version)
        if counted.error == LIMIT:
            break
        result, error = None, None
        try:
            result = program.matches(device)
        except EvaluationError as problem:
            error = str(problem)
        assert (result, error) == (counted.result, counted.error), device.driver


def _is_printed(text: str, version: str) -> None:
    """Every span lies in the text; the tree printed and parsed again is the same."""
    ast = _tree(text, version)
    if ast is None:
        return
    nodes = 0
    for node in walk(ast.root):
        nodes += 1
        assert 0 <= node.start <= node.pos < node.end <= len(text)
    assert nodes <= MOST_NODES
    printed = print_expression(ast)
    again = _tree(printed, version)
    assert again is not None, printed
    assert _PLACE.sub("", render_tree(again)) == _PLACE.sub("", render_tree(ast)), printed


def _tree(text: str, version: str) -> Ast | None:
    """Return the tree of a text; None where its syntax is wrong."""
    if tokenize(text).errors:
        return None
    with suppress(AssertionError):
        return parsed(text, version)
    return None
