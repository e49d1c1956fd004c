"""How large values can be: what the worst-case cost of an expression is estimated from.

Sizes are ranges of numbers of elements or characters, costs are upper bounds; both stop at 2**64 - 1.
A *path* tells which part of a declared variable a node reads (`device`, `attributes`, `@values`), and so
how large it can be. cel-go keeps paths in slices that can share memory, so that a later path can change
an earlier one; `Path` behaves the same, because the numbers depend on it.
Source: cel-go checker/cost.go.
"""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Final, NamedTuple, TypeAlias

from webhook.cel.environment import Sized
from webhook.cel.syntax import Call, Expr, Ident, ListLiteral, Literal, MapLiteral
from webhook.cel.types import Kind, Type

MOST: Final = 2**64 - 1
STRING_FACTOR: Final = 0.1
REGEX_FACTOR: Final = 0.25
LIST_COST: Final = 10
STRUCT_COST: Final = 40
_TWO_TO_64: Final = 2.0**64
_SCALARS: Final = (Kind.BOOL, Kind.DOUBLE, Kind.DURATION, Kind.INT, Kind.TIMESTAMP, Kind.UINT)
_OPAQUE: Final = Kind.OPAQUE
_ACCUMULATORS: Final = ("@result", "__result__")


class Size(NamedTuple):
    """At least and at most so many elements or characters."""

    least: int
    most: int


UNKNOWN: Final = Size(0, MOST)
_NONE: Final = Size(0, 0)
ONE: Final = Size(1, 1)


class Entries(NamedTuple):
    """The sizes of what a list or map holds."""

    kind: int
    key: Size
    value: Size


Estimate: TypeAlias = tuple[int, Size | None]
"""The cost of a call without that of its arguments, and the size of its result if it is known."""


def plus(first: Size, second: Size) -> Size:
    """The size of two things put together."""
    return Size(min(first.least + second.least, MOST), min(first.most + second.most, MOST))


def times(first: Size, second: Size) -> Size:
    """The size of so many things of a size."""
    return Size(min(first.least * second.least, MOST), min(first.most * second.most, MOST))


def union(first: Size, second: Size) -> Size:
    """The size of what is either of two things."""
    return Size(min(first.least, second.least), max(first.most, second.most))


def scaled(amount: int, factor: float) -> int:
    """The product rounded up, in the arithmetic of float64."""
    product = float(amount) * factor
    return MOST if product >= _TWO_TO_64 else ceil(product)


def pattern_cost(subject: Size, pattern: Size) -> int:
    """What looking for a regular expression in a text costs."""
    scan = scaled(min(subject.most + 1, MOST), STRING_FACTOR)
    return min(scan * scaled(pattern.most, REGEX_FACTOR), MOST)


class Path:
    """A Go slice of strings: a length, and an array that other slices may share."""

    __slots__ = ("array", "length")

    array: list[str]
    length: int

    def __init__(self, array: list[str], length: int) -> None:
        self.array = array
        self.length = length

    def append(self, name: str) -> "Path":
        """In place if the array has room, like Go's append."""
        length = self.length
        array = self.array
        if length < len(array):
            array[length] = name
        else:
            array = [*array[:length], name, *[""] * max(length - 1, 0)]
        return Path(array, length + 1)


NO_PATH: Final = Path([], 0)


class Local(NamedTuple):
    """What is known of a macro's variable."""

    path: Path
    size: Size | None
    entries: Entries | None


