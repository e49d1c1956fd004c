"""Expressions of a wanted type, made of all that an environment declares: mostly right, at times with a wrong part."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from tests.conformance.coverage import Declared, callable_overloads
from tests.conformance.samples import LEAVES, RIGHT_TEXTS, WRONG_TEXTS
from webhook.cel.environment import Environment
from webhook.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    Kind,
    Type,
    list_type,
    map_type,
)

_QUANTITY, _SEMVER = Type(Kind.STRUCT, "kubernetes.Quantity"), Type(Kind.STRUCT, "kubernetes.Semver")
SCALARS = (BOOL, INT, STRING, UINT, DOUBLE, BYTES, DURATION, TIMESTAMP)
SIMPLE = (
    *SCALARS,
    STRING,
    INT,
    DYN,
    NULL,
    _QUANTITY,
    _SEMVER,
    list_type(INT),
    list_type(STRING),
    map_type(STRING, INT),
)
_KEYS = (STRING, INT, UINT, BOOL)
_WRONG = 0.04
_LOOPS = ("all", "exists", "exists_one", "existsOne")


@dataclass(slots=True)
class Typed:
    """Makes expressions for one environment. `scope` holds the variables of the loops that are being written."""

    environment: Environment
    random: Random
    scope: list[tuple[str, Type]] = field(default_factory=list)
    declared: list[Declared] = field(default_factory=list)
    giving: dict[str, list[Declared]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.declared = list(callable_overloads(self.environment))
        for one in self.declared:
            self.giving.setdefault(one.overload.result.name, []).append(one)

    def condition(self, one: Declared, depth: int) -> str:
        """Return a condition with a call of that overload in it."""
        bound: dict[str, Type] = {}
        text = self.call(one, depth, bound)
        return self.shown(text, self.closed(one.overload.result, bound))

    def shown(self, text: str, type_: Type) -> str:
        """Return a condition on a value; one form has the value itself in the words of a run-time error."""
        if type_.kind == Kind.BOOL:
            return text
        forms = [
            f"{{'': true}}['%s'.format([{text}])]",
            f"{{'': true}}['%s'.format([{text}])]",
            f"{text} == {self.of(type_, 1)}",
            f"{text} in [{self.of(type_, 0)}, {text}]",
            f"dyn({text}) != dyn({self.any(1)})",
        ]
        if type_.kind in (Kind.INT, Kind.UINT, Kind.STRING):
            forms += [f"{{{self.of(type_, 0)}: true}}[{text}]"] * 2
        if type_.kind in (Kind.INT, Kind.UINT, Kind.DOUBLE, Kind.STRING, Kind.DURATION, Kind.TIMESTAMP, Kind.BYTES):
            forms += [f"{text} {self.random.choice(('<', '<=', '>', '>='))} {self.of(type_, 1)}"] * 2
        return self.random.choice(forms)

    def call(self, one: Declared, depth: int, bound: dict[str, Type]) -> str:
        """Return a call; `bound` says what its type parameters stand for, and learns what was chosen."""
        parameters = one.overload.parameters
        args = [self._argument(one.name, parameter, bound, depth - 1) for parameter in parameters]
        if args and self.random.random() < _WRONG:
            args[self.random.randrange(len(args))] = self.any(0)
        return written(one, args)

    def _argument(self, function: str, parameter: Type, bound: dict[str, Type], depth: int) -> str:
        if parameter.kind == Kind.STRING and function in RIGHT_TEXTS and self.random.random() < 0.8:
            texts = RIGHT_TEXTS if self.random.random() < 0.9 else WRONG_TEXTS
            return f"'{self.random.choice(texts[function])}'"
        if function == "_?._":
            return self.of(self.random.choice((DYN, map_type(STRING, self.random.choice(SIMPLE)))), depth)
        if parameter.kind == Kind.DYN and function not in ("dyn", "type"):
            return self.any(depth)
        return self.of(self.closed(parameter, bound), depth)

    def closed(self, type_: Type, bound: dict[str, Type]) -> Type:
        """Return the type without type parameters."""
        if type_.kind == Kind.PARAMETER:
            return bound.setdefault(type_.name, self.random.choice(SIMPLE if type_.name != "K" else _KEYS))
        if not type_.parameters:
            return type_
        return Type(type_.kind, type_.name, tuple(self.closed(p, bound) for p in type_.parameters), type_.wrapper)

    def any(self, depth: int) -> str:
        """Return an expression of some type."""
        return self.of(self.random.choice(SIMPLE), depth)

    def of(self, type_: Type, depth: int) -> str:
        """Return an expression of the type: a variable, a literal, a call or a loop."""
        variables = [name for name, of in self.scope if _fits(of, type_, {})]
        if variables and self.random.random() < 0.5:
            return self.random.choice(variables)
        if depth > 0 and self.random.random() < 0.6:
            if type_.kind in (Kind.BOOL, Kind.LIST, Kind.MAP) and self.random.random() < 0.15:
                return self.loop_of(type_, depth - 1)
            bound: dict[str, Type] = {}
            givers = self.giving.get(type_.name, [])
            if self.random.random() < 0.15:
                givers = [one for name in ("A", "V") for one in self.giving.get(name, ())]
            fitting = [one for one in self._some(givers) if _fits(one.overload.result, type_, {})]
            if fitting:
                one = self.random.choice(fitting)
                _fits(one.overload.result, type_, bound)
                return self.call(one, depth, bound)
        return self._leaf(type_, depth)

    def _some(self, givers: list[Declared]) -> list[Declared]:
        return self.random.sample(givers, min(6, len(givers)))

    def _leaf(self, type_: Type, depth: int) -> str:
        pick = self.random.choice
        match type_.kind:
            case Kind.LIST:
                element, count = type_.parameters[0], self.random.randint(0, 3)
                return f"[{', '.join(self.of(element, depth - 1) for _ in range(count))}]"
            case Kind.MAP:
                key, value = type_.parameters
                if key.name == "string" and value.name == "kubernetes.Quantity":
                    return "device.capacity['gpu.nvidia.com']"
                entries = [f"{self.of(key, 0)}: {self.of(value, depth - 1)}" for _ in range(self.random.randint(0, 2))]
                return f"{{{', '.join(entries)}}}"
            case Kind.OPAQUE if type_.name == "optional_type":
                held = self.of(type_.parameters[0], depth - 1)
                return pick((f"optional.of({held})", "optional.none()", f"optional.ofNonZeroValue({held})"))
            case Kind.TYPE if type_.parameters:
                return f"type({self.of(type_.parameters[0], 0)})"
            case _:
                return pick(LEAVES.get(type_.name, LEAVES["dyn"]))

    @contextmanager
    def _with(self, *variables: tuple[str, Type]) -> Iterator[None]:
        self.scope += variables
        yield
        del self.scope[-len(variables) :]

    def loop_of(self, type_: Type, depth: int) -> str:
        """Return a macro that gives a condition, a list or a map of such a type."""
        pick = self.random.choice
        if type_.kind == Kind.BOOL:
            name, count = pick(
                [(name, count) for name in _LOOPS for count in (2, 3) if (name, count) != ("existsOne", 2)]
            )
            return self.macro(name, count, depth)
        if type_.kind == Kind.MAP:
            return self.macro(pick(("transformMap", "transformMapEntry")), pick((3, 4)), depth, *type_.parameters)
        name, count = pick((("map", 2), ("map", 3), ("filter", 2), ("transformList", 3), ("transformList", 4)))
        return self.macro(name, count, depth, *type_.parameters)

    def with_macro(self, name: str, count: int) -> str:
        """Return a condition with that macro in it."""
        pick = self.random.choice
        if name in _LOOPS or name == "has":
            return self.macro(name, count, 1)
        element, key = pick(SIMPLE), pick(_KEYS)
        if name in ("optMap", "optFlatMap"):
            text = self.macro(name, count, 1, element)
            return pick((f"{text}.hasValue()", self.shown(f"{text}.value()", element)))
        if name == "bind":
            return self.shown(self.macro(name, count, 1, element), element)
        if name in ("transformMap", "transformMapEntry"):
            return self.shown(self.macro(name, count, 1, key, element), map_type(key, element))
        return self.shown(self.macro(name, count, 1, element), list_type(element))

    def macro(self, name: str, count: int, depth: int, *wanted: Type) -> str:
        """Return a call of the macro with so many arguments; `wanted` are key and value, or the element."""
        pick = self.random.choice
        x, y = self.random.sample(("x", "y", "k", "v", "i"), 2)
        element = wanted[0] if name in ("filter", "sortBy") and wanted else pick(SIMPLE)
        keys, first, source = pick(_KEYS), element, self.of(list_type(element), depth)
        two = name.startswith("transform") or (name in _LOOPS and count == 3)
        if name not in ("filter", "sortBy") and self.random.random() < 0.4:
            first, source = keys, self.of(map_type(keys, element), depth)
        elif two:
            first = INT
        if name in ("bind", "has", "optMap", "optFlatMap"):
            return self._plain_macro(name, element, x, depth, *wanted[-1:])
        with self._with((x, first), *([(y, element)] if two else [])):
            variables = f"{x}, {y}" if two else x
            given = self.of(wanted[-1] if wanted else pick(SIMPLE), depth)
            if name == "sortBy":
                given = self.of(pick(SCALARS), depth)
            elif name in _LOOPS or name == "filter":
                given = self.of(BOOL, depth)
            elif name == "transformMapEntry":
                given = f"{{{self.of(wanted[0] if len(wanted) > 1 else first, 0)}: {given}}}"
            needed = {"map": 3, "transformList": 4, "transformMap": 4, "transformMapEntry": 4}
            only = f"{self.of(BOOL, depth)}, " if needed.get(name) == count else ""
            return f"{source}.{name}({variables}, {only}{given})"

    def _plain_macro(self, name: str, held: Type, x: str, depth: int, *wanted: Type) -> str:
        gives = wanted[0] if wanted else self.random.choice(SIMPLE)
        if name == "has":
            return f"has({self.of(map_type(STRING, held), depth)}.{self.random.choice(('a', 'type', 'nosuch'))})"
        source = self.of(held, depth)
        with self._with((x, held)):
            body = self.of(gives, depth)
        if name == "bind":
            return f"cel.bind({x}, {source}, {body})"
        body = body if name == "optMap" else f"optional.of({body})"
        return f"optional.of({source}).{name}({x}, {body})"


def _fits(result: Type, wanted: Type, bound: dict[str, Type]) -> bool:
    """Whether a result is of the wanted type, for some choice of its type parameters, which `bound` learns."""
    if result.kind == Kind.PARAMETER:
        return str_of(bound.setdefault(result.name, wanted)) == str_of(wanted)
    return (
        result.name == wanted.name
        and len(result.parameters) == len(wanted.parameters)
        and all(_fits(*pair, bound) for pair in zip(result.parameters, wanted.parameters, strict=True))
    )


def str_of(type_: Type) -> str:
    """Return the type in words that are equal for equal types."""
    return f"{type_.name}({', '.join(map(str_of, type_.parameters))})"


def written(one: Declared, args: list[str]) -> str:
    """Return the call of an overload as a user writes it."""
    name = one.name
    if name == "_?_:_":
        return f"({args[0]} ? {args[1]} : {args[2]})"
    if name in ("_[_]", "_[?_]"):
        return f"{args[0]}[{'?' if '?' in name else ''}{args[1]}]"
    if name == "_?._":
        return f"{args[0]}.?a"
    if name == "@in":
        return f"({args[0]} in {args[1]})"
    if name in ("!_", "-_"):
        return f"{name[0]}({args[0]})"
    if name.startswith("_") and name.endswith("_"):
        return f"({args[0]} {name.strip('_')} {args[1]})"
    if one.method:
        return f"{args[0]}.{name}({', '.join(args[1:])})"
    return f"{name}({', '.join(args)})"
