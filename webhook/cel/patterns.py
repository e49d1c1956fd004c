"""Whether Go's regexp package accepts a pattern. RE2 decides; the words and the few differences are Go's."""

import re
from functools import lru_cache
from typing import Final

import re2

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_DEEPEST: Final = 1000  # of a parsed pattern in Go; RE2 has no such limit
_QUOTED: Final = re.compile(r"\\Q.*?(?:\\E|$)", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_WORDS: Final = {
    "no argument for repetition operator": "missing argument to repetition operator",
    "trailing \\": "trailing backslash at end of expression",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid named capture group": "invalid named capture",
}


@lru_cache(maxsize=256)
def pattern_error(pattern: str) -> str:
    """What Go says about the pattern, or an empty string if it is fine."""
    if any(match[1] == "C" for match in _ESCAPE.finditer(_QUOTED.sub("", pattern))):
        return "error parsing regexp: invalid escape sequence: `\\C`"
    if pattern.count("(") >= _DEEPEST and _depth(pattern) >= _DEEPEST:
        return f"error parsing regexp: expression nests too deeply: `{pattern}`"
    try:
        re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        words = error.args[0]
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        if text.startswith("pattern too large"):
            return ""  # Go takes larger programs than RE2 does
        return f"error parsing regexp: {_in_go_words(text)}"
    return ""


def _depth(pattern: str) -> int:
    """How deep capturing groups nest."""
    depth = deepest = 0
    for character in _ESCAPE.sub("", _QUOTED.sub("", pattern)):
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest


def _in_go_words(text: str) -> str:
    problem, colon, about = text.partition(": ")
    if problem in ("missing ]", "missing )"):
        problem = problem.replace("missing", "missing closing")
    return f"{_WORDS.get(problem, problem)}: `{about if colon else ''}`"
