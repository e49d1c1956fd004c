"""The phases of a migration: what to run and what to apply in each, in the order of a plan's namespaces."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import join, quote
from typing import Any

from webhook.core.mappings import LegacyMapping, MappingMode
from webhook.core.raw import RawObject
from webhook.rewrite.migration_plan import MigrationPlan, NamespacePlan, Outcome, Phase
from webhook.rewrite.reasons import Code

PHASE_LABEL = "drawbridge.dev/phase"
"""The label of a namespace by which the mappings of a plan choose it."""

_RESTARTED = {"Deployment": "deployment", "StatefulSet": "statefulset", "DaemonSet": "daemonset"}
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is about, the commands to run, and the objects to apply."""

    text: str
    run: tuple[str, ...] = ()
    apply: tuple[Mapping[str, Any], ...] = ()


def steps_of(plan: MigrationPlan, names: Sequence[str], flags: str) -> Mapping[Phase, tuple[Step, ...]]:
    """Return the steps of each phase.

    `names` are the mappings that go by the label of namespaces, installed or not; `flags` say which cluster commands
    are about.
    """
    return {
        Phase.COEXIST: tuple(_coexist(plan, flags)),
        Phase.REPORT: tuple(_report(plan, names, flags)),
        Phase.REWRITE: tuple(_rewrite(plan, names)),
        Phase.DENY: tuple(_deny(plan, names, flags)),
    }


def _coexist(plan: MigrationPlan, flags: str) -> Iterator[Step]:
    blocked = plan.owners(Outcome.BLOCKED)
    missing = {one.detail for owner in blocked for one in owner.obstacles if one.code is Code.CLASS_MISSING}
    for detail in sorted(missing):
        yield Step(f"{detail}: install the driver that brings it, on nodes without the device plugin")
    if plan.shared_nodes:
        names = tuple(dict.fromkeys(node.name for node in plan.shared_nodes))
        yield Step(
            f"let each node have the device plugin or the driver, never both: {_listed(names)} "
            "would hand the same card out twice"
        )
    quotas = tuple(quota for namespace in plan.namespaces for quota in namespace.device_quotas)
    if quotas:
        run = f"drawbridge migrate quota {flags} | kubectl apply -f -"
        yield Step("give pods that leave their ResourceQuota a quota on claims that is as strict", (run,), quotas)
    for namespace, detail in _details(plan, Code.LIMIT_RANGE):
        name = detail.split("'")[1]
        run = f"kubectl edit limitrange {quote(name)} --namespace {quote(namespace)}"
        yield Step(f"in namespace '{namespace}', {detail}: take the name out of it", (run,))
    for autoscaler in plan.autoscalers:
        if not autoscaler.heeds_claims:
            yield Step(
                f"keep the number of nodes with devices fixed until {autoscaler.kind} heeds claims: it may bring no "
                "node for pods that wait for one"
            )
    labels = sorted({label for owner in plan.owners() for label in owner.labels})
    if labels:
        shown = ", ".join(f"`{label}`" for label in labels)
        yield Step(f"keep what labels nodes, also where the device plugin goes: pods demand {shown}")
    if any(one.code is Code.DEVICE_PLUGIN_PRESENT for owner in blocked for one in owner.obstacles):
        yield Step(
            "pods stay with the device plugin as long as some node offers the name by one; to move before the last "
            "node has, set `coexistence: Rewrite`, and rewritten pods go to the driver's nodes alone"
        )


def _report(plan: MigrationPlan, names: Sequence[str], flags: str) -> Iterator[Step]:
    yield Step("tell who would be rewritten, and change nothing", tuple(_installed(plan, names, Phase.REPORT)))
    yield Step("look at the plan again, and at the warnings of pods", (f"drawbridge migrate plan {flags}",))


def _rewrite(plan: MigrationPlan, names: Sequence[str]) -> Iterator[Step]:
    chosen = f" of namespaces that have the label `{PHASE_LABEL}: rewrite`" if names else ""
    yield Step(f"rewrite pods{chosen} when they are created", tuple(_installed(plan, names, Phase.REWRITE)))
    for namespace in plan.namespaces:
        moving = [owner for owner in namespace.owners if owner.outcome is Outcome.MOVES]
        if not moving:
            continue
        label = (_labelled(namespace, Phase.REWRITE),) if names else ()
        restarts = tuple(
            f"kubectl rollout restart {_RESTARTED[owner.family.kind]}/{quote(owner.family.name)} "
            f"--namespace {quote(namespace.name)}"
            for owner in moving
            if owner.family.kind in _RESTARTED
        )
        said = f"namespace '{namespace.name}': {len(moving)} of {len(namespace.owners)} can move{_left(namespace)}"
        yield Step(said, label + restarts)
    if names:
        back = f"kubectl label namespace NAMESPACE {PHASE_LABEL}-"
        yield Step("to go back, take the label away: pods that run stay as they are, new ones ask the old way", (back,))


