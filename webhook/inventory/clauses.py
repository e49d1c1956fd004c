"""The clauses of a selector: what && joins at its top, each an expression of its own."""

from dataclasses import dataclass

from webhook.cel.compile import Verdict
from webhook.cel.places import ATTRIBUTES, CAPACITY, Place, clauses, places_in
from webhook.cel.syntax import Expr
from webhook.core.claims import Selector
from webhook.core.device import AttributeValue, Device, VersionText
from webhook.core.finding import Replacement, Span
from webhook.core.quantity import Quantity
from webhook.core.versions import ServerTruth
from webhook.inventory.case import compiled_new


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause with its place in the selector; `places` are what it reads, None where that cannot be told."""

    selector: Selector
    span: Span
    node: Expr
    places: frozenset[Place] | None

    @property
    def text(self) -> str:
        return self.selector.expression[self.span.start : self.span.end]


def clauses_of(selector: Selector, server: ServerTruth) -> tuple[Clause, ...] | None:
    """Return the clauses in order; None where the API server does not accept the selector."""
    compiled = compiled_new(selector.expression, server)
    if compiled.ast is None or compiled.verdict is not Verdict.OK:
        return None
    return tuple(
        Clause(selector, Span(node.start, node.end), node, places_in(node)) for node in clauses(compiled.ast.root)
    )


def removal(clause: Clause) -> Replacement | None:
    """Return what takes the clause, its parentheses and one && away; None where nothing would be left."""
    text = clause.selector.expression
    start, end = clause.span.start, clause.span.end
    while text[:start].rstrip().endswith("(") and text[end:].lstrip().startswith(")"):
        start, end = text.rindex("(", 0, start), text.index(")", end) + 1
    before, after = text[:start].rstrip(), text[end:].lstrip()
    if before.endswith("&&"):
        return Replacement(Span(len(before[:-2].rstrip()), end), "")
    if after.startswith("&&"):
        return Replacement(Span(start, len(text) - len(after[2:].lstrip())), "")
    return None


def value_of(place: Place, device: Device) -> AttributeValue | Quantity | None:
    """Return what the device has at a place; None where it has nothing there."""
    name = f"{place.domain}/{place.name}"
    match place.field:
        case "attributes":
            return device.attribute(name)
        case "capacity":
            found = device.capacity.get(name)
            return None if found is None else found.value
        case "driver":
            return device.driver
        case _:
            return device.allow_multiple_allocations


def written_value(value: AttributeValue | Quantity | None) -> str:
    """Return a value as a message shows it."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case str() if not isinstance(value, VersionText):
            return f"'{value}'"
        case tuple():
            return f"[{', '.join(map(written_value, value))}]"
        case _:
            return str(value)


def seen(clause: Clause, device: Device) -> str:
    """Return what the clause reads of the device: the value, or each with its name where there are several."""
    places = sorted(clause.places or (), key=lambda place: (place.field, place.domain, place.name))
    shown = []
    for place in places:
        value = value_of(place, device)
        if value is None and place.field in (ATTRIBUTES, CAPACITY):
            shown.append(f"no `{place.word}`")
        else:
            shown.append(f"`{place.word}` {written_value(value)}")
    return ", ".join(shown)
