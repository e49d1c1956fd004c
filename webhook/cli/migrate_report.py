"""The report of a migration: what moved, what could not and why, what quota is needed, what changes (contract 3)."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.cli.page import Html, element, items, page, table
from webhook.cli.report import API_VERSION
from webhook.core.pods import pod_template, replicas_of
from webhook.core.raw import EMPTY
from webhook.core.render import printable
from webhook.kube.migration import Migrated, Migration
from webhook.kube.yaml_edit import dump
from webhook.rewrite.losses import kept_on_node, why_kept
from webhook.rewrite.reasons import Code
from webhook.rewrite.refusals import LeftAlone
from webhook.rewrite.rewriting import Rewritten

REWRITTEN, LEFT_ALONE, NOT_NEEDED = "rewritten", "left-alone", "not-needed"
UNKNOWN_KIND, UNREADABLE = "unknown-kind", "invalid-field"
"""The reasons for objects of a kind that is not known here, and for those that the API server would refuse.

No pod is ever left alone for them at admission.
"""

_QUEUE = "kueue.x-k8s.io/queue-name"
_CHANGES = (
    "a quota refuses the claim, not the pod: a pod over its quota waits where it was refused before",
    "a ResourceQuota with scopes does not count claims",
    "the scheduler scores nodes by claims in another way than by limits, and preempts no pod for devices",
    "tools that read `limits`, such as dashboards, do not see the devices",
    "autoscalers of nodes must heed claims: `drawbridge migrate plan` tells which does not",
)


@dataclass(frozen=True, slots=True)
class Report:
    """The migrated files, and the DeviceQuotas that open the way for what quota-continuity keeps.

    `warnings` are about the cluster and the options.
    """

    migrations: Sequence[Migration]
    quotas: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()

    def workloads(self) -> tuple[Migrated, ...]:
        return tuple(migrated for migration in self.migrations for migrated in migration.workloads)

    def changes(self) -> tuple[str, ...]:
        """Return what behaves otherwise for all that was rewritten (dra.md 7.6)."""
        moved = any(isinstance(one.outcome, Rewritten) and one.outcome.plan.claims for one in self.workloads())
        return _CHANGES if moved else ()

    def quotas_for(self, migrated: Migrated) -> tuple[Mapping[str, Any], ...]:
        """Return the DeviceQuotas that an object waits for."""
        if not isinstance(migrated.outcome, LeftAlone) or migrated.outcome.code is not Code.QUOTA_CONTINUITY:
            return ()
        return tuple(quota for quota in self.quotas if quota["metadata"]["namespace"] == migrated.namespace)

    def needed(self) -> tuple[Mapping[str, Any], ...]:
        """Return the DeviceQuotas that some object waits for, each once."""
        return tuple(quota for quota in self.quotas if any(quota in self.quotas_for(one) for one in self.workloads()))


def json_report(report: Report) -> str:
    """Return the MigrationReport as one JSON object."""
    whole = {
        "apiVersion": API_VERSION,
        "kind": "MigrationReport",
        "objects": [_entry(migrated) for migrated in report.workloads()],
        "quotas": [dict(quota) for quota in report.needed()],
        "changes": list(report.changes()),
        "warnings": list(report.warnings),
        "problems": [
            {"file": problem.file, "line": problem.line, "message": problem.message}
            for migration in report.migrations
            for problem in migration.problems
        ],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def text_report(report: Report) -> str:
    """Return a line for each workload, below it what each container gets and what is to be known; then the rest."""
    lines = [f"drawbridge: {warning}" for warning in report.warnings]
    for migration in report.migrations:
        lines += [str(problem) for problem in migration.problems]
        for migrated in migration.workloads:
            lines += [_head(migrated), *(f"  {line}" for line in _told(migrated))]
    for quota in report.needed():
        lines.append("needed before those who wait for a quota can move:")
        lines += [f"  {line}" for line in dump(dict(quota)).splitlines()]
    if report.changes():
        lines += ["what changes for all that was rewritten:", *(f"  {change}" for change in report.changes())]
    return "".join(f"{printable(line)}\n" for line in lines)


def html_report(report: Report) -> str:
    """Return the report as one HTML page."""
    rows = (_row(migrated) for migrated in report.workloads())
    titles = ("Object", "File", "Outcome", "What becomes of it")
    parts: list[Html] = [element("p", _counted(report)), table("Pods and workloads", titles, rows)]
    if report.warnings:
        parts += [element("h2", "Warnings"), items(report.warnings)]
    problems = [str(problem) for migration in report.migrations for problem in migration.problems]
    if problems:
        parts += [element("h2", "What was left"), items(problems)]
    if report.needed():
        parts += [element("h2", "Quotas that are needed first")]
        parts += [element("pre", "---\n".join(dump(dict(quota)) for quota in report.needed()))]
    if report.changes():
        parts += [element("h2", "What changes for all that was rewritten"), items(report.changes())]
    return page("Migration report", *parts)


REPORTS: Mapping[str, Callable[[Report], str]] = {
    "text": text_report,
    "json": json_report,
    "html": html_report,
}


def _entry(migrated: Migrated) -> dict[str, Any]:
    outcome, stays = migrated.outcome, _stays(migrated)
    entry: dict[str, Any] = {
        "object": _identity(migrated),
        "file": migrated.file,
        "line": migrated.line,
        "outcome": _outcome(migrated),
        "reason": stays.reason if stays else None,
        "containers": [],
        "templates": [],
        "unmapped": list(migrated.unmapped),
    }
    if stays:
        entry |= {"message": stays.message, "advice": stays.advice}
    if isinstance(outcome, Rewritten):
        entry |= {
            "containers": list(_containers(outcome)),
            "templates": [template.name for template in outcome.made()],
            "devices": list(_devices(migrated, outcome)),
            "lost": [{"what": str(lost), "why": lost.why} for lost in outcome.lost],
            "notes": list(_notes(migrated, outcome)),
        }
    return entry


@dataclass(frozen=True, slots=True)
class _Stays:
    """Why an object stays as it is, in words, and what to do; `reason` is a code."""

    reason: str
    message: str
    advice: str


def _stays(migrated: Migrated) -> _Stays | None:
    """Return why an object stays as it is; None where it moves, or asks for nothing that is mapped."""
    if isinstance(migrated.outcome, LeftAlone):
        code = migrated.outcome.code
        return _Stays(code.value, migrated.outcome.detail, code.advice)
    if migrated.hidden:
        names = ", ".join(f"`{name}`" for name in migrated.hidden)
        message = f"something in it asks for {names}, and where this kind keeps its pods is not known here"
        return _Stays(UNKNOWN_KIND, message, "change it by hand, or have its pods rewritten when they are created")
    if migrated.unreadable:
        return _Stays(UNREADABLE, migrated.unreadable, "mend it, `drawbridge check` tells where")
    return None


def _outcome(migrated: Migrated) -> str:
    if isinstance(migrated.outcome, Rewritten):
        return REWRITTEN
    stays = _stays(migrated)
    return NOT_NEEDED if stays is None or stays.reason == Code.SERVED_BY_SCHEDULER.value else LEFT_ALONE


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


def _devices(migrated: Migrated, outcome: Rewritten) -> Iterator[dict[str, Any]]:
    """Yield how many devices of each class all pods of a workload claim: what a quota must allow."""
    counts: dict[str, int] = {}
    for claim in outcome.plan.claims:
        counts[claim.shape.device_class_name] = counts.get(claim.shape.device_class_name, 0) + claim.count
    pods = replicas_of(migrated.raw)
    for name, count in counts.items():
        yield {"deviceClassName": name, "perPod": count, "pods": pods, "total": count * pods}


def _notes(migrated: Migrated, outcome: Rewritten) -> Iterator[str]:
    """Yield what behaves otherwise than before, as far as it is seen in this workload (dra.md 7.6)."""
    for name in outcome.changes.tolerations:
        yield f"tolerates taint `{name}`, as the plugin ExtendedResourceToleration would have made it"
    mappings = outcome.survey.serving_mappings()
    for condition in outcome.kept:
        yield f"{kept_on_node(condition)}: {why_kept(condition, mappings)}"
    for label in outcome.labels():
        yield f"nodes must keep label `{label}`, for the pod still demands it of them"
    for name in sorted(set(migrated.unmapped) - {lost.name for lost in outcome.lost}):
        yield f"still asks for `{name}`, which no mapping serves"
    if _is_queued(migrated):
        classes = sorted({claim.shape.device_class_name for claim in outcome.plan.claims})
        listed = ", ".join(f"'{name}'" for name in classes)
        yield f"Kueue admits it only where its `deviceClassMappings` have {listed}"


def _is_queued(migrated: Migrated) -> bool:
    pod = pod_template(migrated.raw)
    places = (migrated.raw, pod[0] if pod else EMPTY)
    found = ((place.get("metadata") or EMPTY).get("labels") for place in places)
    return any(isinstance(labels, dict) and _QUEUE in labels for labels in found)


def _head(migrated: Migrated) -> str:
    who, stays = _identity(migrated), _stays(migrated)
    head = f"{migrated.file}:{migrated.line}: {who['kind']} {who['namespace']}/{who['name']}: {_outcome(migrated)}"
    return f"{head} ({stays.reason}): {stays.message}" if stays else head


def _told(migrated: Migrated) -> Iterator[str]:
    """Yield what is to be known of a workload beside its outcome."""
    outcome = migrated.outcome
    stays = _stays(migrated)
    if stays:
        yield f"fix: {stays.advice}"
    if not isinstance(outcome, Rewritten):
        if stays is None or stays.reason != Code.NO_COUNTERPART.value:
            yield from (f"note: asks for `{name}`, which no mapping serves" for name in migrated.unmapped)
        return
    for container in _containers(outcome):
        for request in container["requests"]:
            templates = ", ".join(dict.fromkeys(request["templates"]))
            yield (
                f"{container['name']}: {request['resource']} becomes {request['count']} of class "
                f"'{request['deviceClassName']}' ({templates})"
            )
    if not outcome.plan.claims:
        yield "limits of 0 go, and nothing is claimed"
    for devices in _devices(migrated, outcome):
        if devices["pods"] != 1:
            yield f"needs {devices['total']} of class '{devices['deviceClassName']}' for {devices['pods']} pods"
    yield from (f"lost: {lost}: {lost.why}" for lost in outcome.lost)
    yield from (f"note: {note}" for note in _notes(migrated, outcome))


def _counted(report: Report) -> str:
    outcomes = [_outcome(migrated) for migrated in report.workloads()]
    return ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in (REWRITTEN, LEFT_ALONE, NOT_NEEDED))


_CLASSES = {REWRITTEN: "good", LEFT_ALONE: "bad", NOT_NEEDED: "calm"}


def _row(migrated: Migrated) -> tuple[object, ...]:
    who, outcome, stays = _identity(migrated), _outcome(migrated), _stays(migrated)
    detail = [stays.message] if stays else []
    shown = f"{outcome} ({stays.reason})" if stays else outcome
    return (
        f"{who['kind']} {who['namespace']}/{who['name']}",
        f"{migrated.file}:{migrated.line}",
        element("span", shown, class_=_CLASSES[outcome]),
        items([*detail, *_told(migrated)]),
    )
