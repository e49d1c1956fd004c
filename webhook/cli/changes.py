"""Files that a command has changed: written in place, or shown as a difference."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import click

from webhook.kube.inputs import STDIN_NAME


class Change(Protocol):
    """A file's text before and after; standard input has the name `<stdin>`."""

    @property
    def file(self) -> str: ...
    @property
    def before(self) -> str: ...
    @property
    def after(self) -> str: ...


def write_changes(changes: Iterable[Change]) -> None:
    """Write each file that has changed; what came from standard input goes to standard output."""
    for change in changes:
        if change.file == STDIN_NAME:
            click.echo(change.after, nl=False)
        elif change.after != change.before:
            Path(change.file).write_bytes(change.after.encode())


def difference(changes: Iterable[Change]) -> Iterator[str]:
    """Yield the lines of a unified diff."""
    for change in changes:
        before, after = change.before.splitlines(keepends=True), change.after.splitlines(keepends=True)
        for line in difflib.unified_diff(before, after, change.file, change.file):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
