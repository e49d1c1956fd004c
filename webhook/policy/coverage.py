"""What tests have shown of a policy: which expressions were evaluated, and which conditions came out both ways."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from webhook.cel.syntax import AND, CONDITIONAL, OR, Call, Expr, Literal
from webhook.cel.values import Value
from webhook.core.finding import Span
from webhook.core.policies import Expression
from webhook.policy.compile import CompiledExpression, CompiledPolicy
from webhook.policy.judge import Step
from webhook.policy.written import written

BOTH: Final = frozenset({True, False})


@dataclass(frozen=True, slots=True)
class Point:
    """A condition whose both outcomes tests can show, or with `ways` empty an expression that they can evaluate."""

    expression: Expression
    node: int
    span: Span
    ways: frozenset[bool]

    @property
    def text(self) -> str:
        return self.expression.text[self.span.start : self.span.end]


@dataclass(frozen=True, slots=True)
class Gap:
    """What no test has shown of a point."""

    point: Point
    problem: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many outcomes there are, how many were seen, and what is missing."""

    outcomes: int
    seen: int
    gaps: tuple[Gap, ...]


def coverage_of(policy: CompiledPolicy, steps: Iterable[Step]) -> Coverage:
    """Return what the steps show of a policy; those of other policies do not count."""
    ran: set[Expression] = set()
    values: dict[tuple[Expression, int], set[bool]] = {}
    for step in steps:
        if step.policy.name != policy.policy.name:
            continue
        source = step.expression.source
        ran.add(source)
        told: Mapping[int, tuple[Value, ...]] = step.values
        for node, found in told.items():
            values.setdefault((source, node), set()).update(value for value in found if isinstance(value, bool))
    outcomes = seen = 0
    gaps: list[Gap] = []
    for point in points_of(policy):
        if not point.ways:
            outcomes += 1
            seen += point.expression in ran
        found_here = values.get((point.expression, point.node), set()) & point.ways
        outcomes += len(point.ways)
        seen += len(found_here)
        problem = _problem(point, found_here, ran)
        if problem:
            gaps.append(Gap(point, problem))
    return Coverage(outcomes, seen, tuple(gaps))


def _problem(point: Point, found: set[bool], ran: set[Expression]) -> str:
    if point.expression not in ran or (point.ways and not found):
        return "never evaluated"
    missing = point.ways - found
    if missing:
        return "never true" if True in missing else "never false"
    return ""


def points_of(policy: CompiledPolicy) -> Iterator[Point]:
    """Yield what tests can show: conditions, validations, and the sides of `&&`, `||` and `?` in every expression."""
    deciding = {id(one) for _, one in policy.match_conditions} | {id(one.expression) for one in policy.validations}
    for expression in policy.expressions():
        root = expression.ast.root
        yield Point(expression.source, root.id, _span(root), BOTH if id(expression) in deciding else frozenset())
        for node in _sides(expression):
            yield Point(expression.source, node.id, _span(node), BOTH)


def _sides(expression: CompiledExpression) -> Iterator[Expr]:
    for part in written(expression.ast):
        form = part.form
        if not isinstance(form, Call) or form.function not in (AND, OR, CONDITIONAL):
            continue
        for side in form.args[:1] if form.function == CONDITIONAL else form.args:
            chained = isinstance(side, Call) and side.function == form.function
            if not chained and not isinstance(side, Literal):
                yield side


def _span(node: Expr) -> Span:
    return Span(node.start, node.end)
