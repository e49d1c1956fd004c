"""The report of a migration: what moved, what could not and why, and what behaves otherwise (contract 3)."""

import html
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from webhook.core.raw import EMPTY
from webhook.kube.migration import Migrated, Migration
from webhook.rewrite.reasons import Code
from webhook.rewrite.refusals import LeftAlone
from webhook.rewrite.rewriting import Rewritten

REWRITTEN, LEFT_ALONE, NOT_NEEDED = "rewritten", "left-alone", "not-needed"


def json_report(migrations: Iterable[Migration]) -> str:
    """Return the MigrationReport as one JSON object."""
    objects = [_entry(migrated) for migration in migrations for migrated in migration.workloads]
    report = {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "MigrationReport", "objects": objects}
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def text_report(migrations: Iterable[Migration]) -> str:
    """Return a line for each workload, and below it what each container gets and what is to be known."""
    return "".join(f"{line}\n" for migration in migrations for line in _lines(migration))


def html_report(migrations: Iterable[Migration]) -> str:
    """Return the report as one HTML page without anything from elsewhere."""
    rows = "".join(_row(migrated) for migration in migrations for migrated in migration.workloads)
    head = "".join(f"<th>{title}</th>" for title in ("Object", "File", "Outcome", "What becomes of it"))
    style = "body{font-family:sans-serif}td,th{text-align:left;vertical-align:top;padding:.3em .8em .3em 0}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Migration report</title>'
        f"<style>{style}</style></head>\n<body><h1>Migration report</h1>"
        f"<table><tr>{head}</tr>\n{rows}</table></body></html>\n"
    )


REPORTS: Mapping[str, Callable[[Iterable[Migration]], str]] = {
    "text": text_report,
    "json": json_report,
    "html": html_report,
}


def _entry(migrated: Migrated) -> dict[str, Any]:
    outcome = migrated.outcome
    entry: dict[str, Any] = {
        "object": _identity(migrated),
        "file": migrated.file,
        "line": migrated.line,
        "outcome": _outcome(outcome),
        "reason": outcome.code.value if isinstance(outcome, LeftAlone) else None,
        "containers": [],
        "templates": [],
    }
    if isinstance(outcome, LeftAlone):
        entry |= {"message": outcome.detail, "advice": outcome.code.advice}
    if isinstance(outcome, Rewritten):
        entry |= {
            "containers": list(_containers(outcome)),
            "templates": [template.name for template in outcome.made()],
            "notes": list(_notes(outcome)),
        }
    return entry


def _outcome(outcome: Rewritten | LeftAlone | None) -> str:
    if isinstance(outcome, Rewritten):
        return REWRITTEN
    served = outcome is None or outcome.code is Code.SERVED_BY_SCHEDULER
    return NOT_NEEDED if served else LEFT_ALONE


def _identity(migrated: Migrated) -> dict[str, str]:
    raw = migrated.raw
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else EMPTY
    name = metadata.get("name") or metadata.get("generateName") or ""
    return {
        "apiVersion": str(raw.get("apiVersion", "")),
        "kind": str(raw.get("kind", "")),
        "namespace": migrated.namespace,
        "name": str(name),
    }


def _containers(outcome: Rewritten) -> Iterator[dict[str, Any]]:
    claims = {claim.name: claim for claim in outcome.plan.claims}
    for place, (name, needs) in enumerate(outcome.needs):
        named = [claims[claim] for claim in outcome.plan.names.get(place, ())]
        if not needs and not named:
            continue
        requests = [
            {
                "resource": need.resource,
                "count": need.count,
                "deviceClassName": need.shapes[0].device_class_name,
                "selectors": list(need.shapes[0].selectors),
                "capacity": dict(need.shapes[0].capacity),
                "claims": [claim.name for claim in named if claim.resource == need.resource],
                "templates": [outcome.templates[claim.name].name for claim in named if claim.resource == need.resource],
            }
            for need in needs
        ]
        yield {"name": name, "requests": requests}


def _notes(outcome: Rewritten) -> Iterator[str]:
    """Yield what behaves otherwise than before, as far as it is seen in this pod (dra.md 7.6)."""
    for name in outcome.changes.tolerations:
        yield f"tolerates taint `{name}`, as the plugin ExtendedResourceToleration would have made it"
    for condition in outcome.kept:
        yield f"the demand {condition.operator} on node label `{condition.label}` stays on the node alone"
    if outcome.plan.claims:
        yield "a quota refuses the claim now, not the pod: the pod then waits instead of being refused"


def _lines(migration: Migration) -> Iterator[str]:
    for problem in migration.problems:
        yield f"{problem}"
    for migrated in migration.workloads:
        outcome = migrated.outcome
        who = _identity(migrated)
        head = f"{migrated.file}:{migrated.line}: {who['kind']} {who['namespace']}/{who['name']}: {_outcome(outcome)}"
        if isinstance(outcome, LeftAlone):
            yield f"{head} ({outcome.code.value}): {outcome.detail}"
            yield f"  fix: {outcome.code.advice}"
        elif isinstance(outcome, Rewritten):
            yield head
            for container in _containers(outcome):
                for request in container["requests"]:
                    yield (
                        f"  {container['name']}: {request['resource']} becomes {request['count']} of class "
                        f"'{request['deviceClassName']}' ({', '.join(request['templates'])})"
                    )
            yield from (f"  note: {note}" for note in _notes(outcome))


def _row(migrated: Migrated) -> str:
    who = _identity(migrated)
    told = _lines(Migration(migrated.file, "", "", (migrated,), ()))
    details = "<br>".join(html.escape(line.strip()) for line in list(told)[1:])
    if isinstance(migrated.outcome, LeftAlone):
        details = f"{html.escape(migrated.outcome.detail)}<br>{details}"
    cells = (f"{who['kind']} {who['namespace']}/{who['name']}", f"{migrated.file}:{migrated.line}", _reason(migrated))
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + f"<td>{details}</td></tr>\n"


def _reason(migrated: Migrated) -> str:
    code = f" ({migrated.outcome.code.value})" if isinstance(migrated.outcome, LeftAlone) else ""
    return _outcome(migrated.outcome) + code
