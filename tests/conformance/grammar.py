"""Expressions directed by the grammar alone: any construct in any place, whatever the types."""

from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_LITERALS = (
    *_words(r"""0 1 42 -1 0x1f 0XAB 1u 2U 0xFFu 1.5 .5 1e3 1.5E-3 1. 007 9223372036854775808 true false null"""),
    *_words(r"""'a' "b" '''c'd''' r'\d' R"\"" '\x41' '\u00e9' '\U0001F600' '\101' '\d' '\?' 'é漢😀' '\\' ''"""),
    *_words(r"""b'x' B"\xff" br'\x' rb'\x' b'\377'"""),
    '"""e\nf"""',
    "'\t'",
)
_NAMES = (
    *("device", "device.driver", "device.attributes", "device.capacity") * 2,
    *_words("x int string bool list map type dyn optional cel google timestamp format net kubernetes"),
    *_words("in if __result__ _a1 .device"),
)
_FIELDS = _words("driver attributes capacity type memory a size value `a.b` `if` for none `é` in")
_FUNCTIONS = (
    *_words("size string int dyn type has duration quantity semver matches nosuch ip bool .size"),
    *_words("optional.of optional.none lists.range cel.bind strings.quote sets.contains google.protobuf.Duration"),
)
_METHODS = (
    *_words("all exists map filter exists_one existsOne sortBy transformList transformMap transformMapEntry"),
    *_words("optMap optFlatMap or orValue value hasValue first unwrapOpt bind nosuch format matches"),
    *_words("size contains startsWith split join compareTo isSorted lowerAscii distinct flatten getHours sum reverse"),
)
_MESSAGES = (
    *(f"google.protobuf.{name}" for name in _words("Duration Timestamp BoolValue Int64Value StringValue DoubleValue")),
    *(f"google.protobuf.{name}" for name in _words("BytesValue Struct Value ListValue Any Empty")),
    *_words("kubernetes.DRADevice .google.protobuf.UInt32Value list nosuch.Type"),
)
_MEMBERS = _words("value seconds nanos fields values string_value nosuch number_value null_value list_value driver")
_BINARY = _words("== != < <= > >= && || + - * / % in && || ==")
_SPACE = (" ", " ", " ", " ", "", "\n", "\t", " // note\n", "  ", "\r\n", "\f")


class Grammar:
    """Random text that follows the grammar."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def expression(self, depth: int) -> str:
        """Return an expression with so many levels at most."""
        pick = self._random.choice
        if depth <= 0:
            return pick(_LITERALS) if self._random.random() < 0.6 else pick(_NAMES)
        space = pick(_SPACE)
        match self._random.randrange(12):
            case 0 | 1 | 2:
                operator = pick(_BINARY)
                around = space or (" " if operator == "in" else "")
                return f"{self.expression(depth - 1)}{around}{operator}{around}{self.expression(depth - 1)}"
            case 3:
                parts = [self.expression(depth - 1) for _ in range(3)]
                return f"{parts[0]}{space}?{space}{parts[1]}{space}:{space}{parts[2]}"
            case 4:
                return f"{pick(('!', '-', '!!', '--', '- '))}{self.expression(depth - 1)}"
            case 5:
                return f"({space}{self.expression(depth - 1)}{space})"
            case 6:
                return f"{self.expression(depth - 1)}.{pick(('', '', '?'))}{pick(_FIELDS)}"
            case 7:
                return f"{self.expression(depth - 1)}[{pick(('', '', '?'))}{self.expression(depth - 1)}]"
            case 8:
                return f"{pick(_FUNCTIONS)}({self._several(depth - 1, ('', ''))})"
            case 9:
                variables = pick(("", "", "x, ", "x, y, "))
                return f"{self.expression(depth - 1)}.{pick(_METHODS)}({variables}{self._several(depth - 1, ('', ''))})"
            case 10:
                return f"[{self._several(depth - 1, ('', '', '?'))}{pick(('', '', ','))}]"
            case _:
                return self._braces(depth - 1)

    def _several(self, depth: int, marks: tuple[str, ...]) -> str:
        pick = self._random.choice
        return ", ".join(pick(marks) + self.expression(depth) for _ in range(pick((0, 1, 1, 2, 2, 3))))

    def _braces(self, depth: int) -> str:
        """A map, or a message."""
        pick = self._random.choice
        message = pick(_MESSAGES) if self._random.random() < 0.5 else ""
        entries = []
        for _ in range(pick((0, 1, 1, 2))):
            key = pick(_MEMBERS) if message else self.expression(depth)
            entries.append(f"{pick(('', '', '', '?'))}{key}: {self.expression(depth)}")
        return f"{message}{{{', '.join(entries)}{pick(('', '', ','))}}}"
