"""What `drawbridge doctor` prints: a table with what mends each finding under it, or JSON."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from webhook.cli.report import API_VERSION
from webhook.core.render import printable
from webhook.doctor.diagnosis import Diagnosis, Severity, Subject

_ORDER = tuple(Severity)


def text(found: Sequence[Diagnosis]) -> str:
    """Return the worst first, each with its fix, and how many there are of each kind."""
    widths = max(len(one.severity.value) for one in found), max(len(one.name) for one in found)
    lines = [line for one in _worst_first(found) for line in _lines(one, *widths)]
    return "\n".join([*lines, "", _summary(found)])


def _lines(one: Diagnosis, severity: int, name: int) -> Iterator[str]:
    yield f"{one.severity.value:{severity}}  {one.name:{name}}  {printable(one.message)}"
    if one.fix is not None:
        yield f"{'':{severity}}  fix: {one.fix.message}"
        if one.fix.command:
            yield f"{'':{severity}}  {one.fix.command}"


def _worst_first(found: Sequence[Diagnosis]) -> list[Diagnosis]:
    return sorted(found, key=lambda one: _ORDER.index(one.severity))


def _summary(found: Sequence[Diagnosis]) -> str:
    errors, warnings = (sum(one.severity is kind for one in found) for kind in (Severity.ERROR, Severity.WARNING))
    return f"{errors} {'error' if errors == 1 else 'errors'}, {warnings} {'warning' if warnings == 1 else 'warnings'}"


def as_json(found: Sequence[Diagnosis]) -> str:
    counts = Counter(one.severity for one in found)
    report = {
        "apiVersion": API_VERSION,
        "kind": "DoctorReport",
        "findings": [_entry(one) for one in _worst_first(found)],
        "summary": {"errors": counts[Severity.ERROR], "warnings": counts[Severity.WARNING]},
    }
    return json.dumps(report, indent=1, ensure_ascii=False)


def _entry(one: Diagnosis) -> dict[str, Any]:
    fix = one.fix
    fixes = [] if fix is None else [{"message": fix.message, **({"command": fix.command} if fix.command else {})}]
    return {
        "name": one.name,
        "severity": one.severity.value,
        "object": None if one.subject is None else _object(one.subject),
        "message": one.message,
        "fixes": fixes,
    }


def _object(subject: Subject) -> dict[str, str]:
    place = {"namespace": subject.namespace} if subject.namespace else {}
    return {"apiVersion": subject.api_version, "kind": subject.kind, **place, "name": subject.name}


OUTPUTS: Mapping[str, Callable[[Sequence[Diagnosis]], str]] = {"text": text, "json": as_json}
