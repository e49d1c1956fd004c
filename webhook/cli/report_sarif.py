"""SARIF 2.1.0 (OASIS), for code scanning: a descriptor a rule, a result a finding."""

import json
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from webhook.cli.report import Checked, Placed, object_name
from webhook.core.finding import Severity
from webhook.core.render import Style, full_text

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.DENY: "error", Severity.WARN: "warning", Severity.INFO: "note"}


def sarif_report(checked: Checked, style: Style) -> str:
    """Return the log of one run; its columns count code points, as ours do."""
    rules = sorted({entry.finding.rule for entry in checked.placed})
    run = {
        "tool": {
            "driver": {
                "name": "drawbridge",
                "language": "en-US",
                "semanticVersion": version("drawbridge"),
                "rules": [_descriptor(rule, style) for rule in rules],
            }
        },
        "language": "en-US",
        "newlineSequences": ["\r\n", "\n"],
        "columnKind": "unicodeCodePoints",
        "results": [_result(entry, rules, style) for entry in checked.placed],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False)


def _descriptor(rule: str, style: Style) -> dict[str, Any]:
    found: dict[str, Any] = {"id": rule, "shortDescription": {"text": rule}, "help": {"text": style.see(rule)}}
    if style.docs_url:
        found["helpUri"] = style.see(rule)
    return found


def _result(entry: Placed, rules: list[str], style: Style) -> dict[str, Any]:
    at, extract = entry.position, entry.extract
    region = {"startLine": at.line, "startColumn": at.column}
    if extract.exact:
        region["endColumn"] = at.column + extract.length
    place: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": quote(entry.file)}, "region": region},
    }
    if entry.raw:
        name = f"{object_name(entry.raw, entry.namespace)} {entry.finding.path}".strip()
        place["logicalLocations"] = [{"fullyQualifiedName": name}]
    return {
        "ruleId": entry.finding.rule,
        "ruleIndex": rules.index(entry.finding.rule),
        "level": _LEVELS[entry.finding.severity],
        "message": {"text": full_text(entry.finding, style)},
        "locations": [place],
    }
