"""A MigrationPlan as a table for people and as JSON for programs."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from webhook.cli.report import API_VERSION
from webhook.core.autoscalers import Autoscaler
from webhook.core.render import aligned, printable
from webhook.kube.yaml_edit import dump
from webhook.rewrite.migration_plan import Ask, MigrationPlan, NamespacePlan, Outcome, OwnerPlan, Phase, SharedNode
from webhook.rewrite.phases import Step

COLOURS = {Outcome.MOVES: "green", Outcome.MOVED: "green", Outcome.BLOCKED: "red", Outcome.NOT_NEEDED: "bright_black"}
_HEADING = ("NAMESPACE", "PHASE", "OWNER", "PODS", "ASKS", "BECOMES", "MAPPING", "OUTCOME")

Steps = Mapping[Phase, tuple[Step, ...]]


def plan_json(plan: MigrationPlan, steps: Steps) -> str:
    report = {
        "apiVersion": API_VERSION,
        "kind": "MigrationPlan",
        "summary": {outcome.value: len(plan.owners(outcome)) for outcome in Outcome},
        "namespaces": [_namespace_json(namespace) for namespace in plan.namespaces],
        "cluster": {
            "mappings": [mapping.name for mapping in plan.mappings],
            "installed": plan.installed,
            "sharedNodes": [
                {"name": node.name, "resource": node.resource, "driver": node.driver} for node in plan.shared_nodes
            ],
            "autoscalers": [
                {"kind": one.kind, "found": one.found, "heedsClaims": one.heeds_claims, "why": one.why}
                for one in plan.autoscalers
            ],
            "unmapped": [{"resource": name, "askedBy": list(askers)} for name, askers in plan.unmapped.items()],
        },
        "phases": [
            {
                "name": phase.value,
                "steps": [
                    {"text": step.text, "run": list(step.run), "apply": [dict(one) for one in step.apply]}
                    for step in steps[phase]
                ],
            }
            for phase in Phase
        ],
    }
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def _namespace_json(namespace: NamespacePlan) -> dict[str, Any]:
    return {
        "name": namespace.name,
        "phase": namespace.phase.value,
        "owners": [_owner_json(owner) for owner in namespace.owners],
        "deviceQuotas": [dict(quota) for quota in namespace.device_quotas],
    }


def _owner_json(owner: OwnerPlan) -> dict[str, Any]:
    family = owner.family
    return {
        "object": {"kind": family.kind, "namespace": owner.namespace, "name": family.name},
        "pods": family.count,
        "rewritten": family.rewritten(),
        "outcome": owner.outcome.value,
        "requests": [_ask_json(ask) for ask in owner.asks],
        "reasons": [
            {"code": one.code.value, "message": one.detail, "advice": one.code.advice} for one in owner.obstacles
        ],
        "notes": list(owner.notes),
    }


def _ask_json(ask: Ask) -> dict[str, Any]:
    return {
        "container": ask.container,
        "resource": ask.resource,
        "count": ask.count,
        "mapping": ask.mapping,
        "entry": ask.entry,
        "deviceClassName": ask.device_class_name,
        "selectors": list(ask.shape.selectors) if ask.shape else [],
        "capacity": dict(ask.shape.capacity) if ask.shape else {},
    }


def plan_text(plan: MigrationPlan, steps: Steps) -> str:
    """Return the plan as a table, what is to be known of the cluster, and the steps in order; with ANSI colours."""
    if not plan.namespaces:
        return "\n".join(["nobody asks the old way for what the mappings serve", *_unmapped(plan)]) + "\n"
    blocks = [summary(plan), _table(plan), *_block("Cluster", _cluster(plan))]
    for number, phase in enumerate(Phase, start=1):
        blocks += _block(f"{number}. {phase.value}", _steps(steps[phase]))
    return "\n\n".join(blocks) + "\n"


def summary(plan: MigrationPlan) -> str:
    """Return how many owners there are, and what becomes of them, in one line."""
    counts = {outcome: len(plan.owners(outcome)) for outcome in Outcome}
    said = (
        f"{counts[Outcome.MOVES]} can move",
        f"{counts[Outcome.BLOCKED]} must wait",
        f"{counts[Outcome.NOT_NEEDED]} need nothing",
        f"{counts[Outcome.MOVED]} have moved",
    )
    owners = sum(counts.values())
    places = len(plan.namespaces)
    whole = (
        f"{owners} {'owner' if owners == 1 else 'owners'} in {places} {'namespace' if places == 1 else 'namespaces'}"
    )
    return f"{whole}: {', '.join(said)}"


def _table(plan: MigrationPlan) -> str:
    """Return a row an owner and resource, and below each namespace what stands in the way; colours have no width."""
    rows: list[tuple[str, ...]] = [_HEADING]
    below: dict[int, list[str]] = {}
    colours: dict[int, str] = {}
    for namespace in plan.namespaces:
        for owner in namespace.owners:
            colours[len(rows)] = COLOURS[owner.outcome]
            rows += _rows(owner, namespace.phase)
        below[len(rows) - 1] = [f"  {printable(text)}" for text in _told_once(namespace)]
    lines = aligned(rows).splitlines()
    shown: list[str] = []
    for number, (line, row) in enumerate(zip(lines, rows, strict=True)):
        last = printable(row[-1])
        colour = colours.get(number)
        shown.append(line.removesuffix(last) + click.style(last, fg=colour, bold=True) if colour else line)
        shown += below.get(number, ())
    return "\n".join(shown)


def _rows(owner: OwnerPlan, phase: Phase) -> Iterator[tuple[str, ...]]:
    for number, ask in enumerate(owner.asks or (None,)):
        first = number == 0
        yield (
            owner.namespace if first else "",
            phase.value if first else "",
            str(owner) if first else "",
            str(owner.family.count) if first else "",
            asked(ask) if ask else "",
            becomes(ask) if ask else "",
            ask.mapping if ask else "",
            outcome_of(owner) if first else "",
        )


def _told_once(namespace: NamespacePlan) -> Iterator[str]:
    """Yield what is told of a namespace's owners, each text once; of several owners it says whom it is about."""
    askers: dict[str, list[str]] = {}
    for owner in namespace.owners:
        for text in told(owner):
            askers.setdefault(text, []).append(str(owner))
    for text, owners in askers.items():
        few = len(owners) < len(namespace.owners)
        more = f" and {len(owners) - 1} more" if len(owners) > 1 else ""
        yield f"{owners[0]}{more}: {text}" if few else text


