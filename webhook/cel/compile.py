"""From the text of a selector to the verdict that the API server would give."""

import re
import sys
from dataclasses import dataclass
from enum import Enum
from typing import Final

from webhook.cel.checker import TooHeavyError, check
from webhook.cel.cost import estimate_cost
from webhook.cel.environment import Environment, device_environment
from webhook.cel.folding import PlanError, fold
from webhook.cel.lexer import Tokens, tokenize
from webhook.cel.parser import parse
from webhook.cel.source import SourceError, render_errors
from webhook.cel.syntax import Ast
from webhook.cel.types import declared_type, same_type
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
_DEEPEST_RECURSION: Final = 20_000


class Verdict(Enum):
    """What the API server does with the expression."""

    OK = "ok"
    INVALID = "invalid"
    TOO_COSTLY = "too-costly"
    TOO_LONG = "too-long"


class DiagnosticKind(Enum):
    """What an expression offends against."""

    SYNTAX = "syntax"
    TYPE = "type"
    RESULT = "result"
    COST = "cost"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class DiagnosticFix:
    """A way out. `expression` is the whole expression with it applied, or None if a person must do it."""

    message: str
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong, in our words; `start` and `end` (exclusive) are code points of the expression.

    `reference_text` is how the API server puts it.
    """

    message: str
    start: int
    end: int
    kind: DiagnosticKind
    reference_text: str
    fixes: tuple[DiagnosticFix, ...] = ()


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
    try:
        size = len(expression.encode())
    except UnicodeEncodeError:
        expression = _SURROGATE.sub("\ufffd", expression)
        size = len(expression.encode())
    if size > MOST_BYTES:
        return _failed(expression, Verdict.TOO_LONG, _TOO_LONG, ())
    tokens = tokenize(expression)
    if len(tokens.kinds) > _MANY_TOKENS:
        _allow_deep_types()
    if tokens.errors:
        return _invalid(expression, _syntax_errors(expression, tokens, environment))
    parsed = parse(expression, tokens, environment.macros, escaped_names=environment.escaped_names)
    if parsed.exhausted:
        return _failed(expression, Verdict.TOO_COSTLY, _TOO_COSTLY, ())
    if not parsed.in_grammar:
        return _invalid(expression, _syntax_errors(expression, tokens, environment))
    if parsed.root is None:
        return _invalid(expression, parsed.errors)
    root = parsed.root
    try:
        checked = check(root, environment)
        errors = checked.errors or validate(checked.notable)
    except TooHeavyError:
        return _failed(expression, Verdict.TOO_COSTLY, _TOO_COSTLY, ())
    except ReferencePanicError as error:
        return _failed(expression, Verdict.INVALID, f"panic: {error}", ())
    if errors:
        return _invalid(expression, errors)
    ast = Ast(root, expression, parsed.macros)
    result = declared_type(root.type)
    for allowed in environment.result_types:
        if allowed.wrapper == root.type.wrapper and same_type(allowed, root.type):
            break
    else:
        problem = f"must evaluate to bool or the unknown type, not {result}"
        return _failed(expression, Verdict.INVALID, problem, ())
    if checked.planned:
        try:
            fold(root, environment)
        except PlanError as error:
            return _failed(expression, Verdict.INVALID, f"program instantiation failed: {error}", ())
        except ReferencePanicError as error:
            return _failed(expression, Verdict.INVALID, f"panic: {error}", ())
    cost = estimate_cost(root, environment)
    if cost > MOST_COST:
        return Compiled(expression, Verdict.TOO_COSTLY, ast, result, cost, _TOO_COSTLY, ())
    return Compiled(expression, Verdict.OK, ast, result, cost, "", ())


def _allow_deep_types() -> None:
    """Lets types nest as deep as 10,240 bytes can make them.

    The tree is walked without recursion, types are not: their depth is bounded by the length of the text
    (below 5,000). Python frames live on the heap, so a higher limit costs no stack.
    """
    if sys.getrecursionlimit() < _DEEPEST_RECURSION:
        sys.setrecursionlimit(_DEEPEST_RECURSION)


def _syntax_errors(expression: str, tokens: Tokens, environment: Environment) -> list[SourceError]:
    from webhook.cel.partial import partial_errors
    from webhook.cel.recovery import syntax_errors

    _allow_deep_types()
    errors, tree = syntax_errors(expression, tokens)
    if tree is None:
        return errors
    return errors + partial_errors(
        tree, expression, tokens, environment.macros, escaped_names=environment.escaped_names
    )


def _invalid(expression: str, errors: list[SourceError]) -> Compiled:
    text = f"compilation failed: {render_errors(expression, errors)}"
    return _failed(expression, Verdict.INVALID, text, ())


def _failed(expression: str, verdict: Verdict, error: str, diagnostics: tuple[Diagnostic, ...]) -> Compiled:
    return Compiled(expression, verdict, None, "", UNBOUNDED_COST, error, diagnostics)
