"""Selectors with placeholders: `device.attributes['gpu.nvidia.com'].profile == '{profile}'` (contract 1).

A placeholder stands inside a CEL string literal, and what replaces it is escaped as content of that literal: text
from a pod can therefore never become code. Anywhere else a placeholder is refused.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

_QUOTED = r"""
    \"{3} (?: \\. | [^\\] )*? \"{3} | '{3} (?: \\. | [^\\] )*? '{3}
  | " (?: \\. | [^"\\\n] )* " | ' (?: \\. | [^'\\\n] )* '
"""
_RAW = r"""\"{3} .*? \"{3} | '{3} .*? '{3} | " [^"\n]* " | ' [^'\n]* '"""
_TOKEN = re.compile(
    rf"""
    (?P<text> {_QUOTED} )
  | (?: [bB]? [rR] | [rR] [bB] ) (?: {_RAW} )
  | [bB] (?: {_QUOTED} )
  | // [^\n]*
  | \w+
  | .
    """,
    re.VERBOSE | re.DOTALL,
)
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ESCAPES = {"\\": "\\\\", "'": "\\'", '"': '\\"', "`": "\\`", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Placeholder:
    name: str


@dataclass(frozen=True, slots=True)
class SelectorTemplate:
    """An expression cut at its placeholders."""

    parts: tuple[str | Placeholder, ...]

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the expression with each placeholder's value as content of its string literal."""
        return "".join(part if isinstance(part, str) else escaped(values[part.name]) for part in self.parts)


def escaped(text: str) -> str:
    """Return the text as it stands inside a CEL string literal, whichever quotes it has."""
    return "".join(_escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"


def parse_selector_template(source: str, known: Collection[str]) -> tuple[SelectorTemplate | None, tuple[str, ...]]:
    """Return the template, or None and what is wrong with it; `known` are the names that have a value."""
    parts: list[str | Placeholder] = []
    problems: list[str] = []
    for piece, fillable in _pieces(source):
        after = 0
        for found in _PLACEHOLDER.finditer(piece):
            name = found.group(1)
            if not fillable:
                problems.append(f"placeholder '{{{name}}}' must stand inside a string literal that is not raw or bytes")
            elif name not in known:
                problems.append(_unknown(name, known))
            parts += [piece[after : found.start()], Placeholder(name)]
            after = found.end()
        parts.append(piece[after:])
    if problems:
        return None, tuple(problems)
    return SelectorTemplate(tuple(part for part in parts if part != "")), ()


def _unknown(name: str, known: Collection[str]) -> str:
    if not known:
        return f"placeholder '{{{name}}}' has no value: the name must be a pattern with a group of that name"
    listed = ", ".join(f"'{{{other}}}'" for other in sorted(known))
    return f"placeholder '{{{name}}}' has no value; there are {listed}"


def _pieces(source: str) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of an expression in order, and whether each is text that placeholders may stand in."""
    code: list[str] = []
    for token in _TOKEN.finditer(source):
        if token.lastgroup == "text":
            yield "".join(code), False
            code.clear()
            yield token.group(), True
        else:
            code.append(token.group())
    yield "".join(code), False
