"""A checked syntax tree as text: each node with its type, what it means and what it costs to write."""

from webhook.cel.syntax import (
    Ast,
    Call,
    Comprehension,
    Expr,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    Select,
    StructLiteral,
    children,
)
from webhook.cel.types import format_type


def render_tree(ast: Ast) -> str:
    """One line a node, indented by depth: what it is, its type, the overloads that may run, its place."""
    lines: list[str] = []
    stack: list[tuple[Expr, int]] = [(ast.root, 0)]
    while stack:
        node, depth = stack.pop()
        overloads = f" {', '.join(node.overloads)}" if isinstance(node, Call) and node.overloads else ""
        place = f"[{node.start}:{node.end}]"
        lines.append(f"{'  ' * depth}{_name(node)}: {format_type(node.type)}{overloads} {place}")
        if not (isinstance(node, Select) and node.reference is not None):
            stack.extend((child, depth + 1) for child in reversed(children(node)))
    return "\n".join(lines)


def _name(node: Expr) -> str:
    match node:
        case Literal():
            return f"literal {node.value!r}" if not isinstance(node.value, bool | None) else _word(node.value)
        case Ident():
            return f"name {node.name}"
        case Select() if node.reference is not None:
            return f"name {node.reference}"
        case Select():
            return f"has {node.field}" if node.test_only else f"field {node.field}"
        case Call():
            return f"{'function' if node.target is None else 'method'} {node.function}"
        case ListLiteral():
            return "list"
        case MapLiteral():
            return "map"
        case StructLiteral():
            return f"message {node.name}"
        case Comprehension():
            names = node.iter_var if node.iter_var2 is None else f"{node.iter_var}, {node.iter_var2}"
            return f"loop over {names} into {node.accumulator}"


def _word(value: bool | None) -> str:
    return {True: "literal true", False: "literal false", None: "literal null"}[value]
