"""The text of an expression and places in it.

Positions are code points from 0, as cel-go counts them. Line and column exist only to print the API
server's own error text: lines from 1, columns from 0, a line ends at a line feed.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

from webhook.cel.syntax import Expr

NOWHERE: Final = -1  # the position of an error that belongs to no place; printed as line -1, column 0
BEFORE: Final = -2  # the position of a part that the parser could not name; printed as line 1, column 0
_WIDE_DOT: Final = "\uff0e"
_WIDE_CARET: Final = "\uff3e"
_LONGEST_SNIPPET: Final = 16_384  # bytes of a line that cel-go still prints under an error
_MOST_ERRORS: Final = 100


@dataclass(frozen=True, slots=True)
class SourceError:
    """One error in the API server's words, at a position of the source; the node is the one in error, if known."""

    pos: int
    message: str
    node: Expr | None = field(default=None, compare=False, repr=False)


def render_errors(text: str, errors: list[SourceError]) -> str:
    """The errors as cel-go prints them: sorted by place, each with its source line and a caret."""
    starts = [0]
    for index, character in enumerate(text):
        if character == "\n":
            starts.append(index + 1)
    placed = sorted((_locate(starts, error.pos, len(text)), index) for index, error in enumerate(errors[:_MOST_ERRORS]))
    blocks = [_render(text, starts, line, column, errors[index].message) for (line, column), index in placed]
    if len(errors) > _MOST_ERRORS:
        blocks.append(f"{len(errors) - _MOST_ERRORS} more errors were truncated")
    return "\n".join(blocks)


def _locate(starts: list[int], pos: int, length: int) -> tuple[int, int]:
    if pos == NOWHERE:
        return -1, -1
    if not length or pos == BEFORE:
        return 1, -1  # cel-go prints column 0 for an empty text
    line = bisect_right(starts, pos)
    return line, pos - starts[line - 1]


def _render(text: str, starts: list[int], line: int, column: int, message: str) -> str:
    head = f"ERROR: <input>:{line}:{column + 1}: {message}"
    if line < 1 or not text:
        return head
    end = starts[line] - 1 if line < len(starts) else len(text)
    snippet = text[starts[line - 1] : end]
    if len(snippet.encode("utf-8", "replace")) > _LONGEST_SNIPPET:
        return head
    snippet = snippet.replace("\t", " ")
    at = max(column, 0)
    dots = "".join("." if ord(character) < 0x80 else _WIDE_DOT for character in snippet[:at])
    caret = _WIDE_CARET if snippet[at : at + 1] >= "\x80" else "^"
    return f"{head}\n | {snippet}\n | {dots}{caret}"
