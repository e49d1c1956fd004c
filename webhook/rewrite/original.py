"""What a pod asked for before it was rewritten: the annotation that tools, rollbacks and the controller read.

Anybody can write it, so it is never believed by itself: see derive.py.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.core.pods import ORIGINAL
from webhook.core.raw import EMPTY, RawObject
from webhook.rewrite.templates import canonical

ANNOTATION = ORIGINAL


@dataclass(frozen=True, slots=True)
class Original:
    """By container: resource names and quantities as written. The node's labels only as far as they were dropped."""

    containers: Mapping[str, Mapping[str, str]]
    node_selector: RawObject = field(default_factory=dict)
    node_affinity: RawObject = field(default_factory=dict)

    def text(self) -> str:
        """Return the annotation's value."""
        content: dict[str, Any] = {"containers": {name: dict(asked) for name, asked in self.containers.items()}}
        if self.node_selector:
            content["nodeSelector"] = self.node_selector
        if self.node_affinity:
            content["nodeAffinity"] = self.node_affinity
        return canonical(content)


def parse_original(text: str) -> Original | None:
    """Return what an annotation says; None where it is not written as Drawbridge writes it."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.keys() - {"containers", "nodeSelector", "nodeAffinity"}:
        return None
    containers = content.get("containers")
    selector, affinity = content.get("nodeSelector", EMPTY), content.get("nodeAffinity", EMPTY)
    if not isinstance(containers, dict) or not isinstance(selector, dict) or not isinstance(affinity, dict):
        return None
    if not all(isinstance(asked, dict) and _texts(asked) for asked in containers.values()) or not _texts(selector):
        return None
    return Original(containers, selector, affinity)


def _texts(values: Mapping[str, object]) -> bool:
    return all(isinstance(value, str) for value in values.values())
