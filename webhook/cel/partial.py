"""What the API server says about the parts of a text that has syntax errors.

cel-go turns the parse tree into syntax even where its parser had to guess, and reports reserved names,
bad literals and misused macros in it beside the syntax errors. Source: cel-go parser/parser.go, Visit*.
"""

from collections.abc import Callable, Mapping
from typing import Final

from webhook.cel.lexer import Tokens
from webhook.cel.literals import BadLiteralError, bytes_value, read_number, string_value
from webhook.cel.macros import Factory, MacroError, Macros, TooManyNodesError
from webhook.cel.parser import MOST_DEPTH, TREE_DEPTH_ERROR
from webhook.cel.recovery import ParseNode
from webhook.cel.source import BEFORE, SourceError
from webhook.cel.syntax import (
    CONDITIONAL,
    INDEX,
    OPTIONAL_SELECT,
    RESERVED,
    Call,
    Expr,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    Select,
    StructLiteral,
)

# Rules that stand for their only part unless the named token is there.
_TRANSPARENT: Final = {"start": "", "expr": "op", "or": "ops", "and": "ops"}


def partial_errors(
    tree: ParseNode, text: str, tokens: Tokens, macros: Macros, *, escaped_names: bool
) -> list[SourceError]:
    """The further errors; the tree is one with syntax errors."""
    visitor = _Visitor(text, tokens, macros, escaped_names)
    try:
        visitor.visit(tree)
    except TooManyNodesError:
        return visitor.errors
    return visitor.errors


