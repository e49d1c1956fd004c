"""The usual slips in writing an expression that is not in the grammar, and how to mend them."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from webhook.cel.lexer import END, FLOAT, IDENT, INT, STRING, Tokens
from webhook.cel.problems import Problem
from webhook.cel.source import NOWHERE, SourceError
from webhook.cel.syntax import RESERVED

_WORDS: Final = {"and": "&&", "AND": "&&", "And": "&&", "or": "||", "OR": "||", "Or": "||", "not": "!", "NOT": "!"}
_PATTERN_MATCH = re.compile(r"""=~\s*("[^"]*"|'[^']*')""")
_DOUBLED: Final = {"=": "==", "&": "&&", "|": "||"}
_CLOSERS: Final = {"(": ")", "[": "]", "{": "}"}
_CURLY_QUOTES: Final = re.compile("[\u2018\u2019\u201c\u201d\u00ab\u00bb]")
_BAD_ESCAPE: Final = re.compile(r"^[bB]?(['\"])")
_SUFFIX: Final = re.compile(r"(?:[kKMGTPEmun]i?B?|[KMGTPE]iB?)\b")
_KEY_IN_HAS: Final = re.compile(r"\[\s*(['\"])(?P<name>[A-Za-z_][A-Za-z0-9_]*)\1\s*\]\)")
_MOST: Final = 10
_KEYWORDS: Final = ("in", "true", "false", "null")


def find_mistakes(text: str, tokens: Tokens, errors: list[SourceError]) -> list[Problem]:
    """What is wrong with a text that has syntax errors, at least one problem; known slips first."""
    detectors = (_characters, _quotes, _doubled_operators, _words, _units, _fields, _separators, _lists)
    found = list(islice((problem for detect in detectors for problem in detect(text, tokens)), _MOST))
    if not found:
        found = list(_brackets(text, tokens))
    return found or [_misfit(text, tokens, error) for error in errors[:1]]


def _piece(text: str, tokens: Tokens, index: int) -> str:
    return text[tokens.starts[index] : tokens.ends[index]]


def _characters(text: str, _: Tokens) -> Iterator[Problem]:
    """Quotation marks from a word processor."""
    marks = list(_CURLY_QUOTES.finditer(text))
    if marks:
        changes = tuple((mark.start(), mark.end(), "'") for mark in marks)
        first = marks[0]
        yield Problem(
            f"'{first[0]}' is not a quotation mark of CEL",
            first.start(),
            first.end(),
            "use straight quotation marks: 'text' or \"text\"",
            changes,
        )


def _quotes(text: str, tokens: Tokens) -> Iterator[Problem]:
    """Strings that do not end, or hold an escape that CEL does not know."""
    if _CURLY_QUOTES.search(text):
        return
    opened = False
    for start, end in tokens.errors:
        piece = text[start:end]
        match = _BAD_ESCAPE.match(piece)
        if match is None or opened:
            continue
        opened = True
        quote = match[1]
        close = _closing(text, end - 1, quote)
        if len(piece) > 1 and "\\" in piece[-2:] and close is not None:
            escape = piece[piece.rindex("\\") :]
            yield Problem(
                f"'{escape}' is not an escape that a string may have",
                end - len(escape),
                end,
                f"write it as a raw string, in which a backslash is only a backslash: r{text[start : close + 1]}",
                ((start, start, "r"),),
            )
        else:
            fix = f"close it with {quote}"
            yield Problem("the string is not closed", start, end, fix, ((len(text), len(text), quote),))


def _closing(text: str, position: int, quote: str) -> int | None:
    """Where the string ends in which the position is, backslashes taken as they are."""
    while position < len(text) and text[position] not in "\r\n":
        if text[position] == quote:
            return position
        position += 1
    return None


def _doubled_operators(text: str, tokens: Tokens) -> Iterator[Problem]:
    """`=`, `&`, `|`, `===`, `<>`, `=>`."""
    for start, end in tokens.errors:
        sign = text[start]
        if sign not in _DOUBLED:
            continue
        right = _DOUBLED[sign]
        before = text[start - 2 : start]
        if sign == "=" and before in ("==", "!="):
            yield Problem(
                f"'{before}=' is not an operator", start - 2, start + 1, f"use `{before}`", ((start, start + 1, ""),)
            )
        elif sign == "=" and text[start:end] in ("=>", "=<"):
            right = "<=" if text[start:end] == "=<" else ">="
            yield Problem(
                f"'{text[start:end]}' is not an operator", start, end, f"use `{right}`", ((start, end, right),)
            )
        elif sign == "=" and (pattern := _PATTERN_MATCH.match(text, start)):
            called = f".matches({pattern[1]})"
            yield Problem(
                "`=~` is not an operator",
                start,
                start + 2,
                f"write {called}",
                ((len(text[:start].rstrip()), pattern.end(), called),),
            )
        else:
            what = "does not compare" if sign == "=" else "does not join conditions"
            yield Problem(f"`{sign}` {what}", start, start + 1, f"use `{right}`", ((start, start + 1, right),))
    for index, kind in enumerate(tokens.kinds[:-1]):
        start = tokens.starts[index]
        if kind == "<" and tokens.kinds[index + 1] == ">" and tokens.starts[index + 1] == start + 1:
            yield Problem("'<>' is not an operator", start, start + 2, "use `!=`", ((start, start + 2, "!="),))


