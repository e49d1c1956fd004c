"""How `drawbridge check` reports: text for people, JSON for programs (contract 3)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webhook.core.finding import Finding, Fix, Severity
from webhook.core.raw import EMPTY, RawObject
from webhook.core.render import Style, full_text
from webhook.kube.manifests import Position

API_VERSION = "drawbridge.dev/v1alpha1"


@dataclass(frozen=True, slots=True)
class Placed:
    """A finding with the object and the place in a file that it is about; `raw` is empty where none could be read."""

    file: str
    position: Position
    raw: RawObject
    namespace: str
    finding: Finding


def text_report(placed: Sequence[Placed], objects: int, style: Style) -> str:
    """Return each finding with its place, then a line of counts; what is `info` is counted, not shown."""
    blocks = [
        f"{entry.file}:{entry.position.line}:{entry.position.column}: {entry.finding.severity.value}: "
        f"{full_text(entry.finding, style)}"
        for entry in placed
        if entry.finding.severity is not Severity.INFO
    ]
    counts = _summary(placed, objects)
    line = f"{counts['objects']} objects, {counts['denied']} denied, {counts['warned']} warned"
    return "\n\n".join([*blocks, line])


def json_report(placed: Sequence[Placed], objects: int, style: Style) -> str:
    """Return the CheckReport."""
    report = {
        "apiVersion": API_VERSION,
        "kind": "CheckReport",
        "findings": [finding_json(entry, style) for entry in placed],
        "summary": _summary(placed, objects),
    }
    return json.dumps(report, indent=1, ensure_ascii=False)


def _summary(placed: Sequence[Placed], objects: int) -> dict[str, int]:
    """Return how many objects there are, and in how many something is denied, or else warned of."""
    denied = {_object_key(entry) for entry in placed if entry.finding.severity is Severity.DENY}
    warned = {_object_key(entry) for entry in placed if entry.finding.severity is Severity.WARN} - denied
    return {"objects": objects, "denied": len(denied), "warned": len(warned)}


def _object_key(entry: Placed) -> tuple[str, int]:
    return (entry.file, id(entry.raw) if entry.raw else entry.position.line)


def finding_json(entry: Placed, style: Style) -> dict[str, Any]:
    finding = entry.finding
    return {
        "file": entry.file,
        "line": entry.position.line,
        "column": entry.position.column,
        "object": object_reference(entry.raw, entry.namespace) if entry.raw else None,
        "rule": finding.rule,
        "severity": finding.severity.value,
        "field": str(finding.path),
        "message": finding.message,
        "span": None if finding.span is None else {"start": finding.span.start, "end": finding.span.end},
        "fixes": [_fix(fix) for fix in finding.fixes[:3]],
        "see": style.see(finding.rule),
        **({"reference": finding.reference_text} if style.reference_text and finding.reference_text else {}),
    }


def object_reference(raw: RawObject, namespace: str) -> dict[str, Any]:
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else EMPTY
    return {
        "apiVersion": raw.get("apiVersion"),
        "kind": raw.get("kind"),
        "namespace": namespace or None,
        "name": metadata.get("name") or metadata.get("generateName"),
    }


def _fix(fix: Fix) -> dict[str, Any]:
    edits = [{"field": str(edit.path), "value": edit.value} for edit in fix.edits]
    return {"message": fix.message, **({"edits": edits} if edits else {})}