class Known:
    """What is known so far of the nodes of one tree, by their ids, and of the macros' variables in scope."""

    __slots__ = ("_declared", "_entries", "_looped", "_names", "_other", "_sizes", "locals", "modern", "paths")

    def __init__(
        self, declared: Mapping[str, Mapping[str, Sized]], modern: bool, undeclared: tuple[int, int] | None
    ) -> None:
        self.modern = modern
        self._looped, self._other = (Size(0, most) for most in undeclared or (MOST, MOST))
        self.paths: dict[int, Path] = {}
        self.locals: dict[str, list[Local]] = {}
        self._declared = declared
        self._sizes: dict[int, Size] = {}
        self._entries: dict[int, Entries] = {}
        self._names: dict[int, str] = {}

    def size(self, node: Expr) -> Size:
        """The size of a node, or the undeclared one."""
        return self.known_size(node) or self._other

    def looped_size(self, node: Expr) -> Size:
        """The same of what is looped over."""
        return self.known_size(node) or self._looped

    def known_size(self, node: Expr) -> Size | None:
        """The size of a node, if there is any ground for one."""
        if node.__class__ is Literal:
            value = node.value
            return Size(len(value), len(value)) if isinstance(value, str | bytes) else ONE
        found = self._sizes.get(node.id)
        if found is not None:
            return found
        if node.__class__ is ListLiteral:
            return Size(len(node.elements), len(node.elements))
        if node.__class__ is MapLiteral:
            return Size(len(node.entries), len(node.entries))
        local = self.local(self._name(node)) if node.__class__ is Ident else None
        path = self.paths.get(node.id, NO_PATH) if local is None else local.path
        if path.length:
            found = self.declared_size(path)
            if found is not None:
                self._sizes[node.id] = found
                return found
        if _is_scalar(node.type):
            return ONE
        return None if local is None else local.size

    def set_size(self, node: Expr, size: Size | None) -> None:
        """Note the size of a node, if it is known."""
        if size is not None:
            self._sizes[node.id] = size

    def declared_size(self, path: Path) -> Size | None:
        """The largest size that the declarations allow at the end of a path."""
        names = path.array
        fields = self._declared.get(names[0])
        if fields is None:
            return None
        if path.length == 1:
            return _NONE
        node = fields.get(names[1])
        for index in range(2, path.length):
            if node is None:
                return None
            name = names[index]
            if name in _HELD:
                node = node.element
            elif name == "@keys":
                node = node.key
            elif node.type.kind == Kind.STRUCT:
                node = self._declared.get(node.type.name, _NO_FIELDS).get(name)
            elif node.element is not None and node.element.attribute:
                node = node.element
            else:
                return None
        return None if node is None else Size(0, node.size)

    def entries(self, node: Expr) -> Entries | None:
        """The sizes of what a node holds."""
        found = self._entries.get(node.id)
        if found is None and node.__class__ is Ident:
            local = self.local(self._name(node))
            if local is not None:
                return local.entries
        return found

    def set_entries(self, node: Expr, entries: Entries | None) -> None:
        """Note the sizes of what a node holds, if they are known."""
        if entries is not None:
            self._entries[node.id] = entries

    def path(self, node: Expr) -> Path:
        """Which part of a variable the node reads."""
        if node.__class__ is Ident:
            local = self.local(self._name(node))
            if local is not None:
                return local.path
        return self.paths.get(node.id, NO_PATH)

    def element_size(self, node: Expr) -> Size | None:
        """The size of an element of what the node stands for; None if its type holds nothing."""
        if not node.type.parameters:
            return None
        path = self.path(node)
        if not path.length or path.array[0] in _ACCUMULATORS:
            return self._other
        items = Path([*path.array[: path.length], "@items"], path.length + 1)
        return self.declared_size(items) or self._other

    def local(self, name: str) -> Local | None:
        """The macro's variable of that name."""
        if not self.locals:
            return None
        stack = self.locals.get(name)
        return stack[-1] if stack else None

    def name(self, node: Ident) -> str:
        """The variable's name as `path` and the others look for it, to be asked when the node is come across.

        It keeps its dot where cel-go 0.29 needs that to get past a macro's variable.
        """
        name = node.name
        if name[0] == ".":
            bare = name[1:]
            name = name if self.modern and self.local(bare) is not None else bare
            self._names[node.id] = name
        return name

    def _name(self, node: Ident) -> str:
        return self._names.get(node.id, node.name) if node.name[0] == "." else node.name


Estimating: TypeAlias = Callable[[Known, Call, str], Estimate | None]
"""What a call of an overload costs; None if the function does not tell."""

_HELD: Final = ("@items", "@values")
_NO_FIELDS: Final[Mapping[str, Sized]] = {}


def _is_scalar(type_: Type) -> bool:
    kind = type_.kind
    while kind == _OPAQUE and type_.name == "optional_type":
        type_ = type_.parameters[0]
        kind = type_.kind
    return kind in _SCALARS
