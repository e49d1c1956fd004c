"""A pod with legacy limits becomes one with claim references; pure, and to the letter of contract 6."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from webhook.core.cluster import ClusterView
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.mappings import LegacyMapping, MappingMode, Tolerations, is_extended
from webhook.core.patch import Operation, apply, difference
from webhook.core.pods import Container, Pod, parse_pod
from webhook.core.raw import EMPTY, RawObject
from webhook.core.without_counterpart import Loss, Sayer
from webhook.rewrite.asks import Need, Selectors, UnusableQuantityError, asked_names, asks_nothing, needs_of
from webhook.rewrite.changes import Changes, changed_pod
from webhook.rewrite.derive import derive, original_of, placement, pod_conditions, selectors_for
from webhook.rewrite.labels import Condition, Translation, taken_out, translate
from webhook.rewrite.losses import Lost, is_lost_resource, losses
from webhook.rewrite.original import Original
from webhook.rewrite.plan import Plan, plan
from webhook.rewrite.reasons import Code
from webhook.rewrite.refusals import LeftAlone, name_refusals, need_refusals, pod_refusals
from webhook.rewrite.serving import MOST_NAMES, Conflict, Served, labels_of, selecting, serve
from webhook.rewrite.templates import Template, make_template

_MOST_LIMITS = 2048
"""How many mapped limits are rewritten in one pod; one that has more is left alone before it costs time."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The mapped names in a pod's limits, each with the place where it is first met, and how they are served.

    `over` is True where there are more than are looked at.
    """

    raw: RawObject
    pod: Pod
    namespace: str
    names: Mapping[str, FieldPath]
    serving: Mapping[str, Served]
    conflicts: tuple[Conflict, ...]
    mappings: tuple[LegacyMapping, ...]
    any_mode: bool
    namespace_known: bool
    over: bool
    mode: MappingMode

    def serving_mappings(self) -> tuple[LegacyMapping, ...]:
        """Return the mappings that serve the names, each once."""
        return tuple({served.mapping.name: served.mapping for served in self.serving.values()}.values())

    def first(self) -> FieldPath:
        """Return the path of the first container that asks for a mapped name."""
        return FieldPath(next(iter(self.names.values())).steps[:-3])


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The pod as it will be, the patch that makes it so, and the templates that it refers to.

    `needs` are what each container asked for, in container order; `kept` the demands on mapped node labels that
    have no exact counterpart and stay as they are.
    """

    survey: Survey
    pod: RawObject
    patch: tuple[Operation, ...]
    plan: Plan
    templates: Mapping[str, Template]
    needs: tuple[tuple[str, tuple[Need, ...]], ...]
    kept: tuple[Condition, ...]
    said: tuple[Condition, ...]
    lost: tuple[Lost, ...]
    changes: Changes

    def labels(self) -> tuple[str, ...]:
        """Return the mapped node labels that the pod still demands of its node, sorted."""
        return tuple(sorted({condition.label for condition in (*self.kept, *self.said)}))

    def made(self) -> tuple[Template, ...]:
        """Return the templates, each once, in the order of the claims that refer to them."""
        return tuple({template.name: template for template in self.templates.values()}.values())


def rewrite(
    raw: RawObject,
    namespace: str,
    view: ClusterView,
    *,
    at: FieldPath = ROOT,
    any_mode: bool = False,
    ignored: Collection[Code] = (),
) -> Rewritten | LeftAlone | None:
    """Return the rewritten pod, or why it is left alone; None where nothing in it is mapped.

    `raw` is a pod or a pod template. `at` is its path in its workload, for what is told; the patch is relative to
    `raw`. With `any_mode` the mappings' modes do not count, and reason codes in `ignored` are passed over where that
    is possible at all (`drawbridge migrate`).
    """
    asked = survey(raw, namespace, view, at=at, any_mode=any_mode)
    return None if asked is None else rewritten(asked, view, ignored=ignored)


def survey(
    raw: RawObject, namespace: str, view: ClusterView, *, at: FieldPath = ROOT, any_mode: bool = False
) -> Survey | None:
    """Return the mapped names of a pod; None where there are none, or where the API server cannot read the pod."""
    limits = _extended_names(raw) if view.mappings else ()
    looked_at = tuple(islice(dict.fromkeys(limits), MOST_NAMES))
    if not any(mapping.find(name) for name in looked_at for mapping in view.mappings.values()):
        return None
    pod = parse_pod(raw, at)
    if pod.misfits:
        return None
    labels = labels_of(view, namespace)
    mappings = tuple(view.mappings.values())
    if labels is not None:
        mappings = selecting(mappings, labels)
    names: dict[str, FieldPath] = {}
    serving: dict[str, Served] = {}
    conflicts: list[Conflict] = []
    served = {name: hit for name in looked_at if (hit := serve(name, mappings, any_mode=any_mode))}
    for container in pod.containers:
        for name in container.limits:
            if name in names or name not in served:
                continue
            names[name] = container.path.child("resources", "limits").key(name)
            hit = served[name]
            if isinstance(hit, Conflict):
                conflicts.append(hit)
            else:
                serving[name] = hit
    if not names:
        return None
    return Survey(
        raw=raw,
        pod=pod,
        namespace=namespace,
        names=names,
        serving=serving,
        conflicts=tuple(conflicts),
        mappings=mappings,
        any_mode=any_mode,
        namespace_known=labels is not None,
        over=len(looked_at) == MOST_NAMES or sum(name in served for name in limits) > _MOST_LIMITS,
        mode=_mode(serving.values()),
    )


