"""The type checker: gives each node its type, each name and call its meaning, or finds what is wrong.

It follows cel-go (checker/checker.go) in everything that shows: the order in which types are unified,
what an error is and where. One Python frame for each level of the tree: see `webhook.cel.depth`.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from webhook.cel.environment import ANY_FIELD, Environment, Function, Name, Overload, Resolution, Style
from webhook.cel.folding import CONVERSIONS, INDICES, PATTERN_FUNCTIONS
from webhook.cel.source import SourceError
from webhook.cel.syntax import (
    AND,
    OPTIONAL_SELECT,
    OR,
    Call,
    Comprehension,
    Expr,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    Select,
    StructLiteral,
    Uint,
)
from webhook.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    ERROR,
    INT,
    NULL,
    STRING,
    UINT,
    Kind,
    Type,
    format_type,
    list_type,
    map_type,
    optional_type,
    same_type,
    with_parameters,
)
from webhook.cel.unify import Substitution, most_general
from webhook.cel.validators import VALIDATED

_LITERAL_TYPES: Final[Mapping[type, Type]] = {
    bool: BOOL,
    int: INT,
    Uint: UINT,
    float: DOUBLE,
    str: STRING,
    bytes: BYTES,
    type(None): NULL,
}
_LOGICAL: Final = (AND, OR)
_DYNAMIC: Final = (Kind.DYN, Kind.ANY)
_MESSAGE_NAMES: Final = {
    Kind.ANY: "google.protobuf.Any",
    Kind.BOOL: "google.protobuf.BoolValue",
    Kind.BYTES: "google.protobuf.BytesValue",
    Kind.DOUBLE: "google.protobuf.DoubleValue",
    Kind.DURATION: "google.protobuf.Duration",
    Kind.DYN: "google.protobuf.Value",
    Kind.INT: "google.protobuf.Int64Value",
    Kind.LIST: "google.protobuf.ListValue",
    Kind.NULL: "google.protobuf.NullValue",
    Kind.MAP: "google.protobuf.Struct",
    Kind.STRING: "google.protobuf.StringValue",
    Kind.TIMESTAMP: "google.protobuf.Timestamp",
    Kind.UINT: "google.protobuf.UInt64Value",
}

_PLANNED: Final = CONVERSIONS | PATTERN_FUNCTIONS
_REMARKABLE: Final = VALIDATED | _PLANNED | frozenset(INDICES)
HEAVIEST_TYPE: Final = 20_000


class TooHeavyError(Exception):
    """A type is written with more than HEAVIEST_TYPE types; such types double with each map of one in itself."""


class Checked(NamedTuple):
    """`errors` in the order of discovery. `notable` are the nodes that the validators look at; `planned` is
    true if there is anything that folding could refuse.
    """

    errors: list[SourceError]
    notable: list[Expr]
    planned: bool


def check(root: Expr, environment: Environment) -> Checked:
    """Annotates the tree in place and says what is wrong with it; raises TooHeavyError."""
    checker = _Checker(environment)
    checker.run(root)
    return Checked(checker.errors, checker.notable, checker.planned)


class _Checker:
    __slots__ = (
        "_environment",
        "_fresh",
        "_locals",
        "_open",
        "_substitution",
        "errors",
        "notable",
        "planned",
    )

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._substitution = Substitution()
        self._locals: dict[str, Type] = {}
        self._open: list[Expr] = []  # nodes whose type still has type parameters
        self._fresh = 0
        self.errors: list[SourceError] = []
        self.notable: list[Expr] = []
        self.planned = False

    def run(self, root: Expr) -> None:
        _VISIT[root.__class__](self, root)
        resolve = self._substitution.resolve
        for node in self._open:
            node.type = resolve(node.type, free_to_dyn=True)

    def _visit_all(self, nodes: tuple[Expr, ...]) -> None:
        for node in nodes:
            _VISIT[node.__class__](self, node)

    def _give(self, node: Expr, type_: Type) -> None:
        node.type = type_
        if type_.open:
            self._open.append(node)
        if type_.weight > HEAVIEST_TYPE:
            raise TooHeavyError

    def _error(self, pos: int, message: str, node: Expr | None = None) -> None:
        self.errors.append(SourceError(pos, message, node))

    def _new_variable(self) -> Type:
        self._fresh += 1
        return Type(Kind.PARAMETER, f"_var{self._fresh - 1}")

    # Leaves

    def literal(self, node: Literal) -> None:
        node.type = _LITERAL_TYPES[node.value.__class__]

    def ident(self, node: Ident) -> None:
        name = node.name
        local = self._locals.get(name)
        if local is not None:
            node.reference = name
            self._give(node, local)
            if local.open or local.kind == Kind.TYPE:
                self.planned = True
            return
        found = self._global(name)
        if found is None:
            node.type = ERROR
            self._undeclared(node, name)
            return
        node.reference = name.removeprefix(".")
        if node.reference != name:
            self._dotted(node, found)
        self._give(node, found.type)
        if not found.variable:
            self.planned = True

    def _dotted(self, node: Ident, found: Name) -> None:
        """`.x`, which keeps its dot where a macro's variable x must not be taken for it; 0.26 does take that one.

        With the dot, 0.29 finds no type by its name.
        """
        bare = node.name.removeprefix(".")
        if not self._environment.modern or bare not in self._locals:
            node.name = bare
        elif found.type.kind == Kind.TYPE:
            node.reference = node.name

    def _undeclared(self, node: Expr, name: str) -> None:
        self._error(node.pos, f"undeclared reference to '{name}' (in container '')", node)

    def _global(self, name: str) -> Name | None:
        """The global meaning of a name, or of the local one that cel-go 0.26 takes for it.

        0.26 strips a leading dot before it looks at the macros' variables, too; 0.29 does not look there.
        """
        bare = name.removeprefix(".")
        if not self._environment.modern and bare != name:
            local = self._locals.get(bare)
            if local is not None:
                return Name(local)
        return self._environment.names.get(bare)

    # Fields

    def select(self, node: Select) -> None:
        operand = node.operand
        if not node.test_only:
            found = self._qualified(node)
            if found is not None:
                node.reference, type_ = found
                self._give(node, type_)
                self.planned = True
                return
        _VISIT[operand.__class__](self, operand)
        type_ = operand.type
        if type_.kind == Kind.MAP and type_.lasting:
            node.type = BOOL if node.test_only else type_.parameters[1]
            return
        type_ = self._field(node, operand, node.field, optional=False)
        self._give(node, BOOL if node.test_only else self._substitution.resolve(type_))

    def _qualified(self, node: Select) -> tuple[str, Type] | None:
        """What a chain of names means as one qualified name."""
        operand = node.operand
        while operand.__class__ is Select:
            operand = operand.operand
        if operand.__class__ is not Ident:
            return None
        root = operand.name
        if root.removeprefix(".") not in self._environment.namespaces:
            return None
        if root in self._locals and self._environment.modern:
            return None
        names = [node.field]
        operand = node.operand
        while operand.__class__ is Select:
            if operand.test_only:
                return None
            names.append(operand.field)
            operand = operand.operand
        names.append(root)
        names.reverse()
        full = ".".join(names)
        found = self._global(full)
        return None if found is None else (full.removeprefix("."), found.type)

    def _field(self, node: Expr, operand: Expr, field: str, *, optional: bool) -> Type:
        type_ = self._substitution.resolve(operand.type)
        if type_.kind == Kind.OPAQUE and type_.name == "optional_type":
            optional = True
            type_ = type_.parameters[0]
        kind = type_.kind
        result: Type = DYN
        if kind == Kind.MAP:
            result = type_.parameters[1]
        elif kind == Kind.STRUCT:
            result = self._member(node.pos, type_.name, field, node) or ERROR
        elif kind == Kind.PARAMETER:
            self._substitution.assignable(DYN, type_)
        elif kind not in _DYNAMIC and kind != Kind.ERROR:
            self._error(node.pos, f"type '{format_type(type_)}' does not support field selection", node)
        return optional_type(result) if optional else result

    def _member(self, pos: int, struct: str, field: str, node: Expr | None = None) -> Type | None:
        fields = self._environment.structs.get(struct)
        if fields is None:
            self._error(pos, f"unexpected failed resolution of '{struct}'", node)
            return None
        found = fields.get(field) or fields.get(ANY_FIELD)
        if found is None:
            self._error(pos, f"undefined field '{field}'", node)
        return found

    # Calls

    def call(self, node: Call) -> None:
        name = node.function
        args = node.args
        if name == OPTIONAL_SELECT:
            self._optional_select(node)
            return
        target = node.target
        if target is not None:
            prefix = _qualified_name(target, self._environment.namespaces)
            if prefix is not None and self._function(f"{prefix}.{name}") is not None:
                node.function = name = f"{prefix}.{name}".removeprefix(".")
                node.target = target = None
        for argument in args:
            _VISIT[argument.__class__](self, argument)
        if target is not None:
            _VISIT[target.__class__](self, target)
        if name in _LOGICAL:
            self._logic(node)
            return
        function = self._function(name)
        if function is None:
            node.type = ERROR
            self._undeclared(node, name)
            return
        node.function = function.name
        if target is not None:
            style = function.method_calls
            types = (target.type, *[argument.type for argument in args])
        else:
            style = function.plain_calls
            types = (args[0].type, args[1].type) if len(args) == 2 else tuple([argument.type for argument in args])
        resolution = style.resolved.get(types)
        if resolution is None:
            resolution = self._resolve_call(style, types)
            if resolution is None:
                self._no_overload(node, types)
                return
        else:
            self._fresh += resolution.fresh
        node.overloads = resolution.overloads
        self._give(node, resolution.type)
        if name in _REMARKABLE:
            if name in VALIDATED:
                self.notable.append(node)
            if name in _PLANNED or (name in INDICES and not _is_plain_key(args[1])):
                self.planned = True

    def _function(self, name: str) -> Function | None:
        functions = self._environment.functions
        return functions.get(name) or functions.get(name.removeprefix("."))

    def _optional_select(self, node: Call) -> None:
        operand, field = node.args
        _VISIT[operand.__class__](self, operand)
        assert isinstance(field, Literal)
        assert isinstance(field.value, str)
        field.type = STRING
        type_ = self._field(node, operand, field.value, optional=True)
        node.overloads = ("select_optional_field",)
        self._give(node, self._substitution.resolve(type_))

    def _no_overload(self, node: Call, types: tuple[Type, ...]) -> None:
        node.type = ERROR
        resolve = self._substitution.resolve
        shown = [format_type(resolve(type_, free_to_dyn=True)) for type_ in types]
        before = "" if node.target is None else f"{shown.pop(0)}."
        self._error(
            node.pos,
            f"found no matching overload for '{node.function}' applied to '{before}({', '.join(shown)})'",
            node,
        )

    def _logic(self, node: Call) -> None:
        failed = False
        for argument in node.args:
            type_ = argument.type
            if type_ is not BOOL and not self._substitution.assignable(type_, BOOL):
                self._error(argument.pos, f"expected type 'bool' but found '{format_type(type_)}'", argument)
                failed = True
        node.type = ERROR if failed else BOOL
        if not failed:
            node.overloads = ("logical_and",) if node.function == AND else ("logical_or",)

    def _resolve_call(self, style: Style, types: tuple[Type, ...]) -> Resolution | None:
        """What a call with arguments of these types means, if it means anything; remembered where it always does."""
        before = self._fresh
        candidates = style.candidates(tuple([type_.kind for type_ in types]))
        found: list[str] = []
        result: Type | None = None
        for skipped, overload in candidates.overloads:
            self._fresh += skipped
            own = self._fit(overload, types)
            if own is None:
                continue
            found.append(overload.id)
            if result is None:
                result = own
            elif result.kind not in _DYNAMIC and not same_type(own, result):
                result = DYN
        self._fresh += candidates.skipped
        if result is None:
            return None
        resolution = Resolution(tuple(found), result, self._fresh - before)
        if not result.open and all(type_.lasting for type_ in types):
            style.remember(types, resolution)
        return resolution

    def _fit(self, overload: Overload, types: tuple[Type, ...]) -> Type | None:
        """The result of the overload if the arguments fit it."""
        parameters = overload.parameters
        own = overload.result
        if overload.open:
            parameters, own = self._instantiate(overload)
        if not self._substitution.all_assignable(types, parameters):
            return None
        return self._substitution.resolve(own)

    def _instantiate(self, overload: Overload) -> tuple[tuple[Type, ...], Type]:
        """The overload with fresh variables for its type parameters."""
        fresh = {name: self._new_variable() for name in overload.variables}
        return tuple([_rename(type_, fresh) for type_ in overload.parameters]), _rename(overload.result, fresh)

    # Lists, maps and messages

    def list(self, node: ListLiteral) -> None:
        self._visit_all(node.elements)
        if len(node.elements) > 1 or node.optional:
            self.notable.append(node)
        element: Type | None = None
        for index, part in enumerate(node.elements):
            type_ = part.type
            if node.optional and index in node.optional:
                type_ = self._unwrap(part)
            element = type_ if element is None else self._join(element, type_)
        self._give(node, list_type(self._new_variable() if element is None else element))

    def _unwrap(self, part: Expr) -> Type:
        """The type that is left of an entry with a question mark, which must be optional."""
        type_ = part.type
        if type_.kind == Kind.OPAQUE and type_.name == "optional_type":
            return type_.parameters[0]
        if type_.kind not in _DYNAMIC:
            shown = format_type(type_)
            self._error(part.pos, f"expected type 'optional_type({shown})' but found '{shown}'")
        return type_

    def _join(self, before: Type, type_: Type) -> Type:
        if before is type_:
            return before
        return most_general(before, type_) if self._substitution.assignable(before, type_) else DYN

    def map(self, node: MapLiteral) -> None:
        for entry in node.entries:
            _VISIT[entry.key.__class__](self, entry.key)
            _VISIT[entry.value.__class__](self, entry.value)
        self.notable.append(node)
        self.planned = True
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            key = entry.key.type if key is None else self._join(key, entry.key.type)
            type_ = self._unwrap(entry.value) if entry.optional else entry.value.type
            value = type_ if value is None else self._join(value, type_)
        if key is None or value is None:
            key = self._new_variable()
            value = self._new_variable()
        self._give(node, map_type(key, value))

    def struct(self, node: StructLiteral) -> None:
        name = node.name.removeprefix(".")
        local = None if self._environment.modern else self._locals.get(name)
        found = self._environment.names.get(name) if local is None else Name(local)
        if found is None or (self._environment.modern and (found.variable or found.constant is not None)):
            node.type = ERROR
            self._undeclared(node, node.name)
            return
        node.reference = name
        node.type = ERROR
        if found.type.kind == Kind.TYPE:
            type_ = found.type.parameters[0]
            message = _message_name(type_)
            if message is None:
                self._error(node.pos, f"'{type_.name}' is not a message type")
            else:
                node.type = type_
                name = message
        elif found.type.kind != Kind.ERROR:
            self._error(node.pos, f"'{found.type.name}' is not a type")
        node.reference = name
        self._visit_all(tuple([entry.value for entry in node.entries]))
        for entry in node.entries:
            declared = self._member(entry.pos, name, entry.field) or ERROR
            type_ = self._unwrap(entry.value) if entry.optional else entry.value.type
            if not self._substitution.assignable(declared, type_):
                self._error(
                    entry.pos,
                    f"expected type of field '{entry.field}' is '{format_type(declared)}' but provided type is "
                    f"'{format_type(type_)}'",
                )

    # Loops

    def loop(self, node: Comprehension) -> None:
        self._visit_all((node.iter_range, node.accumulator_init))
        type_ = self._substitution.resolve(node.iter_range.type)
        kind = type_.kind
        first: Type = DYN
        second: Type = DYN
        if kind == Kind.LIST:
            first, second = INT, type_.parameters[0]
            if node.iter_var2 is None:
                first = second
        elif kind == Kind.MAP:
            first, second = type_.parameters
        elif kind in (Kind.DYN, Kind.ERROR, Kind.PARAMETER):
            self._substitution.assignable(DYN, type_)
        else:
            self._error(
                node.iter_range.pos,
                f"expression of type '{format_type(type_)}' cannot be range of a comprehension "
                "(must be list, map, or dynamic)",
            )
            first = second = ERROR
        before = self._locals
        outer = _with(before, node.accumulator, node.accumulator_init.type)
        inner = _with(outer, node.iter_var, first)
        if node.iter_var2 is not None:
            inner = _with(inner, node.iter_var2, second)
        self._locals = inner
        _VISIT[node.condition.__class__](self, node.condition)
        self._require(node.condition, BOOL)
        _VISIT[node.step.__class__](self, node.step)
        self._require(node.step, node.accumulator_init.type)
        self._locals = outer
        _VISIT[node.result.__class__](self, node.result)
        self._locals = before
        self._give(node, self._substitution.resolve(node.result.type))

    def _require(self, node: Expr, type_: Type) -> None:
        if not self._substitution.assignable(type_, node.type):
            self._error(node.pos, f"expected type '{format_type(type_)}' but found '{format_type(node.type)}'")


def _with(variables: dict[str, Type], name: str, type_: Type) -> dict[str, Type]:
    """One variable more. What is declared as `.x` is found under no name."""
    return variables if name.startswith(".") else {**variables, name: type_}


_VISIT: Final[Mapping[type, Callable[..., None]]] = {
    Literal: _Checker.literal,
    Ident: _Checker.ident,
    Select: _Checker.select,
    Call: _Checker.call,
    ListLiteral: _Checker.list,
    MapLiteral: _Checker.map,
    StructLiteral: _Checker.struct,
    Comprehension: _Checker.loop,
}


def _is_plain_key(node: Expr) -> bool:
    """A key that no planning can refuse."""
    if isinstance(node, Literal):
        return not isinstance(node.value, bytes | None)
    return isinstance(node, Ident | Select)


def _rename(type_: Type, fresh: Mapping[str, Type]) -> Type:
    if not type_.open:
        return type_
    if type_.kind == Kind.PARAMETER:
        return fresh[type_.name]
    return with_parameters(type_, tuple([_rename(parameter, fresh) for parameter in type_.parameters]))


def _qualified_name(node: Expr, namespaces: frozenset[str]) -> str | None:
    """`a.b.c` for a chain of fields on a name that qualified names begin with."""
    root = node
    while root.__class__ is Select:
        root = root.operand
    if root.__class__ is not Ident or root.name.removeprefix(".") not in namespaces:
        return None
    names: list[str] = []
    while isinstance(node, Select):
        if node.test_only:
            return None
        names.append(node.field)
        node = node.operand
    names.append(root.name)
    return ".".join(reversed(names))


def _message_name(type_: Type) -> str | None:
    """The message that a literal of the type makes, or None if it cannot be written as one."""
    kind = type_.kind
    if kind == Kind.STRUCT:
        return type_.name
    if kind == Kind.LIST:
        known = type_.parameters[0].kind == Kind.DYN
    elif kind == Kind.MAP:
        known = type_.parameters[0].kind == Kind.STRING and type_.parameters[1].kind == Kind.DYN
    else:
        known = type_.wrapper or kind in (Kind.ANY, Kind.DYN, Kind.TIMESTAMP, Kind.DURATION, Kind.NULL)
    return _MESSAGE_NAMES[kind] if known else None
