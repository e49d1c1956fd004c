"""What drivers report of the devices that claims hold: `status.devices` of a ResourceClaim (KEP-4817)."""

from dataclasses import dataclass

from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.raw import EMPTY, RawObject, Reader


@dataclass(frozen=True, slots=True)
class Condition:
    """A meta/v1 Condition; `status` is True, False or Unknown."""

    type: str
    status: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """What is reported of one device."""

    driver: str
    pool: str
    device: str
    conditions: tuple[Condition, ...] = ()


def parse_device_statuses(raw: RawObject, reader: Reader) -> tuple[DeviceStatus, ...]:
    """Return what the claim's status says of its devices."""
    at = ROOT.child("status")
    status = reader.struct(raw, "status", ROOT) or EMPTY
    return tuple(_status(entry, path, reader) for entry, path in reader.structs(status, "devices", at))


def _status(raw: RawObject, path: FieldPath, reader: Reader) -> DeviceStatus:
    return DeviceStatus(
        reader.text(raw, "driver", path),
        reader.text(raw, "pool", path),
        reader.text(raw, "device", path),
        tuple(
            Condition(reader.text(one, "type", at), reader.text(one, "status", at), reader.text(one, "message", at))
            for one, at in reader.structs(raw, "conditions", path)
        ),
    )
