"""The manifests that a command is given: files, folders and standard input."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from webhook.kube.folder import manifest_files
from webhook.kube.manifests import Document, Problem, read_documents

STDIN = "-"
STDIN_NAME = "<stdin>"

Source = tuple[str, bytes]
"""A file's name and content."""


def read_sources(names: Iterable[str]) -> Iterator[Source]:
    """Yield the content of files, of folders' manifests (recursively) and of standard input (`-`).

    FileNotFoundError, or another OSError, where a name leads nowhere: that is a wrong call, not a wrong manifest.
    """
    for name in names:
        if name == STDIN:
            yield STDIN_NAME, sys.stdin.buffer.read()
        elif (path := Path(name)).is_dir():
            yield from ((str(file), file.read_bytes()) for file in manifest_files([path]))
        else:
            yield name, path.read_bytes()


def read_inputs(names: Iterable[str]) -> Iterator[Document | Problem]:
    """Yield the objects of files, folders and standard input, and what is broken in them."""
    return inputs_of(read_sources(names))


def inputs_of(sources: Iterable[Source]) -> Iterator[Document | Problem]:
    for name, content in sources:
        documents, problems = read_documents(name, content)
        yield from documents
        yield from problems
