"""Policies that differ from one in a single operator or constant: tests of the policy must tell them apart."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from webhook.cel.printer import SIGNS
from webhook.cel.syntax import (
    ADD,
    AND,
    DIVIDE,
    EQUALS,
    GREATER,
    GREATER_EQUALS,
    IN,
    LESS,
    LESS_EQUALS,
    MULTIPLY,
    NOT,
    NOT_EQUALS,
    OR,
    SUBTRACT,
    Ast,
    Call,
    Literal,
)
from webhook.cel.types import BOOL
from webhook.core.finding import Span
from webhook.core.policies import ClaimPolicy, Expression, NamedExpression, Validation
from webhook.policy.compile import CompiledPolicy, compile_policy
from webhook.policy.environment import NEWEST
from webhook.policy.written import Written, written

_FLIPPED: Final = {
    AND: ("||",),
    OR: ("&&",),
    EQUALS: ("!=",),
    NOT_EQUALS: ("==",),
    LESS: ("<=", ">="),
    LESS_EQUALS: ("<", ">"),
    GREATER: (">=", "<="),
    GREATER_EQUALS: (">", "<"),
    ADD: ("-",),
    SUBTRACT: ("+",),
    MULTIPLY: ("/",),
    DIVIDE: ("*",),
}
_QUANTIFIERS: Final = {"all": "exists", "exists": "all"}
_AMOUNT: Final = re.compile(r"(\d{1,15})([A-Za-z]*)")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed policy; in the text of the expression `span` was replaced."""

    policy: ClaimPolicy
    expression: Expression
    span: Span
    text: str

    @property
    def replaced(self) -> str:
        return self.expression.text[self.span.start : self.span.end]


def mutants_of(compiled: CompiledPolicy, version: str = NEWEST) -> Iterator[Mutant]:
    """Yield the changed policies that still compile, in the order of the expressions."""
    for expression in compiled.expressions():
        source = expression.source
        for start, end, text in _changes(expression.ast):
            changed = source.text[:start] + text + source.text[end:]
            policy = _with_expression(compiled.policy, source, changed)
            if compile_policy(policy, version).works:
                yield Mutant(policy, source, Span(start, end), text)


def _changes(ast: Ast) -> Iterator[tuple[int, int, str]]:
    for part in written(ast):
        form = part.form
        if isinstance(form, Literal):
            for text in _other_constants(form):
                yield form.start, form.end, text
        elif isinstance(form, Call) and form.function in _FLIPPED:
            sign = SIGNS[form.function]
            if ast.source.startswith(sign, form.pos):
                for text in _FLIPPED[form.function]:
                    yield form.pos, form.pos + len(sign), text
        elif isinstance(form, Call) and form.function == NOT:
            yield form.start, form.end, ast.source[form.args[0].start : form.args[0].end]
        elif isinstance(form, Call) and part.call is not None and form.function in _QUANTIFIERS:
            at = part.name_start(ast)
            yield at, at + len(form.function), _QUANTIFIERS[form.function]
        elif _is_condition(part):
            yield part.node.start, part.node.end, f"!({part.text(ast)})"


def _is_condition(part: Written) -> bool:
    """Return whether a part is a condition by itself; below `!` it is changed by taking that away."""
    form = part.form
    has_other_changes = isinstance(form, Call) and form.function in SIGNS and form.function != IN
    return part.node.type == BOOL and part.parent != NOT and not has_other_changes


def _other_constants(literal: Literal) -> Iterator[str]:
    value = literal.value
    if isinstance(value, bool):
        yield "false" if value else "true"
    elif type(value) is int:
        yield str(value + 1)
        yield str(value - 1)
    elif isinstance(value, str):
        amount = _AMOUNT.fullmatch(value)
        if amount is None:
            yield json.dumps(f"{value}~", ensure_ascii=False)
        else:
            number, unit = int(amount[1]), amount[2]
            yield json.dumps(f"{2 * number or 1}{unit}")
            if number:
                yield json.dumps(f"{number // 2}{unit}")


def _with_expression(policy: ClaimPolicy, source: Expression, text: str) -> ClaimPolicy:
    """Return the policy with another text in one of its expressions."""

    def other(expression: Expression) -> Expression:
        return replace(expression, text=text) if expression is source else expression

    def named(entry: NamedExpression) -> NamedExpression:
        return replace(entry, expression=other(entry.expression))

    def validation(entry: Validation) -> Validation:
        message = entry.message_expression
        return replace(
            entry,
            expression=other(entry.expression),
            message_expression=None if message is None else other(message),
        )

    return replace(
        policy,
        match_conditions=tuple(map(named, policy.match_conditions)),
        variables=tuple(map(named, policy.variables)),
        validations=tuple(map(validation, policy.validations)),
        audit_annotations=tuple(map(named, policy.audit_annotations)),
    )
