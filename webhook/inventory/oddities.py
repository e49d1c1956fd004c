"""What is odd about the published devices, and may explain why they are not allocated."""

from collections.abc import Iterable, Iterator, Mapping

from webhook.cel.places import ATTRIBUTES
from webhook.inventory.clauses import Clause
from webhook.inventory.inventory import Inventory

_MOST_POOLS = 5


def oddities(inventory: Inventory, clauses: Iterable[Clause]) -> Iterator[str]:
    """Yield incomplete pools, device names that are there twice, and attributes that the clauses read of two types."""
    yield from _listed(_of_pools(inventory), "pools are incomplete")
    yield from _listed(
        (
            f"pool '{pool}' of driver '{driver}' has several devices named '{name}': the scheduler allocates none of it"
            for driver, pool, name in inventory.duplicates
        ),
        "device names are there twice",
    )
    read = {place for clause in clauses for place in clause.places or () if place.field == ATTRIBUTES}
    for place in sorted(read, key=lambda place: (place.domain, place.name)):
        schema = inventory.domains.get(place.domain)
        attribute = schema.attributes.get(place.name) if schema is not None else None
        if attribute is not None and len(attribute.types) > 1:
            yield f"attribute `{place.name}` of '{place.domain}' is {_types(attribute.types)}"


def _of_pools(inventory: Inventory) -> Iterator[str]:
    for pool in inventory.incomplete:
        instead = "an older generation counts" if pool.older else "its devices do not count"
        yield f"pool '{pool.pool}' of driver '{pool.driver}' has {pool.seen} of {pool.wanted} slices: {instead}"


def _types(types: Mapping[str, int]) -> str:
    said = (f"of type {kind} on {count} devices" for kind, count in sorted(types.items()))
    return " and ".join(said)


def _listed(said: Iterable[str], rest: str) -> Iterator[str]:
    found = tuple(said)
    yield from found[:_MOST_POOLS]
    if len(found) > _MOST_POOLS:
        yield f"and {len(found) - _MOST_POOLS} more {rest}"
