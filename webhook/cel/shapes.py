"""Shapes of a checked tree that the evaluator knows: entries of the device, chains of fields, loops of macros."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from webhook.cel.device_closures import Entry
from webhook.cel.syntax import (
    INDEX,
    NOT_STRICTLY_FALSE,
    OPTIONAL_INDEX,
    OPTIONAL_SELECT,
    OR,
    Call,
    Comprehension,
    Expr,
    Ident,
    Literal,
    Select,
)

Scope: TypeAlias = Mapping[str, int]
"""The slots of the macros' variables."""

DEVICE: Final = "device"
ENTRY_MAPS: Final = ("attributes", "capacity")


def entry_of(node: Expr, scope: Scope, optional: bool = False) -> Entry | None:
    """The entry `device.attributes['domain'].name` and its kin, also where `has` asks for it.

    With `optional` the entry `device.attributes['domain'].?name`.
    """
    link = link_of(node)
    if link is None or link[2] != optional:
        return None
    domain = domain_of(link[0], scope)
    name = _text(link[1])
    return None if domain is None or name is None else Entry(*domain, name)


def domain_of(node: Expr, scope: Scope) -> tuple[str, str] | None:
    """Field and domain of `device.attributes['domain']` and its kin."""
    link = link_of(node)
    if link is None or link[2]:
        return None
    field, key, _ = link
    domain = _text(key)
    if domain is None or not isinstance(field, Select) or field.field not in ENTRY_MAPS:
        return None
    return (field.field, domain) if is_device(field.operand, scope) else None


def link_of(node: Expr) -> tuple[Expr, Expr | str, bool] | None:
    """Operand, key and whether it is optional, of a node that is a field or an index."""
    if isinstance(node, Select):
        return None if node.reference is not None else (node.operand, node.field, False)
    if isinstance(node, Call) and node.target is None:
        if node.function == INDEX:
            return node.args[0], node.args[1], False
        if node.function in (OPTIONAL_INDEX, OPTIONAL_SELECT):
            return node.args[0], node.args[1], True
    return None


def is_device(node: Expr, scope: Scope) -> bool:
    """Whether it is the variable `device`, and not a macro's of the same name."""
    return (
        isinstance(node, Ident) and node.reference == DEVICE and (node.name not in scope or node.name.startswith("."))
    )


def is_test(node: Expr) -> bool:
    """Whether it is `has(a.b)`."""
    return isinstance(node, Select) and node.test_only


def cannot_fail(node: Expr, scope: Scope) -> bool:
    """Whether the value is there on each device."""
    return isinstance(node, Literal) or (not is_test(node) and domain_of(node, scope) is not None)


def _text(key: Expr | str) -> str | None:
    """The key, if it is a constant text."""
    if isinstance(key, str):
        return key
    return key.value if isinstance(key, Literal) and isinstance(key.value, str) else None


def terms_of(node: Expr, function: str) -> list[Expr]:
    """The terms of a chain of the same operator, which the parser has made a tree."""
    if isinstance(node, Call) and node.function == function:
        return [term for argument in node.args for term in terms_of(argument, function)]
    return [node]


def predicate_of(node: Comprehension) -> Expr | None:
    """The predicate, if the loop is what `all` or `exists` expand to."""
    step = node.step
    if isinstance(node.condition, Call) and node.condition.function == NOT_STRICTLY_FALSE and isinstance(step, Call):
        return step.args[1]
    return None


def is_exists(node: Comprehension) -> bool:
    """Whether such a loop is that of `exists`."""
    return isinstance(node.step, Call) and node.step.function == OR
