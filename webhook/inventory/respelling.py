"""Rewrites one reading of a device in a selector: another name, another domain, the other of the two maps."""

import re

from webhook.cel.inspect import Access, AccessKind
from webhook.cel.syntax import (
    EQUALS,
    GREATER,
    GREATER_EQUALS,
    LESS,
    LESS_EQUALS,
    NOT_EQUALS,
    Ast,
    Call,
    Expr,
    Literal,
    walk,
)
from webhook.core.finding import Replacement, Span
from webhook.core.quantity import parse_quantity

_MIRRORED = {
    EQUALS: "==",
    NOT_EQUALS: "!=",
    LESS: ">",
    LESS_EQUALS: ">=",
    GREATER: "<",
    GREATER_EQUALS: "<=",
}
_WRITTEN = {name: name.strip("_") for name in _MIRRORED}
_BYTES = 2**20  # a smaller whole number is hardly one of bytes
_IN_BYTES = "mem"
_QUANTITY_CALL = re.compile(r"quantity\s*\(")


def name_span(source: str, name: str, span: tuple[int, int]) -> Span:
    """Return where the name itself stands: without the quotes of a literal, unless escapes stand in it."""
    start, end = span
    inside = source.find(name, start, end)
    return Span(start, end) if inside < 0 else Span(inside, inside + len(name))


def to_name(source: str, access: Access, right: str) -> tuple[Replacement, ...]:
    """Return what makes the access read another name of its domain."""
    if access.name is None or access.name_span is None:
        return ()
    return (Replacement(name_span(source, access.name, access.name_span), right),)


def to_domain(source: str, access: Access, right: str) -> tuple[Replacement, ...]:
    """Return what makes the access read another domain; one that is written as a field gets brackets."""
    if access.domain is None or access.domain_span is None:
        return ()
    start, end = access.domain_span
    if source[start] in "'\"":
        return (Replacement(name_span(source, access.domain, access.domain_span), right),)
    dot = source.rfind(".", 0, start)
    asked = "?" if "?" in source[dot:start] else ""
    return (Replacement(Span(dot, end), f"[{asked}'{right}']"),)


def to_qualified(source: str, access: Access, right: str) -> tuple[Replacement, ...]:
    """Return what makes the access read a name with its domain; nothing where its domain is shared with others."""
    domain, _, name = right.rpartition("/")
    if not domain or domain == access.domain:
        return to_name(source, access, name)
    if access.domain_span is None or not access.span[0] <= access.domain_span[0] < access.span[1]:
        return ()
    return (*to_domain(source, access, domain), *to_name(source, access, name))


def to_other_map(source: str, ast: Ast, access: Access) -> tuple[Replacement, ...]:
    """Return what makes the access read the same name as a capacity instead of as an attribute, or the reverse.

    A comparison of an attribute with an amount becomes one of quantities.
    """
    found = _map_word(source, access)
    if found is None:
        return ()
    if access.kind is AccessKind.CAPACITY:
        return (Replacement(found, AccessKind.ATTRIBUTES.value),)
    comparison = _comparison(ast.root, access.node)
    if comparison is None:
        return (Replacement(found, AccessKind.CAPACITY.value),)
    left, right = comparison.args
    mirrored = right is access.node
    least = 0 if access.name and _IN_BYTES not in access.name.lower() else _BYTES
    amount = _amount(source, left if mirrored else right, least)
    if amount is None:
        return ()
    start, end = access.span
    read = source[start : found.start] + AccessKind.CAPACITY.value + source[found.end : end]
    operator = (_MIRRORED if mirrored else _WRITTEN)[comparison.function]
    text = f"{read}.compareTo({amount}) {operator} 0"
    return (Replacement(Span(comparison.start, comparison.end), text),)


def _map_word(source: str, access: Access) -> Span | None:
    """Return where `attributes` or `capacity` of the access stands; None where a macro has given it another name."""
    if access.domain_span is None:
        return None
    word = access.kind.value
    start = source.rfind(word, access.span[0], access.domain_span[0])
    return None if start < 0 else Span(start, start + len(word))


def _comparison(root: Expr, node: Expr) -> Call | None:
    for call in walk(root):
        if isinstance(call, Call) and call.function in _MIRRORED and any(part is node for part in call.args):
            return call
    return None


def _amount(source: str, node: Expr, least: int) -> str | None:
    """Return the CEL text of the quantity that a compared value means; None where it means none for certain."""
    text = source[node.start : node.end]
    if _QUANTITY_CALL.match(text):
        return text
    if not isinstance(node, Literal) or isinstance(node.value, bool):
        return None
    if isinstance(node.value, int) and node.value >= least:
        return f"quantity('{node.value}')"
    if isinstance(node.value, str):
        try:
            parse_quantity(node.value)
        except ValueError:
            return None
        return f"quantity({text})"
    return None