class _Visitor:
    def __init__(self, text: str, tokens: Tokens, macros: Macros, escaped_names: bool) -> None:
        self._text = text
        self._tokens = tokens
        self._macros = macros
        self._escaped_names = escaped_names
        self._make = Factory()
        self._depth = 0
        self.errors: list[SourceError] = []

    def visit(self, node: ParseNode | None) -> Expr:
        """The syntax that the node stands for, as far as errors depend on it."""
        while node is not None:
            rule = node.rule
            if rule in _TRANSPARENT and _TRANSPARENT[rule] not in node.tokens:
                node = _part(node, "e")
            elif rule in ("relation", "calc") and not node.label:
                node = _part(node, "calc" if rule == "relation" else "unary")
            elif rule == "member" and not node.label:
                node = _part(node, "primary")
            elif rule == "optional" or node.label in ("nested", "literal") or (rule, node.label) == ("unary", "member"):
                node = _part(node, "e")
            else:
                visit = _VISITS.get(node.label if rule in ("unary", "member", "primary") else rule)
                if visit is None:
                    return self._nothing(node if rule == "unary" else None)
                if rule not in ("relation", "calc", "member"):
                    return visit(self, node)
                return self._deeper(visit, node)
        return self._nothing(None)

    def _deeper(self, visit: "Callable[[_Visitor, ParseNode], Expr]", node: ParseNode) -> Expr:
        """One level of a chain of operators, fields, indices or calls, of which there may be only so many."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            self.errors.append(TREE_DEPTH_ERROR)
            made = self._nothing(None)
        else:
            made = visit(self, node)
        self._depth -= 1
        return made

    def _nothing(self, node: ParseNode | None) -> Expr:
        """An expression of no kind."""
        return self._place(StructLiteral(self._make.next_id(), 0, 0, 0, "", ()), node)

    def _place(self, expression: Expr, node: ParseNode | None) -> Expr:
        expression.pos = BEFORE if node is None else self._tokens.starts[node.start]
        return expression

    def _report(self, node: ParseNode, message: str) -> Expr:
        self.errors.append(SourceError(self._tokens.starts[node.start], message))
        return self._nothing(node)

    def _position(self, node: ParseNode, name: str) -> int:
        index = node.tokens[name][0]
        return self._tokens.starts[node.start if index is None else index]

    def _token_text(self, index: int | None) -> str:
        return "" if index is None else self._text[self._tokens.starts[index] : self._tokens.ends[index]]

    def _all(self, node: ParseNode | None) -> tuple[Expr, ...]:
        return () if node is None else tuple([self.visit(part) for part in node.nodes.get("e", ())])

    def operation(self, node: ParseNode) -> Expr:
        parts = [part for name in ("left", "e", "rest", "right", "then", "else") for part in node.nodes.get(name, ())]
        args = tuple([self.visit(part) for part in parts])
        # Of `a || b || c` it is the place of the operator in the middle: cel-go balances such chains.
        operators = next((node.tokens[name] for name in ("op", "ops") if name in node.tokens), (None,))
        operator = operators[len(operators) // 2]
        position = self._tokens.starts[node.start if operator is None else operator]
        return Call(self._make.next_id(), position, 0, 0, CONDITIONAL, args)

    def unary(self, node: ParseNode) -> Expr:
        operand = self.visit(_part(node, "e"))
        if len(node.tokens.get("ops", ())) % 2 == 0:
            return operand
        return Call(self._make.next_id(), self._position(node, "ops"), 0, 0, node.label, (operand,))

    def select(self, node: ParseNode) -> Expr:
        operand = self.visit(_part(node, "left"))
        name = _part(node, "id")
        if name is None or "op" not in node.tokens:
            return self._nothing(node)
        field = self._name(name)
        position = self._position(node, "op")
        if "opt" in node.tokens:
            literal = Literal(self._make.next_id(), position, 0, 0, field)
            return Call(self._make.next_id(), position, 0, 0, OPTIONAL_SELECT, (operand, literal))
        return Select(self._make.next_id(), position, 0, 0, operand, field)

    def _name(self, node: ParseNode) -> str:
        if not node.label:
            self._report(node, "unsupported ident kind")
            return ""
        text = self._token_text(node.tokens["id"][0])
        if node.label == "escaped" and not self._escaped_names:
            self._report(node, "unsupported syntax: '`'")
            return ""
        return text.strip("`")

    def index(self, node: ParseNode) -> Expr:
        target = self.visit(_part(node, "left"))
        if "op" not in node.tokens:
            return self._nothing(node)
        key = self.visit(_part(node, "index"))
        return Call(self._make.next_id(), self._position(node, "op"), 0, 0, INDEX, (target, key))

    def call(self, node: ParseNode) -> Expr:
        target = self.visit(_part(node, "left")) if node.rule == "member" else None
        if "id" not in node.tokens:
            return self._nothing(node)
        name = self._token_text(node.tokens["id"][0])
        if target is None and name in RESERVED:
            return self._report(node, f"reserved identifier: {name}")
        if target is None and "dot" in node.tokens:
            name = "." + name
        args = self._all(_part(node, "args"))
        position = self._position(node, "op") if "op" in node.tokens else self._tokens.starts[node.start]
        plain = Call(self._make.next_id(), position, 0, 0, name, args, target)
        expander = self._macros.get((name, len(args), target is not None))
        if expander is None:
            return plain
        self._make.at(position, 0, 0)
        try:
            return expander(self._make, target or plain, args) or plain
        except MacroError as error:
            self.errors.append(SourceError(error.pos, error.message))
            nothing = self._nothing(None)
            nothing.pos = error.pos
            return nothing

    def ident(self, node: ParseNode) -> Expr:
        if "id" not in node.tokens:
            return self._nothing(node)
        name = self._token_text(node.tokens["id"][0])
        if name in RESERVED:
            return self._report(node, f"reserved identifier: {name}")
        return Ident(self._make.next_id(), self._position(node, "id"), 0, 0, name)

    def list(self, node: ParseNode) -> Expr:
        elements = self._all(_part(node, "entries"))
        return ListLiteral(self._make.next_id(), self._position(node, "op"), 0, 0, elements)

    def map(self, node: ParseNode) -> Expr:
        entries = _part(node, "entries")
        if entries is not None:
            for key, value in _pairs(entries):
                self.visit(key)
                self.visit(value)
        return MapLiteral(self._make.next_id(), self._position(node, "op"), 0, 0, ())

    def message(self, node: ParseNode) -> Expr:
        entries = _part(node, "entries")
        if entries is not None:
            for key, value in _pairs(entries):
                name = _part(key, "name")
                if name is None or not name.label:
                    self._report(entries, "unsupported ident kind")
                elif name.label == "escaped" and not self._escaped_names:
                    self._report(entries, "unsupported syntax: '`'")
                else:
                    self.visit(value)
        message = self._nothing(node)
        message.pos = self._position(node, "op")
        return message

    def literal(self, node: ParseNode) -> Expr:
        label = node.label
        if not label:
            return self._nothing(node)
        token = self._token_text(node.tokens["tok"][0])
        value: str | bytes | float | None = None
        try:
            if label == "string":
                value = string_value(token)
            elif label == "bytes":
                value = bytes_value(token)
            elif label in ("int", "uint", "float"):
                value = read_number(label, token, negative="sign" in node.tokens)
        except BadLiteralError as error:
            self._report(node, str(error))
        return self._place(Literal(self._make.next_id(), 0, 0, 0, value), node)


def _part(node: ParseNode, name: str) -> ParseNode | None:
    parts = node.nodes.get(name)
    return parts[0] if parts else None


def _pairs(entries: ParseNode) -> list[tuple[ParseNode, ParseNode]]:
    """Keys with values, up to the first of which one is missing."""
    columns = entries.tokens.get("cols", ())
    return list(zip(entries.nodes.get("keys", ()), entries.nodes.get("values", ()), strict=False))[: len(columns)]


_VISITS: Final[Mapping[str, Callable[[_Visitor, ParseNode], Expr]]] = {
    "expr": _Visitor.operation,
    "or": _Visitor.operation,
    "and": _Visitor.operation,
    "relation": _Visitor.operation,
    "calc": _Visitor.operation,
    "not": _Visitor.unary,
    "negate": _Visitor.unary,
    "select": _Visitor.select,
    "call": _Visitor.call,
    "index": _Visitor.index,
    "ident": _Visitor.ident,
    "list": _Visitor.list,
    "map": _Visitor.map,
    "message": _Visitor.message,
    "literal": _Visitor.literal,
}
