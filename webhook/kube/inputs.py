"""The manifests that a command is given: files, folders and standard input."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from webhook.kube.folder import manifest_files
from webhook.kube.manifests import Document, Problem, read_documents

STDIN = "-"


def read_inputs(names: Iterable[str]) -> Iterator[Document | Problem]:
    """Yield the objects of files, of folders (recursively) and of standard input (`-`), and what is broken in them.

    FileNotFoundError, or another OSError, where a name leads nowhere: that is a wrong call, not a wrong manifest.
    """
    for name in names:
        if name == STDIN:
            yield from _both(read_documents("<stdin>", sys.stdin.buffer.read()))
        elif (path := Path(name)).is_dir():
            for file in manifest_files([path]):
                yield from _both(read_documents(str(file), file.read_bytes()))
        else:
            yield from _both(read_documents(name, path.read_bytes()))


def _both(read: tuple[tuple[Document, ...], tuple[Problem, ...]]) -> Iterator[Document | Problem]:
    documents, problems = read
    yield from documents
    yield from problems
