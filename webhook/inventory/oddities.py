"""What is odd about the published devices, and may explain why they are not allocated."""

from collections.abc import Iterable, Iterator, Mapping

from webhook.cel.places import ATTRIBUTES
from webhook.inventory.clauses import Clause
from webhook.inventory.inventory import Inventory
from webhook.inventory.schema import AttributeSchema

_MOST_POOLS = 5


def oddities(inventory: Inventory, clauses: Iterable[Clause]) -> Iterator[str]:
    """Yield incomplete pools, device names that are there twice, and attributes that the clauses read of two types."""
    yield from _of_devices(inventory)
    read = {place for clause in clauses for place in clause.places or () if place.field == ATTRIBUTES}
    yield from _of_types(inventory, ((place.domain, place.name) for place in read))


def all_oddities(inventory: Inventory) -> Iterator[str]:
    """Yield what is odd about pools and devices, and all attributes that are of two types."""
    yield from _of_devices(inventory)
    yield from _of_types(
        inventory, ((name, bare) for name, domain in inventory.domains.items() for bare in domain.attributes)
    )


def _of_devices(inventory: Inventory) -> Iterator[str]:
    yield from _listed(_of_pools(inventory), "pools are incomplete")
    yield from _listed(
        (
            f"pool '{pool}' of driver '{driver}' has several devices named '{name}': the scheduler allocates none of it"
            for driver, pool, name in inventory.duplicates
        ),
        "device names are there twice",
    )


def _of_types(inventory: Inventory, names: Iterable[tuple[str, str]]) -> Iterator[str]:
    said = (
        f"attribute `{bare}` of '{domain}' is {_types(attribute.types)}"
        for domain, bare in sorted(names)
        if (attribute := _attribute(inventory, domain, bare)) is not None and len(attribute.types) > 1
    )
    yield from _listed(said, "attributes are of several types")


def _attribute(inventory: Inventory, domain: str, bare: str) -> AttributeSchema | None:
    schema = inventory.domains.get(domain)
    return None if schema is None else schema.attributes.get(bare)


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
