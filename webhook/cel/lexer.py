"""Text to tokens, exactly as the lexer that cel-go generates from its grammar."""

import re
from dataclasses import dataclass
from typing import Final

IDENT: Final = "IDENTIFIER"
ESCAPED_IDENT: Final = "ESC_IDENTIFIER"
STRING: Final = "STRING"
BYTES: Final = "BYTES"
FLOAT: Final = "NUM_FLOAT"
UINT: Final = "NUM_UINT"
INT: Final = "NUM_INT"
END: Final = "<EOF>"

_ESCAPE = r"""\\(?:[abfnrtv"'\\?`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7][0-7])"""
_EXPONENT = r"[eE][+-]?[0-9]++"
_QUOTED = rf"""
    \"\"\"(?:[^\\]|{_ESCAPE})*?\"\"\" | '''(?:[^\\]|{_ESCAPE})*?'''
  | "(?:[^\\"\n\r]++|{_ESCAPE})*+" | '(?:[^\\'\n\r]++|{_ESCAPE})*+'
  | [rR](?:\"\"\"(?s:.)*?\"\"\" | '''(?s:.)*?''' | "[^"\n\r]*+" | '[^'\n\r]*+')
"""
# The longest match wins; the alternatives are ordered so that the first that matches is the longest,
# and the frequent ones come first. A name before a quote may be the prefix of a string.
_TOKEN = re.compile(
    rf"""
    (?:[ \t\r\n\f]++|//[^\n]*+)*+
    (?:
        ([\[\](){{}},:?+*/%\-] | \.(?![0-9]) | == | != | <=? | >=? | && | \|\| | !)
      | ([A-Za-z_][A-Za-z0-9_]*+)(?!["'])
      | ({_QUOTED})
      | ([bB](?:{_QUOTED}))
      | ([0-9]++\.[0-9]++(?:{_EXPONENT})?+ | [0-9]++{_EXPONENT} | \.[0-9]++(?:{_EXPONENT})?+)
      | (0x[0-9a-fA-F]++[uU] | [0-9]++[uU])
      | (0x[0-9a-fA-F]++ | [0-9]++)
      | ([A-Za-z_][A-Za-z0-9_]*+)
      | (`[A-Za-z0-9_.\-/\ ]++`)
      | (\Z)
      | ((?s:.))
    )
    """,
    re.VERBOSE,
)
_OPERATOR_GROUP: Final = 1
_NAME_GROUPS: Final = (2, 8)
_END_GROUP: Final = 10
_ERROR_GROUP: Final = 11
_KINDS: Final = ("", "", IDENT, STRING, BYTES, FLOAT, UINT, INT, IDENT, ESCAPED_IDENT, END)
_KEYWORDS: Final = {"true": "true", "false": "false", "null": "null", "in": "in"}

# How far the generated lexer reads into a token that it then gives up: it skips what it has read.
_UNFINISHED_ESCAPE = r"\\(?:[xX][0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7}|[0-3][0-7]?)?"
_UNFINISHED = re.compile(
    rf"""
    [bB]?(?:"(?:[^\\"\n\r]++|{_ESCAPE})*+(?:{_UNFINISHED_ESCAPE})?
          | '(?:[^\\'\n\r]++|{_ESCAPE})*+(?:{_UNFINISHED_ESCAPE})?)
  | `[A-Za-z0-9_.\-/\ ]*+
  | [&|=]
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Parallel sequences, the end token last. A kind is the operator itself, a keyword, or a name above.

    `errors` holds the spans of text that no token begins with; the tokens are those around them.
    """

    kinds: list[str]
    starts: list[int]
    ends: list[int]
    errors: list[tuple[int, int]]


def tokenize(text: str) -> Tokens:
    """All tokens of the text; never fails."""
    kinds: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    errors: list[tuple[int, int]] = []
    position = 0
    while True:
        for match in _TOKEN.finditer(text, position):
            group = match.lastindex
            assert group is not None
            start, end = match.span(group)
            if group == _OPERATOR_GROUP:
                kinds.append(match[group])
            elif group in _NAME_GROUPS:
                kinds.append(_KEYWORDS.get(match[group], IDENT))
            elif group == _ERROR_GROUP:
                position = _give_up(text, start)
                errors.append((start, position))
                break
            else:
                kinds.append(_KINDS[group])
            starts.append(start)
            ends.append(end)
            if group == _END_GROUP:
                return Tokens(kinds, starts, ends, errors)


def _give_up(text: str, start: int) -> int:
    """Where the lexer goes on after it could not make a token: past the character that stopped it."""
    match = _UNFINISHED.match(text, start)
    return min((match.end() if match else start) + 1, len(text))
