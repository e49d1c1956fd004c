"""LegacyMapping: how legacy extended resources and GPU node labels become requests (contract 1)."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from webhook.core.claims import parse_metadata
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.labels import LabelSelector, parse_label_selector
from webhook.core.name_pattern import NamePattern, parse_pattern
from webhook.core.quantity import Quantity, parse_quantity
from webhook.core.raw import EMPTY, Misfit, RawObject, Reader
from webhook.core.selector_template import SelectorTemplate, parse_selector_template
from webhook.core.without_counterpart import NoCounterpart, parse_without_counterpart

KIND = "LegacyMapping"
LABEL_VALUE = "value"
"""The placeholder in the selector of a node label."""


class MappingMode(Enum):
    """What happens to a pod that asks the old way; DENY is phase 3 of a migration."""

    OFF = "Off"
    REPORT = "Report"
    REWRITE = "Rewrite"
    DENY = "Deny"


class Coexistence(Enum):
    """What to do while some node still advertises the name through a device plugin."""

    LEAVE_ALONE = "LeaveAlone"
    REWRITE = "Rewrite"


class QuotaContinuity(Enum):
    """Whether a pod may leave its ResourceQuota without a quota that takes over."""

    REQUIRE = "Require"
    IGNORE = "Ignore"


class Tolerations(Enum):
    """Whether pods get the toleration that the plugin ExtendedResourceToleration would have added."""

    ADD = "Add"
    KEEP = "Keep"


@dataclass(frozen=True, slots=True)
class MainResource:
    """A resource that becomes a request: so many devices of a class, whole or in shares.

    `config` and `constraints` are as in a claim's spec, for this one request.
    """

    name: str
    pattern: NamePattern | None
    path: FieldPath
    device_class_name: str
    values: Mapping[str, str] = field(default_factory=dict)
    selector: SelectorTemplate | None = None
    capacity: Mapping[str, Quantity] = field(default_factory=dict)
    config: tuple[RawObject, ...] = ()
    constraints: tuple[RawObject, ...] = ()

    def meanings(self, captured: Mapping[str, str]) -> Mapping[str, str]:
        """Return what the placeholders of the selector stand for, given what the pattern captured."""
        return {group: self.values.get(text, text) for group, text in captured.items()}


@dataclass(frozen=True, slots=True)
class Companion:
    """A resource that has no request of its own: it asks a capacity of each device of its main resource `of`.

    `unit` is what one unit of the resource is of the capacity (`Mi`); with `percent` it is a share in hundredths.
    """

    name: str
    pattern: NamePattern | None
    path: FieldPath
    of: str
    capacity: str
    unit: Quantity
    percent: bool = False


MappedResource = MainResource | Companion


@dataclass(frozen=True, slots=True)
class NodeLabel:
    """A label of nodes, and the selector that says the same of a device for one value of it."""

    label: str
    selector: SelectorTemplate


@dataclass(frozen=True, slots=True)
class LegacyMapping:
    """A mapping; one with misfits is used for nothing: what it means is not certain.

    `previous` is the mapping before its last change, for pods in flight (`status.previous`).
    """

    name: str
    namespace_selector: LabelSelector = field(default_factory=LabelSelector)
    mode: MappingMode = MappingMode.REWRITE
    priority: int = 0
    coexistence: Coexistence = Coexistence.LEAVE_ALONE
    quota_continuity: QuotaContinuity = QuotaContinuity.REQUIRE
    tolerations: Tolerations = Tolerations.ADD
    drop_labels: bool = False
    resources: tuple[MappedResource, ...] = ()
    node_labels: tuple[NodeLabel, ...] = ()
    without_counterpart: tuple[NoCounterpart, ...] = ()
    previous: "LegacyMapping | None" = None
    misfits: tuple[Misfit, ...] = ()

    def find(self, name: str) -> tuple[MappedResource, Mapping[str, str]] | None:
        """Return what serves a resource name, and what its pattern captured.

        A literal name wins over a pattern, then list order. Kubernetes' own names are never mapped.
        """
        if not is_extended(name):
            return None
        for resource in self.resources:
            if resource.name == name:
                return resource, EMPTY
        for resource in self.resources:
            captured = None if resource.pattern is None else resource.pattern.match(name)
            if captured is not None:
                return resource, captured
        return None


def is_extended(name: str) -> bool:
    """Return whether a name is that of an extended resource (core/v1/helper IsExtendedResourceName).

    The implicit names `deviceclass.resource.kubernetes.io/<class>` are none: DRA serves them already.
    """
    return "/" in name and "kubernetes.io/" not in name and not name.startswith("requests.")


def parse_mapping(raw: RawObject) -> LegacyMapping:
    """Return the mapping; everything that is wrong with it is among its misfits."""
    reader = Reader()
    name = parse_metadata(raw, reader).name
    status = reader.struct(raw, "status", ROOT) or EMPTY
    spec = reader.struct(raw, "spec", ROOT) or EMPTY
    before = reader.struct(status, "previous", ROOT.child("status"))
    previous = None if before is None else _mapping(name, before, ROOT.child("status", "previous"), Reader(), None)
    return _mapping(name, spec, ROOT.child("spec"), reader, previous)


def _mapping(
    name: str, spec: RawObject, at: FieldPath, reader: Reader, previous: LegacyMapping | None
) -> LegacyMapping:
    namespaces = reader.struct(spec, "namespaceSelector", at) or EMPTY
    return LegacyMapping(
        name=name,
        namespace_selector=parse_label_selector(namespaces, at.child("namespaceSelector"), reader),
        mode=reader.choice(spec, "mode", at, MappingMode.REWRITE),
        priority=reader.integer(spec, "priority", at),
        coexistence=reader.choice(spec, "coexistence", at, Coexistence.LEAVE_ALONE),
        quota_continuity=reader.choice(spec, "quotaContinuity", at, QuotaContinuity.REQUIRE),
        tolerations=reader.choice(spec, "tolerations", at, Tolerations.ADD),
        drop_labels=reader.flag(spec, "dropLabels", at),
        resources=_resources(spec, at, reader),
        node_labels=tuple(_node_labels(spec, at, reader)),
        without_counterpart=tuple(parse_without_counterpart(spec, at, reader)),
        previous=previous,
        misfits=tuple(reader.misfits),
    )


def _resources(spec: RawObject, at: FieldPath, reader: Reader) -> tuple[MappedResource, ...]:
    found = []
    names: set[str] = set()
    for raw, path in reader.structs(spec, "resources", at):
        resource = _resource(raw, path, reader)
        if resource is None:
            continue
        written = resource.name or (resource.pattern.source if resource.pattern else "")
        if written in names:
            reader.note(path, f"must not map '{written}' again")
        names.add(written)
        found.append(resource)
    for resource in found:
        if isinstance(resource, Companion) and not _has_main(found, resource.of):
            at_of = resource.path.child("capacity", "of")
            reader.note(at_of, f"must name a resource of this mapping that has a class, not '{resource.of}'")
    return tuple(found)


def _has_main(resources: list[MappedResource], name: str) -> bool:
    return any(
        isinstance(resource, MainResource)
        and (resource.name == name or (resource.pattern is not None and resource.pattern.match(name) is not None))
        for resource in resources
    )


def _resource(raw: RawObject, path: FieldPath, reader: Reader) -> MappedResource | None:
    before = len(reader.misfits)
    name = reader.text(raw, "name", path)
    source = reader.text(raw, "pattern", path)
    if bool(name) == bool(source):
        reader.note(path, "must have exactly one of `name` and `pattern`")
    if name and not is_extended(name):
        reader.note(
            path.child("name"), f"must be the name of an extended resource such as 'vendor.com/gpu', not '{name}'"
        )
    pattern = parse_pattern(source, path.child("pattern"), reader) if source else None
    if raw.get("capacity") is not None:
        companion = _companion(raw, name, pattern, path, reader)
        return companion if len(reader.misfits) == before else None
    main = _main(raw, name, pattern, path, reader)
    return main if len(reader.misfits) == before else None


def _main(raw: RawObject, name: str, pattern: NamePattern | None, path: FieldPath, reader: Reader) -> MainResource:
    device_class_name = reader.text(raw, "deviceClassName", path)
    if not device_class_name:
        reader.note(path, "must have a `deviceClassName`, or a `capacity` of another resource")
    groups = pattern.groups() if pattern else frozenset()
    return MainResource(
        name=name,
        pattern=pattern,
        path=path,
        device_class_name=device_class_name,
        values=reader.text_map(raw, "values", path),
        selector=_selector(raw, path, groups, reader),
        capacity=reader.quantities(raw, "requests", path),
        config=tuple(entry for entry, _ in reader.structs(raw, "config", path)),
        constraints=tuple(entry for entry, _ in reader.structs(raw, "constraints", path)),
    )


def _selector(raw: RawObject, path: FieldPath, known: frozenset[str], reader: Reader) -> SelectorTemplate | None:
    source = reader.text(raw, "selector", path)
    if not source:
        return None
    template, problems = parse_selector_template(source, known)
    for problem in problems:
        reader.note(path.child("selector"), problem)
    return template


def _companion(raw: RawObject, name: str, pattern: NamePattern | None, path: FieldPath, reader: Reader) -> Companion:
    at = path.child("capacity")
    capacity = reader.struct(raw, "capacity", path) or EMPTY
    for other in ("deviceClassName", "selector", "requests", "config", "constraints"):
        if raw.get(other) is not None:
            reader.note(path.child(other), "must not stand beside `capacity`: the resource has no request of its own")
    of, counted = reader.text(capacity, "of", at), reader.text(capacity, "name", at)
    if not of or not counted:
        reader.note(at, "must say `of` which resource and the `name` of the capacity")
    percent = reader.flag(capacity, "percent", at)
    unit = reader.text(capacity, "unit", at)
    if percent and unit:
        reader.note(at, "must not have both `unit` and `percent`")
    return Companion(name, pattern, path, of, counted, _unit(unit, at, reader), percent)


def _unit(written: str, at: FieldPath, reader: Reader) -> Quantity:
    """Return one unit of the resource; without a suffix that is one."""
    if not written or (written.isalpha() and written.isascii()):
        with suppress(ValueError):
            return parse_quantity(f"1{written}")
    reader.note(at.child("unit"), f"must be the suffix of a quantity such as 'Mi', not '{written}'")
    return parse_quantity("1")


def _node_labels(spec: RawObject, at: FieldPath, reader: Reader) -> Iterator[NodeLabel]:
    for raw, path in reader.structs(spec, "nodeLabels", at):
        label = reader.text(raw, "label", path)
        if not label:
            reader.note(path, "must have a `label`")
        selector = _selector(raw, path, frozenset({LABEL_VALUE}), reader)
        if selector is None and not reader.text(raw, "selector", path):
            reader.note(path, "must have a `selector`")
        if label and selector is not None:
            yield NodeLabel(label, selector)
