"""Workflow commands of GitHub Actions: each finding becomes an annotation on its line."""

from webhook.cli.report import Checked, Placed
from webhook.core.finding import Severity
from webhook.core.render import Style, full_text

_COMMANDS = {Severity.DENY: "error", Severity.WARN: "warning", Severity.INFO: "notice"}
# What must be escaped in the message of a workflow command; in its properties two characters more.
_ESCAPES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY_ESCAPES = {**_ESCAPES, **str.maketrans({":": "%3A", ",": "%2C"})}


def github_report(checked: Checked, style: Style) -> str:
    """Return a command a finding; what is `info` is left out, as in the text."""
    return "\n".join(_command(entry, style) for entry in checked.placed if entry.finding.severity is not Severity.INFO)


def _command(entry: Placed, style: Style) -> str:
    at, extract = entry.position, entry.extract
    properties = {
        "file": entry.file,
        "line": str(at.line),
        "col": str(at.column),
        "endColumn": str(at.column + extract.length),
        "title": f"drawbridge {entry.finding.rule}",
    }
    if not extract.exact:
        del properties["endColumn"]
    written = ",".join(f"{name}={value.translate(_PROPERTY_ESCAPES)}" for name, value in properties.items())
    message = full_text(entry.finding, style).translate(_ESCAPES)
    return f"::{_COMMANDS[entry.finding.severity]} {written}::{message}"
