"""Random selectors: directed by the declared types, by macros and validators, and mutated from real ones."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from webhook.cel.environment import Environment, Overload
from webhook.cel.types import Kind, Type

DOMAIN = "gpu.nvidia.com"

REALISTIC = (
    f"device.driver == '{DOMAIN}' && device.attributes['{DOMAIN}'].type == 'gpu'",
    f"device.attributes['{DOMAIN}'].profile in ['1g.10gb', '3g.40gb'] || device.attributes['{DOMAIN}'].type == 'mig'",
    f"device.capacity['{DOMAIN}'].memory.compareTo(quantity('40Gi')) >= 0",
    f"device.attributes['{DOMAIN}'].driverVersion.isGreaterThan(semver('550.0.0'))",
    f"has(device.attributes['{DOMAIN}'].brand) && device.attributes['{DOMAIN}'].brand.matches('^Nv.*$')",
    f"device.attributes['{DOMAIN}'].?index.orValue(0) % 2 == 0 ? device.driver.size() > 3 : false",
    f"['A100', 'H100'].exists(m, device.attributes['{DOMAIN}'].productName.contains(m))",
    f"cel.bind(a, device.attributes['{DOMAIN}'], 'type' in a && a.type == 'gpu')",
    f"device.attributes['{DOMAIN}'].productName.lowerAscii().split(' ').map(w, w + '!').size() < 5",
    "duration('1h') > duration('30m') && timestamp('2026-01-01T00:00:00Z').getFullYear() == 2026",
)

# Texts that decide something when they stand as literal arguments of these functions.
_TEXTS: dict[str, tuple[str, ...]] = {
    "quantity": ("1Gi", "500m", "1e3", "20GiB", "", "-3", "0.5Ki", "99999999999999999999", "1.23456789123n"),
    "semver": ("1.2.3", "8.0", "v1.2.3", "1.2.3-rc.1+b", "01.2.3", "x"),
    "url": ("https://a.b/c?d=e", "http://[::1]:8080/", "not a url", "/p"),
    "ip": ("10.0.0.1", "::1", "1.2.3", "::ffff:1.2.3.4"),
    "cidr": ("10.0.0.0/8", "::/0", "10.0.0.0", "10.0.0.1/33"),
    "duration": ("1h", "1.5s", "x", "300h300m", "-1ns", "1000000h"),
    "timestamp": ("2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-02-28T23:59:59.999+02:00", "x"),
    "matches": ("^a+$", "(", "[a-z]*", "a{1,1001}", "\\\\d+"),
    "find": ("a+", "(", "[0-9]"),
    "findAll": ("a+", "(", "."),
    "format": ("%s %d", "%x", "%.2f", "%q", "%", "%s"),
    "int": ("1", "x", "9223372036854775808"),
    "uint": ("1", "-1", "x"),
    "double": ("1.5", "x", "NaN"),
    "bool": ("true", "maybe", "T"),
}
for _more, _same in (
    ("isQuantity", "quantity"),
    ("isSemver", "semver"),
    ("isURL", "url"),
    ("isIP", "ip"),
    ("isCIDR", "cidr"),
):
    _TEXTS[_more] = _TEXTS[_same]

_MACROS = (
    ("all", "{list}.all(x, {bool})"),
    ("all", "{map}.all(x, y, {bool})"),
    ("exists", "{list}.exists(x, x == {any})"),
    ("exists", "{map}.exists(x, y, {bool})"),
    ("exists_one", "{list}.exists_one(x, {bool})"),
    ("exists_one", "{map}.exists_one(x, y, {bool})"),
    ("existsOne", "{map}.existsOne(x, y, {bool})"),
    ("existsOne", "{list}.existsOne(x, {bool})"),
    ("map", "{list}.map(x, {any}).size() > 0"),
    ("map", "{list}.map(x, {bool}, {any}).size() > 0"),
    ("filter", "{list}.filter(x, {bool}).size() == {int}"),
    ("transformList", "{map}.transformList(x, y, {any}).size() > 0"),
    ("transformList", "{list}.transformList(x, y, {bool}, {any}).size() > 0"),
    ("transformMap", "{map}.transformMap(x, y, {any}) == {{}}"),
    ("transformMap", "{list}.transformMap(x, y, {bool}, {any}).size() > 0"),
    ("transformMapEntry", "{map}.transformMapEntry(x, y, {{string(x): {any}}}).size() > 0"),
    ("transformMapEntry", "{list}.transformMapEntry(x, y, {bool}, {{y: x}}).size() > 0"),
    ("bind", "cel.bind(x, {any}, {bool} && x == {any})"),
    ("has", f"has(device.attributes['{DOMAIN}'].type) && {{bool}}"),
    ("has", "has({{'a': {any}}}.a)"),
    ("optMap", "optional.of({any}).optMap(x, {any}).hasValue()"),
    ("optFlatMap", "optional.of({any}).optFlatMap(x, optional.of({any})).hasValue()"),
    ("sortBy", "[{int}, {int}, {int}].sortBy(x, x * {int}) == [{int}]"),
    ("sortBy", "{list}.sortBy(x, {string}).size() > 0"),
)

_WHOLE = (
    "duration('{bad}') == duration('1s')",
    "timestamp('{bad}') < timestamp('2026-01-01T00:00:00Z')",
    "device.driver.matches('({bad}')",
    "'%{letter}'.format([{any}]) == ''",
    "[{int}, {string}].size() == 2",
    "{{{string}: {int}, {string}: {string}}}.size() == 2",
    "int('{bad}') == 1",
    "uint(-{digit}) == 1u",
    "string(b'\\xff{bad}') == ''",
    "{any}",
    "device.attributes['{bad}'].{bad}",
    "device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, device.attributes.all(d, {bool}))))",
    "lists.range(1000).all(a, lists.range(1000).all(b, lists.range(100{digit}).all(c, {bool})))",
    "'{bad}'.find('({digit}') == ''",
    "{bool} ||| {bool}",
    "device.{bad}",
    "{bad}",
)


@dataclass(frozen=True, slots=True)
class Declared:
    """One overload as it is written: `name(args)` or `target.name(args)`."""

    name: str
    overload: Overload
    method: bool


@dataclass(slots=True)
class Generator:
    """Selectors for one environment; what has come least often comes first."""

    environment: Environment
    random: Random
    used: Counter[str] = field(default_factory=Counter)
    declared: list[Declared] = field(default_factory=list)
    by_result: dict[str, list[Declared]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, function in self.environment.functions.items():
            if name.startswith("__") or name in ("@not_strictly_false", "@sortByAssociatedKeys"):
                continue  # only macros call them
            self.declared += [Declared(name, overload, method=False) for overload in function.functions]
            self.declared += [Declared(name, overload, method=True) for overload in function.methods]
        for one in self.declared:
            self.by_result.setdefault(one.overload.result.name, []).append(one)

    def expression(self) -> str:
        """Return the next selector."""
        ways: Sequence[tuple[int, Callable[[], str]]] = (
            (25, self._by_overload),
            (35, self._by_overloads),
            (15, self._by_macro),
            (12, lambda: self._filled(self.random.choice(_WHOLE))),
            (12, self._mutated),
            (1, self._long),
        )
        [way] = self.random.choices([way for _, way in ways], [weight for weight, _ in ways])
        return way()

    def _by_overloads(self) -> str:
        return f"{self._by_overload()} {self.random.choice(('&&', '||'))} {self._by_overload()}"

    def _by_overload(self) -> str:
        one = min(self.random.sample(self.declared, 40), key=lambda d: self.used[d.overload.id])
        self.used[one.overload.id] += 1
        text = self._call(one, 2)
        if one.overload.result.kind == Kind.BOOL:
            return text
        return self.random.choice(
            (f"{text} == {self._call(one, 1)}", f"[{text}].size() == 1", f"dyn({text}) == dyn({self._any(1)})")
        )

    def _by_macro(self) -> str:
        _, template = min(self.random.sample(_MACROS, 4), key=lambda m: self.used[f"macro {m[0]}"])
        self.used[f"macro {_}"] += 1
        return self._filled(template)

    def _filled(self, template: str) -> str:
        text = template
        for slot, fill in (
            ("{list}", self._list),
            ("{map}", self._map),
            ("{bool}", lambda: self._of(_BOOL, 1)),
            ("{int}", lambda: self._of(_INT, 1)),
            ("{string}", lambda: self._of(_STRING, 1)),
            ("{any}", lambda: self._any(1)),
            ("{bad}", lambda: self.random.choice(("x", "1h", "a b", "1.2.3", "nosuch", "dns1123Label"))),
            ("{letter}", lambda: self.random.choice("sdfexXobqq%")),
            ("{digit}", lambda: str(self.random.randint(0, 9))),
        ):
            while slot in text:
                text = text.replace(slot, fill(), 1)
        return text.replace("{{", "{").replace("}}", "}")

    def _list(self) -> str:
        return self.random.choice((f"[{self._any(0)}]", "[1, 2, 3]", "['a', 'b']", "[]", "device.driver.split('.')"))

    def _map(self) -> str:
        return self.random.choice(("{'a': 1}", "{1: 'a'}", "{}", f"device.capacity['{DOMAIN}']", "{'k': [1]}"))

    def _mutated(self) -> str:
        text = self.random.choice(REALISTIC) if self.random.random() < 0.5 else self._by_overload()
        for _ in range(self.random.randint(1, 2)):
            at = self.random.randrange(len(text) + 1)
            cut = self.random.choice((0, 1, 1, 3))
            put = self.random.choice(
                ("", "", "(", ")", "'", "]", ".", "&", "=", " in ", "1u", "?", "!", "\\", "é", "for")
            )
            text = text[:at] + put + text[at + cut :]
        return text

    def _long(self) -> str:
        return f"device.driver == '{'x' * self.random.choice((10_200, 10_300))}'"

    def _call(self, one: Declared, depth: int) -> str:
        bound: dict[str, Type] = {}
        wrong = self.random.random() < 0.12
        args = [self._argument(one.name, parameter, bound, depth - 1) for parameter in one.overload.parameters]
        if wrong and args:
            args[self.random.randrange(len(args))] = self._any(0)
        return written(one, args)

    def _argument(self, function: str, parameter: Type, bound: dict[str, Type], depth: int) -> str:
        texts = _TEXTS.get(function)
        if texts is not None and parameter.kind == Kind.STRING and self.random.random() < 0.7:
            return f"'{self.random.choice(texts)}'"
        return self._of(self._closed(parameter, bound), depth)

    def _closed(self, type_: Type, bound: dict[str, Type]) -> Type:
        if type_.kind == Kind.PARAMETER:
            return bound.setdefault(type_.name, self.random.choice(_SIMPLE))
        if not type_.parameters:
            return type_
        return Type(type_.kind, type_.name, tuple(self._closed(p, bound) for p in type_.parameters), type_.wrapper)

    def _any(self, depth: int) -> str:
        return self._of(self.random.choice(_SIMPLE), depth)

    def _of(self, type_: Type, depth: int) -> str:
        """Return an expression of the type: a literal, or a call that gives one."""
        giving = self.by_result.get(type_.name, ())
        if depth > 0 and giving and self.random.random() < 0.6:
            return self._call(self.random.choice(giving), depth)
        return self._leaf(type_, depth)

    def _leaf(self, type_: Type, depth: int) -> str:
        pick = self.random.choice
        match type_.kind:
            case Kind.LIST:
                return (
                    f"[{', '.join(self._of(type_.parameters[0], depth - 1) for _ in range(self.random.randint(0, 3)))}]"
                )
            case Kind.MAP:
                key, value = type_.parameters
                return f"{{{self._of(key, 0)}: {self._of(value, depth - 1)}}}" if self.random.random() < 0.8 else "{}"
            case Kind.OPAQUE if type_.name == "optional_type":
                held = self._of(type_.parameters[0], depth - 1)
                return pick((f"optional.of({held})", "optional.none()", f"optional.ofNonZeroValue({held})"))
            case _:
                return pick(_LEAVES.get(type_.name, (f"dyn(device.attributes['{DOMAIN}'].type)",)))


def written(one: Declared, args: list[str]) -> str:
    """Return the call of an overload as a user writes it."""
    name = one.name
    if name == "_?_:_":
        return f"({args[0]} ? {args[1]} : {args[2]})"
    if name in ("_[_]", "_[?_]"):
        return f"{args[0]}[{'?' if '?' in name else ''}{args[1]}]"
    if name == "_?._":
        return f"{args[0]}.?field"
    if name == "@in":
        return f"({args[0]} in {args[1]})"
    if name in ("!_", "-_"):
        return f"{name[0]}({args[0]})"
    if name.startswith("_") and name.endswith("_"):
        return f"({args[0]} {name.strip('_')} {args[1]})"
    if one.method:
        return f"{args[0]}.{name}({', '.join(args[1:])})"
    return f"{name}({', '.join(args)})"


_BOOL = Type(Kind.BOOL, "bool")
_INT = Type(Kind.INT, "int")
_STRING = Type(Kind.STRING, "string")
_SIMPLE = (
    _BOOL,
    _INT,
    _STRING,
    Type(Kind.UINT, "uint"),
    Type(Kind.DOUBLE, "double"),
    Type(Kind.BYTES, "bytes"),
    Type(Kind.NULL, "null_type"),
    Type(Kind.DURATION, "google.protobuf.Duration"),
    Type(Kind.TIMESTAMP, "google.protobuf.Timestamp"),
    Type(Kind.OPAQUE, "kubernetes.Quantity"),
    Type(Kind.OPAQUE, "kubernetes.Semver"),
    Type(Kind.DYN, "dyn"),
    Type(Kind.LIST, "list", (_INT,)),
    Type(Kind.LIST, "list", (_STRING,)),
    Type(Kind.MAP, "map", (_STRING, _INT)),
)
_LEAVES: dict[str, tuple[str, ...]] = {
    "bool": ("true", "false", f"device.attributes['{DOMAIN}'].type == 'gpu'"),
    "int": ("0", "1", "-1", "7", "9223372036854775807", "device.driver.size()"),
    "uint": ("0u", "1u", "18446744073709551615u"),
    "double": ("0.0", "1.5", "-2.5", "1e300"),
    "string": ("''", "'a'", "'A100'", "device.driver", "'é漢'", "'1'"),
    "bytes": ("b''", "b'a'", "b'\\xff'"),
    "null_type": ("null",),
    "google.protobuf.Duration": ("duration('1h')", "duration('1.5s')"),
    "google.protobuf.Timestamp": ("timestamp('2026-01-01T00:00:00Z')", "timestamp(0)"),
    "kubernetes.Quantity": ("quantity('1Gi')", f"device.capacity['{DOMAIN}'].memory", "quantity('500m')"),
    "kubernetes.Semver": ("semver('1.2.3')", "semver('v1', true)"),
    "kubernetes.URL": ("url('https://a.b/c?d=e')",),
    "net.IP": ("ip('10.0.0.1')", "ip('::1')"),
    "net.CIDR": ("cidr('10.0.0.0/8')", "cidr('::/64')"),
    "kubernetes.NamedFormat": ("format.dns1123Label().value()", "format.uuid().value()"),
    "type": ("int", "type('a')", "string"),
    "dyn": (f"device.attributes['{DOMAIN}'].type", f"device.attributes['{DOMAIN}'].index", "dyn(1)", "dyn('a')"),
}
