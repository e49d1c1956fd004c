"""What the controller keeps of pods and of generated templates: those that matter for templates, and no more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from webhook.core.fieldpath import ROOT
from webhook.core.pods import parse_pod
from webhook.core.raw import EMPTY, RawObject, Reader
from webhook.kube.kinds import TEMPLATES, Key, Kind
from webhook.rewrite.derive import referenced
from webhook.rewrite.original import ANNOTATION
from webhook.rewrite.templates import GENERATED, is_generated_name

MADE_BY = "drawbridge.dev/made-by"
"""The annotation by which the controller knows the templates that it made itself; `migrate` writes the label alone."""

MAKER = "controller"
Place = tuple[str, str]
_ENDED = ("Succeeded", "Failed")
_CONTAINER_FIELDS = ("name", "restartPolicy", "resources")


@dataclass(frozen=True, slots=True)
class NeedyPod:
    """A pod that refers to generated templates; `content` is what they are derived from, as JSON."""

    namespace: str
    name: str
    uid: str
    templates: tuple[str, ...]
    content: bytes

    @property
    def place(self) -> Place:
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A template with a name of ours; `made_here` is True where the controller made it and may delete it."""

    namespace: str
    name: str
    uid: str
    made_here: bool
    spec: RawObject


def keep_pod(raw: RawObject, reader: Reader) -> NeedyPod | None:
    """Return the pod where it needs generated templates; None for any other, and for one that has ended."""
    status = reader.struct(raw, "status", ROOT) or EMPTY
    if status.get("phase") in _ENDED:
        return None
    templates = referenced(parse_pod(raw))
    if not templates:
        return None
    metadata = reader.struct(raw, "metadata", ROOT) or EMPTY
    at = ROOT.child("metadata")
    return NeedyPod(
        namespace=reader.text(metadata, "namespace", at),
        name=reader.text(metadata, "name", at),
        uid=reader.text(metadata, "uid", at),
        templates=templates,
        content=msgspec.json.encode(_derivable(raw)),
    )


def _derivable(raw: RawObject) -> dict[str, Any]:
    """Return all of a pod that its templates follow from, and nothing that differs between pods of one workload."""
    spec = raw.get("spec") or {}
    written = ((raw.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    kept = {name: spec[name] for name in ("resourceClaims", "nodeSelector", "affinity") if name in spec}
    for name in ("containers", "initContainers"):
        kept[name] = [
            {field: container[field] for field in _CONTAINER_FIELDS if field in container}
            for container in spec.get(name) or ()
            if isinstance(container, dict)
        ]
    annotations = {} if written is None else {ANNOTATION: written}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": annotations}, "spec": kept}


def keep_template(raw: RawObject, reader: Reader) -> StoredTemplate | None:
    metadata = reader.struct(raw, "metadata", ROOT) or EMPTY
    at = ROOT.child("metadata")
    name = reader.text(metadata, "name", at)
    if not is_generated_name(name):
        return None
    labelled = reader.text_map(metadata, "labels", at).get(GENERATED) == "true"
    made = reader.text_map(metadata, "annotations", at).get(MADE_BY) == MAKER
    return StoredTemplate(
        namespace=reader.text(metadata, "namespace", at),
        name=name,
        uid=reader.text(metadata, "uid", at),
        made_here=labelled and made,
        spec=reader.struct(raw, "spec", ROOT) or EMPTY,
    )


PODS = Kind("", ("v1",), "pods", "Pod", True, "", keep_pod)
GENERATED_TEMPLATES = replace(TEMPLATES, field="", keep=keep_template)


class TemplateNeeds:
    """A sink for pods and generated templates: who needs what, and what is there.

    `to_look_at` collects the pods whose templates may be missing until somebody takes them.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.pods: dict[Place, NeedyPod] = {}
        self.stored: dict[Place, StoredTemplate] = {}
        self.to_look_at: set[Place] = set()
        self._users: dict[Place, set[Place]] = {}
        self._on_change = on_change

    def users(self, template: Place) -> frozenset[Place]:
        """Return the pods that refer to a template."""
        return frozenset(self._users.get(template, ()))

    def made(self, raw: RawObject) -> None:
        """Note a template that was just made, before the watch tells it."""
        template = keep_template(raw, Reader())
        if template is not None:
            self.stored[template.namespace, template.name] = template

    async def replaced(self, kind: Kind, objects: Mapping[Key, object], resource_version: str) -> None:
        known = self.pods if kind is PODS else self.stored
        for key in (*known.keys() - objects.keys(), *objects):
            self.changed(kind, key, objects.get(key), resource_version)

    def changed(self, kind: Kind, key: Key, value: object | None, resource_version: str) -> None:  # noqa: ARG002
        assert isinstance(key, tuple)
        if kind is PODS:
            assert value is None or isinstance(value, NeedyPod)
            self._pod(key, value)
        else:
            assert value is None or isinstance(value, StoredTemplate)
            self._template(key, value)
        self._on_change()

    def progressed(self, kind: Kind, resource_version: str) -> None:
        """How far the watch has come does not matter here."""

    def count(self, kind: Kind) -> int:
        return len(self.pods if kind is PODS else self.stored)

    def _pod(self, place: Place, pod: NeedyPod | None) -> None:
        before = self.pods.pop(place, None)
        for name in before.templates if before else ():
            users = self._users[place[0], name]
            users.discard(place)
            if not users:
                del self._users[place[0], name]
        if pod is not None:
            self.pods[place] = pod
            for name in pod.templates:
                self._users.setdefault((place[0], name), set()).add(place)
            self.to_look_at.add(place)

    def _template(self, place: Place, template: StoredTemplate | None) -> None:
        if template is None:
            self.stored.pop(place, None)
            self.to_look_at |= self.users(place)
        else:
            self.stored[place] = template
