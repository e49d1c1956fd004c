"""From the text of a selector to the verdict that the API server would give."""

import re
import sys
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from webhook.cel.checker import TooHeavyError, check
from webhook.cel.cost import estimate_cost
from webhook.cel.diagnostics import Diagnostic, DiagnosticFix, DiagnosticKind, Found, diagnostics_of
from webhook.cel.environment import Environment, device_environment
from webhook.cel.folding import PlanError, fold
from webhook.cel.lexer import Tokens, tokenize
from webhook.cel.parser import parse
from webhook.cel.problems import Problem
from webhook.cel.source import SourceError, render_errors
from webhook.cel.syntax import Ast
from webhook.cel.types import Type, declared_type, same_type
from webhook.cel.validators import ReferencePanicError, validate

__all__ = [
    "Compiled",
    "Diagnostic",
    "DiagnosticFix",
    "DiagnosticKind",
    "Verdict",
    "compile_selector",
    "device_environment",
]

MOST_BYTES: Final = 10_240
MOST_COST: Final = 1_000_000
UNBOUNDED_COST: Final = 2**64 - 1
_TOO_LONG: Final = f"may not be more than {MOST_BYTES} bytes"
_TOO_COSTLY: Final = "too complex, exceeds cost limit"
_SURROGATE = re.compile("[\ud800-\udfff]")
_MANY_TOKENS: Final = 250
_MOST_EXPLAINED: Final = 10
_LONG: Final = 2_000  # of an expression that long only the first error is explained
_DEEPEST_RECURSION: Final = 20_000


class Verdict(Enum):
    """What the API server does with the expression."""

    OK = "ok"
    INVALID = "invalid"
    TOO_COSTLY = "too-costly"
    TOO_LONG = "too-long"


@dataclass(frozen=True, slots=True)
class Compiled:
    """The verdict on an expression. `ast` is the checked tree of every expression that compiles, the too
    costly included. `max_cost` is 2**64 - 1 where there is no bound or no estimate. `error` is the API
    server's text for what is wrong.
    """

    expression: str
    verdict: Verdict
    ast: Ast | None
    result_type: str
    max_cost: int
    error: str
    diagnostics: tuple[Diagnostic, ...]


def compile_selector(expression: str, environment: Environment) -> Compiled:
    """The verdict on a device selector; never raises, and takes bounded time for any text."""
    expression = _SURROGATE.sub("\ufffd", expression)
    judgement = _judge(expression, environment)
    compiled = judgement.compiled
    if compiled.verdict is Verdict.OK:
        return compiled
    found = _found(judgement, environment)

    def judge_again(mended: str) -> Found | None:
        again = _judge(mended, environment)
        return None if again.compiled.verdict is Verdict.OK else _found(again, environment)

    return replace(compiled, diagnostics=diagnostics_of(expression, found, judge_again))


@dataclass(slots=True)
class _Judgement:
    """A verdict with what explains it: the errors, and the tree or the tokens that they are about."""

    compiled: Compiled
    errors: list[SourceError] = field(default_factory=list)
    tokens: Tokens | None = None
    ast: Ast | None = None


def _judge(expression: str, environment: Environment) -> _Judgement:
    if len(expression.encode()) > MOST_BYTES:
        return _Judgement(_failed(expression, Verdict.TOO_LONG, _TOO_LONG))
    tokens = tokenize(expression)
    if len(tokens.kinds) > _MANY_TOKENS:
        _allow_deep_types()
    if tokens.errors:
        return _refused(expression, _syntax_errors(expression, tokens, environment), tokens)
    parsed = parse(expression, tokens, environment.macros, escaped_names=environment.escaped_names)
    if parsed.exhausted:
        return _Judgement(_failed(expression, Verdict.TOO_COSTLY, _TOO_COSTLY))
    if parsed.misfit is not None:
        return _refused(expression, _syntax_errors(expression, tokens, environment, parsed.misfit), tokens)
    if parsed.root is None:
        return _refused(expression, parsed.errors, tokens)
    return _judge_tree(Ast(parsed.root, expression, parsed.macros), environment)


