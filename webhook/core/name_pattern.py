"""Patterns for whole names, matched by RE2: no name can make them slow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import re2

from webhook.core.fieldpath import FieldPath
from webhook.core.raw import Reader

_PATTERN_BYTES = 1 << 20
_MOST_PATTERN = 1024
_MOST_KEPT = 320
"""The longest text whose answer is kept: the longest name of a label, annotation or resource (qualified name)."""


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A pattern that a whole name matches."""

    source: str
    compiled: Any = field(compare=False, repr=False)

    def groups(self) -> frozenset[str]:
        return frozenset(self.compiled.groupindex)

    def accepts(self, text: str) -> bool:
        """Return whether the pattern matches the whole text; of texts of usual length the answer is kept."""
        return _accepts(self, text) if len(text) <= _MOST_KEPT else self.compiled.fullmatch(text) is not None

    def match(self, name: str) -> Mapping[str, str] | None:
        """Return what the named groups captured; None where the pattern does not match the whole name."""
        found = self.compiled.fullmatch(name)
        return None if found is None else {key: text or "" for key, text in found.groupdict().items()}


@lru_cache(maxsize=4096)
def _accepts(pattern: NamePattern, text: str) -> bool:
    return pattern.compiled.fullmatch(text) is not None


def parse_pattern(source: str, path: FieldPath, reader: Reader) -> NamePattern | None:
    """Return the pattern; None where it is none, which the reader notes."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_BYTES
    if len(source) > _MOST_PATTERN:
        reader.note(path, f"must be at most {_MOST_PATTERN} characters long")
        return None
    try:
        return NamePattern(source, re2.compile(source, options=options))
    except re2.error as error:
        reader.note(path, f"must be an RE2 pattern: {_words(error)}")
        return None


def _words(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