def _words(text: str, tokens: Tokens) -> Iterator[Problem]:
    """`and`, `or`, `not` between and before operands."""
    for index, kind in enumerate(tokens.kinds):
        word = _piece(text, tokens, index)
        if kind != IDENT or word not in _WORDS:
            continue
        before = tokens.kinds[index - 1] if index else ""
        after = tokens.kinds[index + 1]
        ends_operand = before in (IDENT, STRING, INT, FLOAT, ")", "]", "}", "true", "false")
        if before != "." and (ends_operand or _WORDS[word] == "!") and after not in (".", "(", "==", "!=", END):
            start, end = tokens.starts[index], tokens.ends[index]
            sign = _WORDS[word]
            spaced = end + 1 if sign == "!" and text[end : end + 1] == " " else end
            yield Problem(f"`{word}` is not an operator", start, end, f"use `{sign}`", ((start, spaced, sign),))


def _units(text: str, tokens: Tokens) -> Iterator[Problem]:
    """`40Gi` without quotes."""
    for index, kind in enumerate(tokens.kinds[:-1]):
        end = tokens.ends[index]
        if kind in (INT, FLOAT) and tokens.kinds[index + 1] == IDENT and tokens.starts[index + 1] == end:
            start, stop = tokens.starts[index], tokens.ends[index + 1]
            amount = text[start:stop]
            if not _SUFFIX.fullmatch(_piece(text, tokens, index + 1)):
                continue
            called = tokens.kinds[index - 1] == "(" and index > 1 and _piece(text, tokens, index - 2) == "quantity"
            quoted = f"'{amount}'" if called else f"quantity('{amount}')"
            yield Problem(
                f"the quantity {amount} must be written as a string",
                start,
                stop,
                f"write {quoted}",
                ((start, stop, quoted),),
            )


def _fields(text: str, tokens: Tokens) -> Iterator[Problem]:
    """Fields that are words of the language, and `?.`."""
    for index in range(len(tokens.kinds) - 1):
        kind, after = tokens.kinds[index : index + 2]
        if kind == "." and after in _KEYWORDS:
            start, end = tokens.starts[index], tokens.ends[index + 1]
            name = _piece(text, tokens, index + 1)
            indexed = f"['{name}']"
            yield Problem(
                f"`{name}` is a word of the language and cannot follow a dot",
                tokens.starts[index + 1],
                end,
                f"write it as a key: {indexed}",
                ((start, end, indexed),),
            )
        elif kind == "?" and after == "." and tokens.starts[index + 1] == tokens.ends[index]:
            start, end = tokens.starts[index], tokens.ends[index + 1]
            yield Problem(
                "'?.' is not an operator", start, end, "use `.?` for a field that may be absent", ((start, end, ".?"),)
            )


def _separators(text: str, tokens: Tokens) -> Iterator[Problem]:
    """A semicolon at the end, a comma twice or before a closing parenthesis."""
    for start, end in tokens.errors:
        if text[start:end] == ";" and not text[end:].strip():
            yield Problem("';' does not end an expression", start, end, "leave it out", ((start, end, ""),))
    for index in range(1, len(tokens.kinds)):
        kind = tokens.kinds[index]
        if tokens.kinds[index - 1] == "," and kind in (",", ")"):
            start, end = tokens.starts[index - 1], tokens.ends[index - 1]
            yield Problem(
                f"nothing stands between ',' and '{kind}'", start, end, "leave the comma out", ((start, end, ""),)
            )


def _lists(text: str, tokens: Tokens) -> Iterator[Problem]:
    """`in ('a', 'b')` and `in {'a', 'b'}`."""
    kinds = tokens.kinds
    for index in range(len(kinds) - 1):
        if kinds[index] != "in" or kinds[index + 1] not in ("(", "{"):
            continue
        end = index + 2
        while kinds[end] in (STRING, INT, FLOAT, ",", "-"):
            end += 1
        if kinds[end] == _CLOSERS[kinds[index + 1]]:
            start, stop = tokens.starts[index + 1], tokens.ends[end]
            listed = f"[{text[start + 1 : stop - 1]}]"
            words = f"a list stands in square brackets, not in '{text[start]}{text[stop - 1]}'"
            yield Problem(words, start, stop, f"write {listed}", ((start, stop, listed),))


