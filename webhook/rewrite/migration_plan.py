"""Who of a cluster still asks the old way, what serves them, and what stands in their way (contract 6.1)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from webhook.core.autoscalers import Autoscaler
from webhook.core.cluster import ClusterView
from webhook.core.mappings import LegacyMapping, MainResource, MappingMode, is_extended
from webhook.core.pods import ORIGINAL
from webhook.core.workloads import Family, annotations_of, limits_of
from webhook.rewrite.facts import serving_class
from webhook.rewrite.losses import kept_on_node, why_kept
from webhook.rewrite.reasons import Code
from webhook.rewrite.refusals import LeftAlone
from webhook.rewrite.rewriting import Rewritten, Survey, obstacles, rewritten, survey
from webhook.rewrite.serving import Served, serve, unserved
from webhook.rewrite.successors import successors
from webhook.rewrite.supply import devices_for
from webhook.rewrite.templates import Shape


class Outcome(Enum):
    """What becomes of an owner's pods; NOT_NEEDED where the scheduler serves all that they ask for (KEP-5004)."""

    MOVES = "moves"
    BLOCKED = "blocked"
    NOT_NEEDED = "not-needed"
    MOVED = "moved"


class Phase(Enum):
    """The phases of a migration, in order."""

    COEXIST = "coexist"
    REPORT = "report"
    REWRITE = "rewrite"
    DENY = "deny"


_PHASE_OF = {
    MappingMode.OFF: Phase.COEXIST,
    MappingMode.REPORT: Phase.REPORT,
    MappingMode.REWRITE: Phase.REWRITE,
    MappingMode.DENY: Phase.DENY,
}


@dataclass(frozen=True, slots=True)
class Ask:
    """What a container asks for, and what serves it; `entry` is the name or pattern in the mapping.

    `count` and `shape` are None where the quantity is none.
    """

    container: str
    resource: str
    count: int | None
    mapping: str
    entry: str
    device_class_name: str
    shape: Shape | None