def _extended_names(raw: RawObject) -> Sequence[str]:
    """Return the extended resources in the limits of each container of a pod; quick, for most pods have none."""
    names: list[str] = []
    spec = raw.get("spec")
    for field in ("containers", "initContainers"):
        containers = spec.get(field) if isinstance(spec, dict) else None
        for container in containers if isinstance(containers, list) else ():
            resources = container.get("resources") if isinstance(container, dict) else None
            limits = resources.get("limits") if isinstance(resources, dict) else None
            if isinstance(limits, dict):
                names.extend(name for name in limits if is_extended(name))
    return names


def _mode(serving: Iterable[Served]) -> MappingMode:
    """Return the strictest word: all mapped keys of a pod move, or none."""
    modes = {served.mapping.mode for served in serving}
    for mode in (MappingMode.DENY, MappingMode.REPORT):
        if mode in modes:
            return mode
    return MappingMode.REWRITE


def rewritten(asked: Survey, view: ClusterView, *, ignored: Collection[Code] = ()) -> Rewritten | LeftAlone:
    """Return the rewritten pod, or the first reason to leave it alone."""
    passed = {code for code in ignored if code.can_be_ignored}
    refusal = _refusal(_early(asked, view), asked, passed)
    if refusal:
        return refusal
    asked, original, ours = _verified(asked, view)
    containers = tuple(_with_original(container, original) for container in asked.pod.containers)
    wanted = pod_conditions(asked.raw, original)
    mappings = asked.serving_mappings()
    try:
        needs = _needs(containers, asked, selectors_for(mappings, wanted), view)
    except UnusableQuantityError as error:
        return LeftAlone(Code.UNPARSABLE_QUANTITY, str(error), asked.first())
    refusal = _refusal(need_refusals(needs, asked.serving, asked.namespace, view), asked, passed)
    if refusal:
        return refusal
    taken = {claim.name for claim in asked.pod.claims if claim.name not in ours}
    planned = plan([(c.role, asks) for c, (_, asks) in zip(containers, needs, strict=True)], taken)
    templates = {claim.name: make_template(claim.shape, claim.count) for claim in planned.claims}
    translations = [translate(wanted, mapping) for mapping in mappings]
    dropped = _dropped(mappings, translations) if planned.claims else frozenset()
    lost = tuple(one for one in losses(asked.pod, (), mappings) if one.sayer is not Sayer.NODE_LABEL)
    gone = frozenset(one.name for one in lost if one.sayer is Sayer.RESOURCE)
    changes = Changes(
        resources=frozenset(asked.serving) | gone,
        references=planned.names,
        claims={name: template.name for name, template in templates.items()},
        replaced=frozenset(ours),
        tolerations=tuple(_tolerated(asked, containers)),
        dropped=dropped,
        original=_recorded(asked, original, dropped, gone),
    )
    pod = changed_pod(asked.raw, changes)
    patch = difference(asked.raw, pod)
    if apply(asked.raw, patch) != pod:
        raise AssertionError("the patch does not make the pod that was meant")  # a bug: failurePolicy decides
    kept = tuple(dict.fromkeys(condition for translation in translations for condition in translation.kept))
    said = tuple(dict.fromkeys(one for each in translations for one in each.selectors if one not in dropped))
    return Rewritten(asked, pod, patch, planned, templates, needs, kept, said, lost, changes)


def obstacles(asked: Survey, view: ClusterView) -> tuple[LeftAlone, ...]:
    """Return every reason to leave the pod alone, each once, in the order in which they are looked for."""
    found = list(_early(asked, view))
    known, original, _ = _verified(asked, view)
    containers = tuple(_with_original(container, original) for container in known.pod.containers)
    selectors = selectors_for(known.serving_mappings(), pod_conditions(known.raw, original))
    try:
        found += need_refusals(_needs(containers, known, selectors, view), known.serving, known.namespace, view)
    except UnusableQuantityError as error:
        found.append((Code.UNPARSABLE_QUANTITY, str(error)))
    return tuple(LeftAlone(code, detail, asked.first()) for code, detail in dict.fromkeys(found))


