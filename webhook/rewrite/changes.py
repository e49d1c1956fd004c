"""Makes the changed pod from the raw one: only what a rewrite may touch is touched, all else is shared (FM-37)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook.core.raw import EMPTY, RawObject
from webhook.rewrite.derive import placement
from webhook.rewrite.labels import Condition, without
from webhook.rewrite.original import ANNOTATION, Original


@dataclass(frozen=True, slots=True)
class Changes:
    """What a rewrite changes.

    `resources` leave limits and requests; `references` are the claims that each container names, by its place (init
    containers first); `claims` the pod's new claims with their templates; `replaced` its claims of an earlier pass.
    """

    resources: frozenset[str]
    references: Mapping[int, tuple[str, ...]]
    claims: Mapping[str, str]
    replaced: frozenset[str]
    tolerations: tuple[str, ...]
    dropped: frozenset[Condition]
    original: Original


def changed_pod(raw: RawObject, changes: Changes) -> dict[str, Any]:
    """Return the pod with the changes; the raw one stays as it is."""
    metadata = raw.get("metadata") or EMPTY
    annotations = {**(metadata.get("annotations") or EMPTY), ANNOTATION: changes.original.text()}
    return {
        **({} if "metadata" in raw else {"metadata": {}}),  # first, where people look for it
        **raw,
        "metadata": {**metadata, "annotations": annotations},
        "spec": _spec(raw["spec"], changes),
    }


def _spec(spec: RawObject, changes: Changes) -> dict[str, Any]:
    changed = dict(spec)
    place = 0
    for field in ("initContainers", "containers"):
        containers = spec.get(field) or []
        if containers:
            changed[field] = [_container(raw, place + index, changes) for index, raw in enumerate(containers)]
        place += len(containers)
    kept = [claim for claim in spec.get("resourceClaims") or [] if claim.get("name") not in changes.replaced]
    ours = [{"name": name, "resourceClaimTemplateName": template} for name, template in changes.claims.items()]
    if ours or changes.replaced:
        changed["resourceClaims"] = [*kept, *ours]
    tolerations = spec.get("tolerations") or []
    missing = [name for name in changes.tolerations if not any(_tolerates(entry, name) for entry in tolerations)]
    if missing:
        added = [{"key": name, "operator": "Exists", "effect": "NoSchedule"} for name in missing]
        changed["tolerations"] = [*tolerations, *added]
    if changes.dropped:
        _drop_labels(changed, changes)
    return changed


def _container(raw: RawObject, place: int, changes: Changes) -> RawObject:
    resources = raw.get("resources") or EMPTY
    changed = dict(resources)
    for field in ("limits", "requests"):
        asked = resources.get(field) or EMPTY
        if changes.resources & asked.keys():
            changed[field] = {name: value for name, value in asked.items() if name not in changes.resources}
    claims = resources.get("claims") or []
    kept = [claim for claim in claims if claim.get("name") not in changes.replaced]
    ours = [{"name": name} for name in changes.references.get(place, ())]
    if ours or len(kept) != len(claims):
        changed["claims"] = [*kept, *ours]
    return raw if changed == resources else {**raw, "resources": changed}


def _tolerates(toleration: object, name: str) -> bool:
    """Return whether a toleration covers the taint `name` without a value and with effect NoSchedule."""
    if not isinstance(toleration, dict):
        return False
    key, effect = toleration.get("key") or name, toleration.get("effect") or "NoSchedule"
    return key == name and toleration.get("operator") == "Exists" and effect == "NoSchedule"


def _drop_labels(spec: dict[str, Any], changes: Changes) -> None:
    selector, affinity = without(*placement(spec), changes.dropped)
    if "nodeSelector" in spec:
        _put(spec, "nodeSelector", selector)
    if isinstance(spec.get("affinity"), dict):
        whole = dict(spec["affinity"])
        _put(whole, "nodeAffinity", affinity)
        _put(spec, "affinity", whole)


def _put(parent: dict[str, Any], name: str, value: RawObject) -> None:
    """Set a field, or take it out where nothing is left of it."""
    if value:
        parent[name] = value
    else:
        parent.pop(name, None)
