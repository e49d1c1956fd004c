"""Running the expressions of a policy on one object, within the cost that the API server allows.

A policy whose worst case is within the limits, for lists and texts as long as the object's, runs as closures that count
nothing. Any other is counted step by step and ended at the limit, which takes some twenty times as long.
"""

from collections.abc import Callable, Mapping
from typing import Final

from webhook.cel.compile import MOST_COST
from webhook.cel.counting import TIME_OVER, Observe, counted_with
from webhook.cel.values import LIMIT_PASSED, MapKey, Value
from webhook.core.fieldpath import FieldPath
from webhook.policy.compile import MOST_POLICY_COST, CompiledExpression

Variables = Mapping[MapKey, Value]
"""The values of the variables by their names."""

_KEY: Final = "no such key: "
_OVERLOAD: Final = "no such overload"


class EvaluationFailedError(Exception):
    """An expression ended in an error; `path` is its place in the policy, `problem` says what is wrong in our words."""

    def __init__(self, path: FieldPath, problem: str) -> None:
        super().__init__(problem)
        self.path = path
        self.problem = problem


def failed_evaluation(expression: CompiledExpression, error: str) -> EvaluationFailedError:
    """Return the error of an expression in our words."""
    return EvaluationFailedError(expression.source.path, in_our_words(error))


class Budget:
    """What is left of the cost that one policy may have on one object, counted step by step."""

    def __init__(self, expired: Callable[[], bool]) -> None:
        self.left = MOST_POLICY_COST
        self._expired = expired

    def value(self, expression: CompiledExpression, variables: Variables, observe: Observe | None = None) -> Value:
        """Return the value; EvaluationFailedError where there is none. `observe` is told the values of all parts."""
        outcome = counted_with(expression.ast, variables, min(MOST_COST, self.left), self._expired, observe)
        self.left -= min(outcome.cost, self.left)
        if outcome.error is not None:
            raise failed_evaluation(expression, outcome.error)
        return outcome.result


def in_our_words(error: str) -> str:
    """Return what a run-time error means for whoever wrote the expression."""
    if error.startswith(_KEY):
        return f"there is no `{error.removeprefix(_KEY)}` here: ask for it with `has()` or `.?` first"
    if error.startswith(_OVERLOAD):
        return "values of these types cannot be combined so"
    if error == TIME_OVER:
        return "the time for this review was over before it was evaluated"
    if error == LIMIT_PASSED:
        return f"it costs more than the {MOST_COST} units that an expression may, or its policy more than it may"
    return error
