"""InventoryReport, SchemaReport and IdleReport: as tables for people, as JSON for programs."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from webhook.cli.report import API_VERSION
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.device import AttributeValue
from webhook.core.render import aligned, cut
from webhook.inventory.inventory import inventory_of
from webhook.inventory.oddities import all_oddities
from webhook.inventory.readiness import reported, written_binding
from webhook.inventory.schema import AttributeSchema, DomainSchema
from webhook.inventory.summary import DriverSummary, ShapeSummary, driver_summaries, idle_claims
from webhook.inventory.taints import written as written_taint
from webhook.quota.wording import age_of

_MOST_VALUES = 5
_CELL = 140


def inventory_text(view: ClusterView) -> str:
    summaries = driver_summaries(view)
    if not summaries:
        return "no devices are published"
    heading = ("DRIVER", "POOLS", "NODES", "DEVICES", "PLANNED", "SHAPES", "INCOMPLETE POOLS")
    blocks = [aligned([heading, *(_driver_row(summary) for summary in summaries)])]
    notes = "\n".join(f"note: {note}" for note in _notes(view))
    return "\n\n".join(
        [*blocks, *(_shapes(summary) for summary in summaries if summary.shapes), *filter(None, [notes])]
    )


def _notes(view: ClusterView) -> list[str]:
    """Return what is odd about the devices, and which of those that claims hold are waited for or broken."""
    return [*all_oddities(inventory_of(view)), *reported(view)]


def _shapes(summary: DriverSummary) -> str:
    """Return what all devices of a driver have in common, and a line a shape with what tells it from the others."""
    told = [_told(shape) for shape in summary.shapes]
    common = {part for part in told[0] if all(part in parts for parts in told)}
    rows = [
        (str(shape.count), str(shape.planned), "yes" if shape.shareable else "no", " ".join(_but(parts, common)))
        for shape, parts in zip(summary.shapes, told, strict=True)
    ]
    shared = f"all: {' '.join(part for part in told[0] if part in common)}\n" if len(told) > 1 and common else ""
    return f"{summary.driver}\n{shared}" + aligned([("DEVICES", "PLANNED", "SHARED", "SHAPE"), *rows])


def _but(parts: Iterable[str], common: set[str]) -> list[str]:
    left = [part for part in parts if part not in common]
    return left or sorted(common)


def _driver_row(summary: DriverSummary) -> tuple[str, ...]:
    numbers = (summary.pools, summary.nodes, summary.devices, summary.planned, len(summary.shapes))
    return (summary.driver, *map(str, numbers), ", ".join(summary.incomplete) or "none")


def _told(shape: ShapeSummary) -> list[str]:
    capacity = (f"{_bare(name)}={value}" for name, value in shape.capacity)
    attributes = (f"{_bare(name)}={written(value)}" for name, value in shape.attributes)
    taints = (f"taint={written_taint(taint)}" for taint in shape.taints)
    return [*attributes, *capacity, *taints, *written_binding(shape.binding)]


def _bare(name: str) -> str:
    return name.rpartition("/")[2]


def written(value: AttributeValue) -> str:
    """Return a value as it would stand in a selector."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(written(item) for item in value)}]"
    return str(value) if isinstance(value, int) else f"'{value}'"


def inventory_json(view: ClusterView) -> dict[str, Any]:
    drivers = [
        {
            "driver": summary.driver,
            "pools": summary.pools,
            "nodes": summary.nodes,
            "devices": summary.devices,
            "planned": summary.planned,
            "incompletePools": list(summary.incomplete),
            "shapes": [_shape_json(shape) for shape in summary.shapes],
        }
        for summary in driver_summaries(view)
    ]
    return {"apiVersion": API_VERSION, "kind": "InventoryReport", "drivers": drivers, "notes": _notes(view)}


def _shape_json(shape: ShapeSummary) -> dict[str, Any]:
    return {
        "devices": shape.count,
        "planned": shape.planned,
        "shareable": shape.shareable,
        "attributes": dict(shape.attributes),
        "capacity": {name: str(quantity) for name, quantity in shape.capacity},
        "taints": [written_taint(taint) for taint in shape.taints],
        "bindingConditions": list(shape.binding.conditions),
        "bindingFailureConditions": list(shape.binding.failure_conditions),
        "bindsToNode": shape.binding.to_node,
    }


def _schemas(view: ClusterView, driver: str | None) -> Iterator[DomainSchema]:
    domains = inventory_of(view).domains
    for name in sorted(domains):
        if driver is None or driver in domains[name].drivers:
            yield domains[name]


def schema_text(view: ClusterView, driver: str | None) -> str:
    rows = [("DOMAIN", "NAME", "KIND", "TYPE", "DEVICES", "VALUES")]
    for schema in _schemas(view, driver):
        for name, attribute in sorted(schema.attributes.items()):
            count = sum(attribute.types.values())
            rows.append((schema.domain, name, "attribute", _types(attribute), str(count), _values(attribute)))
        for name, count in sorted(schema.capacities.items()):
            rows.append((schema.domain, name, "capacity", "quantity", str(count), ""))
    return aligned(rows) if len(rows) > 1 else "no devices are published"


def _types(attribute: AttributeSchema) -> str:
    """Return the types; more than one is a mistake of the driver, and said."""
    return " or ".join(sorted(attribute.types))


def _values(attribute: AttributeSchema) -> str:
    shown = [f"{written(value)} ({count})" for value, count in _by_count(attribute)[:_MOST_VALUES]]
    more = len(attribute.values) - len(shown)
    least = "" if attribute.is_whole else "at least "
    return cut(", ".join(shown), _CELL) + (f", and {least}{more} more" if more else "")


def _by_count(attribute: AttributeSchema) -> list[tuple[AttributeValue, int]]:
    return sorted(attribute.values.items(), key=lambda pair: (-pair[1], str(pair[0])))


def schema_json(view: ClusterView, driver: str | None) -> dict[str, Any]:
    domains = [
        {
            "domain": schema.domain,
            "drivers": sorted(schema.drivers),
            "attributes": {
                name: {
                    "types": dict(attribute.types),
                    "values": [{"value": value, "devices": count} for value, count in _by_count(attribute)],
                }
                for name, attribute in sorted(schema.attributes.items())
            },
            "capacities": dict(sorted(schema.capacities.items())),
        }
        for schema in _schemas(view, driver)
    ]
    return {"apiVersion": API_VERSION, "kind": "SchemaReport", "domains": domains}


def idle_text(view: ClusterView, now: datetime) -> str:
    rows = [("NAMESPACE", "CLAIM", "OWNER", "AGE", "DEVICES")]
    for claim in idle_claims(view):
        told = _idle(claim, now)
        cells = (told["owner"] or "", told["age"] or "", ", ".join(told["devices"]))
        rows.append((told["namespace"], told["name"], *cells))
    return aligned(rows) if len(rows) > 1 else "no claim holds devices for nobody"


def idle_json(view: ClusterView, now: datetime) -> dict[str, Any]:
    claims = [_idle(claim, now) for claim in idle_claims(view)]
    return {"apiVersion": API_VERSION, "kind": "IdleReport", "claims": claims}


def _idle(claim: Claim, now: datetime) -> dict[str, Any]:
    owner = claim.metadata.controller()
    return {
        "namespace": claim.metadata.namespace,
        "name": claim.metadata.name,
        "owner": f"{owner.kind}/{owner.name}" if owner else None,
        "age": age_of(claim.metadata.creation_timestamp, now),
        "devices": [f"{device.driver}/{device.pool}/{device.device}" for device in claim.allocated or ()],
    }
