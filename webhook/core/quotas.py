"""DeviceQuota and ClusterDeviceQuota (contract 1): limits on what the claims of a namespace may take.

Amounts are exact rationals: devices, compute slices, or units of a capacity (bytes of memory).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from webhook.core.claims import Selector, parse_metadata
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.labels import LabelSelector, parse_label_selector
from webhook.core.quantity import Quantity
from webhook.core.quota_status import QuotaStatus, parse_status
from webhook.core.raw import EMPTY, Misfit, RawObject, Reader

DEVICE_QUOTA = "DeviceQuota"
CLUSTER_DEVICE_QUOTA = "ClusterDeviceQuota"
MOST_LIMITS = 64
"""How many limits a quota may have, as its schema says."""


class QuotaMode(Enum):
    """What happens to a claim that does not fit: refused, admitted with a warning, or only recorded."""

    DENY = "Deny"
    WARN = "Warn"
    AUDIT = "Audit"


class Dimension(Enum):
    """What a limit counts."""

    DEVICES = "devices"
    SLICES = "slices"
    CAPACITY = "capacity"


@dataclass(frozen=True, slots=True)
class Match:
    """Which devices a limit concerns: all that is given must hold; nothing given is every device."""

    device_class_name: str = ""
    driver: str = ""
    mig_profile: str = ""
    selector: Selector | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """One entry of `limits`. `capacity` and `minimum` belong to the dimension CAPACITY alone."""

    name: str
    dimension: Dimension
    hard: Quantity
    match: Match = field(default_factory=Match)
    capacity: str = ""
    minimum: Quantity | None = None
    path: FieldPath = ROOT


@dataclass(frozen=True, slots=True)
class DeviceQuota:
    """A quota; a ClusterDeviceQuota has the namespace "" and one pot over all that its selector names.

    `generation` counts the changes of the spec (0 in files). `status` is None until a controller has written it. A
    limit that cannot be read is left out and is among the misfits.
    """

    namespace: str
    name: str
    namespace_selector: LabelSelector = field(default_factory=LabelSelector)
    mode: QuotaMode = QuotaMode.DENY
    warn_at: int | None = None
    count_admin_access: bool = False
    limits: tuple[Limit, ...] = ()
    uid: str = ""
    generation: int = 0
    status: QuotaStatus | None = None
    misfits: tuple[Misfit, ...] = ()

    @property
    def kind(self) -> str:
        return DEVICE_QUOTA if self.namespace else CLUSTER_DEVICE_QUOTA


def parse_quota(raw: RawObject) -> DeviceQuota:
    """Return a DeviceQuota or ClusterDeviceQuota with its status; what cannot be read is among its misfits."""
    reader = Reader()
    at = ROOT.child("spec")
    spec = reader.struct(raw, "spec", ROOT) or EMPTY
    metadata = parse_metadata(raw, reader)
    clustered = raw.get("kind") == CLUSTER_DEVICE_QUOTA
    selector = reader.struct(spec, "namespaceSelector", at) if clustered else None
    warn_at = reader.integer(spec, "warnAt", at) if spec.get("warnAt") is not None else None
    if warn_at is not None and not 0 < warn_at <= 100:
        reader.note(at.child("warnAt"), f"must be a percentage from 1 to 100, not {warn_at}")
    status = reader.struct(raw, "status", ROOT)
    return DeviceQuota(
        namespace="" if clustered else metadata.namespace,
        name=metadata.name,
        namespace_selector=parse_label_selector(selector or EMPTY, at.child("namespaceSelector"), reader),
        mode=_mode(spec, at, reader),
        warn_at=warn_at,
        count_admin_access=reader.flag(spec, "countAdminAccess", at),
        limits=tuple(_limits(spec, at, reader)),
        uid=metadata.uid,
        generation=reader.integer(reader.struct(raw, "metadata", ROOT) or EMPTY, "generation", ROOT.child("metadata")),
        status=None if status is None else parse_status(status, reader),
        misfits=tuple(reader.misfits),
    )


def _mode(spec: RawObject, at: FieldPath, reader: Reader) -> QuotaMode:
    """Return the mode; one that we do not know is the strictest."""
    written = reader.text(spec, "mode", at) or QuotaMode.DENY.value
    if written in {mode.value for mode in QuotaMode}:
        return QuotaMode(written)
    reader.note(at.child("mode"), "must be 'Deny', 'Warn' or 'Audit'")
    return QuotaMode.DENY


def _limits(spec: RawObject, at: FieldPath, reader: Reader) -> Iterator[Limit]:
    names: set[str] = set()
    entries = tuple(reader.structs(spec, "limits", at))
    if len(entries) > MOST_LIMITS:
        fix = "divide the limits among several quotas: a claim must fit under all of them"
        reader.note(at.child("limits"), f"must have at most {MOST_LIMITS} limits, not {len(entries)}", fix=fix)
    for raw, path in entries:
        limit = _limit(raw, path, reader)
        if limit is None:
            continue
        if limit.name in names:
            message = f"must not be '{limit.name}' again: names of limits are unique"
            reader.note(path.child("name"), message, fix="give each limit a name of its own; only the first counts")
            continue
        names.add(limit.name)
        yield limit


def _limit(raw: RawObject, path: FieldPath, reader: Reader) -> Limit | None:
    given = [dimension for dimension in Dimension if raw.get(dimension.value) is not None]
    if len(given) != 1:
        fix = "make it several limits: each counts one thing" if given else "write what it counts, such as `devices: 8`"
        reader.note(path, _not_one(raw, given), fix=fix)
        return None
    name = reader.text(raw, "name", path)
    if not name:
        reader.note(path.child("name"), "must not be empty", fix="write a name, which refusals will use")
    match = _match(reader.struct(raw, "match", path) or EMPTY, path.child("match"), reader)
    dimension = given[0]
    if dimension is not Dimension.CAPACITY:
        hard = _amount(raw, dimension.value, path, reader)
        if hard is not None and hard.amount.denominator != 1:
            reader.note(path.child(dimension.value), f"must be a whole number, not '{raw[dimension.value]}'")
        return None if hard is None else Limit(name, dimension, hard, match, path=path)
    at = path.child("capacity")
    capacity = reader.struct(raw, "capacity", path) or EMPTY
    hard = _amount(capacity, "quantity", at, reader)
    counted = reader.text(capacity, "name", at)
    if hard is None or not counted:
        if capacity.get("quantity") is None or not counted:
            reader.note(
                at, "must have a `name` and a `quantity`", fix="write both, such as `{name: memory, quantity: 320Gi}`"
            )
        return None
    return Limit(name, dimension, hard, match, counted, _amount(capacity, "minimum", at, reader), path)


def _not_one(raw: RawObject, given: Sequence[Dimension]) -> str:
    """Return the message of a limit that counts nothing that is known, or several things."""
    wanted = "must have exactly one of `devices`, `capacity` and `slices`"
    odd = [name for name in raw if name not in ("name", "match")]
    return wanted if given or not odd else f"{wanted}, not `{odd[0]}`"


def _amount(raw: RawObject, name: str, path: FieldPath, reader: Reader) -> Quantity | None:
    """Return a quantity; one below zero is noted and taken as it is, for it admits nothing."""
    quantity = reader.quantity(raw.get(name), path.child(name))
    if quantity is not None and quantity.amount < 0:
        message = f"must be greater than or equal to 0, not '{quantity}'"
        reader.note(path.child(name), message, fix="write 0, or leave it out")
    return quantity


def _match(raw: RawObject, path: FieldPath, reader: Reader) -> Match:
    expression = reader.text(raw, "selector", path)
    return Match(
        device_class_name=reader.text(raw, "deviceClassName", path),
        driver=reader.text(raw, "driver", path),
        mig_profile=reader.text(raw, "migProfile", path),
        selector=Selector(expression, path.child("selector")) if expression else None,
    )
