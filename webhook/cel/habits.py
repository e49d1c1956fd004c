"""Methods that people know from other languages, and what CEL has for them."""

import re
from typing import Final

from webhook.cel.problems import Change, Problem
from webhook.cel.syntax import Ast, Call, Ident, Literal
from webhook.cel.types import Kind

_OPERATORS: Final = {
    "equals": "==",
    "eq": "==",
    "notEquals": "!=",
    "ne": "!=",
    "gt": ">",
    "ge": ">=",
    "gte": ">=",
    "lt": "<",
    "le": "<=",
    "lte": "<=",
    "isGreaterThanOrEqual": ">=",
    "isGreaterThanOrEqualTo": ">=",
    "isLessThanOrEqual": "<=",
    "isLessThanOrEqualTo": "<=",
}
_COMPARED: Final = frozenset({"compareTo", "isGreaterThan", "isLessThan"})
_VERSION: Final = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?")


def operator_for_method(ast: Ast, node: Call, start: int, end: int) -> Problem | None:
    """`a.equals(b)`, `a.gte(b)`: an operator, for quantities and versions behind compareTo."""
    sign = _OPERATORS.get(node.function)
    if sign is None or node.target is None or len(node.args) != 1:
        return None
    target, argument = _text(ast, node.target.start, node.target.end), _text(ast, node.args[0].start, node.args[0].end)
    compared = node.target.type.name.startswith("kubernetes.") or node.args[0].type.name.startswith("kubernetes.")
    text = f"{target}.compareTo({argument}) {sign} 0" if compared else f"{target} {sign} {argument}"
    message = f"there is no method `{node.function}`"
    return Problem(message, start, end, f"write {text}", ((node.start, node.end, text),))


def has_as_method(ast: Ast, node: Call, start: int, end: int) -> Problem | None:
    """`a.has(b)`: it takes the whole field, `has(a.b)`."""
    if node.function != "has" or node.target is None or len(node.args) != 1:
        return None
    argument = node.args[0]
    name = argument.name if isinstance(argument, Ident) else argument.value if isinstance(argument, Literal) else None
    if not isinstance(name, str) or not name.isidentifier():
        return None
    text = f"has({_text(ast, node.target.start, node.target.end)}.{name})"
    return Problem("`has` is not a method", start, end, f"write {text}", ((node.start, node.end, text),))


def version_as_text(node: Call) -> Problem | None:
    """`attribute.isGreaterThan('550.0.0')`: the version must be made of the text."""
    if node.function not in _COMPARED or node.target is None or len(node.args) != 1:
        return None
    argument = node.args[0]
    if node.target.type.kind not in (Kind.ANY, Kind.DYN) or not isinstance(argument, Literal):
        return None
    found = _VERSION.fullmatch(argument.value) if isinstance(argument.value, str) else None
    if found is None:
        return None
    text = f"semver('{'.'.join(part or '0' for part in found.groups())}')"
    changes: tuple[Change, ...] = ((argument.start, argument.end, text),)
    return Problem(f"`{node.function}` needs another version", argument.start, argument.end, f"write {text}", changes)


def pattern_flags(node: Call) -> Problem | None:
    """`text.matches('a', 'i')`: flags stand in the pattern."""
    if node.function != "matches" or node.target is None or len(node.args) != 2:
        return None
    pattern, flags = node.args
    if not isinstance(pattern, Literal) or not isinstance(flags, Literal) or flags.value not in ("i", "s", "m"):
        return None
    words = "`matches` must have 1 argument, not 2"
    fix = f"write the flag in the pattern: '(?{flags.value})...'"
    changes: tuple[Change, ...] = (
        (pattern.start + 1, pattern.start + 1, f"(?{flags.value})"),
        (pattern.end, flags.end, ""),
    )
    return Problem(words, flags.start, flags.end, fix, changes)


def _text(ast: Ast, start: int, end: int) -> str:
    return ast.source[start:end]