def _brackets(text: str, tokens: Tokens) -> Iterator[Problem]:
    """Brackets that do not close, or close nothing."""
    opened: list[tuple[str, int]] = []
    for index, kind in enumerate(tokens.kinds[:-1]):
        start = tokens.starts[index]
        if kind in _CLOSERS:
            opened.append((kind, start))
        elif kind in _CLOSERS.values():
            if opened and _CLOSERS[opened[-1][0]] == kind:
                opened.pop()
            elif not opened:
                yield Problem(f"'{kind}' closes nothing", start, start + 1, "leave it out", ((start, start + 1, ""),))
                return
            else:
                wanted = _CLOSERS[opened[-1][0]]
                place = opened[-1][1]
                message = f"'{opened[-1][0]}' is closed by '{kind}'"
                yield Problem(message, place, place + 1, f"put '{wanted}' before '{kind}'", ((start, start, wanted),))
                return
    if opened:
        place = opened[-1][1]
        key = _unclosed_key(tokens, place)
        if key is not None:
            yield Problem("'[' is not closed", place, place + 1, "add ']' behind the key", ((key, key, "]"),))
            return
        closers = "".join(_CLOSERS[kind] for kind, _ in reversed(opened))
        end = len(text.rstrip())
        yield Problem(f"'{opened[-1][0]}' is not closed", place, place + 1, f"add '{closers}'", ((end, end, closers),))


def _unclosed_key(tokens: Tokens, place: int) -> int | None:
    """Return where a key ends behind an open `[`: `device.attributes['gpu.example.com'.model`."""
    index = tokens.starts.index(place)
    if tokens.kinds[index + 1] == STRING and tokens.kinds[index + 2] == ".":
        return int(tokens.ends[index + 1])
    return None


def _misfit(text: str, tokens: Tokens, error: SourceError) -> Problem:
    """What the grammar did not expect, without a guess what was meant."""
    if error.pos == NOWHERE:
        return Problem("the expression nests too deep", 0, len(text), "split it, or use fewer brackets and operators")
    message = error.message
    start = max(error.pos, 0)
    reserved = message.removeprefix("reserved identifier: ")
    if reserved in RESERVED and reserved != message:
        fix = "choose another name; as a field it can be written as a key: ['name']"
        return Problem(f"`{reserved}` is a reserved word", start, start + len(reserved), fix)
    if not message.startswith("Syntax error: "):
        return _misused_macro(text, tokens, error)
    if "token recognition error" in message:
        end = next((stop for begin, stop in tokens.errors if begin == start), start + 1)
        return Problem(f"'{text[start:end]}' is not part of the language", start, end, "leave it out")
    index = next((i for i, begin in enumerate(tokens.starts) if begin == start), len(tokens.starts) - 1)
    if tokens.kinds[index] == END:
        last = tokens.kinds[index - 1] if index else ""
        if last in ("&&", "||"):
            begin, end = tokens.starts[index - 1], tokens.ends[index - 1]
            cut = len(text[:begin].rstrip())
            return Problem(f"nothing follows `{last}`", begin, end, "complete it, or leave it out", ((cut, end, ""),))
        if not text.strip():
            fix = "write a condition, such as device.driver == 'gpu.example.com', or leave the selector out"
            return Problem("the expression is empty", 0, len(text), fix)
        fix = "complete it with an operand or a bracket"
        return Problem("the expression ends too early", len(text.rstrip()) - 1, len(text), fix)
    piece = _piece(text, tokens, index)
    if "expecting <EOF>" in message:
        fix = "put an operator such as `&&` or `==` before it, or leave it out"
    else:
        fix = "an operand is missing before it" if "expecting {'['" in message else "check what stands before it"
    return Problem(f"'{piece}' is not expected here", start, tokens.ends[index], fix)


_MACRO_FIXES: Final = {
    "invalid argument to has() macro": (
        "has() must be given a field",
        "write has(device.attributes['domain'].name)",
    ),
    "argument must be a simple name": ("the variable must be a plain name", "write list.all(x, x > 1)"),
    "argument is not an identifier": ("the variable must be a plain name", "write list.map(x, x + 1)"),
    "iteration variable overwrites accumulator variable": ("the variable must have another name", "rename it"),
    "invalid int literal": ("the number must be within 64 bits", "use a smaller number"),
    "invalid uint literal": ("the number must be within 64 bits", "use a smaller number"),
    "invalid double literal": ("the number is too large", "use a smaller number"),
    "invalid unicode code point": ("the escape must name a character", "use a code below 10FFFF"),
    "unable to unescape string": ("bytes must not hold `\\u` escapes", "use `\\x` escapes"),
    "unsupported syntax: '`'": ("backquotes are known from Kubernetes 1.37 on", "write the field as a key: ['name']"),
}


def _misused_macro(text: str, tokens: Tokens, error: SourceError) -> Problem:
    start = max(error.pos, 0)
    index = next((i for i, begin in enumerate(tokens.starts) if begin == start), len(tokens.starts) - 1)
    end = max(tokens.ends[index], start + 1)
    words, fix = _MACRO_FIXES.get(error.message, ("the first argument must be a plain name", "use a plain name"))
    if error.message.startswith("duplicate variable name"):
        words, fix = "the two variables must have different names", "rename one of them"
    key = _KEY_IN_HAS.search(text, start) if error.message == "invalid argument to has() macro" else None
    if key is not None:
        named = f".{key['name']}"
        return Problem(words, start, min(end, len(text)), f"write {named}", ((key.start(), key.end() - 1, named),))
    return Problem(words, start, min(end, len(text)) or 1, fix)
