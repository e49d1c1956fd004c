"""Tokens to a syntax tree, with macros expanded, in one pass and without recursion.

An operator-precedence parser over an explicit stack: nesting costs no Python frames, so hostile input
meets the limits of the language and never those of the interpreter. It accepts exactly the grammar of
cel-go (parser/gen/CEL.g4). What it refuses is parsed once more by `webhook.cel.recovery`, which finds
the words that the API server would use.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

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
_LITERALS: Final = {STRING: "string", INT: "int", BYTES: "bytes", UINT: "uint", FLOAT: "float"}
_WORDS: Final[Mapping[str, LiteralValue]] = {"true": True, "false": False, "null": None}
_SIGNED: Final = (INT, FLOAT)
_PREFIXES: Final = ("!", "-")
_MEMBERS: Final = (".", "[")
_CALL: Final = "call"
_INDEX: Final = "index"
_STRUCT: Final = "struct"


class _SyntaxError(Exception):
    """The text is not in the grammar."""


class _DepthError(Exception):
    """A limit of nesting is passed while the text is read."""


class Parsed(NamedTuple):
    """`root` is set if there is no error at all. `misfit` is the token at or near which the text leaves the
    grammar; then `errors` lacks that. `exhausted` is true if macro expansion made too many nodes.
    """

    root: Expr | None
    errors: list[SourceError]
    macros: dict[int, Call]
    misfit: int | None = None
    exhausted: bool = False


def parse(tokens: Tokens, macros: Macros, *, escaped_names: bool) -> Parsed:
    """The syntax tree of tokens that have no lexical errors; never raises."""
    parser = _Parser(tokens, macros, escaped_names)
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
    if parser.errors:
        return Parsed(None, parser.errors, parser.written)
    parser.make.copy_all()
    return Parsed(root, parser.errors, parser.written)


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
    function or message, `target` what an index or a method stands on. `flags`: the elements with a
    question mark. `errors`: how many there were before, if the name is reserved.
    """

    __slots__ = ("errors", "flags", "name", "op", "parts", "pos", "start", "target")
    level = _FRAME

    def __init__(self, op: str, pos: int, start: int, name: str = "", target: Expr | None = None) -> None:
        self.op = op
        self.pos = pos
        self.start = start
        self.name = name
        self.target = target
        self.parts: list[Expr] = []
        self.flags: tuple[int, ...] = ()
        self.errors = -1


class _Entries(_Frame):
    """The bracket of a map or message. `label` is the field of the entry that is being read, `label_pos` the
    position of its colon.
    """

    __slots__ = ("entries", "fields", "key", "label", "label_pos", "optional")

    def __init__(self, op: str, pos: int, start: int, name: str = "") -> None:
        super().__init__(op, pos, start, name)
        self.optional = False
        self.key: Expr | None = None
        self.label = ""
        self.label_pos = 0
        self.entries: list[MapEntry] = []
        self.fields: list[FieldEntry] = []


