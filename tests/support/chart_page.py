"""The README of the Helm chart, written from its values.yaml: a value's meaning is the comment above it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support.deployment import DEPLOY

CHART = DEPLOY / "helm" / "drawbridge"
_SHOWN_WHOLE = {"resources"}  # nobody sets the parts of these alone
_INTRODUCTION = """# The chart

Installs Drawbridge with Helm, as [the page on installing](../../../docs/how-to/install.md) says.
`deploy/kustomize` installs the same objects.
Settings that are known to take clusters down are refused before anything is applied.

## Values

| value | default | |
|---|---|---|
"""


def chart_page() -> str:
    """Return the page."""
    rows = [" | ".join(_cells(*found)) for found in values(CHART / "values.yaml")]
    return _INTRODUCTION + "".join(f"| {row} |\n" for row in rows)


def values(file: Path) -> Iterator[tuple[str, Any, str]]:
    """Yield each value that can be set: its path, its default and what is said of it, or else of the group it is in."""
    text = file.read_text()
    lines = text.splitlines()
    root = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    yield from _values(root, lines, "", "")


def _values(node: yaml.MappingNode, lines: list[str], above: str, said: str) -> Iterator[tuple[str, Any, str]]:
    for key, value in node.value:
        path = f"{above}.{key.value}" if above else key.value
        comment = _comment(lines, key.start_mark.line) or said
        if isinstance(value, yaml.MappingNode) and value.value and key.value not in _SHOWN_WHOLE:
            yield from _values(value, lines, path, comment)
        else:
            yield path, yaml.safe_load(yaml.serialize(value)), comment


def _comment(lines: list[str], line: int) -> str:
    """Return the comment that ends above a line."""
    found: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("# "):
        line -= 1
        found.insert(0, lines[line].lstrip()[2:])
    return " ".join(found)


def _cells(path: str, default: Any, said: str) -> tuple[str, str, str]:
    return f"`{path}`", f"`{json.dumps(default)}`", said.replace("|", "\\|")
