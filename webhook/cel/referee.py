"""A second opinion on an evaluation: cel-python, which shares no line of code with ours.

It has neither a type checker nor Kubernetes' libraries, and differs from the reference in mixed types. So the
syntax tree decides whether it is asked at all, and whatever it cannot answer cleanly is no opinion. Before
Drawbridge denies something because an expression evaluates to something, both must agree where there is one.
"""

import re
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from webhook.cel.device import CelDevice
from webhook.cel.functions.regex import compiled
from webhook.cel.functions.semver import Version, compare_versions, parse_version
from webhook.cel.syntax import (
    ADD,
    AND,
    CONDITIONAL,
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
    NOT_STRICTLY_FALSE,
    OR,
    SUBTRACT,
    Ast,
    Call,
    Comprehension,
    Ident,
    ListLiteral,
    Literal,
    Node,
    Select,
    walk,
)
from webhook.cel.types import Kind
from webhook.core.quantity import Quantity, parse_quantity

_FUNCTIONS: Final = frozenset(
    {ADD, AND, CONDITIONAL, EQUALS, GREATER, GREATER_EQUALS, IN, INDEX, LESS, LESS_EQUALS, MODULO, MULTIPLY}
    | {NEGATE, NOT, NOT_EQUALS, NOT_STRICTLY_FALSE, OR, SUBTRACT}
    | {"contains", "startsWith", "endsWith", "matches", "size", "lowerAscii"}
    | {"quantity", "semver", "compareTo", "isGreaterThan", "isLessThan"}
)
# Macros by name and number of arguments.
_MACROS: Final = frozenset({("has", 1), ("all", 2), ("exists", 2), ("exists_one", 2), ("map", 2), ("filter", 2)})
_LITERALS: Final = frozenset({bool, int, str})
_MOST_JOINED: Final = 10
"""cel-python evaluates a side that ends in an error twice, so chains of these take it exponential time."""
_MOST_NODES: Final = 400
# Escapes and multi-line strings: cel-python reads them in its own way. Signs in a row, of which our tree keeps one.
_UNCERTAIN_TEXT: Final = re.compile(r"""\\|'''|\"{3}|(?:[!-]\s*){9}""")
_MOST_PARENTHESES: Final = 200
"""They are no nodes of our tree, and each takes cel-python as long as some."""


def referee(expression: str, ast: Ast, device: CelDevice) -> bool | None:
    """Whether the selector accepts the device, in cel-python's opinion; None where it has none."""
    if device.problem is not None or not supported(ast):
        return None
    try:
        return _opinion(expression, device)
    except Exception:  # noqa: BLE001 - it crashes in many ways, and none of them is an opinion
        return None


def supported(ast: Ast) -> bool:
    """Whether everything in the tree means the same in cel-python."""
    if _UNCERTAIN_TEXT.search(ast.source) or ast.source.count("(") > _MOST_PARENTHESES:
        return False
    macros = {id_: (call.function, len(call.args)) for id_, call in ast.macros.items()}
    if not frozenset(macros.values()) <= _MACROS:
        return False
    nodes = tuple(walk(ast.root))
    if len(nodes) > _MOST_NODES or any(isinstance(node, Comprehension) and _loops(node) > 1 for node in nodes):
        return False
    joined = sum(isinstance(node, Call) and node.function in (AND, OR, CONDITIONAL) for node in nodes)
    return joined <= _MOST_JOINED and all(_supports(node, macros) for node in nodes)


def _loops(node: Comprehension) -> int:
    """How many loops stand in each other, or one behind the other: cel-python needs seconds for some of these."""
    return sum(isinstance(inner, Comprehension) for inner in walk(node))


def _supports(node: Node, macros: Mapping[int, tuple[str, int]]) -> bool:
    match node:
        case Literal():
            return type(node.value) in _LITERALS
        case Ident():
            return node.type.kind != Kind.TYPE and not node.name.startswith(".")
        case Select():
            return node.reference is None
        case Call() if node.function == INDEX:
            return node.args[0].type.kind == Kind.LIST or node.args[1].type.kind == Kind.STRING
        case Call():
            return node.function in _FUNCTIONS and (node.function != "semver" or len(node.args) == 1)
        case ListLiteral():
            return not node.optional
        case Comprehension():
            return node.id in macros
        case _:
            return False


