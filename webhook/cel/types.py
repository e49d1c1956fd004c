"""The types of CEL, as cel-go has them: primitives, wrappers, containers, opaque types, type values.

A Type is immutable and compared by structure with `same_type`. The names of the kinds do not matter
outside; compare `type.kind` with the constants here.
"""

from typing import Final


class Kind:
    """What sort of type it is. Plain integers, because the checker compares them all the time."""

    DYN: Final = 0
    ANY: Final = 1
    BOOL: Final = 2
    BYTES: Final = 3
    DOUBLE: Final = 4
    DURATION: Final = 5
    ERROR: Final = 6
    INT: Final = 7
    LIST: Final = 8
    MAP: Final = 9
    NULL: Final = 10
    OPAQUE: Final = 11
    STRING: Final = 12
    STRUCT: Final = 13
    TIMESTAMP: Final = 14
    TYPE: Final = 15
    PARAMETER: Final = 16
    UINT: Final = 17


_HEAVIEST_LASTING: Final = 6  # device.attributes as an optional; no text can make many types as light as that


class Type:
    """`name` is the runtime name (`int`, `list`, `kubernetes.Quantity`, `optional_type`; of a type
    parameter its own). `parameters`: the element type of a list; key and value of a map; what an
    optional or another opaque type holds; the type that a type value stands for. `wrapper` marks
    google.protobuf.Int64Value and kin: the primitive or null. `open`: a type parameter is in it.
    `weight`: how many types it is written with. `lasting`: there is only this one of its structure and it is
    light and not open, so that it can be the key of a cache.
    """

    __slots__ = ("_in_list", "_in_optional", "kind", "lasting", "name", "open", "parameters", "weight", "wrapper")

    kind: int
    name: str
    parameters: "tuple[Type, ...]"
    wrapper: bool
    open: bool
    weight: int
    lasting: bool

    def __init__(self, kind: int, name: str, parameters: "tuple[Type, ...]" = (), wrapper: bool = False) -> None:
        self.kind = kind
        self.name = name
        self.parameters = parameters
        self.wrapper = wrapper
        self.open = kind == Kind.PARAMETER
        self.lasting = False
        self._in_list: Type | None = None
        self._in_optional: Type | None = None
        self.weight = 1
        for parameter in parameters:
            self.weight += parameter.weight
            if parameter.open:
                self.open = True

    def in_list(self) -> "Type":
        """list(self), of a type that lasts always the same one."""
        made = self._in_list
        if made is None:
            made = self._kept(Type(Kind.LIST, "list", (self,)))
            self._in_list = made if made.lasting else None
        return made

    def in_optional(self) -> "Type":
        """optional_type(self), of a type that lasts always the same one."""
        made = self._in_optional
        if made is None:
            made = self._kept(Type(Kind.OPAQUE, "optional_type", (self,)))
            self._in_optional = made if made.lasting else None
        return made

    def _kept(self, made: "Type") -> "Type":
        made.lasting = self.lasting and self.weight < _HEAVIEST_LASTING
        return made

    def __repr__(self) -> str:
        inside = ", ".join(map(repr, self.parameters))
        return f"{self.name}({inside})" if inside else self.name


def lasting(type_: Type) -> Type:
    """The type, which is made only once; must not be open."""
    type_.lasting = True
    return type_


DYN: Final = lasting(Type(Kind.DYN, "dyn"))
ANY: Final = lasting(Type(Kind.ANY, "google.protobuf.Any"))
BOOL: Final = lasting(Type(Kind.BOOL, "bool"))
BYTES: Final = lasting(Type(Kind.BYTES, "bytes"))
DOUBLE: Final = lasting(Type(Kind.DOUBLE, "double"))
DURATION: Final = lasting(Type(Kind.DURATION, "google.protobuf.Duration"))
ERROR: Final = lasting(Type(Kind.ERROR, "*error*"))
INT: Final = lasting(Type(Kind.INT, "int"))
NULL: Final = lasting(Type(Kind.NULL, "null_type"))
STRING: Final = lasting(Type(Kind.STRING, "string"))
TIMESTAMP: Final = lasting(Type(Kind.TIMESTAMP, "google.protobuf.Timestamp"))
UINT: Final = lasting(Type(Kind.UINT, "uint"))
TYPE: Final = lasting(Type(Kind.TYPE, "type"))
ENUMS: Final = {"google.protobuf.NullValue.NULL_VALUE": 0}  # the values of the only enum that is known


def list_type(element: Type) -> Type:
    """list(element)."""
    return element.in_list()


def map_type(key: Type, value: Type) -> Type:
    """map(key, value)."""
    return Type(Kind.MAP, "map", (key, value))


def optional_type(held: Type) -> Type:
    """optional_type(held)."""
    return held.in_optional()


def with_parameters(type_: Type, parameters: tuple[Type, ...]) -> Type:
    """The type of the same kind and name with other parameters."""
    if type_.kind == Kind.LIST:
        return parameters[0].in_list()
    if type_.kind == Kind.OPAQUE and type_.name == "optional_type":
        return parameters[0].in_optional()
    return Type(type_.kind, type_.name, parameters)


def type_type(named: Type) -> Type:
    """The type of the type value `named`."""
    return Type(Kind.TYPE, "type", (named,))


def wrapper_type(primitive: Type) -> Type:
    """google.protobuf.Int64Value and kin: the primitive or null."""
    return Type(primitive.kind, primitive.name, (), wrapper=True)


def same_type(first: Type, second: Type, *, any_parameter: bool = False) -> bool:
    """Equal in structure; with `any_parameter` all type parameters count as the same one.

    A wrapper counts as its primitive, as in cel-go (Type.IsExactType).
    """
    if first is second:
        return True
    if first.kind != second.kind or len(first.parameters) != len(second.parameters):
        return False
    if first.name != second.name and not (any_parameter and first.kind == Kind.PARAMETER):
        return False
    for one, other in zip(first.parameters, second.parameters, strict=True):
        if not same_type(one, other, any_parameter=any_parameter):
            return False
    return True


_SHORT_NAMES: Final = {
    Kind.ANY: "any",
    Kind.DURATION: "duration",
    Kind.ERROR: "!error!",
    Kind.NULL: "null",
    Kind.TIMESTAMP: "timestamp",
}


def format_type(type_: Type) -> str:
    """The type as cel-go writes it in errors of its checker."""
    short = _SHORT_NAMES.get(type_.kind)
    if short is not None:
        return short
    if type_.parameters:
        return f"{type_.name}({', '.join([format_type(parameter) for parameter in type_.parameters])})"
    return f"wrapper({type_.name})" if type_.wrapper else type_.name


def declared_type(type_: Type) -> str:
    """The type as cel-go writes a result type."""
    if type_.kind == Kind.PARAMETER:
        return f"<{type_.name}>"
    name = f"wrapper({type_.name})" if type_.wrapper else type_.name
    if not type_.parameters:
        return name
    return f"{name}({', '.join([declared_type(parameter) for parameter in type_.parameters])})"
