"""Questions about a checked selector that rules ask: what it reads of a device, what it demands together.

The source as it was written is walked, not the expansion of macros, so that nothing is seen twice and
every place is one that the user wrote.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from webhook.cel.syntax import (
    AND,
    IN,
    INDEX,
    OPTIONAL_INDEX,
    OPTIONAL_SELECT,
    Ast,
    Call,
    Expr,
    Ident,
    Literal,
    Select,
    children,
)

_DEVICE: Final = "device"
_MAPPING_MACROS: Final = ("optMap", "optFlatMap")


class AccessKind(Enum):
    """Which of the device's two maps is read."""

    ATTRIBUTES = "attributes"
    CAPACITY = "capacity"


Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Access:
    """One reading of `device.attributes` or `device.capacity`.

    `domain` and `name` are None where the expression does not go that far, or computes them; then their
    spans are None, or those of the computing expression. A span covers a literal with its quotes.
    `guarded`: it stands inside has() or is the right side of `in`, or is read with `.?` or `[?]`, so that
    absence is no error. `nested`: something of the value is read again (`....name.more`). `span` is the
    whole access, `node` its node in the tree.
    """

    kind: AccessKind
    domain: str | None
    name: str | None
    domain_span: Span | None
    name_span: Span | None
    guarded: bool
    nested: bool
    span: Span
    node: Expr


@dataclass(frozen=True, slots=True)
class _Step:
    """One field or index of a chain."""

    key: str | None
    span: Span
    guarded: bool
    node: Expr


@dataclass(frozen=True, slots=True)
class _Alias:
    """A name that a macro gave to the device, or to a part of it."""

    steps: tuple[_Step, ...]
    guarded: bool


_Aliases: TypeAlias = Mapping[str, _Alias | None]


def accesses(ast: Ast) -> Iterator[Access]:
    """Every reading of an attribute or capacity, in the order of the source, names of `cel.bind` resolved."""
    stack: list[tuple[Expr, _Aliases]] = [(ast.root, {_DEVICE: _Alias((), False)})]
    while stack:
        node, aliases = stack.pop()
        written = ast.macros.get(node.id)
        if written is not None and not isinstance(node, Select):
            stack.extend(reversed(list(_inside_macro(written, aliases))))
            continue
        found = _chain(node, aliases)
        if found is None and isinstance(node, Call) and node.function == IN:
            found = _membership(node, aliases)
        if found is None:
            stack.extend((child, aliases) for child in reversed(children(node)))
            continue
        steps, guarded, computed = found
        access = None if isinstance(node, Ident) else _access(steps, guarded, node)
        if access is not None:
            yield access
        stack.extend((child, aliases) for child in reversed(computed))


def conjuncts(ast: Ast) -> tuple[Expr, ...]:
    """The parts that are joined by && at the top, in the order of the source."""
    found: list[Expr] = []
    stack = [ast.root]
    while stack:
        node = stack.pop()
        if isinstance(node, Call) and node.function == AND:
            stack.extend(reversed(node.args))
        else:
            found.append(node)
    return tuple(found)


def respell(expression: str, span: Span, text: str) -> str:
    """The expression with a field or string literal replaced by another; the style of quotes stays."""
    start, end = span
    quote = expression[end - 1]
    if quote in "'\"":
        text = quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote
    return expression[:start] + text + expression[end:]


def _inside_macro(written: Call, aliases: _Aliases) -> Iterator[tuple[Expr, _Aliases]]:
    """The written parts of a macro call, each with the names that hold in it."""
    args = written.args
    target = written.target
    if written.function == "bind" and len(args) == 3 and isinstance(args[0], Ident):
        yield args[1], aliases
        yield args[2], {**aliases, args[0].name: _alias(args[1], aliases)}
        return
    if target is not None:
        yield target, aliases
    names = [argument.name for argument in args[:-1] if isinstance(argument, Ident)]
    inner = {**aliases, **dict.fromkeys(names)}
    if target is not None and names and written.function in _MAPPING_MACROS:
        inner[names[0]] = _alias(target, aliases)
    for argument in args:
        if not isinstance(argument, Ident):
            yield argument, inner


def _alias(node: Expr, aliases: _Aliases) -> _Alias | None:
    found = _chain(node, aliases)
    return None if found is None else _Alias(tuple(found[0]), found[1])


def _chain(node: Expr, aliases: _Aliases) -> tuple[list[_Step], bool, list[Expr]] | None:
    """The fields from the device to the node, whether the last is only tested for, and computed keys."""
    guarded = isinstance(node, Select) and node.test_only
    steps: list[_Step] = []
    computed: list[Expr] = []
    while not isinstance(node, Ident):
        if isinstance(node, Select) and node.reference is None:
            start = node.field_pos
            steps.append(_Step(node.field, (start, start + len(node.field)), node.test_only, node))
            node = node.operand
        elif isinstance(node, Call) and node.function in (INDEX, OPTIONAL_INDEX, OPTIONAL_SELECT):
            key = node.args[1]
            literal = key.value if isinstance(key, Literal) and isinstance(key.value, str) else None
            if literal is None:
                computed.append(key)
            steps.append(_Step(literal, (key.start, key.end), node.function != INDEX, node))
            node = node.args[0]
        else:
            return None
    alias = aliases.get(node.name)
    if alias is None:
        return None
    steps.reverse()
    return [*alias.steps, *steps], guarded or alias.guarded, computed


def _membership(node: Call, aliases: _Aliases) -> tuple[list[_Step], bool, list[Expr]] | None:
    """`key in device.attributes` as a reading of that key which is allowed to be absent."""
    key, container = node.args
    found = _chain(container, aliases)
    if found is None or len(found[0]) not in (1, 2):
        return None
    steps, _, computed = found
    literal = key.value if isinstance(key, Literal) and isinstance(key.value, str) else None
    if literal is None:
        computed = [*computed, key]
    return [*steps, _Step(literal, (key.start, key.end), True, node)], True, computed


def _access(steps: list[_Step], guarded: bool, node: Expr) -> Access | None:
    if not steps or steps[0].key not in ("attributes", "capacity"):
        return None
    domain = steps[1] if len(steps) > 1 else None
    name = steps[2] if len(steps) > 2 else None
    last = steps[min(len(steps), 3) - 1].node
    if len(steps) <= 3 and node.start <= last.start:
        last = node
    return Access(
        AccessKind(steps[0].key),
        domain.key if domain else None,
        name.key if name else None,
        domain.span if domain else None,
        name.span if name else None,
        guarded or any(step.guarded for step in steps[:3]),
        len(steps) > 3,
        (last.start, last.end),
        last,
    )
