"""Why an expression is refused. The words are made when they are asked for: they take longer than the verdict."""

from abc import ABC, abstractmethod
from typing import Final

from webhook.cel.depth import allow_depth
from webhook.cel.diagnostics import DiagnosticKind, Found
from webhook.cel.environment import Environment
from webhook.cel.lexer import Tokens
from webhook.cel.problems import Problem
from webhook.cel.source import SourceError, render_errors
from webhook.cel.syntax import Ast
from webhook.cel.types import Kind

MOST_BYTES: Final = 10_240
MOST_COST: Final = 1_000_000
UNBOUNDED_COST: Final = 2**64 - 1
_MOST_EXPLAINED: Final = 10
_LONG: Final = 2_000  # of an expression that long only the first error is explained


class Refusal(ABC):
    """`error` is the API server's text, `found` what is wrong in our words."""

    def __init__(self, expression: str) -> None:
        self.expression = expression

    @abstractmethod
    def error(self) -> str:
        """What the API server says."""

    @abstractmethod
    def found(self, driver: str = "") -> Found:
        """The problems, at least one; `driver` is whose devices the expression is about, where that is known."""

    def _whole(self, kind: DiagnosticKind, words: str, fix: str) -> Found:
        return Found((Problem(words, 0, len(self.expression), fix),), kind, self.error())


class TooLong(Refusal):
    """It is not even read."""

    def error(self) -> str:
        return f"may not be more than {MOST_BYTES} bytes"

    def found(self, driver: str = "") -> Found:  # noqa: ARG002  # only types can lack a domain
        size = len(self.expression.encode())
        words = f"must be at most {MOST_BYTES} bytes long, not {size}"
        return self._whole(DiagnosticKind.LENGTH, words, "split it into several selectors")


class TooCostly(Refusal):
    """It could take too long to evaluate."""

    def __init__(self, expression: str, cost: int = UNBOUNDED_COST) -> None:
        super().__init__(expression)
        self.cost = cost

    def error(self) -> str:
        return "too complex, exceeds cost limit"

    def found(self, driver: str = "") -> Found:  # noqa: ARG002  # only types can lack a domain
        amount = "an unbounded number of" if self.cost == UNBOUNDED_COST else f"{self.cost}"
        words = f"costs up to {amount} units to evaluate, which must be at most {MOST_COST}"
        fix = "read single attributes instead of looping over them, and avoid loops within loops and long patterns"
        return self._whole(DiagnosticKind.COST, words, fix)


class Ungrammatical(Refusal):
    """It does not parse. `errors` are those within the grammar; outside of it, `misfit` is the token, if known."""

    def __init__(
        self,
        expression: str,
        tokens: Tokens,
        environment: Environment,
        errors: list[SourceError] | None = None,
        misfit: int | None = None,
    ) -> None:
        super().__init__(expression)
        self._tokens = tokens
        self._environment = environment
        self._errors = errors
        self._misfit = misfit

    def _all_errors(self) -> list[SourceError]:
        if self._errors is None:
            self._errors = self._read_again()
        return self._errors

    def _read_again(self) -> list[SourceError]:
        from webhook.cel.partial import partial_errors
        from webhook.cel.recovery import syntax_errors

        allow_depth()
        errors, tree = syntax_errors(self.expression, self._tokens, self._misfit)
        if tree is None:
            return errors
        environment = self._environment
        return errors + partial_errors(
            tree, self.expression, self._tokens, environment.macros, escaped_names=environment.escaped_names
        )

    def error(self) -> str:
        return f"compilation failed: {render_errors(self.expression, self._all_errors())}"

    def found(self, driver: str = "") -> Found:  # noqa: ARG002  # only types can lack a domain
        from webhook.cel.mistakes import find_mistakes

        errors = sorted(self._all_errors(), key=lambda one: one.pos)
        problems = find_mistakes(self.expression, self._tokens, errors)
        return Found(tuple(problems), DiagnosticKind.SYNTAX, self.error())


class IllTyped(Refusal):
    """Its types do not fit, or a literal in it means nothing."""

    def __init__(self, ast: Ast, errors: list[SourceError], environment: Environment) -> None:
        super().__init__(ast.source)
        self._ast = ast
        self._errors = errors
        self._environment = environment

    def error(self) -> str:
        return f"compilation failed: {render_errors(self.expression, self._errors)}"

    def found(self, driver: str = "") -> Found:
        from webhook.cel.misuses import find_misuse

        most = _MOST_EXPLAINED if len(self.expression) <= _LONG else 1
        problems = [find_misuse(self._ast, error, self._environment, driver) for error in self._errors[:most]]
        return Found(tuple(problems), DiagnosticKind.TYPE, self.error())


class WrongResult(Refusal):
    """It gives something other than a condition, or than the text that it must give."""

    def __init__(self, ast: Ast, result: str, environment: Environment) -> None:
        super().__init__(ast.source)
        self._ast = ast
        self._result = result
        self._allowed = environment.result_types

    def error(self) -> str:
        if self._allowed[1:]:
            return f"must evaluate to bool or the unknown type, not {self._result}"
        return f"must evaluate to {self._allowed[0].name}"

    def found(self, driver: str = "") -> Found:  # noqa: ARG002  # only types can lack a domain
        from webhook.cel.misuses import wrong_result, wrong_text

        explain = wrong_text if self._allowed[0].kind == Kind.STRING else wrong_result
        return Found((explain(self._ast),), DiagnosticKind.RESULT, self.error())


class Unplannable(Refusal):
    """The API server cannot make a program of it."""

    def __init__(self, expression: str, text: str) -> None:
        super().__init__(expression)
        self._text = text

    def error(self) -> str:
        return self._text

    def found(self, driver: str = "") -> Found:  # noqa: ARG002  # only types can lack a domain
        words = self._text.removeprefix("program instantiation failed: ")
        message = f"cannot be prepared for evaluation: {words}"
        return self._whole(DiagnosticKind.TYPE, message, "check constants and patterns")
