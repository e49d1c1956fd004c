"""What `drawbridge check` has found, placed in files, and how it is reported as text and as JSON (contract 3)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webhook.core.finding import Finding, Fix, Severity, Span
from webhook.core.raw import EMPTY, RawObject
from webhook.core.render import Style, aligned, excerpt, full_text, harmless
from webhook.kube.manifests import Extract, Position

API_VERSION = "drawbridge.dev/v1alpha1"


@dataclass(frozen=True, slots=True)
class Placed:
    """A finding with the object and the place in a file that it is about; `raw` is empty where none could be read.

    `clusters` are those in which it was found, where several were asked.
    """

    file: str
    extract: Extract
    raw: RawObject
    namespace: str
    finding: Finding
    clusters: tuple[str, ...] = ()

    @property
    def position(self) -> Position:
        return self.extract.position


@dataclass(frozen=True, slots=True)
class Checked:
    """All that a run has found; `objects` is how many were judged, `clusters` are named where there are several."""

    placed: tuple[Placed, ...]
    objects: int
    clusters: tuple[str, ...] = ()

    def worst(self, raw: RawObject, cluster: str) -> str:
        """Return what an object has come to in a cluster: `denied`, `warned` or `ok`."""
        found = {entry.finding.severity for entry in self.placed if entry.raw is raw and cluster in entry.clusters}
        if Severity.DENY in found:
            return "denied"
        return "warned" if Severity.WARN in found else "ok"


def text_report(checked: Checked, style: Style) -> str:
    """Return each finding with its place, then a line of counts; what is `info` is counted, not shown."""
    shown = [entry for entry in checked.placed if entry.finding.severity is not Severity.INFO]
    counts = _summary(checked.placed, checked.objects)
    objects = f"{counts['objects']} object{'s' * (counts['objects'] != 1)}"
    line = f"{objects}, {counts['denied']} denied, {counts['warned']} warned"
    columns = [_columns(checked)] if checked.clusters and shown else []
    return harmless("\n\n".join([*(_block(entry, checked, style) for entry in shown), *columns, line]))


def _block(entry: Placed, checked: Checked, style: Style) -> str:
    finding, at = entry.finding, entry.position
    where = ""
    if len(entry.clusters) < len(checked.clusters):
        where = f" (in {', '.join(entry.clusters)})"
    text = full_text(finding, style, _source_lines(entry))
    return f"{entry.file}:{at.line}:{at.column}: {finding.severity.value}{where}: {text}"


def _source_lines(entry: Placed) -> list[str] | None:
    """Return the line of the file with carets; None where the finding's own source shows the place better."""
    found = entry.extract
    if not found.exact or not found.text:
        return None
    start = found.position.column - 1
    return list(excerpt(found.text, Span(start, start + found.length), f"{found.position.line} "))


def _columns(checked: Checked) -> str:
    """Return a table: a row for each object of which something is said, a column for each cluster."""
    rows = [("object", *checked.clusters)]
    for entry in {id(entry.raw): entry for entry in checked.placed if entry.raw}.values():
        verdicts = (checked.worst(entry.raw, cluster) for cluster in checked.clusters)
        rows.append((object_name(entry.raw, entry.namespace), *verdicts))
    return aligned(rows)


def json_report(checked: Checked, style: Style) -> str:
    """Return the CheckReport; with several clusters each finding names those in which it was found."""
    report = {
        "apiVersion": API_VERSION,
        "kind": "CheckReport",
        "findings": [finding_json(entry, style) for entry in checked.placed],
        "summary": _summary(checked.placed, checked.objects),
    }
    if checked.clusters:
        report["clusters"] = [
            {"name": name, **_summary([entry for entry in checked.placed if name in entry.clusters], checked.objects)}
            for name in checked.clusters
        ]
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
        "fixes": [fix_json(fix) for fix in finding.fixes[:3]],
        "see": style.see(finding.rule),
        **({"reference": finding.reference_text} if style.reference_text and finding.reference_text else {}),
        **({"clusters": list(entry.clusters)} if entry.clusters else {}),
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


def object_name(raw: RawObject, namespace: str) -> str:
    """Return `ResourceClaim team-a/x`, as people name objects."""
    reference = object_reference(raw, namespace)
    return f"{reference['kind']} {'/'.join(filter(None, (namespace, str(reference['name'] or ''))))}"


def fix_json(fix: Fix) -> dict[str, Any]:
    edits = [{"field": str(edit.path), "value": edit.value} for edit in fix.edits]
    return {"message": fix.message, **({"edits": edits} if edits else {})}