@dataclass(frozen=True, slots=True)
class OwnerPlan:
    """One owner: a workload, or a pod that nobody owns.

    `notes` say what changes, or is not said, when it moves; `labels` are those that it demands of nodes all the same.
    """

    family: Family
    outcome: Outcome
    asks: tuple[Ask, ...] = ()
    obstacles: tuple[LeftAlone, ...] = ()
    notes: tuple[str, ...] = ()
    mappings: tuple[LegacyMapping, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        return self.family.head.namespace

    def __str__(self) -> str:
        return f"{self.family.kind} {self.family.name}"


@dataclass(frozen=True, slots=True)
class NamespacePlan:
    """One namespace, the phase that it is in, and the DeviceQuotas that its pods need before they may move."""

    name: str
    phase: Phase
    owners: tuple[OwnerPlan, ...]
    device_quotas: tuple[Mapping[str, Any], ...]

    def codes(self) -> tuple[Code, ...]:
        """Return the reasons that stand in somebody's way, each once."""
        blocked = (owner for owner in self.owners if owner.outcome is Outcome.BLOCKED)
        return tuple(dict.fromkeys(found.code for owner in blocked for found in owner.obstacles))


@dataclass(frozen=True, slots=True)
class SharedNode:
    """A node that offers a name by a device plugin and publishes the same devices: a card is handed out twice."""

    name: str
    resource: str
    driver: str


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """The plan; namespaces are in the order in which they can move.

    `unmapped` are extended resources that no mapping serves, with those who ask for them. `installed` is False where
    the cluster has no mapping yet.
    """

    namespaces: tuple[NamespacePlan, ...]
    shared_nodes: tuple[SharedNode, ...]
    autoscalers: tuple[Autoscaler, ...]
    unmapped: Mapping[str, tuple[str, ...]]
    mappings: tuple[LegacyMapping, ...]
    installed: bool

    def owners(self, outcome: Outcome | None = None) -> tuple[OwnerPlan, ...]:
        found = (owner for namespace in self.namespaces for owner in namespace.owners)
        return tuple(owner for owner in found if outcome in (None, owner.outcome))


def plan_of(
    view: ClusterView, found: Iterable[Family], autoscalers: Sequence[Autoscaler], *, installed: bool
) -> MigrationPlan:
    """Return the plan for all owners; `view` has the mappings that will serve, `installed` or not."""
    by_namespace: dict[str, list[OwnerPlan]] = {}
    unmapped: dict[str, list[str]] = {}
    for family in found:
        owner = owner_plan(family, view)
        for name in unserved(limits_of(family.head.pod), family.head.namespace, view):
            unmapped.setdefault(name, []).append(f"{family.kind} {family.head.namespace}/{family.name}")
        if owner is not None:
            by_namespace.setdefault(owner.namespace, []).append(owner)
    quotas: dict[str, list[Mapping[str, Any]]] = {}
    for quota in successors(view):
        quotas.setdefault(quota["metadata"]["namespace"], []).append(quota)
    namespaces = [
        _namespace(name, owners, quotas.get(name, ()), installed=installed) for name, owners in by_namespace.items()
    ]
    return MigrationPlan(
        namespaces=tuple(sorted(namespaces, key=_order)),
        shared_nodes=tuple(_shared_nodes(view)),
        autoscalers=tuple(autoscalers),
        unmapped={name: tuple(askers) for name, askers in sorted(unmapped.items())},
        mappings=tuple(view.mappings.values()),
        installed=installed,
    )


def owner_plan(family: Family, view: ClusterView) -> OwnerPlan | None:
    """Return the plan for one owner; None where it never asked for a mapped name."""
    head = family.head
    asked = survey(head.pod, head.namespace, view, at=head.at, any_mode=True)
    if asked is None:
        moved = ORIGINAL in annotations_of(head.pod)
        return OwnerPlan(family, Outcome.MOVED) if moved else None
    found = obstacles(asked, view)
    outcome = rewritten(asked, view, ignored=tuple(Code))
    return OwnerPlan(
        family=family,
        outcome=_outcome(asked, found, view),
        asks=tuple(_asks(asked, outcome)),
        obstacles=found,
        notes=tuple(_notes(family, outcome)),
        mappings=asked.serving_mappings(),
        labels=outcome.labels() if isinstance(outcome, Rewritten) else (),
    )


def _outcome(asked: Survey, found: Sequence[LeftAlone], view: ClusterView) -> Outcome:
    served = any(one.code is Code.SERVED_BY_SCHEDULER for one in found)
    if served and all(serving_class(view, name) for name in asked.names):
        return Outcome.NOT_NEEDED
    return Outcome.BLOCKED if found else Outcome.MOVES


def _asks(asked: Survey, outcome: Rewritten | LeftAlone) -> Iterator[Ask]:
    if isinstance(outcome, LeftAlone):
        for container in asked.pod.containers:
            names = (name for name in container.limits if name in asked.names)
            yield from (_ask(container.name, asked, name, None, None) for name in names)
        return
    for name, needs in outcome.needs:
        yield from (_ask(name, outcome.survey, need.resource, need.count, need.shapes[0]) for need in needs)


def _ask(container: str, asked: Survey, name: str, count: int | None, shape: Shape | None) -> Ask:
    served = asked.serving.get(name) or serve(name, asked.mappings, any_mode=True)
    if not isinstance(served, Served):
        return Ask(container, name, count, "", "", "", shape)
    resource = served.resource
    entry = resource.name or (resource.pattern.source if resource.pattern else "")
    class_name = resource.device_class_name if isinstance(resource, MainResource) else ""
    return Ask(container, name, count, served.mapping.name, entry, class_name, shape)


def _notes(family: Family, outcome: Rewritten | LeftAlone) -> Iterator[str]:
    if family.is_foreign:
        yield f"its template is not in sight; this is what its {family.head.kind} '{family.head.name}' asks for"
    if isinstance(outcome, Rewritten):
        yield from (f"{lost} is not heeded any more: {lost.why}" for lost in outcome.lost)
        mappings = outcome.survey.serving_mappings()
        yield from (f"{kept_on_node(one)}: {why_kept(one, mappings)}" for one in outcome.kept)


def _namespace(
    name: str, owners: Sequence[OwnerPlan], quotas: Sequence[Mapping[str, Any]], *, installed: bool
) -> NamespacePlan:
    needed = any(found.code is Code.QUOTA_CONTINUITY for owner in owners for found in owner.obstacles)
    modes = {mapping.mode for owner in owners for mapping in owner.mappings} if installed else set()
    phases = [_PHASE_OF[mode] for mode in modes] or [Phase.COEXIST]
    phase = min(phases, key=list(Phase).index)
    return NamespacePlan(name, phase, tuple(owners), tuple(quotas) if needed else ())


def _order(namespace: NamespacePlan) -> tuple[int, int, str]:
    """Return the place of a namespace in the order: least that stands in the way first, then fewest pods."""
    return (len(namespace.codes()), sum(owner.family.count for owner in namespace.owners), namespace.name)


def _shared_nodes(view: ClusterView) -> Iterator[SharedNode]:
    publishing: dict[str, set[str]] = {}
    for part in view.slices.values():
        if part.node_name and part.devices:
            publishing.setdefault(part.node_name, set()).add(part.driver)
    drivers: dict[str, frozenset[str]] = {}
    for node in sorted(view.nodes.values(), key=lambda node: node.name):
        for name, amount in sorted(node.allocatable.items()):
            if amount.amount <= 0 or node.name not in publishing or not is_extended(name):
                continue
            served = serve(name, view.mappings.values(), any_mode=True)
            if not isinstance(served, Served) or not isinstance(served.resource, MainResource):
                continue
            class_name = served.resource.device_class_name
            if class_name not in drivers:
                drivers[class_name] = frozenset(device.driver for device in devices_for(view, class_name, ()))
            yield from (
                SharedNode(node.name, name, driver) for driver in sorted(drivers[class_name] & publishing[node.name])
            )
