"""Which strings a selector asks an attribute to be: `place == 'a'`, `place in ['a', 'b']`, and the same with `!`.

A comparison is `decisive` if no other part of an alternative makes up for it: all strings that an `||` of comparisons
of one place offers belong together, and beside anything else none is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from webhook.cel.places import Place, is_test, place_of
from webhook.cel.syntax import AND, EQUALS, IN, NOT, NOT_EQUALS, OR, Ast, Call, Expr, ListLiteral, Literal


@dataclass(frozen=True, slots=True)
class Asked:
    """One string that a place is compared with; `call` is the comparison."""

    place: Place
    operand: Expr
    literal: Literal
    call: Call

    @property
    def text(self) -> str:
        return str(self.literal.value)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Strings of which the place must be one (or, with `negated`, none); in the order of the source."""

    place: Place
    asked: tuple[Asked, ...]
    negated: bool
    decisive: bool


def comparisons(ast: Ast) -> Iterator[Comparison]:
    """Every comparison of an attribute with strings, as far as only logic is around it."""
    stack: list[tuple[Expr, bool, bool]] = [(ast.root, False, True)]
    while stack:
        node, negated, decisive = stack.pop()
        asked = _together(node)
        if asked is not None:
            is_unequal = isinstance(node, Call) and node.function == NOT_EQUALS
            yield Comparison(asked[0].place, asked, negated != is_unequal, decisive)
        elif isinstance(node, Call) and node.function == NOT:
            stack.append((node.args[0], not negated, decisive))
        elif isinstance(node, Call) and node.function in (AND, OR):
            joins = (node.function == AND) != negated
            stack.extend((part, negated, decisive and joins) for part in reversed(node.args))


def _together(node: Expr) -> tuple[Asked, ...] | None:
    """The strings of a comparison, or of an `||` of comparisons of one place by `==` and `in`."""
    if not isinstance(node, Call):
        return None
    if node.function == OR:
        parts = [_together(part) for part in node.args]
        found = tuple(asked for part in parts if part is not None for asked in part)
        alike = {asked.place for asked in found}
        unequal = any(asked.call.function == NOT_EQUALS for asked in found)
        return found if None not in parts and len(alike) == 1 and not unequal else None
    if node.function in (EQUALS, NOT_EQUALS):
        left, right = node.args
        return _asked(node, left, (right,)) or _asked(node, right, (left,))
    if node.function == IN and isinstance(node.args[1], ListLiteral) and not node.args[1].optional:
        return _asked(node, node.args[0], node.args[1].elements)
    return None


def _asked(call: Call, operand: Expr, others: tuple[Expr, ...]) -> tuple[Asked, ...] | None:
    place = None if is_test(operand) else place_of(operand)
    if place is None or not place.name or not others:
        return None
    found = []
    for other in others:
        if not isinstance(other, Literal) or not isinstance(other.value, str):
            return None
        found.append(Asked(place, operand, other, call))
    return tuple(found)