def _early(asked: Survey, view: ClusterView) -> Iterator[tuple[Code, str]]:
    if not asked.namespace_known:  # then it is not known either which mappings hold, so it comes before conflicts
        yield Code.NAMESPACE_UNKNOWN, f"namespace '{asked.namespace}' is not known"
    for conflict in asked.conflicts:
        listed = " and ".join(f"'{name}'" for name in conflict.mappings)
        yield Code.MAPPING_CONFLICT, f"LegacyMappings {listed} map `{conflict.name}` with equal priority"
    yield from pod_refusals(asked.pod, asked.namespace, view)
    yield from name_refusals(asked.serving, view)
    yield from _losses(asked)
    if asked.over:
        yield (
            Code.TOO_MANY_DEVICES,
            f"the pod has over {_MOST_LIMITS} limits to rewrite, or {MOST_NAMES} names in them",
        )


def _losses(asked: Survey) -> Iterator[tuple[Code, str]]:
    mappings = asked.serving_mappings()
    if any(mapping.without_counterpart for mapping in mappings):
        for lost in losses(asked.pod, pod_conditions(asked.raw, original_of(asked.raw)), mappings):
            if lost.action is Loss.LEAVE_ALONE:
                yield Code.NO_COUNTERPART, f"{lost} has no counterpart in a claim: {lost.why}"


def _refusal(found: Iterable[tuple[Code, str]], asked: Survey, passed: Collection[Code]) -> LeftAlone | None:
    return next((LeftAlone(code, detail, asked.first()) for code, detail in found if code not in passed), None)


def _verified(asked: Survey, view: ClusterView) -> tuple[Survey, Original | None, frozenset[str]]:
    """Return what the pod's annotation records, where it is to be believed, and the claims that follow from it.

    It is where every generated template that the pod refers to follows from it, and its names are still mapped: then
    an earlier pass wrote it, and the pod is planned again from all that it asked for. Of a container that names none
    of these claims only a limit of 0 is believed: nobody gets devices by an annotation alone.
    """
    original = original_of(asked.raw)
    if original is None:
        return asked, None, frozenset()
    derived = derive(asked.raw, asked.namespace, view)
    ours = frozenset(claim.name for claim in asked.pod.claims if claim.template_name in derived.templates)
    serving = dict(asked.serving)
    believed: dict[str, Mapping[str, str]] = {}
    for container in asked.pod.containers:
        recorded = original.containers.get(container.name, EMPTY)
        for name in recorded.keys() - serving.keys():
            if is_lost_resource(name, asked.mappings):
                continue
            hit = serve(name, asked.mappings, any_mode=asked.any_mode)
            if not isinstance(hit, Served):
                return asked, None, frozenset()
            serving[name] = hit
        has_ours = any(reference.name in ours for reference in container.claims)
        if recorded and (has_ours or asks_nothing(replace(container, limits=recorded), serving)):
            believed[container.name] = recorded
    if derived.underivable or not believed:
        return asked, None, frozenset()
    return replace(asked, serving=serving), replace(original, containers=believed), ours


def _with_original(container: Container, original: Original | None) -> Container:
    recorded = EMPTY if original is None else original.containers.get(container.name, EMPTY)
    return replace(container, limits={**recorded, **container.limits}) if recorded else container


def _needs(
    containers: Sequence[Container], asked: Survey, selectors: Selectors, view: ClusterView
) -> tuple[tuple[str, tuple[Need, ...]], ...]:
    return tuple((c.name, needs_of(c, asked.serving, selectors, view)) for c in containers)


def _tolerated(asked: Survey, containers: Sequence[Container]) -> Iterator[str]:
    """Yield the names for which the plugin ExtendedResourceToleration would have added a toleration, sorted."""
    names = {name for container in containers for name in asked_names(container, asked.serving)}
    for name in sorted(names):
        if asked.serving[name].mapping.tolerations is Tolerations.ADD:
            yield name


def _dropped(mappings: Collection[LegacyMapping], translations: Sequence[Translation]) -> frozenset[Condition]:
    """Return the demands on labels that go: those which every request says as a selector, if the mappings ask so."""
    if not translations or not all(mapping.drop_labels for mapping in mappings):
        return frozenset()
    said, *others = (frozenset(translation.selectors) for translation in translations)
    return said.intersection(*others)


def _recorded(asked: Survey, before: Original | None, dropped: frozenset[Condition], gone: frozenset[str]) -> Original:
    containers: dict[str, Mapping[str, str]] = {}
    for container in asked.pod.containers:
        earlier = EMPTY if before is None else before.containers.get(container.name, EMPTY)
        now = {name: _text(value) for name, value in container.limits.items() if name in asked.serving or name in gone}
        if earlier or now:
            containers[container.name] = {**earlier, **now}
    selector, affinity = taken_out(*placement(asked.raw["spec"]), dropped)
    if before is not None:
        selector, affinity = {**before.node_selector, **selector}, affinity or before.node_affinity
    return Original(containers, selector, affinity)


def _text(quantity: object) -> str:
    """Return a quantity as the API server would have it; a manifest's `2e0` is a number, and reaches it as 2."""
    return str(int(quantity)) if isinstance(quantity, float) and quantity.is_integer() else str(quantity)
