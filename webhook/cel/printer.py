"""A syntax tree as CEL text again: the macros as they were written, brackets only where they are needed."""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from webhook.cel.syntax import (
    ADD,
    AND,
    CONDITIONAL,
    DIVIDE,
    EQUALS,
    GREATER,
    GREATER_EQUALS,
    IN,
    INDEX,
    LESS,
    LESS_EQUALS,
    MODULO,
    MULTIPLY,
    NEGATE,
    NOT,
    NOT_EQUALS,
    OPTIONAL_INDEX,
    OPTIONAL_SELECT,
    OR,
    SUBTRACT,
    Ast,
    Call,
    Comprehension,
    Expr,
    Ident,
    ListLiteral,
    Literal,
    LiteralValue,
    MapLiteral,
    Select,
    StructLiteral,
    Uint,
)

_BINARY: Final = {
    OR: ("||", 1),
    AND: ("&&", 2),
    LESS: ("<", 3),
    LESS_EQUALS: ("<=", 3),
    GREATER: (">", 3),
    GREATER_EQUALS: (">=", 3),
    EQUALS: ("==", 3),
    NOT_EQUALS: ("!=", 3),
    IN: ("in", 3),
    ADD: ("+", 4),
    SUBTRACT: ("-", 4),
    MULTIPLY: ("*", 5),
    DIVIDE: ("/", 5),
    MODULO: ("%", 5),
}
_UNARY: Final = {NOT: "!", NEGATE: "-"}
SIGNS: Final = {**{function: sign for function, (sign, _) in _BINARY.items()}, **_UNARY, CONDITIONAL: "?"}
"""How each operator is written, by its function."""
_UNARY_LEVEL: Final = 6
_MEMBER_LEVEL: Final = 7
_ALWAYS: Final = 8
_WORDS: Final = {True: "true", False: "false", None: "null"}
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


Item: TypeAlias = str | tuple[Expr, int]
"""A text, or a node with the level that it must reach to stand without brackets."""


def print_expression(ast: Ast) -> str:
    """The text of the tree. Reading it gives the same tree, other places apart."""
    return _Printer(ast).text(ast.root)


class _Printer:
    """Writes on an explicit stack."""

    def __init__(self, ast: Ast) -> None:
        self._macros = ast.macros
        self._stack: list[Item] = []

    def text(self, root: Expr) -> str:
        parts: list[str] = []
        self._stack.append((root, 0))
        while self._stack:
            item = self._stack.pop()
            if isinstance(item, str):
                parts.append(item)
            else:
                self._write(*item)
        return "".join(parts)

    def _put(self, *items: Item) -> None:
        self._stack.extend(reversed(items))

    def _bracketed(self, needed: bool, *items: Item) -> None:
        self._put(*(("(", *items, ")") if needed else items))

    def _write(self, node: Expr, level: int) -> None:
        written = self._macros.get(node.id)
        if written is not None:
            node = written
        match node:
            case Literal():
                text = _literal(node.value)
                self._put(f"({text})" if level == _ALWAYS or (level and text.startswith("-")) else text)
            case Ident():
                self._put(node.name)
            case Select():
                field = node.field if _PLAIN_NAME.match(node.field) else f"`{node.field}`"
                self._put((node.operand, _MEMBER_LEVEL), f".{field}")
            case Call():
                self._call(node, level)
            case ListLiteral():
                optional = set(node.optional)
                elements: list[list[Item]] = [
                    ["?" if index in optional else "", (part, 0)] for index, part in enumerate(node.elements)
                ]
                self._put("[", *_separated(elements), "]")
            case MapLiteral():
                pairs: list[list[Item]] = [
                    ["?" if entry.optional else "", (entry.key, 0), ": ", (entry.value, 0)] for entry in node.entries
                ]
                self._put("{", *_separated(pairs), "}")
            case StructLiteral():
                fields: list[list[Item]] = [
                    [f"{'?' if entry.optional else ''}{entry.field}: ", (entry.value, 0)] for entry in node.entries
                ]
                self._put(f"{node.name}{{", *_separated(fields), "}")
            case Comprehension():
                raise ValueError("a loop that no macro made cannot be written")

    def _call(self, node: Call, level: int) -> None:
        args = node.args
        name = node.function
        if node.target is None and name in _BINARY and len(args) == 2:
            sign, own = _BINARY[name]
            left, right = args
            # && and || are balanced trees: without brackets on either side they would be balanced anew
            logical = name in (AND, OR)
            self._bracketed(own < level, (left, own + logical), f" {sign} ", (right, own + 1))
        elif node.target is None and name in _UNARY:
            operand = args[0]
            # a minus before a number would become part of it
            least = _ALWAYS if name == NEGATE and isinstance(operand, Literal) else _MEMBER_LEVEL
            self._bracketed(level > _UNARY_LEVEL, _UNARY[name], (operand, least))
        elif name == CONDITIONAL:
            self._bracketed(level > 0, (args[0], 1), " ? ", (args[1], 1), " : ", (args[2], 0))
        elif name in (INDEX, OPTIONAL_INDEX):
            self._put((args[0], _MEMBER_LEVEL), "[" if name == INDEX else "[?", (args[1], 0), "]")
        elif name == OPTIONAL_SELECT:
            key = args[1]
            assert isinstance(key, Literal)
            field = str(key.value)
            self._put((args[0], _MEMBER_LEVEL), f".?{field}" if _PLAIN_NAME.match(field) else f".?`{field}`")
        else:
            before = () if node.target is None else ((node.target, _MEMBER_LEVEL), ".")
            self._put(*before, f"{name}(", *_separated([(argument, 0)] for argument in args), ")")


def _separated(groups: Iterable[list[Item]]) -> list[Item]:
    items: list[Item] = []
    for group in groups:
        if items:
            items.append(", ")
        items.extend(group)
    return items


def _literal(value: LiteralValue) -> str:
    match value:
        case bool() | None:
            return _WORDS[value]
        case str():
            return f"'{_escaped(value)}'"
        case bytes():
            return "b'" + "".join(f"\\x{byte:02x}" for byte in value) + "'"
        case Uint():
            return f"{int(value)}u"
        case float():
            text = repr(value)
            return text if "e" in text or "." in text else f"{text}.0"
        case int():
            return str(value)


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("'", "\\'")
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
