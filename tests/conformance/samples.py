"""Texts of which random expressions are made: literals by type, arguments that decide, and what is refused early."""

from types import MappingProxyType
from typing import Final

DOMAIN: Final = "gpu.nvidia.com"
_ATTRIBUTE: Final = f"device.attributes['{DOMAIN}']"

REALISTIC: Final = (
    f"device.driver == '{DOMAIN}' && {_ATTRIBUTE}.type == 'gpu'",
    f"{_ATTRIBUTE}.profile in ['1g.10gb', '3g.40gb'] || {_ATTRIBUTE}.type == 'mig'",
    f"device.capacity['{DOMAIN}'].memory.compareTo(quantity('40Gi')) >= 0",
    f"{_ATTRIBUTE}.driverVersion.isGreaterThan(semver('550.0.0'))",
    f"has({_ATTRIBUTE}.brand) && {_ATTRIBUTE}.brand.matches('^Nv.*$')",
    f"{_ATTRIBUTE}.?index.orValue(0) % 2 == 0 ? device.driver.size() > 3 : false",
    f"['A100', 'H100'].exists(m, {_ATTRIBUTE}.productName.contains(m))",
    f"cel.bind(a, {_ATTRIBUTE}, 'type' in a && a.type == 'gpu')",
    f"{_ATTRIBUTE}.productName.lowerAscii().split(' ').map(w, w + '!').size() < 5",
    "duration('1h') > duration('30m') && timestamp('2026-01-01T00:00:00Z').getFullYear() == 2026",
)

_ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "+02:00", "-11:30", "")
_ZONED: Final = ("Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "FullYear", "Hours", "Minutes", "Month", "Seconds")
_BY_FUNCTION: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "quantity": (
        ("1Gi", "500m", "1e3", "-3", "0", "0.5Ki", "99999999999999999999", "1.23456789123n", "12E2", "+5", ".5"),
        ("20GiB", "", "1 Gi", "x", "0x10", "1.2.3"),
    ),
    "semver": (("1.2.3", "1.2.3-rc.1+b", "0.0.0", "1.10.0", "2.0.0-alpha"), ("8.0", "v1.2.3", "01.2.3", "x", "")),
    "url": (
        ("https://a.b/c?d=e&d=f#g", "http://[::1]:8080/", "/p%20q", "https://u:p@h:1/"),
        ("not a url", "", "a:b:c"),
    ),
    "ip": (("10.0.0.1", "::1", "224.0.0.1", "fe80::1", "0.0.0.0"), ("1.2.3", "::ffff:1.2.3.4", "fe80::1%eth0", "")),
    "cidr": (("10.0.0.0/8", "::/0", "10.1.2.3/16", "2001:db8::/32"), ("10.0.0.0", "10.0.0.1/33", "::1/129", "x")),
    "duration": (("1h", "1.5s", "300h300m", "-1ns", "1000000h", "1h2m3s4ms5us6ns", "0"), ("x", "1d", "", "9999999h")),
    "timestamp": (
        ("2026-01-01T00:00:00Z", "2026-02-28T23:59:59.999+02:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("2026-13-01T00:00:00Z", "2026-01-01", "x", "0000-01-01T00:00:00Z"),
    ),
    "matches": (("^a+$", "[a-z]*", "A.0", "(a|b)?", "\\\\d+", "^[^@]{1,8}$"), ("(", "a{1,1001}", "[", "*", "\\\\C")),
    "find": (("a+", "[0-9]", ".", "(?i)A", ""), ("(", "[", "(?<n")),
    "format": (
        ("%s", "%s %s", "%%", "%s%%"),
        ("%x", "%.2f", "%q", "%", "%d", "%e", "%b", "%o", "%X", "%.1e", "%s %s %s"),
    ),
    "int": (("1", "-7", "9223372036854775807"), ("x", "9223372036854775808", "1.0", "")),
    "uint": (("1", "18446744073709551615"), ("-1", "x", "")),
    "double": (("1.5", "-2e3", "NaN", "Infinity"), ("x", "")),
    "bool": (("true", "false", "T", "1"), ("maybe", "tRue", "")),
    "named": (("dns1123Label", "uuid", "date", "labelValue"), ("nosuch", "")),
    "validate": (("a", "abc-def", "2026-01-01", "a/b"), ("-", "A_B", "é")),
    "split": ((" ", "a", "", "-"), ("é",)),
    **{f"get{name}": (_ZONES, ("Mars/Phobos", "25:00", "x")) for name in _ZONED},
}
_ALIASES: Final = {
    "isQuantity": "quantity",
    "isSemver": "semver",
    "isURL": "url",
    "isIP": "ip",
    "ip.isCanonical": "ip",
    "containsIP": "ip",
    "isCIDR": "cidr",
    "containsCIDR": "cidr",
    "findAll": "find",
    "getMilliseconds": "getSeconds",
}
_TEXTS: Final = {**_BY_FUNCTION, **{more: _BY_FUNCTION[same] for more, same in _ALIASES.items()}}
# Texts that stand as literal arguments of these functions: most often such as mean something.
RIGHT_TEXTS: Final = MappingProxyType({name: right for name, (right, _) in _TEXTS.items()})
WRONG_TEXTS: Final = MappingProxyType({name: wrong for name, (_, wrong) in _TEXTS.items()})

LEAVES: Final[dict[str, tuple[str, ...]]] = {
    "bool": ("true", "false", f"{_ATTRIBUTE}.type == 'gpu'", "true", "false"),
    "int": (
        "0",
        "1",
        "2",
        "3",
        "-1",
        "7",
        "9223372036854775807",
        "-9223372036854775808",
        "device.driver.size()",
        "0x1F",
        "google.protobuf.NullValue.NULL_VALUE",
    ),
    "uint": ("0u", "1u", "2u", "3u", "18446744073709551615u", "0xFu"),
    "double": ("0.0", "1.5", "-2.5", "1e300", ".5", "1e-7", "3.0", "-0.0"),
    "string": ("''", "'a'", "'A100'", "device.driver", "'é漢😀'", "'1'", "'a b a'", "' x '", "r'\\d'", "'b'"),
    "bytes": ("b''", "b'a'", "b'\\xff'", "b'é'"),
    "null_type": ("null",),
    "google.protobuf.Duration": (
        "duration('1h')",
        "duration('1.5s')",
        "duration('-90m')",
        "duration('0')",
        "google.protobuf.Duration{seconds: 5, nanos: 7}",
    ),
    "google.protobuf.Timestamp": (
        "timestamp('2026-01-01T00:00:00Z')",
        "timestamp(0)",
        "timestamp('2024-02-29T12:34:56.789Z')",
        "google.protobuf.Timestamp{seconds: 1}",
    ),
    "kubernetes.Quantity": (
        "quantity('1Gi')",
        f"device.capacity['{DOMAIN}'].memory",
        "quantity('500m')",
        "quantity('-3')",
        "quantity('9223372036854775807')",
    ),
    "kubernetes.Semver": (
        "semver('1.2.3')",
        "semver('v1', true)",
        "semver('1.2.3-rc.1')",
        f"{_ATTRIBUTE}.driverVersion",
    ),
    "kubernetes.URL": ("url('https://a.b/c?d=e')", "url('http://h:80/%41')"),
    "net.IP": ("ip('10.0.0.1')", "ip('::1')", "ip('224.0.0.5')"),
    "net.CIDR": ("cidr('10.0.0.0/8')", "cidr('::/64')", "cidr('10.1.2.3/16')"),
    "kubernetes.NamedFormat": ("format.dns1123Label()", "format.uuid()", "format.date()", "format.byte()"),
    "type": ("int", "string", "type('a')", "list", "map"),
    "dyn": (
        f"{_ATTRIBUTE}.type",
        f"{_ATTRIBUTE}.index",
        f"{_ATTRIBUTE}.driverVersion",
        f"{_ATTRIBUTE}.nosuch",
        "device.attributes['dra.example.com'].u",
        "device.attributes['dra.example.com'].m",
        "dyn(1)",
        "dyn('a')",
        "dyn([1, 'a'])",
        "dyn({'a': 1.0})",
        "google.protobuf.Struct{fields: {'a': 1.0}}",
        "google.protobuf.Value{string_value: 'a'}",
        "google.protobuf.ListValue{values: [1.0, 'a', null]}",
        "google.protobuf.Int64Value{value: 3}",
        "google.protobuf.StringValue{}",
        "google.protobuf.BoolValue{value: true}",
        "google.protobuf.Empty{}",
    ),
}

# What is refused for one reason, or stopped: `{int}`, `{string}`, `{bool}` and `{any}` are filled in.
REFUSED: Final[dict[str, tuple[str, ...]]] = {
    "validator duration": (
        "duration('{word}') == duration('1s')",
        "{bool} || duration('{int}') > duration('x{int}')",
        "[duration(''), duration('{word}')].size() == {int}",
    ),
    "validator timestamp": (
        "timestamp('{word}') < timestamp('2026-01-01T00:00:00Z')",
        "{bool} && timestamp('2026-01-01').getHours() == {int}",
        "timestamp('10000-01-01T00:00:00Z') == timestamp({int})",
    ),
    "validator regex": (
        "device.driver.matches('({word}')",
        "{string}.matches('[{word}') || {bool}",
        "matches({string}, '*') && 'a'.matches('a{{2000}}')",
    ),
    "validator format": (
        "'%{letter}'.format([{any}]) == {string}",
        "'%.{letter} %{letter}'.format([{any}]) != ''",
        "'%.{digit}{letter}'.format([{int}, {any}]) == ''",
        "'{word} %s %'.format([{any}, {any}]) == ''",
        "'%{letter}{letter}'.format([{any}, 1.5]).size() == {int}",
    ),
    "validator homogeneous": (
        "[{int}, {string}].size() == 2",
        "{{{string}: {int}, {string}: {string}}}.size() == 2",
        "[{any}, {any}, {any}] == []",
        "{{{any}: {any}, {any}: {any}}}.size() == {int}",
        "[[{int}], [{any}]] != [[]]",
        "[?optional.of({any}), {any}].size() > 0",
    ),
    "phase lexing": (
        "device.driver == '{word}",
        '{bool} && "{word}',
        "{int} # {int} == 1",
        "{bool} ~ {bool}",
        "{any} == $x",
        "`{word}` == {any}",
        "'''{word}'' == ''",
    ),
    "phase parsing": (
        "{bool} ||| {bool}",
        "{bool} & {bool}",
        "{int} = {int}",
        "device.driver == ({string}",
        "[{int}, {int} == []",
        "{{{string} {int}}} == {{}}",
        "{bool} ? {int}",
        "{any} {any}",
        ") {bool}",
        "{string}.size(",
        "",
    ),
    "phase literals": (
        "99999999999999999999 > {int}",
        "-9223372036854775809 < {int} || 0x1ffffffffffffffff == 1",
        "99999999999999999999u == {any}",
        "1e999 > 1.0",
        "{string} == '\\ud800'",
        "{string} == '\\U00110000{word}'",
        "b'\\u0041' == b'{word}'",
    ),
    "phase reserved words": tuple(
        template
        for word in ("if", "for", "while", "const", "package", "var", "void", "as", "function", "namespace", "loop")
        for template in (f"{word} == {{any}}", f"{{bool}} || {word}({{int}})", f"device.{word}.x == {word}")
    ),
    "phase macros": (
        "has({any})",
        "has(device)",
        "[{int}].all({int}, {bool})",
        "[{int}].exists(x.y, {bool})",
        "[{int}].map(1, x, {any}) == []",
        "[{int}].exists_one(__result__, {bool})",
        "[{int}].all(x, x, {bool})",
        "cel.bind({int}, {any}, {bool})",
        "optional.of({any}).optMap({string}, {any}).hasValue()",
        "[{int}].filter(x + 1, {bool}).size() == 0",
        "{{'a': 1}}.transformList(1, v, {any}) == []",
    ),
    "phase depth": (
        "(" * 251 + "{bool}" + ")" * 251,
        "{bool}" + " && ({bool}" * 250 + ")" * 250,
        "{int}" + " + 1" * 252 + " > 0",
        "!" * 3 + "device.driver" + ".x" * 251,
        "[" * 251 + "{int}" + "]" * 251 + " == []",
    ),
    "phase planning": (
        "int('{word}') == {int}",
        "uint(-{digit}) == 1u && {bool}",
        "string(b'\\xff{word}') == {string}",
        "bool('{word}') || {bool}",
        "double('{word}') > {int}",
        "{string}.find('({digit}') == ''",
        "{string}.findAll('[{word}').size() == {int}",
        "{string}.matches(dyn('({word}'))",
        "timestamp(dyn('{word}')) == timestamp({int})",
        "[{int}][{string}] == 1 || {{b'k': 1}}[[{int}]] == 2",
        "[{int}][dyn('{word}')] == {int}",
    ),
    "phase panic": ("{{b'k': {int}}} == {{}}", "[?dyn({int}), {any}] == []", "{{?{string}: dyn({any})}} == {{}}"),
    "phase type": (
        "device.{word}",
        "{word}({any})",
        "{any}.{word}({any}) == {any}",
        "{word} == {any}",
        "{any} + {any} == {any}",
        "{any}.size() < {any}",
        "{int}.matches({string})",
        "quantity('1Gi') >= {any}",
    ),
    "phase result": (
        "{int}",
        "{string} + {string}",
        "[{any}]",
        "dyn({any})",
        "device",
        "{bool} ? {string} : 'a'",
        "null",
    ),
    "phase cost": (
        "cel.bind(m, device.attributes, m.all(a, m.all(b, m.all(c, m.all(d, {bool})))))",
        "cel.bind(m, device.attributes, m.exists(a, m.exists(b, m[a].exists(c, c.matches(a + b + c + '{word}')))))",
        "lists.range({int}).all(a, lists.range({int}).all(b, a != b || {bool}))",
        "{{'a': {int}}}.transformMapEntry(k, v, {{k + {string}: {any}}}).all(k, lists.range(v).exists(i, {bool}))",
    ),
    "phase length": (
        "device.driver == '" + "x" * 10_240 + "'",
        "'" + "é" * 5_120 + "' != {string}",
        "{bool}" + " " * 10_240,
    ),
    "outcome cost limit": (
        f"cel.bind(x, '{'a' * 1_010}'.split(''), sets.intersects(x, x)) || {{bool}}",
        f"cel.bind(x, '{'ab' * 505}'.split(''), sets.equivalent(x, x) ? {{bool}} : {{bool}})",
        f"cel.bind(x, '{'a' * 2_000}', [1, 2, 3].all(i, (x + x + x + x).matches('^{'b' * 1_500}') || {{bool}}))",
        f"'{'a' * 2_000}'.split('').all(c, '{'a' * 2_000}'.contains(c) && [c, c].size() == 2 && {{bool}})",
    ),
    "outcome error": (
        "{any} == dyn({any}) && {{'a': 1}}['{word}'] == 1",
        "[{int}][{int}] == {int}",
        "1 / ({int} - {int}) > 0",
    ),
}
LARGEST: Final = (
    "device.driver == '" + "x" * 10_219 + "'",
    "lists.range(1000).all(a, lists.range(1000).all(b, lists.range(1001).all(c, {bool})))",
)
