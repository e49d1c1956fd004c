"""Tokens to a syntax tree, with macros expanded, in one pass and without recursion.

An operator-precedence parser over an explicit stack: nesting costs no Python frames, so hostile input
meets the limits of the language and never those of the interpreter. It accepts exactly the grammar of
cel-go (parser/gen/CEL.g4). What it refuses is parsed once more by `webhook.cel.recovery`, which finds
the words that the API server would use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from webhook.cel.lexer import BYTES, END, ESCAPED_IDENT, FLOAT, IDENT, INT, STRING, UINT, Tokens
from webhook.cel.literals import BadLiteralError, bytes_value, read_number, string_value
from webhook.cel.macros import Expander, Factory, MacroError, Macros, TooManyNodesError
from webhook.cel.source import NOWHERE, SourceError
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
    RESERVED,
    SUBTRACT,
    Call,
    Expr,
    FieldEntry,
    Ident,
    ListLiteral,
    Literal,
    LiteralValue,
    MapEntry,
    MapLiteral,
    Select,
    StructLiteral,
    children,
)

MOST_DEPTH: Final = 250
RULE_DEPTH_ERROR: Final = SourceError(NOWHERE, f"expression recursion limit exceeded: {MOST_DEPTH}")
TREE_DEPTH_ERROR: Final = SourceError(NOWHERE, "max recursion depth exceeded")

# Precedences of what waits on the stack for its right side. Frames (brackets) bind weakest of all.
_FRAME: Final = 0
_TERNARY: Final = 1
_OR: Final = 2
_AND: Final = 3
_RELATION: Final = 4
_SUM: Final = 5
_PRODUCT: Final = 6
_UNARY: Final = 7

_BINARY: Final[Mapping[str, tuple[int, str]]] = {
    "||": (_OR, OR),
    "&&": (_AND, AND),
    "<": (_RELATION, LESS),
    "<=": (_RELATION, LESS_EQUALS),
    ">": (_RELATION, GREATER),
    ">=": (_RELATION, GREATER_EQUALS),
    "==": (_RELATION, EQUALS),
    "!=": (_RELATION, NOT_EQUALS),
    "in": (_RELATION, IN),
    "+": (_SUM, ADD),
    "-": (_SUM, SUBTRACT),
    "*": (_PRODUCT, MULTIPLY),
    "/": (_PRODUCT, DIVIDE),
    "%": (_PRODUCT, MODULO),
}
_NUMBERS: Final = {INT: "int", UINT: "uint", FLOAT: "float"}
_CALL: Final = "call"
_INDEX: Final = "index"
_STRUCT: Final = "struct"


class _SyntaxError(Exception):
    """The text is not in the grammar."""


class _DepthError(Exception):
    """A limit of nesting is passed while the text is read."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """`root` is set if there is no error at all. `misfit` is the token at or near which the text leaves the
    grammar; then `errors` lacks that. `exhausted` is true if macro expansion made too many nodes.
    """

    root: Expr | None
    errors: list[SourceError]
    macros: dict[int, Call]
    misfit: int | None = None
    exhausted: bool = False


def parse(text: str, tokens: Tokens, macros: Macros, *, escaped_names: bool) -> Parsed:
    """The syntax tree of tokens that have no lexical errors; never raises."""
    parser = _Parser(text, tokens, macros, escaped_names)
    try:
        root = parser.run()
    except _SyntaxError:
        return Parsed(None, parser.errors, {}, misfit=parser.position)
    except _DepthError:
        return Parsed(None, [RULE_DEPTH_ERROR], {})
    except TooManyNodesError:
        return Parsed(None, parser.errors, {}, exhausted=True)
    if parser.heights.get(root.id, 0) > MOST_DEPTH:
        parser.errors.append(TREE_DEPTH_ERROR)
    return Parsed(None if parser.errors else root, parser.errors, parser.written)


class _Operator:
    """An operator that waits for its right side. `parts` are the sides so far, `positions` the operators'."""

    __slots__ = ("level", "op", "parts", "positions")

    def __init__(self, level: int, op: str, parts: list[Expr], positions: list[int]) -> None:
        self.level = level
        self.op = op
        self.parts = parts
        self.positions = positions