def told(owner: OwnerPlan) -> Iterator[str]:
    """Yield what stands in an owner's way, with what to do, and what changes when it moves."""
    for one in owner.obstacles:
        yield f"{one.code.value}: {one.detail}; fix: {one.code.advice}"
    yield from (f"note: {note}" for note in owner.notes)


def asked(ask: Ask) -> str:
    return f"{ask.container}: {'?' if ask.count is None else ask.count} {ask.resource}"


def becomes(ask: Ask) -> str:
    if ask.count is None or ask.shape is None:
        return "-"
    capacity = "".join(f" {name}={amount}" for name, amount in ask.shape.capacity)
    return f"{ask.count} {ask.device_class_name}{capacity}"


def outcome_of(owner: OwnerPlan) -> str:
    rewritten = owner.family.rewritten()
    if owner.outcome is Outcome.MOVES and rewritten:
        return f"moves ({rewritten} of {owner.family.count} pods have)"
    codes = ", ".join(dict.fromkeys(one.code.value for one in owner.obstacles))
    return f"{owner.outcome.value}: {codes}" if owner.outcome is Outcome.BLOCKED else owner.outcome.value


def _cluster(plan: MigrationPlan) -> Iterator[str]:
    yield from (shared(node) for node in plan.shared_nodes)
    yield from (autoscaling(one) for one in plan.autoscalers)
    yield from _unmapped(plan)


def shared(node: SharedNode) -> str:
    return (
        f"device plugin beside DRA: node '{node.name}' offers `{node.resource}` and publishes devices of "
        f"'{node.driver}', so the same card is handed out twice"
    )


def autoscaling(one: Autoscaler) -> str:
    heeds = {True: "heeds claims", False: "ignores claims", None: "may ignore claims"}[one.heeds_claims]
    return f"autoscaler: {one.kind} ({one.found}) {heeds}: {one.why}"


def _unmapped(plan: MigrationPlan) -> Iterator[str]:
    for name, askers in plan.unmapped.items():
        more = f" and {len(askers) - 1} more" if len(askers) > 1 else ""
        yield f"no mapping serves `{name}`, which {askers[0]}{more} {'ask' if more else 'asks'} for"


def _steps(steps: tuple[Step, ...]) -> Iterator[str]:
    for step in steps:
        yield f"- {step.text}"
        yield from (f"    {command}" for command in step.run)
        for one in step.apply:
            yield from (f"    | {line}" for line in ("---\n" + dump(dict(one))).splitlines())


def _block(title: str, lines: Iterator[str]) -> list[str]:
    found = [printable(line) for line in lines]
    return ["\n".join([click.style(title, bold=True), *found])] if found else []