def _judge_tree(ast: Ast, environment: Environment) -> _Judgement:
    root, expression = ast.root, ast.source
    try:
        checked = check(root, environment)
        errors = checked.errors or validate(checked.notable)
        if errors:
            return _refused(expression, errors, ast=ast)
        result = declared_type(root.type)
        if not _may_result(root.type, environment):
            problem = f"must evaluate to bool or the unknown type, not {result}"
            return _Judgement(_failed(expression, Verdict.INVALID, problem), ast=ast)
        if checked.planned:
            fold(root, environment)
    except TooHeavyError:
        return _Judgement(_failed(expression, Verdict.TOO_COSTLY, _TOO_COSTLY))
    except PlanError as error:
        return _Judgement(_failed(expression, Verdict.INVALID, f"program instantiation failed: {error}"))
    except ReferencePanicError as error:
        return _Judgement(_failed(expression, Verdict.INVALID, f"panic: {error}"))
    cost = estimate_cost(root, environment)
    if cost > MOST_COST:
        return _Judgement(Compiled(expression, Verdict.TOO_COSTLY, ast, result, cost, _TOO_COSTLY, ()))
    return _Judgement(Compiled(expression, Verdict.OK, ast, result, cost, "", ()))


def _may_result(type_: Type, environment: Environment) -> bool:
    allowed = environment.result_types
    return any(one.wrapper == type_.wrapper and same_type(one, type_) for one in allowed)


def _found(judgement: _Judgement, environment: Environment) -> Found:
    """The problems behind a refusal, at least one."""
    compiled = judgement.compiled
    whole = len(compiled.expression)
    error = compiled.error
    if compiled.verdict is Verdict.TOO_LONG:
        size = len(compiled.expression.encode())
        words = f"must be at most {MOST_BYTES} bytes long, not {size}"
        return Found((Problem(words, 0, whole, "split it into several selectors"),), DiagnosticKind.LENGTH, error)
    if compiled.verdict is Verdict.TOO_COSTLY:
        amount = "an unbounded number of" if compiled.max_cost == UNBOUNDED_COST else f"{compiled.max_cost}"
        words = f"costs up to {amount} units to evaluate, which must be at most {MOST_COST}"
        fix = "read single attributes instead of looping over them, and avoid loops within loops and long patterns"
        return Found((Problem(words, 0, whole, fix),), DiagnosticKind.COST, error)
    if judgement.tokens is not None:
        from webhook.cel.mistakes import find_mistakes

        errors = sorted(judgement.errors, key=lambda one: one.pos)
        problems = find_mistakes(compiled.expression, judgement.tokens, errors)
        return Found(tuple(problems), DiagnosticKind.SYNTAX, error)
    if judgement.ast is not None:
        from webhook.cel.misuses import find_misuse, wrong_result

        if not judgement.errors:
            return Found((wrong_result(judgement.ast),), DiagnosticKind.RESULT, error)
        most = _MOST_EXPLAINED if whole <= _LONG else 1
        explained = [find_misuse(judgement.ast, one, environment) for one in judgement.errors[:most]]
        return Found(tuple(explained), DiagnosticKind.TYPE, error)
    words = error.removeprefix("program instantiation failed: ")
    problem = Problem(f"cannot be prepared for evaluation: {words}", 0, whole, "check constants and patterns")
    return Found((problem,), DiagnosticKind.TYPE, error)


def _allow_deep_types() -> None:
    """Lets types nest as deep as 10,240 bytes can make them.

    The tree is walked without recursion, types are not: their depth is bounded by the length of the text
    (below 5,000). Python frames live on the heap, so a higher limit costs no stack.
    """
    if sys.getrecursionlimit() < _DEEPEST_RECURSION:
        sys.setrecursionlimit(_DEEPEST_RECURSION)


def _syntax_errors(
    expression: str, tokens: Tokens, environment: Environment, misfit: int | None = None
) -> list[SourceError]:
    from webhook.cel.partial import partial_errors
    from webhook.cel.recovery import syntax_errors

    _allow_deep_types()
    errors, tree = syntax_errors(expression, tokens, misfit)
    if tree is None:
        return errors
    return errors + partial_errors(
        tree, expression, tokens, environment.macros, escaped_names=environment.escaped_names
    )


def _refused(
    expression: str, errors: list[SourceError], tokens: Tokens | None = None, ast: Ast | None = None
) -> _Judgement:
    text = f"compilation failed: {render_errors(expression, errors)}"
    return _Judgement(_failed(expression, Verdict.INVALID, text), errors, tokens, ast)


def _failed(expression: str, verdict: Verdict, error: str) -> Compiled:
    return Compiled(expression, verdict, None, "", UNBOUNDED_COST, error, ())
