"""Applies the edits of findings to the files that they were found in, comments and formatting kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import yaml

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Edit, Finding, Severity
from webhook.core.mending import edited
from webhook.kube.manifests import Document, parts_of
from webhook.kube.yaml_edit import edit
from webhook.kube.yaml_values import values_of


@dataclass(frozen=True, slots=True)
class TextChange:
    """A file's text before and after, and how many edits lie between."""

    file: str
    before: str
    after: str
    edits: int


def edits_of(findings: Iterable[Finding]) -> tuple[Edit, ...]:
    """Return the first fixes that a program can apply, of what is refused or warned of.

    A fix that sets what lies in, around or at the place of another one is left for the next round.
    """
    chosen: dict[FieldPath, Edit] = {}
    for finding in findings:
        edits = finding.fixes[0].edits if finding.fixes and finding.severity is not Severity.INFO else ()
        if not any(_clash(edit, other) for edit in edits for other in chosen.values()):
            chosen.update({edit.path: edit for edit in edits})
    return tuple(chosen.values())


def _clash(edit: Edit, other: Edit) -> bool:
    if edit.path == other.path:
        return edit.value != other.value
    one, two = edit.path.steps, other.path.steps
    shared = min(len(one), len(two))
    return one[:shared] == two[:shared]


def fixed_text(file: str, text: str, edits: Iterable[tuple[Document, Sequence[Edit]]]) -> TextChange:
    """Return the file's text with the edits made; a document that cannot be changed in place stays as it is."""
    by_line: dict[int, list[Edit]] = {}
    for document, wanted in edits:
        placed = (Edit(FieldPath((*document.at.steps, *each.path.steps)), each.value) for each in wanted)
        by_line.setdefault(document.line, []).extend(placed)
    pieces, made = [], 0
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    for part, line in parts_of(text.removeprefix(mark)):
        piece, done = _fixed_part(part, by_line.get(line, ()))
        pieces.append(piece)
        made += done
    return TextChange(file, text, mark + "".join(pieces), made)


def _fixed_part(part: str, edits: Sequence[Edit]) -> tuple[str, int]:
    if not edits:
        return part, 0
    value, *others = values_of(part)
    if others:
        return part, 0
    after, made = edited(value, edits)
    text = edit_in_place(part, value, after) if made else None
    return (part, 0) if text is None else (text, made)


def edit_in_place(part: str, before: object, after: object) -> str | None:
    """Return the document's text changed so that it reads as `after`; None where it must be written anew."""
    try:
        text = edit(part, before, after)
        return text if list(values_of(text)) == [after] else None
    except (yaml.YAMLError, ValueError):
        return None  # libyaml has read what the parser in Python does not
