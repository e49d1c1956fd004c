"""A PolicyAudit as a table for people, as JSON for programs, and as one HTML page."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from webhook.cli.page import Html, element, items, page, table
from webhook.cli.report import API_VERSION
from webhook.core.render import aligned, harmless
from webhook.policy.audit import Audit, Entry, Result, asks_who

_CLASS = {Result.FAIL: "bad", Result.WARN: "bad", Result.ERROR: "bad", Result.PASS: "good", Result.SKIP: "calm"}
_WHO = "goes by who asks, which an object does not say: judged as created by nobody in particular"
_EVERYWHERE = "(cluster)"


def _counted(counts: Counter[Result]) -> dict[str, int]:
    return {result.value: counts[result] for result in Result}


def _totals(counts: Counter[Result]) -> str:
    return ", ".join(f"{number} {name}" for name, number in _counted(counts).items())


def _summary(audit: Audit) -> str:
    objects = f"{audit.objects:,} object{'' if audit.objects == 1 else 's'}"
    policies = f"{len(audit.policies)} polic{'y' if len(audit.policies) == 1 else 'ies'}"
    return f"{objects} looked at by {policies}: {_totals(audit.summary())}"


def _notes(audit: Audit) -> Iterator[str]:
    for compiled in audit.policies:
        if asks_who(compiled):
            yield f"policy '{compiled.policy.name}' {_WHO}"


def _places(entry: Entry) -> str:
    return ", ".join(dict.fromkeys(str(finding.path) for finding in entry.findings))


def audit_text(audit: Audit) -> str:
    rows: list[tuple[str, ...]] = [("NAMESPACE", "OBJECT", "POLICY", "RESULT", "FIELD", "MESSAGE")]
    for entry in audit.entries:
        cells = (str(entry.subject), entry.policy, entry.result.value, _places(entry), entry.message)
        rows.append((entry.subject.namespace or _EVERYWHERE, *cells))
    lines = [aligned(rows)] if audit.entries else []
    return harmless("".join(f"{line}\n" for line in (*lines, _summary(audit), *_notes(audit))))


def audit_json(audit: Audit) -> str:
    report: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "PolicyAudit",
        "summary": {"objects": audit.objects, **_counted(audit.summary())},
        "policies": [
            {
                "name": compiled.policy.name,
                "mode": compiled.policy.mode.value,
                "goesByWhoAsks": asks_who(compiled),
                **_counted(audit.summary(policy=compiled.policy.name)),
            }
            for compiled in audit.policies
        ],
        "results": [_entry_json(entry) for entry in audit.entries],
    }
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def _entry_json(entry: Entry) -> dict[str, Any]:
    subject = entry.subject
    named = {"apiVersion": subject.api_version, "kind": subject.kind, "name": subject.name}
    return {
        "object": {**named, "namespace": subject.namespace} if subject.namespace else named,
        "policy": entry.policy,
        "result": entry.result.value,
        "findings": [{"field": str(finding.path), "message": finding.message} for finding in entry.findings],
    }


def audit_page(audit: Audit) -> str:
    titles = ("Policy", "Mode", *(result.value for result in Result))
    rows = (
        (
            compiled.policy.name,
            compiled.policy.mode.value,
            *_counted(audit.summary(policy=compiled.policy.name)).values(),
        )
        for compiled in audit.policies
    )
    return page(
        "Policy audit",
        element("p", _summary(audit)),
        items(_notes(audit)),
        table("What each policy says", titles, rows),
        *_namespaces(audit),
    )


def _namespaces(audit: Audit) -> Iterator[Html]:
    of_namespace: dict[str, list[Entry]] = {}
    for entry in audit.entries:
        of_namespace.setdefault(entry.subject.namespace, []).append(entry)
    for namespace, entries in sorted(of_namespace.items()):
        place = f"Namespace {namespace}" if namespace else "The cluster"
        yield element("h2", place)
        yield table(f"What is not as a policy asks: {place}", _TITLES, map(_row, entries))


_TITLES = ("Object", "Policy", "Result", "Field", "Message")


def _row(entry: Entry) -> tuple[object, ...]:
    result = element("span", entry.result.value, class_=_CLASS[entry.result])
    return str(entry.subject), entry.policy, result, element("code", _places(entry)), entry.message


OUTPUTS: Mapping[str, Callable[[Audit], str]] = {"html": audit_page, "json": audit_json, "text": audit_text}
