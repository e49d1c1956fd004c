"""Checks of a tree whose types are right: literals that cannot be parsed, lists of mixed types, formats.

They run only if the type checker found nothing. Source: cel-go cel/validator.go, ext/formatting.go.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from webhook.cel.source import SourceError
from webhook.cel.syntax import Call, Expr, ListLiteral, Literal, MapLiteral, walk
from webhook.cel.types import Kind, Type, format_type, same_type

VALIDATED: Final = frozenset(("duration", "timestamp", "matches", "format"))
_LARGEST_INT: Final = 2**63 - 1


class ReferencePanicError(Exception):
    """The API server's compiler crashes on the expression, so the request fails; the text is the crash's."""


def validate(notable: Sequence[Expr]) -> list[SourceError]:
    """What is wrong with the calls of VALIDATED functions, lists and maps that the checker came across.

    Raises ReferencePanicError.
    """
    errors: list[SourceError] = []
    of_formats: list[SourceError] = []  # at one place, what is wrong with a format comes last
    exempt = _inside_formats(notable)
    for node in notable:
        if isinstance(node, Call):
            _validate_call(node, of_formats if node.function == "format" else errors)
        elif node.id in exempt:
            continue
        elif isinstance(node, ListLiteral):
            _validate_list(node, errors)
        elif isinstance(node, MapLiteral):
            _validate_map(node, errors)
    return errors + of_formats


def _inside_formats(notable: Sequence[Expr]) -> set[int]:
    """The nodes below any call named format, whose lists may hold what they like."""
    exempt: set[int] = set()
    for node in notable:
        if isinstance(node, Call) and node.function == "format" and node.id not in exempt:
            exempt.update(inner.id for inner in walk(node) if inner is not node)
    return exempt


def _validate_call(node: Call, errors: list[SourceError]) -> None:
    if node.function == "format":
        _validate_format(node, errors)
    elif node.args:
        literal = node.args[0]
        if isinstance(literal, Literal) and not _parses(node.function, literal):
            errors.append(SourceError(literal.pos, f"invalid {node.function} argument", literal))


def _parses(function: str, literal: Literal) -> bool:
    if function == "matches":
        from webhook.cel.patterns import pattern_error

        return not isinstance(literal.value, str) or not pattern_error(literal.value)
    from webhook.cel.functions.conversions import to_duration, to_timestamp
    from webhook.cel.values import EvaluationError

    try:
        (to_duration if function == "duration" else to_timestamp)(literal.value)
    except EvaluationError:
        return False
    return True


def _held(node: Expr) -> Type:
    """What the type of an optional entry holds; the API server does not expect that it holds nothing."""
    if not node.type.parameters:
        raise ReferencePanicError("runtime error: index out of range [0] with length 0")
    return node.type.parameters[0]


def _mismatch(errors: list[SourceError], node: Expr, expected: Type, found: Type) -> bool:
    if same_type(expected, found, any_parameter=True):
        return False
    message = f"expected type '{format_type(expected)}' but found '{format_type(found)}'"
    errors.append(SourceError(node.pos, message, node))
    return True


def _validate_list(node: ListLiteral, errors: list[SourceError]) -> None:
    expected: Type | None = None
    for index, part in enumerate(node.elements):
        type_ = _held(part) if index in node.optional else part.type
        if expected is None:
            expected = type_
        elif _mismatch(errors, part, expected, type_):
            return


def _validate_map(node: MapLiteral, errors: list[SourceError]) -> None:
    expected: tuple[Type, Type] | None = None
    for entry in node.entries:
        value = _held(entry.value) if entry.optional else entry.value.type
        if expected is None:
            expected = entry.key.type, value
            continue
        _mismatch(errors, entry.key, expected[0], entry.key.type)
        _mismatch(errors, entry.value, expected[1], value)


# string.format

_TEXT: Final = (
    "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and "
    "timestamps"
)
_FRACTION: Final = (Kind.DOUBLE, Kind.STRING)
_CLAUSES: Final = {
    "d": ((Kind.INT, Kind.UINT), "decimal clause can only be used on integers"),
    "f": (_FRACTION, "fixed-point clause can only be used on doubles"),
    "e": (_FRACTION, "scientific clause can only be used on doubles"),
    "b": ((Kind.INT, Kind.UINT, Kind.BOOL), "only integers and bools can be formatted as binary"),
    "x": (
        (Kind.INT, Kind.UINT, Kind.STRING, Kind.BYTES),
        "only integers, byte buffers, and strings can be formatted as hex",
    ),
    "o": ((Kind.INT, Kind.UINT), "octal clause can only be used on integers"),
}
_PRINTABLE: Final = (
    Kind.LIST,
    Kind.MAP,
    Kind.INT,
    Kind.UINT,
    Kind.DOUBLE,
    Kind.BOOL,
    Kind.STRING,
    Kind.TIMESTAMP,
    Kind.BYTES,
    Kind.DURATION,
    Kind.TYPE,
    Kind.NULL,
    Kind.DYN,
)


class _FormatError(Exception):
    """A format that does not fit its arguments; `node` is the argument, or None for the call."""

    def __init__(self, message: str, node: Expr | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.node = node


def _validate_format(node: Call, errors: list[SourceError]) -> None:
    pattern = node.target
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str) or "string_format" not in node.overloads:
        return
    (values,) = node.args
    if not isinstance(values, ListLiteral):
        return
    count = len(values.elements)
    try:
        used = _check_clauses(pattern.value.encode(), values.elements)
    except _FormatError as error:
        errors.append(SourceError((error.node or node).pos, error.message))
        return
    if count > used:
        message = f"too many arguments supplied to string.format (expected {used}, got {count})"
        errors.append(SourceError(node.pos, message))


def _check_clauses(pattern: bytes, values: Sequence[Expr]) -> int:
    """How many arguments the pattern uses."""
    used = 0
    position = pattern.find(b"%")
    while position >= 0:
        if pattern[position + 1 : position + 2] == b"%":
            position += 2
        else:
            if position + 1 >= len(pattern):
                raise _FormatError("unexpected end of string")
            if used >= len(values):
                raise _FormatError(f"index {used} out of range")
            position = _check_clause(pattern, position + 1, values[used])
            used += 1
        position = pattern.find(b"%", position)
    return used


def _check_clause(pattern: bytes, position: int, value: Expr) -> int:
    """Where the pattern goes on after the clause."""
    if pattern[position : position + 1] == b".":
        position = _skip_precision(pattern, position + 1)
    letter = chr(pattern[position])
    if letter == "s":
        bad = _unprintable(value)
        if bad is not None:
            raise _FormatError(f"error during formatting: {_TEXT}, was given {bad.type.name}", bad)
    else:
        clause = _CLAUSES.get("x" if letter == "X" else letter)
        if clause is None:
            raise _FormatError(f'could not parse formatting clause: unrecognized formatting clause "{letter}"')
        kinds, problem = clause
        if value.type.kind not in kinds and value.type.kind != Kind.DYN:
            raise _FormatError(f"error during formatting: {problem}, was given {value.type.name}", value)
    return position + 1


def _skip_precision(pattern: bytes, start: int) -> int:
    end = start
    while pattern[end : end + 1].isdigit():
        end += 1
    problem = ""
    digits = pattern[start:end].decode()
    if end >= len(pattern):
        problem = "could not find end of precision specifier"
    elif not digits:
        problem = 'error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax'
    elif len(digits.lstrip("0")) > 19 or int(digits.lstrip("0") or "0") > _LARGEST_INT:
        problem = f'error while converting precision to integer: strconv.Atoi: parsing "{digits}": value out of range'
    if problem:
        raise _FormatError(f"could not parse formatting clause: error while parsing precision: {problem}")
    return end


def _unprintable(value: Expr) -> Expr | None:
    """The first part of a literal, in its own order, that %s cannot print."""
    stack = [value]
    while stack:
        node = stack.pop()
        if node.type.kind not in _PRINTABLE:
            return node
        stack.extend(reversed(list(_parts(node))))
    return None


def _parts(node: Expr) -> Iterable[Expr]:
    if isinstance(node, ListLiteral):
        return node.elements
    if isinstance(node, MapLiteral):
        return [part for entry in node.entries for part in (entry.key, entry.value)]
    return ()