class _Frame:
    """An open bracket and what is in it so far. `op` is `(`, `[`, `{`, or one of the names above.

    `start` is where the whole expression begins, `pos` where its error position is. `name` is a
    function or message, `target` what an index or a method stands on. `label` is the field, or the
    position of the colon, of the entry that is being read. `errors`: how many there were before.
    """

    __slots__ = (
        "entries",
        "errors",
        "fields",
        "flags",
        "key",
        "label",
        "label_pos",
        "name",
        "op",
        "optional",
        "parts",
        "pos",
        "start",
        "target",
    )
    level = _FRAME

    def __init__(self, op: str, pos: int, start: int, name: str = "", target: Expr | None = None) -> None:
        self.op = op
        self.pos = pos
        self.start = start
        self.name = name
        self.target = target
        self.parts: list[Expr] = []
        self.flags: list[int] = []
        self.optional = False
        self.key: Expr | None = None
        self.label = ""
        self.label_pos = 0
        self.entries: list[MapEntry] = []
        self.fields: list[FieldEntry] = []
        self.errors = -1


class _Parser:
    __slots__ = (
        "_calc_depth",
        "_deep",
        "_ends",
        "_escaped_names",
        "_expr_depth",
        "_has_braces",
        "_kinds",
        "_macros",
        "_make",
        "_names",
        "_next",
        "_relation_depth",
        "_stack",
        "_starts",
        "_text",
        "errors",
        "heights",
        "written",
    )

    def __init__(self, text: str, tokens: Tokens, macros: Macros, escaped_names: bool) -> None:
        self._text = text
        self._kinds = tokens.kinds
        self._starts = tokens.starts
        self._ends = tokens.ends
        self._macros = macros
        self._escaped_names = escaped_names
        self._make = Factory()
        self._next = 0
        self._stack: list[_Operator | _Frame] = []
        self._expr_depth = self._relation_depth = self._calc_depth = 1
        self._deep = len(tokens.kinds) > MOST_DEPTH
        self._has_braces = "{" in tokens.kinds
        self.errors: list[SourceError] = []
        self.written: dict[int, Call] = {}
        self.heights: dict[int, int] = {}

    @property
    def position(self) -> int:
        """The token that is read next."""
        return min(self._next, len(self._kinds) - 1)

    def run(self) -> Expr:
        """The whole expression."""
        while True:
            node = self._operand()
            while node is not None:
                kind = self._kinds[self._next]
                if kind == ".":
                    node = self._member(node)
                elif kind == "[":
                    self._open_index(node)
                    break
                elif kind in _BINARY:
                    self._binary(node, *_BINARY[kind])
                    break
                elif kind == "?":
                    self._question(node)
                    break
                else:
                    node = self._reduce(node, _OR)
                    top = self._stack[-1] if self._stack else None
                    if kind == ":" and isinstance(top, _Operator) and len(top.parts) == 1:
                        self._otherwise(node, top)
                        break
                    node = self._reduce(node, _TERNARY)
                    if not self._stack:
                        if kind != END:
                            raise _SyntaxError
                        return node
                    node = self._in_frame(node, kind)

    # Operands

    def _operand(self) -> Expr | None:
        """A primary with what stands before it, or None if it opened a bracket that is yet to be filled."""
        index = self._next
        kind = self._kinds[index]
        if kind in ("!", "-"):
            kind = self._prefix(kind)
            index = self._next
        self._next = index + 1
        if kind == IDENT:
            return self._name(index, self._starts[index])
        start = self._starts[index]
        if kind in (STRING, BYTES, INT, UINT, FLOAT):
            return self._literal(kind, index, start)
        if kind == "(":
            self._open(_Frame("(", start, start))
            return None
        if kind == "[":
            return self._open_list(start)
        if kind in ("true", "false", "null"):
            value = {"true": True, "false": False, "null": None}[kind]
            return Literal(self._make.next_id(), start, start, self._ends[index], value)
        if kind == "{":
            return self._open_map(start)
        if kind == "." and self._kinds[index + 1] == IDENT:
            self._next = index + 2
            return self._name(index + 1, start)
        if kind == "-" and self._kinds[index + 1] in (INT, FLOAT):
            self._next = index + 2
            return self._literal(self._kinds[index + 1], index + 1, start)
        raise _SyntaxError

    def _prefix(self, operator: str) -> str:
        """Reads a run of `!` or `-`; gives the kind after it. A lone minus before a number belongs to that."""
        first = self._next
        index = first + 1
        while self._kinds[index] == operator:
            index += 1
        kind = self._kinds[index]
        if operator == "-" and index == first + 1 and kind in (INT, FLOAT):
            return operator
        self._stack.append(_Operator(_UNARY, NOT if operator == "!" else NEGATE, [], self._starts[first:index]))
        self._next = index
        if kind == "!" or (kind == "-" and (operator == "-" or self._kinds[index + 1] not in (INT, FLOAT))):
            raise _SyntaxError
        return kind

    def _name(self, index: int, start: int) -> Expr | None:
        """The variable, call or message that begins with the name at `index`; a dot may be before it."""
        position = self._starts[index]
        end = self._ends[index]
        after = self._kinds[index + 1]
        if self._has_braces and after in (".", "{"):
            brace = index + 1
            while self._kinds[brace] == "." and self._kinds[brace + 1] == IDENT:
                brace += 2
            if self._kinds[brace] == "{":
                return self._open_struct(index, brace, start)
        name = self._text[position:end]
        if start != position:
            name = "." + name
        if after == "(":
            self._next = index + 2
            return self._open_call(_Frame(_CALL, self._starts[index + 1], start, name))
        if name.lstrip(".") in RESERVED:
            self.errors.append(SourceError(start, f"reserved identifier: {name.lstrip('.')}"))
            return self._nothing(start, end)
        self._make.last_id += 1
        return Ident(self._make.last_id, position, start, end, name)

    def _nothing(self, start: int, end: int) -> Expr:
        """What stands for a part that is in error: no macro takes it for a name or a field."""
        return StructLiteral(self._make.next_id(), start, start, end, "", ())

    def _literal(self, kind: str, index: int, start: int) -> Literal:
        """The constant at `index`; it begins at `start`, which is before it if it has a sign."""
        end = self._ends[index]
        token = self._text[self._starts[index] : end]
        value: LiteralValue = None
        try:
            if kind == STRING:
                value = string_value(token)
            elif kind == BYTES:
                value = bytes_value(token)
            else:
                value = read_number(_NUMBERS[kind], token, negative=start != self._starts[index])
        except BadLiteralError as error:
            self.errors.append(SourceError(start, str(error)))
        self._make.last_id += 1
        return Literal(self._make.last_id, start, start, end, value)

    # Operators

    def _binary(self, node: Expr, level: int, op: str) -> None:
        position = self._starts[self._next]
        self._next += 1
        if level >= _RELATION:
            node = self._reduce(node, level)
            if level == _RELATION:
                self._relation_depth += 1
                depth = self._relation_depth
            else:
                self._calc_depth += 1
                depth = self._calc_depth
            if depth > MOST_DEPTH:
                raise _DepthError
        else:
            node = self._reduce(node, level + 1)
            top = self._stack[-1] if self._stack else None
            if isinstance(top, _Operator) and top.level == level:
                top.parts.append(node)
                top.positions.append(position)
                return
        self._stack.append(_Operator(level, op, [node], [position]))

    def _question(self, node: Expr) -> None:
        node = self._reduce(node, _OR)
        top = self._stack[-1] if self._stack else None
        if isinstance(top, _Operator) and len(top.parts) == 1:
            raise _SyntaxError
        self._stack.append(_Operator(_TERNARY, CONDITIONAL, [node], [self._starts[self._next]]))
        self._next += 1

    def _otherwise(self, node: Expr, ternary: _Operator) -> None:
        ternary.parts.append(node)
        self._next += 1
        self._expr_depth += 1
        if self._expr_depth > MOST_DEPTH:
            raise _DepthError

    def _reduce(self, node: Expr, level: int) -> Expr:
        """Gives the node as right side to all operators that bind at least as strongly as `level`."""
        stack = self._stack
        while stack and stack[-1].level >= level:
            operator = stack.pop()
            assert isinstance(operator, _Operator)
            node = self._combine(operator, node)
        return node

    def _combine(self, operator: _Operator, last: Expr) -> Expr:
        level = operator.level
        positions = operator.positions
        if level == _UNARY:
            if len(positions) % 2 == 0:
                last.start = positions[0]
                return last
            start = positions[0]
            args: tuple[Expr, ...] = (last,)
        else:
            operator.parts.append(last)
            if level in (_OR, _AND):
                return self._balance(operator)
            if level == _TERNARY:
                if len(operator.parts) != 3:
                    raise _SyntaxError
                self._expr_depth -= 1
            elif level == _RELATION:
                self._relation_depth -= 1
            else:
                self._calc_depth -= 1
            args = tuple(operator.parts)
            start = args[0].start
        self._make.last_id += 1
        node = Call(self._make.last_id, positions[0], start, last.end, operator.op, args)
        if self._deep:
            self._measure(node, args, 0 if level == _UNARY else 1)
        return node

    def _balance(self, operator: _Operator) -> Expr:
        """The terms of a chain of && or || as a balanced tree, as cel-go builds it."""
        terms = operator.parts
        positions = operator.positions

        def tree(low: int, high: int) -> Expr:
            middle = (low + high + 1) // 2
            left = terms[middle] if middle == low else tree(low, middle - 1)
            right = terms[middle + 1] if middle == high else tree(middle + 1, high)
            self._make.last_id += 1
            node = Call(self._make.last_id, positions[middle], left.start, right.end, operator.op, (left, right))
            if self._deep:
                self._measure(node, node.args, 0)
            return node

        return tree(0, len(positions) - 1)

    # Members: fields, methods, indices

    def _member(self, node: Expr) -> Expr | None:
        dot = self._next
        kinds = self._kinds
        index = dot + 1
        optional = kinds[index] == "?"
        if optional:
            index += 1
        kind = kinds[index]
        position = self._starts[index]
        end = self._ends[index]
        name = self._text[position:end]
        if kind == ESCAPED_IDENT:
            if self._escaped_names:
                name = name[1:-1]
            else:
                self.errors.append(SourceError(position, "unsupported syntax: '`'"))
                name = ""
        elif kind != IDENT:
            raise _SyntaxError
        elif kinds[index + 1] == "(" and not optional:
            self._next = index + 2
            return self._open_call(_Frame(_CALL, self._starts[index + 1], node.start, name, node))
        self._next = index + 1
        member: Expr
        if optional:
            field = Literal(self._make.next_id(), position, position, end, name)
            member = Call(self._make.next_id(), self._starts[dot], node.start, end, OPTIONAL_SELECT, (node, field))
        else:
            self._make.last_id += 1
            member = Select(self._make.last_id, self._starts[dot], node.start, end, node, name, position)
        if self._deep:
            self._measure(member, (node,), 1)
        return member

    def _open_index(self, node: Expr) -> None:
        frame = _Frame(_INDEX, self._starts[self._next], node.start, INDEX, node)
        self._next += 1
        if self._kinds[self._next] == "?":
            self._next += 1
            frame.name = OPTIONAL_INDEX
        self._open(frame)

    # Brackets

    def _open(self, frame: _Frame) -> None:
        self._stack.append(frame)
        self._expr_depth += 1
        self._relation_depth += 1
        self._calc_depth += 1
        if max(self._expr_depth, self._relation_depth, self._calc_depth) > MOST_DEPTH:
            raise _DepthError

    def _close(self) -> int:
        """Leaves the innermost bracket, whose closing token is next; gives where that ends."""
        self._stack.pop()
        self._expr_depth -= 1
        self._relation_depth -= 1
        self._calc_depth -= 1
        self._next += 1
        return self._ends[self._next - 1]

    def _in_frame(self, node: Expr, kind: str) -> Expr | None:
        """An expression inside a bracket ends before a token of that kind: keeps it, or closes the bracket."""
        frame = self._stack[-1]
        assert isinstance(frame, _Frame)
        op = frame.op
        if op == "{":
            return self._in_map(frame, node, kind)
        if op == _STRUCT:
            return self._in_struct(frame, node, kind)
        if op == "(":
            if kind != ")":
                raise _SyntaxError
            node.end = self._close()
            node.start = frame.start
            return node
        if op == _INDEX:
            if kind != "]":
                raise _SyntaxError
            return self._index(frame, node)
        frame.parts.append(node)
        if op == _CALL:
            if kind == ")":
                return self._call(frame, self._close())
            if kind != ",":
                raise _SyntaxError
            self._next += 1
            return None
        if self._comma_goes_on(kind, "]"):
            self._list_mark(frame)
            return None
        return self._list(frame, self._close())

    def _comma_goes_on(self, kind: str, closer: str) -> bool:
        """True after a comma that another entry follows, false before the closing bracket."""
        if kind == ",":
            self._next += 1
            return self._kinds[self._next] != closer
        if kind != closer:
            raise _SyntaxError
        return False

    def _at_empty(self, closer: str) -> bool:
        """Before `]` or `,]` of an empty list, and the same for maps and messages."""
        kinds = self._kinds
        if kinds[self._next] == "," and kinds[self._next + 1] == closer:
            self._next += 1
        return kinds[self._next] == closer

    def _optional_mark(self) -> bool:
        if self._kinds[self._next] != "?":
            return False
        self._next += 1
        return True

    def _index(self, frame: _Frame, node: Expr) -> Expr:
        assert frame.target is not None
        args = (frame.target, node)
        end = self._close()
        self._make.last_id += 1
        call = Call(self._make.last_id, frame.pos, frame.start, end, frame.name, args)
        if self._deep:
            self._measure(call, args, 1)
        return call

    def _open_list(self, start: int) -> Expr | None:
        frame = _Frame("[", start, start)
        if self._at_empty("]"):
            self._next += 1
            return self._list(frame, self._ends[self._next - 1])
        self._list_mark(frame)
        self._open(frame)
        return None

    def _list_mark(self, frame: _Frame) -> None:
        if self._optional_mark():
            frame.flags.append(len(frame.parts))

    def _list(self, frame: _Frame, end: int) -> Expr:
        self._make.last_id += 1
        node = ListLiteral(self._make.last_id, frame.pos, frame.start, end, tuple(frame.parts), tuple(frame.flags))
        if self._deep:
            self._measure(node, node.elements, 0)
        return node

    def _open_map(self, start: int) -> Expr | None:
        frame = _Frame("{", start, start)
        if self._at_empty("}"):
            self._next += 1
            return self._map(frame, self._ends[self._next - 1])
        frame.optional = self._optional_mark()
        self._open(frame)
        return None

    def _in_map(self, frame: _Frame, node: Expr, kind: str) -> Expr | None:
        if frame.key is None:
            if kind != ":":
                raise _SyntaxError
            frame.key = node
            frame.label_pos = self._starts[self._next]
            self._next += 1
            return None
        frame.entries.append(MapEntry(self._make.next_id(), frame.label_pos, frame.key, node, frame.optional))
        frame.key = None
        if self._comma_goes_on(kind, "}"):
            frame.optional = self._optional_mark()
            return None
        return self._map(frame, self._close())

    def _map(self, frame: _Frame, end: int) -> Expr:
        self._make.last_id += 1
        node = MapLiteral(self._make.last_id, frame.pos, frame.start, end, tuple(frame.entries))
        if self._deep:
            self._measure(node, children(node), 0)
        return node

    def _open_struct(self, first: int, brace: int, start: int) -> Expr | None:
        name = ".".join(self._text[self._starts[index] : self._ends[index]] for index in range(first, brace, 2))
        if start != self._starts[first]:
            name = "." + name
        self._next = brace + 1
        frame = _Frame(_STRUCT, self._starts[brace], start, name)
        if self._at_empty("}"):
            self._next += 1
            return self._struct(frame, self._ends[self._next - 1])
        self._struct_field(frame)
        self._open(frame)
        return None

    def _struct_field(self, frame: _Frame) -> None:
        frame.optional = self._optional_mark()
        kind = self._kinds[self._next]
        position = self._starts[self._next]
        frame.label = self._text[position : self._ends[self._next]]
        if kind == ESCAPED_IDENT:
            if not self._escaped_names:
                self.errors.append(SourceError(position, "unsupported syntax: '`'"))
            frame.label = frame.label[1:-1]
        if kind not in (IDENT, ESCAPED_IDENT) or self._kinds[self._next + 1] != ":":
            raise _SyntaxError
        frame.label_pos = self._starts[self._next + 1]
        self._next += 2

    def _in_struct(self, frame: _Frame, node: Expr, kind: str) -> Expr | None:
        frame.fields.append(FieldEntry(self._make.next_id(), frame.label_pos, frame.label, node, frame.optional))
        if self._comma_goes_on(kind, "}"):
            self._struct_field(frame)
            return None
        return self._struct(frame, self._close())

    def _struct(self, frame: _Frame, end: int) -> Expr:
        self._make.last_id += 1
        node = StructLiteral(self._make.last_id, frame.pos, frame.start, end, frame.name, tuple(frame.fields))
        if self._deep:
            self._measure(node, children(node), 0)
        return node

    # Calls

    def _open_call(self, frame: _Frame) -> Expr | None:
        if frame.target is None and frame.name.lstrip(".") in RESERVED:
            frame.errors = len(self.errors)
        if self._kinds[self._next] == ")":
            self._next += 1
            return self._call(frame, self._ends[self._next - 1])
        self._open(frame)
        return None

    def _call(self, frame: _Frame, end: int) -> Expr:
        args = tuple(frame.parts)
        target = frame.target
        name = frame.name
        node: Expr | None = None
        if frame.errors >= 0:  # cel-go does not look at the arguments of a reserved name
            del self.errors[frame.errors :]
            self.errors.append(SourceError(frame.start, f"reserved identifier: {name.lstrip('.')}"))
            node = self._nothing(frame.start, end)
        else:
            expander = self._macros.get((name, len(args), target is not None))
            if expander is not None:
                node = self._expand(expander, frame, args, end)
        if node is None:
            self._make.last_id += 1
            node = Call(self._make.last_id, frame.pos, frame.start, end, name, args, target)
        if self._deep:
            self._measure(node, args if target is None else (target, *args), 0 if target is None else 1)
        return node

    def _expand(self, expander: Expander, frame: _Frame, args: tuple[Expr, ...], end: int) -> Expr | None:
        make = self._make
        make.at(frame.pos, frame.start, end)
        written = Call(make.next_id(), frame.pos, frame.start, end, frame.name, args, frame.target)
        try:
            node = expander(make, frame.target or written, args)
        except MacroError as error:
            self.errors.append(SourceError(error.pos, error.message))
            return self._nothing(error.pos, end)
        if node is not None:
            self.written[node.id] = written
        return node

    def _measure(self, node: Expr, parts: tuple[Expr, ...], own: int) -> None:
        """Notes how many levels of nesting cel-go counts below and with this node."""
        heights = self.heights
        height = own
        for part in parts:
            height = max(height, heights.get(part.id, 0) + own)
        if height:
            heights[node.id] = height
