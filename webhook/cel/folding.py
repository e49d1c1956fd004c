"""What the API server computes before it evaluates anything, and refuses the expression if it fails.

Conversions of constants are carried out, constant patterns are compiled, constant keys must be able to be
keys, and type values must exist at run time. Source: cel-go interpreter/planner.go, decorators.go.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from webhook.cel.environment import Environment
from webhook.cel.syntax import (
    INDEX,
    OPTIONAL_INDEX,
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
from webhook.cel.types import Kind
from webhook.cel.validators import ReferencePanicError

CONVERSIONS: Final = frozenset(
    ("bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint")
)
PATTERN_FUNCTIONS: Final = frozenset(("matches", "find", "findAll"))
INDICES: Final = (INDEX, OPTIONAL_INDEX)
_GO_TYPES: Final = {
    "list": "*types.baseList",
    "map": "*types.baseMap",
    "bytes": "types.Bytes",
    "null_type": "types.Null",
    "type": "*types.Type",
    "google.protobuf.Duration": "types.Duration",
    "google.protobuf.Timestamp": "types.Timestamp",
}


class PlanError(Exception):
    """The API server cannot make a program of the expression; the text is its own."""


def fold(root: Expr, environment: Environment) -> None:
    """Raises PlanError or ReferencePanicError if planning the checked tree fails."""
    _VISIT[root.__class__](_Planner(environment), root)


class _Planner:
    __slots__ = ("_constants", "_environment")

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._constants: dict[int, Any] = {}

    def _visit_all(self, nodes: Iterable[Expr]) -> None:
        for node in nodes:
            _VISIT[node.__class__](self, node)

    def literal(self, node: Literal) -> None:
        self._constants[node.id] = node.value

    def name(self, node: Ident | Select) -> None:
        reference = node.reference
        if reference is None:
            assert isinstance(node, Select)
            _VISIT[node.operand.__class__](self, node.operand)
            return
        declared = self._environment.names.get(reference)
        if declared is not None and declared.constant is not None:
            self._constants[node.id] = declared.constant
        elif node.type.kind == Kind.TYPE:
            if declared is None or not declared.usable:
                raise PlanError(f"reference to undefined type: {reference}")
            from webhook.cel.values import TypeValue

            self._constants[node.id] = TypeValue(reference)

    def call(self, node: Call) -> None:
        function = node.function
        args = children(node)
        self._visit_all(args)
        constants = self._constants
        if function in CONVERSIONS and len(args) == 1:
            if args[0].id in constants:
                constants[node.id] = self._convert(node, constants[args[0].id])
        elif function in PATTERN_FUNCTIONS and len(args) > 1:
            self._compile(constants.get(args[1].id))
        elif function in INDICES:
            self._check_key(args[1])
        elif node.overloads == ("in_list",) and constants.get(args[1].id) == []:
            constants[node.id] = False

    def _convert(self, node: Call, value: Any) -> Any:
        from webhook.cel.functions.conversions import FUNCTIONS, OPERATORS
        from webhook.cel.functions.dispatch import dispatched
        from webhook.cel.values import EvaluationError

        function = node.function
        operator = OPERATORS.get(function)
        run = dispatched(function, FUNCTIONS[function]) if operator is None else operator.run
        try:
            return run(value)
        except EvaluationError as error:
            if function == "duration" and type(value) is int and not self._environment.modern:
                raise PlanError("type conversion error from 'int' to 'google.protobuf.Duration'") from None
            raise PlanError(str(error)) from None

    def _compile(self, pattern: Any) -> None:
        if type(pattern) is str:
            from webhook.cel.patterns import pattern_error

            error = pattern_error(pattern)
            if error:
                raise PlanError(error)

    def _check_key(self, node: Expr) -> None:
        if node.id in self._constants:
            from webhook.cel.values import type_name

            go_type = _GO_TYPES.get(type_name(self._constants[node.id]))
            if go_type is not None:
                raise PlanError(f"invalid qualifier type: {go_type}")

    def list(self, node: ListLiteral) -> None:
        self._visit_all(node.elements)
        constants = self._constants
        values = [constants[part.id] for part in node.elements if part.id in constants]
        if len(values) == len(node.elements):
            constants[node.id] = values

    def map(self, node: MapLiteral) -> None:
        self._visit_all(children(node))
        constants = self._constants
        for entry in node.entries:
            if entry.key.id not in constants or entry.value.id not in constants:
                return
        for entry in node.entries:
            if type(constants[entry.key.id]) is bytes:
                raise ReferencePanicError("runtime error: hash of unhashable type types.Bytes")
        constants[node.id] = {}  # what is in it does not matter to any conversion

    def struct(self, node: StructLiteral) -> None:
        self._visit_all(children(node))

    def loop(self, node: Comprehension) -> None:
        self._visit_all((node.accumulator_init, node.iter_range, node.condition, node.step, node.result))


_VISIT: Final[Mapping[type, Callable[..., None]]] = {
    Literal: _Planner.literal,
    Ident: _Planner.name,
    Select: _Planner.name,
    Call: _Planner.call,
    ListLiteral: _Planner.list,
    MapLiteral: _Planner.map,
    StructLiteral: _Planner.struct,
    Comprehension: _Planner.loop,
}
