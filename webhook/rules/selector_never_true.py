"""selector-never-true: no device can satisfy a selector, those of a request together, or them and the class's."""

import re
from collections.abc import Iterator, Sequence

from webhook.cel.places import place_of
from webhook.cel.syntax import EQUALS, Call, Expr, Literal
from webhook.core.finding import Edit, Finding, Fix, Replacement, Severity, Span
from webhook.inventory.case import Case
from webhook.inventory.contradictions import Clause, Contradiction, contradictions
from webhook.inventory.inventory import inventory_of
from webhook.inventory.matching import accepting_texts

NAME = "selector-never-true"
_DOMAIN = re.compile(r"device\.(?:attributes\[(['\"])[^'\"]*\1\]\.|capacity\[(['\"])[^'\"]*\2\]\.)?")
_LONGEST = 42
_MOST_CLASSES = 2
_AND_BEFORE = re.compile(r"\s*&&\s*$")
_AND_AFTER = re.compile(r"\s*&&\s*")


def check(case: Case) -> Iterator[Finding]:
    for found in contradictions(case):
        clause = found.told_at
        yield Finding(
            rule=NAME,
            severity=Severity.WARN if found.disputed else Severity.DENY,
            path=clause.selector.path,
            message=_message(found),
            why=_why(found),
            fixes=(*_other_classes(case, found), *_fixes(found)),
            source=clause.selector.expression,
            span=Span(clause.node.start, clause.node.end),
            disputed=found.disputed,
        )


def _message(found: Contradiction) -> str:
    told = _short(found.told_at)
    others = [clause for clause in found.clauses if clause is not found.told_at]
    if not others:
        return f"{told} is true on no device"
    of_class = next((clause.of_class for clause in others if clause.of_class), "")
    if of_class:
        demands = " and ".join(_short(clause) for clause in others if clause.of_class)
        return f"{told} contradicts class '{of_class}', which demands {demands}"
    listed = ", ".join(_short(clause) for clause in others)
    return f"{listed} and {told} are true together on no device"


def _short(clause: Clause) -> str:
    """Return the clause on one line, without the domain, and cut."""
    text = " ".join(_DOMAIN.sub("", clause.text).split())
    return f"`{text if len(text) <= _LONGEST else text[: _LONGEST - 3] + '...'}`"


def _why(found: Contradiction) -> str:
    if found.disputed:
        return "a second CEL engine sees it otherwise, so this is no denial"
    elsewhere = {str(clause.selector.path) for clause in found.clauses if not clause.of_class}
    elsewhere.discard(str(found.told_at.selector.path))
    return f"the other is at {', '.join(sorted(elsewhere))}" if elsewhere else ""


def _other_classes(case: Case, found: Contradiction) -> Iterator[Fix]:
    """Yield the classes of which the request accepts some devices; those come first that have few others."""
    alternative = found.alternative
    if alternative is None or not any(clause.of_class for clause in found.clauses):
        return
    own = [selector.expression for selector in alternative.selectors]
    inventory = inventory_of(case.view)
    shares = []
    for name, device_class in case.view.device_classes.items():
        of_class = [selector.expression for selector in device_class.selectors]
        there = accepting_texts(case.view, inventory, of_class, case.expired)
        matching = accepting_texts(case.view, inventory, [*of_class, *own], case.expired)
        if there and matching:
            shares.append((-len(matching) / len(there), name))
    for _, name in sorted(shares)[:_MOST_CLASSES]:
        edit = Edit(alternative.path.child("deviceClassName"), name)
        yield Fix(f"ask for class '{name}', whose devices match", edits=(edit,))


def _fixes(found: Contradiction) -> Iterator[Fix]:
    told = found.told_at
    others = [clause for clause in found.clauses if clause is not told and clause.selector is told.selector]
    for other in others[-1:]:
        either = _either(other, told)
        if either is not None:
            place = Replacement(Span(other.node.start, other.node.end), either)
            yield Fix(f"for either of them, write {either}", replacements=(place, _without(told)))
    if found.told_at.node is told.ast.root:
        yield Fix("leave the selector out", edits=(Edit(told.selector.path.parent().parent(), None),))
        return
    for clause in (told, *others[-1:]):
        yield Fix(f"leave out {_short(clause)}", replacements=(_without(clause),))


def _either(one: Clause, other: Clause) -> str | None:
    """Return what accepts both values, where one place is compared with a constant in each clause."""
    sides = [_compared(clause) for clause in (one, other)]
    if sides[0] is None or sides[1] is None or place_of(sides[0][0]) != place_of(sides[1][0]):
        return None
    values = [clause.selector.expression[side[1].start : side[1].end] for clause, side in _paired(one, other, sides)]
    place = sides[0][0]
    return f"{one.selector.expression[place.start : place.end]} in [{', '.join(values)}]"


def _paired(
    one: Clause, other: Clause, sides: Sequence[tuple[Expr, Literal] | None]
) -> Iterator[tuple[Clause, tuple[Expr, Literal]]]:
    for clause, side in zip((one, other), sides, strict=True):
        if side is not None:
            yield clause, side


def _compared(clause: Clause) -> tuple[Expr, Literal] | None:
    """Return the place and the literal of `place == literal`."""
    node = clause.node
    if isinstance(node, Call) and node.function == EQUALS:
        for place, value in (node.args, node.args[::-1]):
            if place_of(place) is not None and isinstance(value, Literal):
                return place, value
    return None


def _without(clause: Clause) -> Replacement:
    """Return what takes the clause and one `&&` beside it away."""
    source, start, end = clause.selector.expression, clause.node.start, clause.node.end
    before = _AND_BEFORE.search(source[:start])
    after = _AND_AFTER.match(source, end)
    if before is not None:
        return Replacement(Span(before.start(), end), "")
    if after is not None:
        return Replacement(Span(start, after.end()), "")
    return Replacement(Span(start, end), "true")