class _Parser:
    """`_deep`: there are so many tokens that a limit of nesting could be passed; only then is it counted."""

    __slots__ = (
        "_calc_depth",
        "_deep",
        "_escaped_names",
        "_expr_depth",
        "_has_braces",
        "_kinds",
        "_macros",
        "_next",
        "_pieces",
        "_relation_depth",
        "_stack",
        "_starts",
        "errors",
        "heights",
        "make",
        "written",
    )

    def __init__(self, tokens: Tokens, macros: Macros, escaped_names: bool) -> None:
        self._kinds = tokens.kinds
        self._starts = tokens.starts
        self._pieces = tokens.pieces
        self._macros = macros
        self._escaped_names = escaped_names
        self.make = Factory()
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
        kinds = self._kinds
        stack = self._stack
        while True:
            node = self._operand()
            while node is not None:
                kind = kinds[self._next]
                if kind in _MEMBERS:
                    node = self._members(node)
                    continue
                operator = _BINARY.get(kind)
                if operator is not None:
                    self._binary(node, *operator)
                    break
                if kind == "?":
                    self._question(node)
                    break
                if stack and stack[-1].level >= _OR:
                    node = self._reduce(node, _OR)
                top = stack[-1] if stack else None
                if kind == ":" and isinstance(top, _Operator) and len(top.parts) == 1:
                    self._otherwise(node, top)
                    break
                if top is not None and top.level:
                    node = self._reduce(node, _TERNARY)
                if not stack:
                    if kind != END:
                        raise _SyntaxError
                    return node
                node = self._in_frame(node, kind)

    # Operands

    def _operand(self) -> Expr | None:
        """A primary with what stands before it, or None if it opened a bracket that is yet to be filled."""
        index = self._next
        kinds = self._kinds
        kind = kinds[index]
        if kind in _PREFIXES:
            kind = self._prefix(kind)
            index = self._next
        self._next = index + 1
        start = self._starts[index]
        if kind == IDENT:
            return self._name(index, start)
        if kind in _LITERALS:
            return self._literal(kind, index, start)
        if kind == "(":
            self._open(_Frame("(", start, start))
            return None
        if kind == "[":
            return self._open_list(start)
        if kind in _WORDS:
            return Literal(self.make.next_id(), start, start, start + len(kind), _WORDS[kind])
        if kind == "{":
            return self._open_map(start)
        if kind == "." and kinds[index + 1] == IDENT:
            self._next = index + 2
            return self._name(index + 1, start)
        if kind == "-" and kinds[index + 1] in _SIGNED:
            self._next = index + 2
            return self._literal(kinds[index + 1], index + 1, start)
        raise _SyntaxError

    def _prefix(self, operator: str) -> str:
        """Reads a run of `!` or `-`; gives the kind after it. A lone minus before a number belongs to that."""
        first = self._next
        index = first + 1
        while self._kinds[index] == operator:
            index += 1
        kind = self._kinds[index]
        if operator == "-" and index == first + 1 and kind in _SIGNED:
            return operator
        self._stack.append(_Operator(_UNARY, NOT if operator == "!" else NEGATE, [], self._starts[first:index]))
        self._next = index
        if kind == "!" or (kind == "-" and (operator == "-" or self._kinds[index + 1] not in _SIGNED)):
            raise _SyntaxError
        return kind

    def _name(self, index: int, start: int) -> Expr | None:
        """The variable, call or message that begins with the name at `index`; a dot may be before it."""
        position = self._starts[index]
        name = bare = self._pieces[index]
        after = self._kinds[index + 1]
        if self._has_braces and after in (".", "{"):
            brace = index + 1
            while self._kinds[brace] == "." and self._kinds[brace + 1] == IDENT:
                brace += 2
            if self._kinds[brace] == "{":
                return self._open_struct(index, brace, start)
        if start != position:
            name = "." + name
        if after == "(":
            self._next = index + 2
            return self._open_call(self._starts[index + 1], start, name, None)
        end = position + len(bare)
        if bare in RESERVED:
            self.errors.append(SourceError(start, f"reserved identifier: {bare}"))
            return self._nothing(start, end)
        self.make.last_id += 1
        return Ident(self.make.last_id, position, start, end, name)

    def _nothing(self, start: int, end: int) -> Expr:
        """What stands for a part that is in error: no macro takes it for a name or a field."""
        return StructLiteral(self.make.next_id(), start, start, end, "", ())

    def _literal(self, kind: str, index: int, start: int) -> Literal:
        """The constant at `index`; it begins at `start`, which is before it if it has a sign."""
        position = self._starts[index]
        token = self._pieces[index]
        value: LiteralValue = None
        try:
            if kind == STRING:
                value = string_value(token)
            elif kind == BYTES:
                value = bytes_value(token)
            else:
                value = read_number(_LITERALS[kind], token, negative=start != position)
        except BadLiteralError as error:
            self.errors.append(SourceError(start, str(error)))
        self.make.last_id += 1
        return Literal(self.make.last_id, start, start, position + len(token), value)

    # Operators

    def _binary(self, node: Expr, level: int, op: str) -> None:
        position = self._starts[self._next]
        self._next += 1
        stack = self._stack
        needed = level if level >= _RELATION else level + 1
        if stack and stack[-1].level >= needed:
            node = self._reduce(node, needed)
        if level < _RELATION:
            top = stack[-1] if stack else None
            if top is not None and top.level == level and isinstance(top, _Operator):
                top.parts.append(node)
                top.positions.append(position)
                return
        elif self._deep:
            self._count_operator(level)
        stack.append(_Operator(level, op, [node], [position]))

    def _count_operator(self, level: int) -> None:
        if level == _RELATION:
            self._relation_depth += 1
            depth = self._relation_depth
        else:
            self._calc_depth += 1
            depth = self._calc_depth
        if depth > MOST_DEPTH:
            raise _DepthError

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
        parts = operator.parts
        if level == _UNARY:
            if len(positions) % 2 == 0:
                last.start = positions[0]
                return last
            start = positions[0]
        else:
            start = parts[0].start
            if level == _TERNARY:
                if len(parts) != 2:
                    raise _SyntaxError
                self._expr_depth -= 1
            elif level == _RELATION:
                self._relation_depth -= 1
            elif level >= _SUM:
                self._calc_depth -= 1
            elif len(parts) > 1:
                parts.append(last)
                return self._balanced(operator, 0, len(positions) - 1)
        args = (*parts, last)
        self.make.last_id += 1
        node = Call(self.make.last_id, positions[0], start, last.end, operator.op, args)
        if self._deep:
            self._measure(node, args, 0 if level in (_UNARY, _OR, _AND) else 1)
        return node

    def _balanced(self, chain: _Operator, low: int, high: int) -> Expr:
        """The terms of a chain of && or || as a balanced tree, as cel-go builds it: those of some operators."""
        terms = chain.parts
        middle = (low + high + 1) // 2
        left = terms[middle] if middle == low else self._balanced(chain, low, middle - 1)
        right = terms[middle + 1] if middle == high else self._balanced(chain, middle + 1, high)
        self.make.last_id += 1
        node = Call(self.make.last_id, chain.positions[middle], left.start, right.end, chain.op, (left, right))
        if self._deep:
            self._measure(node, node.args, 0)
        return node

    # Members: fields, methods, indices

    def _members(self, node: Expr) -> Expr | None:
        """The fields, methods and indices that follow; None if one of them opened a bracket."""
        kinds = self._kinds
        starts = self._starts
        make = self.make
        start = node.start
        index = self._next
        while True:
            kind = kinds[index]
            member: Expr
            if kind == ".":
                if kinds[index + 1] != IDENT or kinds[index + 2] == "(":
                    self._next = index
                    return self._member(node)
                position = starts[index + 1]
                name = self._pieces[index + 1]
                make.last_id += 1
                end = position + len(name)
                member = Select(make.last_id, starts[index], start, end, node, name, position)
                index += 2
            elif kind == "[":
                self._next = index
                if kinds[index + 1] != STRING or kinds[index + 2] != "]" or self._deep:
                    self._open_index(node)
                    return None
                key = self._literal(STRING, index + 1, starts[index + 1])
                make.last_id += 1
                member = Call(make.last_id, starts[index], start, starts[index + 2] + 1, INDEX, (node, key))
                index += 3
            else:
                self._next = index
                return node
            if self._deep:
                self._measure(member, (node,), 1)
            node = member

    def _member(self, node: Expr) -> Expr | None:
        """A method, or a field written with `?` or backquotes."""
        dot = self._next
        kinds = self._kinds
        index = dot + 1
        optional = kinds[index] == "?"
        if optional:
            index += 1
        kind = kinds[index]
        position = self._starts[index]
        name = self._pieces[index]
        end = position + len(name)
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
            return self._open_call(self._starts[index + 1], node.start, name, node)
        self._next = index + 1
        member: Expr
        if optional:
            field = Literal(self.make.next_id(), position, position, end, name)
            member = Call(self.make.next_id(), self._starts[dot], node.start, end, OPTIONAL_SELECT, (node, field))
        else:
            self.make.last_id += 1
            member = Select(self.make.last_id, self._starts[dot], node.start, end, node, name, position)
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
        if self._deep:
            self._expr_depth += 1
            self._relation_depth += 1
            self._calc_depth += 1
            if max(self._expr_depth, self._relation_depth, self._calc_depth) > MOST_DEPTH:
                raise _DepthError

    def _close(self) -> int:
        """Leaves the innermost bracket, whose closing token is next; gives where that ends."""
        self._stack.pop()
        if self._deep:
            self._expr_depth -= 1
            self._relation_depth -= 1
            self._calc_depth -= 1
        self._next += 1
        return self._starts[self._next - 1] + 1

    def _in_frame(self, node: Expr, kind: str) -> Expr | None:
        """An expression inside a bracket ends before a token of that kind: keeps it, or closes the bracket."""
        frame = self._stack[-1]
        assert isinstance(frame, _Frame)
        op = frame.op
        if isinstance(frame, _Entries):
            return self._in_map(frame, node, kind) if op == "{" else self._in_struct(frame, node, kind)
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
                return self._called(frame)
            if kind != ",":
                raise _SyntaxError
            self._next += 1
            return None
        if self._comma_goes_on(kind, "]"):
            self._list_element(frame)
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
        self.make.last_id += 1
        call = Call(self.make.last_id, frame.pos, frame.start, end, frame.name, args)
        if self._deep:
            self._measure(call, args, 1)
        return call

    def _open_list(self, start: int) -> Expr | None:
        frame = _Frame("[", start, start)
        if self._at_empty("]"):
            self._next += 1
            return self._list(frame, self._starts[self._next - 1] + 1)
        self._list_element(frame)
        self._open(frame)
        return None

    def _list_element(self, frame: _Frame) -> None:
        """Reads the constants that follow, and the question mark of the element after them."""
        kinds = self._kinds
        index = self._next
        while kinds[index] in _LITERALS and kinds[index + 1] == "," and kinds[index + 2] != "]":
            frame.parts.append(self._literal(kinds[index], index, self._starts[index]))
            index += 2
        self._next = index
        if kinds[index] == "?":
            self._next += 1
            frame.flags += (len(frame.parts),)

    def _list(self, frame: _Frame, end: int) -> Expr:
        self.make.last_id += 1
        node = ListLiteral(self.make.last_id, frame.pos, frame.start, end, tuple(frame.parts), frame.flags)
        if self._deep:
            self._measure(node, node.elements, 0)
        return node

    def _open_map(self, start: int) -> Expr | None:
        frame = _Entries("{", start, start)
        if self._at_empty("}"):
            self._next += 1
            return self._map(frame, self._starts[self._next - 1] + 1)
        frame.optional = self._optional_mark()
        self._open(frame)
        return None

    def _in_map(self, frame: _Entries, node: Expr, kind: str) -> Expr | None:
        if frame.key is None:
            if kind != ":":
                raise _SyntaxError
            frame.key = node
            frame.label_pos = self._starts[self._next]
            self._next += 1
            return None
        frame.entries.append(MapEntry(self.make.next_id(), frame.label_pos, frame.key, node, frame.optional))
        frame.key = None
        if self._comma_goes_on(kind, "}"):
            frame.optional = self._optional_mark()
            return None
        return self._map(frame, self._close())

    def _map(self, frame: _Entries, end: int) -> Expr:
        self.make.last_id += 1
        node = MapLiteral(self.make.last_id, frame.pos, frame.start, end, tuple(frame.entries))
        if self._deep:
            self._measure(node, children(node), 0)
        return node

    def _open_struct(self, first: int, brace: int, start: int) -> Expr | None:
        name = ".".join(self._pieces[first:brace:2])
        if start != self._starts[first]:
            name = "." + name
        self._next = brace + 1
        frame = _Entries(_STRUCT, self._starts[brace], start, name)
        if self._at_empty("}"):
            self._next += 1
            return self._struct(frame, self._starts[self._next - 1] + 1)
        self._struct_field(frame)
        self._open(frame)
        return None

    def _struct_field(self, frame: _Entries) -> None:
        frame.optional = self._optional_mark()
        kind = self._kinds[self._next]
        position = self._starts[self._next]
        frame.label = self._pieces[self._next]
        if kind == ESCAPED_IDENT:
            if not self._escaped_names:
                self.errors.append(SourceError(position, "unsupported syntax: '`'"))
            frame.label = frame.label[1:-1]
        if kind not in (IDENT, ESCAPED_IDENT) or self._kinds[self._next + 1] != ":":
            raise _SyntaxError
        frame.label_pos = self._starts[self._next + 1]
        self._next += 2

    def _in_struct(self, frame: _Entries, node: Expr, kind: str) -> Expr | None:
        frame.fields.append(FieldEntry(self.make.next_id(), frame.label_pos, frame.label, node, frame.optional))
        if self._comma_goes_on(kind, "}"):
            self._struct_field(frame)
            return None
        return self._struct(frame, self._close())

    def _struct(self, frame: _Entries, end: int) -> Expr:
        self.make.last_id += 1
        node = StructLiteral(self.make.last_id, frame.pos, frame.start, end, frame.name, tuple(frame.fields))
        if self._deep:
            self._measure(node, children(node), 0)
        return node

    # Calls

    def _open_call(self, pos: int, start: int, name: str, target: Expr | None) -> Expr | None:
        """Arguments follow; `pos` is the bracket's, `start` that of the name or the receiver."""
        kind = self._kinds[self._next]
        reserved = target is None and name.lstrip(".") in RESERVED
        if not reserved:
            if kind == ")":
                self._next += 1
                return self._call(pos, start, name, target, ())
            if kind == STRING and self._kinds[self._next + 1] == ")" and not self._deep:
                literal = self._literal(kind, self._next, self._starts[self._next])
                self._next += 2
                return self._call(pos, start, name, target, (literal,))
        frame = _Frame(_CALL, pos, start, name, target)
        if reserved:
            frame.errors = len(self.errors)
            if kind == ")":
                self._next += 1
                return self._reserved(frame)
        self._open(frame)
        return None

    def _called(self, frame: _Frame) -> Expr:
        """The call whose closing bracket is next."""
        self._close()
        if frame.errors >= 0:
            return self._reserved(frame)
        return self._call(frame.pos, frame.start, frame.name, frame.target, tuple(frame.parts))

    def _reserved(self, frame: _Frame) -> Expr:
        """The call of a reserved name, at whose arguments cel-go does not look."""
        del self.errors[frame.errors :]
        self.errors.append(SourceError(frame.start, f"reserved identifier: {frame.name.lstrip('.')}"))
        node = self._nothing(frame.start, self._starts[self._next - 1] + 1)
        if self._deep:
            self._measure(node, tuple(frame.parts), 0)
        return node

    def _call(self, pos: int, start: int, name: str, target: Expr | None, args: tuple[Expr, ...]) -> Expr:
        """A call or what the macro of the name makes of it; its closing bracket has been read."""
        end = self._starts[self._next - 1] + 1
        node: Expr | None = None
        expander = self._macros.get((name, len(args), target is not None))
        if expander is not None:
            make = self.make
            make.at(pos, start, end)
            node = self._expand(expander, Call(make.next_id(), pos, start, end, name, args, target))
        if node is None:
            self.make.last_id += 1
            node = Call(self.make.last_id, pos, start, end, name, args, target)
        if self._deep:
            self._measure(node, args if target is None else (target, *args), 0 if target is None else 1)
        return node

    def _expand(self, expander: Expander, written: Call) -> Expr | None:
        try:
            node = expander(self.make, written.target or written, written.args)
        except MacroError as error:
            self.errors.append(SourceError(error.pos, error.message))
            return self._nothing(error.pos, written.end)
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
