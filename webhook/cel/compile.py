"""From the text of a selector to the verdict that the API server would give."""

import re
from enum import Enum
from typing import Final

from webhook.cel.checker import TooHeavyError, check
from webhook.cel.cost import estimate_cost
from webhook.cel.depth import allow_depth
from webhook.cel.diagnostics import Diagnostic, DiagnosticFix, DiagnosticKind, Found, diagnostics_of
from webhook.cel.environment import Environment, device_environment
from webhook.cel.folding import PlanError, fold
from webhook.cel.lexer import tokenize
from webhook.cel.parser import parse
from webhook.cel.refusal import (
    MOST_BYTES,
    MOST_COST,
    UNBOUNDED_COST,
    IllTyped,
    Refusal,
    TooCostly,
    TooLong,
    Ungrammatical,
    Unplannable,
    WrongResult,
)
from webhook.cel.syntax import Ast
from webhook.cel.types import Type, declared_type, same_type
from webhook.cel.validators import ReferencePanicError, validate

__all__ = [
    "MOST_BYTES",
    "MOST_COST",
    "UNBOUNDED_COST",
    "Compiled",
    "Diagnostic",
    "DiagnosticFix",
    "DiagnosticKind",
    "Verdict",
    "compile_selector",
    "device_environment",
]

_SURROGATE = re.compile("[\ud800-\udfff]")
_MANY_TOKENS: Final = 250


class Verdict(Enum):
    """What the API server does with the expression."""

    OK = "ok"
    INVALID = "invalid"
    TOO_COSTLY = "too-costly"
    TOO_LONG = "too-long"


class Compiled:
    """The verdict on an expression. `ast` is the checked tree of every expression that compiles, the too
    costly included. `max_cost` is 2**64 - 1 where there is no bound or no estimate.
    """

    __slots__ = (
        "_diagnostics",
        "_environment",
        "_error",
        "_refusal",
        "ast",
        "expression",
        "max_cost",
        "result_type",
        "verdict",
    )

    expression: str
    verdict: Verdict
    ast: Ast | None
    result_type: str
    max_cost: int

    def __init__(
        self,
        expression: str,
        environment: Environment,
        verdict: Verdict,
        refusal: Refusal | None = None,
        checked: tuple[Ast, str, int] | None = None,
    ) -> None:
        self.expression = expression
        self.verdict = verdict
        self.ast, self.result_type, self.max_cost = checked or (None, "", UNBOUNDED_COST)
        self._environment = environment
        self._refusal = refusal
        self._error: str | None = None
        self._diagnostics: tuple[Diagnostic, ...] | None = None

    @property
    def error(self) -> str:
        """The API server's text for what is wrong; empty for what it accepts."""
        if self._error is None:
            self._error = "" if self._refusal is None else self._refusal.error()
        return self._error

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong in our words; empty for what is accepted."""
        if self._diagnostics is None:
            self._diagnostics = () if self._refusal is None else self._explained(self._refusal)
        return self._diagnostics

    def diagnostics_for(self, driver: str) -> tuple[Diagnostic, ...]:
        """What is wrong, with fixes that name the driver whose devices the expression is about."""
        return () if self._refusal is None else self._explained(self._refusal, driver)

    def found(self, driver: str = "") -> Found | None:
        """The problems without what mends them all; None for what is accepted."""
        return None if self._refusal is None else self._refusal.found(driver)

    def _explained(self, refusal: Refusal, driver: str = "") -> tuple[Diagnostic, ...]:
        def judge(expression: str) -> Found | None:
            return compile_selector(expression, self._environment).found(driver)

        return diagnostics_of(self.expression, refusal.found(driver), judge)


def compile_selector(expression: str, environment: Environment) -> Compiled:
    """The verdict on a device selector, or on an expression of another environment.

    Never raises, and takes bounded time for any text.
    """
    expression = _SURROGATE.sub("\ufffd", expression)
    if len(expression.encode()) > MOST_BYTES:
        return Compiled(expression, environment, Verdict.TOO_LONG, TooLong(expression))
    tokens = tokenize(expression)
    if tokens.errors:
        return _invalid(Ungrammatical(expression, tokens, environment), environment)
    if len(tokens.kinds) > _MANY_TOKENS:
        allow_depth()
    parsed = parse(tokens, environment.macros, escaped_names=environment.escaped_names)
    if parsed.exhausted:
        return Compiled(expression, environment, Verdict.TOO_COSTLY, TooCostly(expression))
    if parsed.misfit is not None:
        return _invalid(Ungrammatical(expression, tokens, environment, None, parsed.misfit), environment)
    if parsed.root is None:
        return _invalid(Ungrammatical(expression, tokens, environment, parsed.errors), environment)
    return _compile_tree(Ast(parsed.root, expression, parsed.macros), environment)


def _compile_tree(ast: Ast, environment: Environment) -> Compiled:
    root, expression = ast.root, ast.source
    try:
        checked = check(root, environment)
        errors = checked.errors or validate(checked.notable)
        if errors:
            return _invalid(IllTyped(ast, errors, environment), environment)
        result = declared_type(root.type)
        if not _may_result(root.type, environment):
            return _invalid(WrongResult(ast, result, environment), environment)
        if checked.planned:
            fold(root, environment)
    except TooHeavyError:
        return Compiled(expression, environment, Verdict.TOO_COSTLY, TooCostly(expression))
    except PlanError as error:
        return _invalid(Unplannable(expression, f"program instantiation failed: {error}"), environment)
    except ReferencePanicError as error:
        return _invalid(Unplannable(expression, f"panic: {error}"), environment)
    cost = estimate_cost(root, environment)
    if cost > MOST_COST:
        refusal = TooCostly(expression, cost)
        return Compiled(expression, environment, Verdict.TOO_COSTLY, refusal, (ast, result, cost))
    return Compiled(expression, environment, Verdict.OK, None, (ast, result, cost))


def _invalid(refusal: Refusal, environment: Environment) -> Compiled:
    return Compiled(refusal.expression, environment, Verdict.INVALID, refusal)


def _may_result(type_: Type, environment: Environment) -> bool:
    if not environment.result_types:
        return True
    for allowed in environment.result_types:  # noqa: SIM110 - a generator costs more than the comparison
        if allowed.wrapper == type_.wrapper and same_type(allowed, type_):
            return True
    return False
