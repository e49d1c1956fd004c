"""The manifests that a command is given: files, folders and standard input, Lists taken apart."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Span
from webhook.core.raw import RawObject
from webhook.kube.manifests import Document, Position, Problem, read_documents

STDIN = "-"
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file; `root` is where it stands in its document (in a List: `items[i]`)."""

    document: Document
    raw: RawObject
    root: FieldPath

    def position(self, path: FieldPath, span: Span | None = None) -> Position:
        return self.document.position(FieldPath(self.root.steps + path.steps), span)


def read_inputs(names: Iterable[str]) -> Iterator[Manifest | Problem]:
    """Yield the manifests of files, of folders (recursively) and of standard input (`-`); what is broken as Problems.

    FileNotFoundError, or another OSError, where a name leads nowhere: that is a wrong call, not a wrong manifest.
    """
    for name in names:
        if name == STDIN:
            yield from _manifests(sys.stdin.buffer.read(), "<stdin>")
        elif (path := Path(name)).is_dir():
            for file in sorted(f for f in path.rglob("*") if f.suffix in _SUFFIXES and f.is_file()):
                yield from _manifests(file.read_bytes(), str(file))
        else:
            yield from _manifests(path.read_bytes(), name)


def _manifests(content: bytes, file: str) -> Iterator[Manifest | Problem]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield Problem(file, Position(content[: error.start].count(b"\n") + 1, 1), "is not UTF-8")
        return
    for document in read_documents(text, file):
        if isinstance(document, Problem):
            yield document
        else:
            yield from _objects(document)


def _objects(document: Document) -> Iterator[Manifest | Problem]:
    content = document.content
    if not isinstance(content, dict):
        yield Problem(document.file, document.position(ROOT), "must be an object with `apiVersion` and `kind`")
        return
    items = content.get("items")
    if str(content.get("kind", "")).endswith("List") and isinstance(items, list):
        for position, item in enumerate(items):
            at = ROOT.child("items").index(position)
            if isinstance(item, dict):
                yield Manifest(document, item, at)
            else:
                yield Problem(document.file, document.position(at), "must be an object with `apiVersion` and `kind`")
    else:
        yield Manifest(document, content, ROOT)
