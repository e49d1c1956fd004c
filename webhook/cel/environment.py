"""What an expression may use: variables, fields, functions, type names and macros, read from data.

An environment is declared in a text file (`environments/`), one for each release of Kubernetes, so that
a new release is a new file. The messages of google.protobuf that cel-go always knows are declared here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from webhook.cel.macros import EXPANDERS, MacroKey, Macros
from webhook.cel.types import (
    ANY,
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    ENUMS,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    Kind,
    Type,
    lasting,
    list_type,
    map_type,
    optional_type,
    type_type,
    wrapper_type,
)

VERSIONS: Final = ("1.34", "1.35", "1.36", "1.37")
_DEVICE: Final = "device"
ANY_FIELD: Final = "*"  # the key in `structs` of a type that has every field


class Overload:
    """One signature of a function. `kinds` are the kinds of its parameters, 0 where any kind may fit."""

    __slots__ = ("id", "kinds", "open", "parameters", "result", "variables")

    id: str
    parameters: tuple[Type, ...]
    result: Type
    variables: tuple[str, ...]
    open: bool
    kinds: tuple[int, ...]

    def __init__(self, id_: str, parameters: tuple[Type, ...], result: Type) -> None:
        self.id = id_
        self.parameters = parameters
        self.result = result
        names: dict[str, None] = {}
        for type_ in (*parameters, result):
            _collect_variables(type_, names)
        self.variables = tuple(sorted(names))
        self.open = bool(names)
        self.kinds = tuple(0 if type_.kind in _FLEXIBLE else type_.kind for type_ in parameters)


_FLEXIBLE: Final = (Kind.DYN, Kind.ANY, Kind.ERROR, Kind.NULL, Kind.PARAMETER)


def _collect_variables(type_: Type, names: dict[str, None]) -> None:
    if type_.kind == Kind.PARAMETER:
        names[type_.name] = None
    for parameter in type_.parameters:
        _collect_variables(parameter, names)


class Candidates:
    """The overloads that may fit arguments of certain kinds, each with the number of type parameters of those
    passed over before it; `skipped` counts those after the last.
    """

    __slots__ = ("overloads", "skipped")

    overloads: tuple[tuple[int, Overload], ...]
    skipped: int

    def __init__(self, overloads: tuple[Overload, ...], kinds: tuple[int, ...]) -> None:
        found: list[tuple[int, Overload]] = []
        skipped = 0
        for overload in overloads:
            if _may_fit(kinds, overload.kinds):
                found.append((skipped, overload))
                skipped = 0
            else:
                skipped += len(overload.variables)
        self.overloads = tuple(found)
        self.skipped = skipped


def _may_fit(kinds: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    """False if the numbers or the kinds alone tell that an overload does not fit."""
    return len(kinds) == len(declared) and all(
        kind == expected or not expected or kind in _FLEXIBLE for kind, expected in zip(kinds, declared, strict=True)
    )


_MOST_CACHED: Final = 1_000


class Resolution:
    """What a call means: the overloads that fit, its type, and how many type parameters were made on the way."""

    __slots__ = ("fresh", "overloads", "type")

    overloads: tuple[str, ...]
    type: Type
    fresh: int

    def __init__(self, overloads: tuple[str, ...], type_: Type, fresh: int) -> None:
        self.overloads = overloads
        self.type = type_
        self.fresh = fresh


class Style:
    """All signatures of a function, or of a method (receiver first), and what calls of them have been found to mean."""

    __slots__ = ("_candidates", "overloads", "resolved")

    overloads: tuple[Overload, ...]
    resolved: dict[tuple[Type, ...], Resolution]

    def __init__(self, overloads: tuple[Overload, ...]) -> None:
        self.overloads = overloads
        self.resolved = {}
        self._candidates: dict[tuple[int, ...], Candidates] = {}

    def candidates(self, kinds: tuple[int, ...]) -> Candidates:
        """The overloads that arguments of these kinds may fit; remembered."""
        found = self._candidates.get(kinds)
        if found is None:
            if len(self._candidates) >= _MOST_CACHED:
                self._candidates.clear()
            found = Candidates(self.overloads, kinds)
            self._candidates[kinds] = found
        return found

    def remember(self, types: tuple[Type, ...], resolution: Resolution) -> None:
        """Keep what a call with arguments of these types means, which must all be lasting."""
        if len(self.resolved) >= _MOST_CACHED:
            self.resolved.clear()
        self.resolved[types] = resolution


class Function:
    """All signatures under one name: those of the function, and those of the method."""

    __slots__ = ("functions", "method_calls", "methods", "name", "plain_calls")

    name: str
    functions: tuple[Overload, ...]
    methods: tuple[Overload, ...]
    plain_calls: Style
    method_calls: Style

    def __init__(self, name: str, functions: tuple[Overload, ...], methods: tuple[Overload, ...]) -> None:
        self.name = name
        self.functions = functions
        self.methods = methods
        self.plain_calls = Style(functions)
        self.method_calls = Style(methods)


@dataclass(frozen=True, slots=True)
class Name:
    """What a global name means. `constant` is set for an enum value. A type value whose name is not `usable`
    passes the check but fails when the API server plans the evaluation.
    """

    type: Type
    constant: int | None = None
    usable: bool = True
    variable: bool = False


@dataclass(frozen=True, slots=True)
class Sized:
    """A declared type with the largest size of its values, for the cost estimate.

    `attribute` marks what every field of an attribute map is, whatever its name.
    """

    type: Type
    size: int
    key: "Sized | None" = None
    element: "Sized | None" = None

    @property
    def attribute(self) -> bool:
        """True for the value of a device's attribute."""
        return self.type.kind in (Kind.ANY, Kind.DYN)


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that is declared. `structs`: the fields of each message type by name. `sizes`: the sized
    fields of each variable, and of each object type by its name. `result_types`: what an expression may give,
    anything where there are none. `namespaces`: what qualified names of types and functions begin with. `modern`
    separates cel-go 0.29 from 0.26 where their rules of resolving names differ. `undeclared`: the most entries of a
    list or map, and the largest other value, of which no size is declared; None where nobody can tell.
    """

    version: str
    modern: bool
    names: Mapping[str, Name]
    functions: Mapping[str, Function]
    structs: Mapping[str, Mapping[str, Type]]
    sizes: Mapping[str, Mapping[str, Sized]]
    macros: Macros
    result_types: tuple[Type, ...]
    escaped_names: bool
    namespaces: frozenset[str]
    undeclared: tuple[int, int] | None = None


def _fields(**fields: Type) -> Mapping[str, Type]:
    return fields


_STRUCT: Final = map_type(STRING, DYN)
_LIST_VALUE: Final = list_type(DYN)
_MOMENT: Final = _fields(seconds=INT, nanos=INT)
_EMPTY: Final = Type(Kind.STRUCT, "google.protobuf.Empty")
_WRAPPERS: Final = {
    "BoolValue": BOOL,
    "BytesValue": BYTES,
    "DoubleValue": DOUBLE,
    "FloatValue": DOUBLE,
    "Int32Value": INT,
    "Int64Value": INT,
    "StringValue": STRING,
    "UInt32Value": UINT,
    "UInt64Value": UINT,
}
# Messages by name: the type of a literal of it, and its fields.
_MESSAGES: Final[Mapping[str, tuple[Type, Mapping[str, Type]]]] = {
    "google.protobuf.Any": (ANY, _fields(type_url=STRING, value=BYTES)),
    "google.protobuf.Duration": (DURATION, _MOMENT),
    "google.protobuf.Timestamp": (TIMESTAMP, _MOMENT),
    "google.protobuf.Empty": (_EMPTY, {}),
    "google.protobuf.ListValue": (_LIST_VALUE, _fields(values=_LIST_VALUE)),
    "google.protobuf.Struct": (_STRUCT, _fields(fields=_STRUCT)),
    "google.protobuf.Value": (
        DYN,
        _fields(
            null_value=INT,
            number_value=DOUBLE,
            string_value=STRING,
            bool_value=BOOL,
            struct_value=_STRUCT,
            list_value=_LIST_VALUE,
        ),
    ),
    **{
        f"google.protobuf.{name}": (wrapper_type(primitive), _fields(value=primitive))
        for name, primitive in _WRAPPERS.items()
    },
}
_SCALARS: Final = {type_.name: type_ for type_ in (BOOL, BYTES, DOUBLE, INT, NULL, STRING, UINT)}
_TYPES: Final = {
    **_SCALARS,
    "dyn": DYN,
    "type": TYPE,
    "google.protobuf.Any": ANY,
    "google.protobuf.Duration": DURATION,
    "google.protobuf.Timestamp": TIMESTAMP,
}
_OPAQUE: Final = ("net.IP", "net.CIDR")


def device_environment(
    version: str = "1.37",
    *,
    stored: bool = False,
    consumable_capacity: bool | None = None,
    list_attributes: bool | None = None,
) -> Environment:
    """The environment of device selectors in that release; None leaves a gate at the release's default.

    `stored` is what applies to an update that leaves the selectors as they are. Raises KeyError for a
    version that is not in VERSIONS.
    """
    return _device_environment(version, stored, consumable_capacity, list_attributes)


@lru_cache(maxsize=64)
def _device_environment(
    version: str, stored: bool, consumable_capacity: bool | None, list_attributes: bool | None
) -> Environment:
    text = _declared(version)
    gates = {"DRAConsumableCapacity": consumable_capacity, "DRAListTypeAttributes": list_attributes}
    chosen = {name: value for name, value in gates.items() if value is not None}
    return parse_environment(text, stored=stored, gates=chosen)


@dataclass(slots=True)
class _Declarations:
    """What a file declares, as it is read."""

    settings: dict[str, str]
    gates: dict[str, bool]
    variables: dict[str, Type]
    fields: dict[str, dict[str, Sized]]
    overloads: dict[str, dict[bool, list[Overload]]]
    macros: dict[MacroKey, None]


def declared_environment(version: str, declarations: str) -> Environment:
    """The functions of that release, with the variables and types of the declarations in place of the device.

    An expression of it may give a value of any type. Raises KeyError for a version that is not in VERSIONS.
    """
    own = parse_environment(f"{_declared(version)}\n{declarations}", stored=False, gates={})
    names = {name: meaning for name, meaning in own.names.items() if name != _DEVICE}
    sizes = {name: fields for name, fields in own.sizes.items() if name != _DEVICE}
    return replace(own, names=names, sizes=sizes, result_types=())


def _declared(version: str) -> str:
    from importlib import resources  # takes as long to import as all of this package

    if version not in VERSIONS:
        raise KeyError(version)
    return resources.files("webhook.cel.environments").joinpath(f"kubernetes-{version}.txt").read_text("utf-8")


def parse_environment(text: str, *, stored: bool, gates: Mapping[str, bool]) -> Environment:
    """The environment that a file declares; `gates` overrides the defaults of the file."""
    found = _Declarations({}, {}, {}, {}, {}, {})
    active = {"stored"} if stored else set()
    for line in text.splitlines():
        words = line.split(" ", 1)
        if words[0].startswith("["):
            if not active.intersection(words[0][1:-1].split("|")):
                continue
            words = words[1].split(" ", 1)
        if len(words) == 2 and words[0] != "#":
            _declare(found, words[0], words[1])
            if words[0] == "gate":
                name = words[1].split()[0]
                if gates.get(name, found.gates[name]):
                    active.add(name)
    return _assemble(found, lists="DRAListTypeAttributes" in active)


def _declare(found: _Declarations, what: str, rest: str) -> None:
    if what in ("function", "method"):
        name, overload, signature = rest.split(" ", 2)
        parameters, result = signature.split(") -> ")
        types = _TypeReader(parameters[1:]).types()
        declared = found.overloads.setdefault(name, {False: [], True: []})
        declared[what == "method"].append(Overload(overload, types, _TypeReader(result).sized().type))
    elif what == "macro":
        name, count, style = rest.split()
        found.macros[name, int(count), style == "method"] = None
    elif what == "field":
        owner, name, declared_as = rest.split(" ", 2)
        found.fields.setdefault(owner, {})[name] = _TypeReader(declared_as).sized()
    elif what == "variable":
        name, declared_as = rest.split(" ", 1)
        found.variables[name] = _TypeReader(declared_as).sized().type
    elif what == "gate":
        name, state = rest.split()
        found.gates[name] = state == "on"
    else:
        found.settings[what] = rest


class _TypeReader:
    """Reads types as the files write them: `map{32}(string{63}, list(<A>))`."""

    _WORD = re.compile(r"\s*([\w.]+|[(),<>{}])")

    def __init__(self, text: str) -> None:
        self._words = self._WORD.findall(text)
        self._next = 0

    def _take(self) -> str:
        self._next += 1
        return str(self._words[self._next - 1])

    def _at(self, word: str) -> bool:
        return self._next < len(self._words) and self._words[self._next] == word

    def types(self) -> tuple[Type, ...]:
        """Types with commas between them, to the end."""
        found: list[Type] = []
        while self._next < len(self._words):
            found.append(self.sized().type)
            self._next += 1
        return tuple(found)

    def sized(self) -> Sized:
        """One type, with its sizes where the file gives them."""
        word = self._take()
        if word == "<":
            parameter = Type(Kind.PARAMETER, self._take())
            self._take()
            return Sized(parameter, 0)
        size = 0
        if self._at("{"):
            self._take()
            size = int(self._take())
            self._take()
        inside: list[Sized] = []
        if self._at("("):
            while self._take() != ")":
                inside.append(self.sized())
        type_ = _named_type(word, tuple(sized.type for sized in inside))
        if word == "map":
            return Sized(type_, size, *inside)
        return Sized(type_, size, None, *inside) if word == "list" else Sized(type_, size)


def _named_type(name: str, parameters: tuple[Type, ...]) -> Type:
    """The type; one that is not open is always the same."""
    if any(parameter.open for parameter in parameters):
        return _made_type(name, parameters)
    return _closed_type(name, parameters)


@lru_cache(maxsize=256)
def _closed_type(name: str, parameters: tuple[Type, ...]) -> Type:
    return lasting(_made_type(name, parameters))


def _made_type(name: str, parameters: tuple[Type, ...]) -> Type:
    if name == "map":
        return map_type(*parameters)
    if name == "list":
        return list_type(*parameters)
    if name == "type" and parameters:
        return type_type(*parameters)
    if name == "optional_type":
        return optional_type(*parameters)
    if name in _TYPES:
        return _TYPES[name]
    return Type(Kind.OPAQUE if name in _OPAQUE else Kind.STRUCT, name)


def _assemble(found: _Declarations, *, lists: bool) -> Environment:
    modern = found.settings["cel-go"] != "0.26"
    functions = {
        name: Function(name, tuple(styles[False]), tuple(styles[True])) for name, styles in found.overloads.items()
    }
    fields = {owner: {name: sized.type for name, sized in members.items()} for owner, members in found.fields.items()}
    names, structs = _type_names(found, modern=modern)
    attribute = found.fields["kubernetes.DRADevice"]["attributes"].type.parameters[1].parameters[1]
    if modern:
        results: tuple[Type, ...] = (BOOL, wrapper_type(BOOL), attribute)
    else:
        results = (BOOL, ANY, DYN) if lists else (BOOL, ANY)
    sizes = {name: found.fields.get(type_.name, {}) for name, type_ in found.variables.items()}
    return Environment(
        version=found.settings["version"],
        modern=modern,
        names=names,
        functions=functions,
        structs={**structs, **fields},
        sizes={**found.fields, **sizes},
        macros={key: EXPANDERS[key] for key in found.macros},
        result_types=results,
        escaped_names=modern,
        namespaces=frozenset(name.partition(".")[0] for name in (*names, *functions) if "." in name),
    )


def _type_names(found: _Declarations, *, modern: bool) -> tuple[dict[str, Name], dict[str, Mapping[str, Type]]]:
    """The global names, and the types that have or could have fields, as the API server resolves them."""
    names: dict[str, Name] = {}
    structs: dict[str, Mapping[str, Type]] = {}

    def add(name: str, type_: Type, *, usable: bool) -> None:
        names.setdefault(name, Name(type_type(type_), usable=usable))

    for name, type_ in found.variables.items():
        names[name] = Name(type_, variable=True)
    first, second = Type(Kind.PARAMETER, "A"), Type(Kind.PARAMETER, "B")
    add("list", list_type(DYN if modern else first), usable=True)
    add("map", map_type(DYN, DYN) if modern else map_type(first, second), usable=True)
    add("optional_type", optional_type(DYN) if modern else Type(Kind.OPAQUE, "optional_type"), usable=True)
    names["type"] = Name(type_type(TYPE))
    for name, type_ in _SCALARS.items():
        add(name, type_, usable=True)
        structs[name] = {}
    for name in _OPAQUE:
        add(name, Type(Kind.OPAQUE, name), usable=True)
    for name, (type_, members) in _MESSAGES.items():
        add(name, type_, usable=type_ in (DURATION, TIMESTAMP, _EMPTY))
        structs[name] = members
    names.update({name: Name(INT, constant=value) for name, value in ENUMS.items()})
    for name, type_ in (("duration", DURATION), ("timestamp", TIMESTAMP)):
        add(name, type_, usable=False)
        structs[name] = {}
    structs["list"] = {}
    structs["map"] = {ANY_FIELD: ANY}
    for owner, members_of in found.fields.items():
        add(owner, Type(Kind.STRUCT, owner), usable=False)
        for field, sized in members_of.items():
            if sized.type.kind == Kind.MAP:
                _add_map(f"{owner}.{field}", sized.type, names, structs)
    return names, structs


def _add_map(path: str, type_: Type, names: dict[str, Name], structs: dict[str, Mapping[str, Type]]) -> None:
    """A declared map is a type value under its own path, a quirk of the API server's type provider."""
    names[path] = Name(type_type(type_), usable=False)
    structs[path] = {ANY_FIELD: type_.parameters[1]}