def _deny(plan: MigrationPlan, names: Sequence[str], flags: str) -> Iterator[Step]:
    rewrite = f"drawbridge migrate FOLDER --in-place {flags}"
    yield Step("change the manifests themselves, where they are kept", (rewrite,))
    served = [one for one in plan.namespaces if any(owner.outcome is Outcome.NOT_NEEDED for owner in one.owners)]
    labels = [_labelled(one, Phase.DENY) for one in plan.namespaces if one not in served]
    run = (*_installed(plan, names, Phase.DENY), *(labels if names else ()))
    yield Step("refuse what still asks the old way, namespace by namespace, once none of it is left", run)
    for namespace in served:
        yield Step(f"leave namespace '{namespace.name}' out of this phase: the scheduler serves what it asks for")


def _labelled(namespace: NamespacePlan, phase: Phase) -> str:
    return f"kubectl label namespace {quote(namespace.name)} {PHASE_LABEL}={phase.value} --overwrite"


_PRIORITY = {Phase.REPORT: 0, Phase.REWRITE: 10, Phase.DENY: 20}
_MODE = {Phase.REPORT: "Report", Phase.REWRITE: "Rewrite", Phase.DENY: "Deny"}


def mapping_for(raw: RawObject, phase: Phase) -> dict[str, Any]:
    """Return a mapping for one phase: Report for every namespace, the later ones by label and with more priority.

    So all three can be there at once, and a namespace goes on, or back, by its label alone.
    """
    spec = {**raw["spec"], "mode": _MODE[phase], "priority": int(raw["spec"].get("priority", 0)) + _PRIORITY[phase]}
    if phase is not Phase.REPORT:
        spec |= {"namespaceSelector": {"matchLabels": {PHASE_LABEL: phase.value}}}
    metadata = {"name": _name_for(raw["metadata"]["name"], phase)}
    return {"apiVersion": raw["apiVersion"], "kind": raw["kind"], "metadata": metadata, "spec": spec}


def _name_for(name: str, phase: Phase) -> str:
    return name if phase is Phase.REPORT else f"{name}-{phase.value}"


def phased(mappings: Mapping[str, LegacyMapping], shipped: Collection[str]) -> tuple[str, ...]:
    """Return the names of mappings of a cluster that go by label: those that ship, as `mapping_for` makes them."""
    return tuple(
        name
        for name, mapping in mappings.items()
        if name in shipped and (mapping.mode is MappingMode.REPORT or _name_for(name, Phase.REWRITE) in mappings)
    )


def _installed(plan: MigrationPlan, names: Sequence[str], phase: Phase) -> Iterator[str]:
    """Yield the commands that bring the mappings of a phase, and those that change mappings of the cluster's own."""
    present = {mapping.name for mapping in plan.mappings} if plan.installed else set()
    missing = [name for name in names if _name_for(name, phase) not in present]
    if missing:
        yield f"drawbridge migrate mapping {join(missing)} --phase {phase.value} | kubectl apply -f -"
    by_label = {_name_for(name, each) for name in names for each in _MODE}
    for mapping in plan.mappings:
        if mapping.name not in by_label:
            patch = f'{{"spec":{{"mode":"{_MODE[phase]}"}}}}'
            yield f"kubectl patch legacymapping {quote(mapping.name)} --type merge --patch '{patch}'"


def _details(plan: MigrationPlan, code: Code) -> Iterator[tuple[str, str]]:
    """Yield the namespaces in which a code stands in the way, each detail of it once."""
    for namespace in plan.namespaces:
        details = {
            found.detail
            for owner in namespace.owners
            if owner.outcome is Outcome.BLOCKED
            for found in owner.obstacles
            if found.code is code
        }
        yield from ((namespace.name, detail) for detail in sorted(details))


def _left(namespace: NamespacePlan) -> str:
    codes = ", ".join(code.value for code in namespace.codes())
    return f"; still in the way of others: {codes}" if codes else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{'node' if len(names) == 1 else 'nodes'} {shown}{more}"
