"""`drawbridge check --fix`: the files as the fixes of their findings leave them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from webhook.core.finding import Edit, Finding
from webhook.kube.fixing import TextChange, edits_of, fixed_text
from webhook.kube.inputs import STDIN_NAME, Source
from webhook.kube.manifests import Document

if TYPE_CHECKING:
    from webhook.cli.check import Run

_MOST_ROUNDS = 5


def fixed(run: "Run", judged: Callable[[tuple[Source, ...]], "Run"]) -> tuple[tuple[TextChange, ...], "Run"]:
    """Return the files as all fixes leave them, and what is found in them then.

    What is mended may bring to light what was hidden: a field at its place is read, and judged in its turn.
    """
    before = dict(run.sources)
    made: Counter[str] = Counter()
    for _ in range(_MOST_ROUNDS):
        changed = {change.file: change for change in _fixed(run) if change.edits}
        if not changed:
            break
        made.update({file: change.edits for file, change in changed.items()})
        sources = (
            (file, changed[file].after.encode() if file in changed else content) for file, content in run.sources
        )
        run = judged(tuple(sources))
    touched = [(file, content) for file, content in run.sources if made[file] or file == STDIN_NAME]
    changes = (TextChange(file, before[file].decode(), content.decode(), made[file]) for file, content in touched)
    return tuple(changes), run


def _fixed(run: "Run") -> Iterator[TextChange]:
    """Yield each file of which something can be mended, with the edits of its findings made."""
    found: dict[int, list[Finding]] = {}
    for entry in run.checked.placed:
        found.setdefault(id(entry.raw), []).append(entry.finding)
    by_file: dict[str, list[tuple[Document, tuple[Edit, ...]]]] = {}
    for document in run.documents:
        edits = edits_of(found.get(id(document.raw), ()))
        if edits:
            by_file.setdefault(document.file, []).append((document, edits))
    texts = dict(run.sources)
    for file, edits_in_file in by_file.items():
        yield fixed_text(file, texts[file].decode(), edits_in_file)


def told_of(changes: Sequence[TextChange]) -> str:
    edits = sum(change.edits for change in changes)
    files = sum(change.before != change.after for change in changes)
    return f"drawbridge: {edits} edit{'s' * (edits != 1)} made in {files} file{'s' * (files != 1)}"