class _Engine:
    """cel-python, which takes a second to load and is only loaded when it is asked."""

    def __init__(self) -> None:
        import celpy
        from celpy import celtypes, evaluation

        limit = sys.getrecursionlimit()
        self.environment = celpy.Environment()  # lowers the recursion limit
        sys.setrecursionlimit(max(limit, sys.getrecursionlimit()))
        self.types: Any = celtypes
        self.problem: type[Exception] = evaluation.CELEvalError
        # Errors quote the errors that they join, and log them: texts that double with each entry of a list.
        evaluation.CELEvalError.__repr__ = _unquoted
        evaluation.logger.disabled = True
        self.map_type = _default_map(celtypes)

    def program(self, expression: str) -> Any:
        functions = _library(self.types)
        return self.environment.program(self.environment.compile(expression), functions=functions)

    def value(self, held: object) -> Any:
        """A value of ours as one of cel-python's."""
        types = self.types
        if isinstance(held, bool):
            return types.BoolType(held)
        if isinstance(held, int):
            return types.IntType(held)
        if isinstance(held, str):
            return types.StringType(held)
        if isinstance(held, dict):
            return types.MapType({types.StringType(key): self.value(entry) for key, entry in held.items()})
        return _Ordered(held)

    def device(self, device: CelDevice) -> Any:
        """The device as a map whose domains have a default."""
        fields = {
            "driver": self.value(device.driver),
            "attributes": self.map_type(self.value(device.attributes)),
            "capacity": self.map_type(self.value(device.capacity)),
            "allowMultipleAllocations": self.value(device.allow_multiple_allocations),
        }
        return self.types.MapType({self.types.StringType(name): value for name, value in fields.items()})


def _unquoted(error: Exception) -> str:
    return type(error).__name__


class _Ordered:
    """A quantity or a version; comparing one by an operator is beyond this referee."""

    def __init__(self, held: object) -> None:
        if not isinstance(held, Quantity | Version):
            raise TypeError("no value that can be judged")
        self.held = held

    def __eq__(self, _: object) -> bool:
        raise TypeError("no opinion")

    def __hash__(self) -> int:
        return id(self)

    def compare(self, other: "_Ordered") -> int:
        if isinstance(self.held, Quantity) and isinstance(other.held, Quantity):
            return int(self.held > other.held) - int(self.held < other.held)
        if isinstance(self.held, Version) and isinstance(other.held, Version):
            return compare_versions(self.held, other.held)
        raise TypeError("no opinion")


def _default_map(celtypes: Any) -> Callable[[Any], Any]:
    """A class of maps that have an empty map under every key, as `device.attributes` does."""

    class DomainMap(celtypes.MapType):  # type: ignore[misc]  # cel-python is loaded late and untyped
        def __getitem__(self, key: Any) -> Any:
            return super().__getitem__(key) if key in self else celtypes.MapType()

    return DomainMap


def _library(types: Any) -> Mapping[str, Callable[..., Any]]:
    return {
        "quantity": lambda text: _Ordered(parse_quantity(str(text))),
        "semver": lambda text: _Ordered(parse_version(str(text))),
        "compareTo": lambda left, right: types.IntType(left.compare(right)),
        "isGreaterThan": lambda left, right: types.BoolType(left.compare(right) > 0),
        "isLessThan": lambda left, right: types.BoolType(left.compare(right) < 0),
        "lowerAscii": lambda text: types.StringType("".join(c.lower() if c.isascii() else c for c in text)),
        "matches": lambda text, pattern: types.BoolType(compiled(str(pattern)).search(str(text)) is not None),
    }


@lru_cache(maxsize=1)
def _engine() -> _Engine:
    return _Engine()


@lru_cache(maxsize=256)
def _program(expression: str) -> Any:
    return _engine().program(expression)


def _opinion(expression: str, device: CelDevice) -> bool | None:
    engine = _engine()
    try:
        result = _program(expression).evaluate({"device": engine.device(device)})
    except engine.problem as problem:
        # A missing key keeps a selector from accepting a device; other errors are cel-python's own.
        return False if len(problem.args) > 1 and problem.args[1] is KeyError else None
    return bool(result) if isinstance(result, engine.types.BoolType) else None
