"""Text to tokens, exactly as the lexer that cel-go generates from its grammar."""

import re
from functools import cache
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
# Pieces that tile the text. The longest match wins; the alternatives are ordered so that the first that matches is
# the longest, and the frequent ones come first. A name before a quote may be the prefix of a string.
_PIECES = re.compile(
    rf"""
    [A-Za-z_][A-Za-z0-9_]*+(?!["']) | [ \t\r\n\f]++ | [\[\](){{}},:?+*%\-] | \.(?![0-9])
  | {_QUOTED}
  | ==? | && | \|\| | != | <=? | >=? | ! | //[^\n]*+ | /
  | [bB](?:{_QUOTED})
  | [0-9]++\.[0-9]++(?:{_EXPONENT})?+ | [0-9]++{_EXPONENT} | \.[0-9]++(?:{_EXPONENT})?+
  | 0x[0-9a-fA-F]++[uU] | [0-9]++[uU] | 0x[0-9a-fA-F]++ | [0-9]++
  | [A-Za-z_][A-Za-z0-9_]*+ | `[A-Za-z0-9_.\-/\ ]++` | (?s:.)
    """,
    re.VERBOSE,
)
_OPERATORS: Final = (*"[](){},:?+*%-.<>!/", "==", "&&", "||", "!=", "<=", ">=")
_WHOLE: Final = {word: word for word in (*_OPERATORS, "true", "false", "null", "in")}
_QUOTES: Final = "'\""
_SKIPPED: Final = ""
_WRONG: Final = "wrong"
# The kind of a piece by its first character, where that alone tells.
_BY_FIRST: Final = {
    **dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_", IDENT),
    **dict.fromkeys(" \t\r\n\f/", _SKIPPED),
    **dict.fromkeys(_QUOTES, STRING),
}


class Tokens:
    """Parallel lists, the end token last. A kind is the operator itself, a keyword, or a name above.

    `errors` holds the spans of text that no token begins with; the tokens are those around them.
    """

    __slots__ = ("_ends", "errors", "kinds", "pieces", "starts")

    def __init__(self, kinds: list[str], starts: list[int], pieces: list[str], errors: list[tuple[int, int]]) -> None:
        self.kinds = kinds
        self.starts = starts
        self.pieces = pieces
        self.errors = errors
        self._ends: list[int] | None = None

    @property
    def ends(self) -> list[int]:
        """Where each token ends."""
        if self._ends is None:
            self._ends = [start + len(piece) for start, piece in zip(self.starts, self.pieces, strict=True)]
        return self._ends


def tokenize(text: str) -> Tokens:
    """All tokens of the text; never fails."""
    kinds: list[str] = []
    starts: list[int] = []
    pieces: list[str] = []
    errors: list[tuple[int, int]] = []
    position = 0
    while position < len(text):
        # All at once, but after an error one by one, as many may follow.
        found = (match[0] for match in _PIECES.finditer(text, position)) if errors else _PIECES.findall(text)
        for piece in found:
            kind = _WHOLE.get(piece)
            if kind is None:
                kind = _BY_FIRST.get(piece[0])
                if kind is None or (piece[-1] in _QUOTES and (kind is IDENT or len(piece) == 1)):
                    kind = _kind(piece)
            if kind:
                if kind is _WRONG:
                    end = _give_up(text, position)
                    errors.append((position, end))
                    position = end
                    break
                kinds.append(kind)
                starts.append(position)
                pieces.append(piece)
            position += len(piece)
    kinds.append(END)
    starts.append(position)
    pieces.append("")
    return Tokens(kinds, starts, pieces, errors)


def _kind(piece: str) -> str:
    """The kind of a piece whose first character does not tell it."""
    first = piece[0]
    if piece[-1] in _QUOTES and len(piece) > 1:
        return BYTES if first in "bB" else STRING
    if first in "0123456789.":
        if piece[-1] in "uU":
            return UINT
        return INT if piece.isdecimal() or piece.startswith("0x") else FLOAT
    return ESCAPED_IDENT if first == "`" and len(piece) > 1 else _WRONG


def _give_up(text: str, start: int) -> int:
    """Where the lexer goes on after it could not make a token: past the character that stopped it."""
    match = _unfinished().match(text, start)
    return min((match.end() if match else start) + 1, len(text))


@cache
def _unfinished() -> re.Pattern[str]:
    """How far the generated lexer reads into a token that it then gives up: it skips what it has read."""
    escape = r"\\(?:[xX][0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7}|[0-3][0-7]?)?"
    return re.compile(
        rf"""
        [bB]?(?:"(?:[^\\"\n\r]++|{_ESCAPE})*+(?:{escape})?
              | '(?:[^\\'\n\r]++|{_ESCAPE})*+(?:{escape})?)
      | `[A-Za-z0-9_.\-/\ ]*+
      | [&|=]
        """,
        re.VERBOSE,
    )
