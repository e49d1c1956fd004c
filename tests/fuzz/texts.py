"""Changes to texts that keep most of them: pieces put in, cut out, repeated and exchanged between texts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

CEL_PIECES = (
    *("device", ".attributes", ".capacity", ".driver", ".allowMultipleAllocations", "['gpu.nvidia.com']", ".memory"),
    *(".type", ".?type", "[?'a']", "[0]", "x", "y", "`a-b`", ".`a.b/c`", "as", "in", " in ", "a.b.c", ".a", "_", "__"),
    *("'a'", '"b"', "'''", '"""', "r'\\d'", "b'\\xff'", "'\\u00e9'", "'\\U0010ffff'", "''", "'gpu'", "'1g.10gb'"),
    *("1", "-1", "2u", "0x1F", "1.5", "1e400", "-0.0", "9223372036854775807", "9223372036854775808", "0u", ".5"),
    *("true", "false", "null", "[1, 2]", "{'a': 1}", "[]", "{}", "{?'a': optional.none()}", "[?optional.of(1)]"),
    *("(", ")", "[", "]", "{", "}", ",", ":", "?", ".", "!", "-", ";", "\\", "@", "#", "$", "&", "|", "=", "`"),
    *("+", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "//\n", "\n", "\t", "\r", "\x00", "\ufeff"),
    *(".size()", ".all(x, x)", ".map(x, x)", ".filter(x, true)", ".exists(x, y, true)", ".exists_one(x, x)"),
    *("has(device.driver)", "cel.bind(b, 1, b)", ".sortBy(e, e)", ".optMap(o, o)", ".optFlatMap(o, o)", ".value()"),
    *(".transformList(k, v, v)", ".transformMap(k, v, v)", ".transformMapEntry(k, v, {v: k})", ".orValue(1)"),
    *("quantity('1Gi')", ".compareTo(", ".isGreaterThan(", "semver('1.2.3')", "optional.of(", "int(", "string("),
    *("duration('1h')", "timestamp('2026-01-01T00:00:00Z')", "url('http://a/b')", "ip('::1')", "cidr('::/0')"),
    *(".matches('a+')", ".find('a')", ".split(',')", ".format([1])", ".includes(", ".getFullYear('+01:00')"),
    *("dyn(", "type(", "bytes(", "double(", "uint(", "sets.contains(", "Foo{a: 1}", "google.protobuf.Int64Value{}"),
)
YAML_PIECES = (
    *("&a ", "*a", "<<: *a", "!!binary ", "!!str ", "!!int ", "!!set ", "!!float ", "!x ", "!<tag:a,b> ", "&\u00e9 "),
    *("- ", "? ", ": ", ":", "|\n", ">-\n", "|2+\n", "---\n", "--- ", "...\n", "%YAML 1.1\n", "%TAG ! !\n", "#", " #"),
    *("\t", "\r\n", "\r", "\n", "\n\n", "  ", "\ufeff", "\u2028", "\u2029", "\x85", "\xa0", "\x00", "\x07", "\x7f"),
    *("{", "}", "[", "]", ",", "'", '"', "\\", "\\x", "\\ud800", "\U0001f600", "@", "`", "%", "~", "null", "true", "y"),
    *("0x1F", "0o7", "010", "1_000", "1e400", ".inf", ".nan", "-0", "2026-01-01", "12:30:45", "=", "9" * 40, "0b1"),
    *("apiVersion: v1\n", "kind: List\n", "items:\n", "kind: Pod\n", "spec:\n", "metadata: {name: a}\n", "a: 1\n"),
    *("[" * 40, "{a: " * 40, "- " * 40, "a: &b [*b]\n", "a: &a\n  b: *a\n", "? [a]\n: 1\n", "? {a: 1}\n: 2\n"),
)
ODD_CHARACTERS = (
    "\x00\t\n\r\x1f\x7f\x80\x85\xa0\xad\u0301\u061c\u200b\u2028\u202e\ud800\udfff\ufeff\ufffe\uff1d\U0001f600\U0010ffff"
)
_TOKEN = re.compile(r"\w+|\s+|'[^']*'|\"[^\"]*\"|.", re.DOTALL)


def text_of(data: bytes) -> str:
    """Return any bytes as a text; what is no UTF-8 becomes lone surrogates."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return the bytes of which `text_of` makes the text, or nearly."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class TextChanges:
    """Changes by the pieces of a language, and by other texts that are written in it."""

    pieces: Sequence[str]
    others: Sequence[str]

    def changed(self, text: str, random: Random) -> str:
        """Return the text after one to five changes; sometimes another text."""
        if random.random() < 0.05:
            text = random.choice(self.others)
        tokens = _TOKEN.findall(text)
        for _ in range(random.randint(1, 5)):
            self._change(tokens, random)
        return "".join(tokens)

    def _change(self, tokens: list[str], random: Random) -> None:
        start = random.randint(0, len(tokens))
        end = min(len(tokens), start + random.choice((1, 1, 1, 2, 3, 5, 8, 20)))
        match random.randrange(10):
            case 0 | 1:
                tokens[start:start] = [random.choice(self.pieces)]
            case 2 | 3:
                tokens[start:end] = [random.choice(self.pieces)]
            case 4:
                del tokens[start:end]
            case 5:
                tokens[start:start] = tokens[start:end] * random.choice((1, 1, 2, 10, 100))
            case 6:
                other = _TOKEN.findall(random.choice(self.others))
                first = random.randint(0, len(other))
                tokens[start:end] = other[first : first + random.randint(1, 12)]
            case 7:
                opening, closing = random.choice(
                    (("(", ")"), ("[", "]"), ("{", "}"), ("!(", ")"), ("'", "'"), ("-", ""))
                )
                times = random.choice((1, 1, 2, 30))
                tokens[start:end] = [opening * times, *tokens[start:end], closing * times]
            case 8:
                tokens[start:start] = [random.choice(ODD_CHARACTERS)]
            case _:
                place = random.randint(0, len(tokens))
                tokens[start:end], tokens[place:place] = [], tokens[start:end]
