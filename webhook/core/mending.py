"""Composes the fixes of all findings on one field into one edit (contract 3)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Edit, Finding, Replacement
from webhook.core.patch import Operation, PatchError, apply


def mended(findings: Iterable[Finding]) -> Mapping[FieldPath, str]:
    """Return, for each field whose every finding has a first fix as replacements, its text with all of them applied.

    A field with a finding that cannot be mended so, or with fixes that overlap, is left out.
    """
    by_field: dict[FieldPath, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.span is not None:
            by_field[finding.path].append(finding)
    texts = {}
    for path, together in by_field.items():
        text = _text_with_all(together)
        if text is not None:
            texts[path] = text
    return texts


def _text_with_all(findings: Sequence[Finding]) -> str | None:
    wanted: dict[Replacement, None] = {}
    for finding in findings:
        first = finding.fixes[0].replacements if finding.fixes else ()
        if not first:
            return None
        wanted.update(dict.fromkeys(first))
    return replaced(findings[0].source, wanted)


def replaced(text: str, replacements: Iterable[Replacement]) -> str | None:
    """Return the text with every replacement made; None where two of them overlap."""
    end = len(text)
    for change in sorted(replacements, key=lambda change: change.span.start, reverse=True):
        if change.span.end > end:
            return None
        text = text[: change.span.start] + change.text + text[change.span.end :]
        end = change.span.start
    return text


def edited(raw: Any, edits: Iterable[Edit]) -> tuple[Any, int]:
    """Return the object with the edits made, and how many fitted; one whose place is not there is passed over."""
    values = {edit.path: edit.value for edit in edits}
    made = 0
    # What goes is taken last and from behind, so that the indices of the others still hold.
    for path in sorted(sorted(values, key=FieldPath.order, reverse=True), key=lambda path: values[path] is None):
        value = values[path]
        named = "replace" if isinstance(path.steps[-1], int) else "add"
        try:
            raw = apply(raw, (Operation("remove" if value is None else named, path.pointer(), value),))
        except PatchError:
            continue
        made += 1
    return raw, made
