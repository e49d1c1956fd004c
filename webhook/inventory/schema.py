"""What the devices known now publish: names, types and values of attributes and capacities, by domain."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

from webhook.core.devices import AttributeValue, VersionText
from webhook.core.rows import CellType, Layout

STANDARD_DOMAIN = "resource.kubernetes.io"


class Publication(NamedTuple):
    """What a device publishes, but for the values."""

    driver: str
    attributes: Layout
    capacities: tuple[str, ...]


class AttributeSchema:
    """One attribute of a domain: its types, and its values, each with how many devices publish it.

    The values are counted when they are first asked for: an attribute like `uuid` has as many as there are devices.
    """

    def __init__(self, types: Mapping[str, int], count: Callable[[], Mapping[AttributeValue, int]]) -> None:
        self.types = types
        self._count = count

    @cached_property
    def values(self) -> Mapping[AttributeValue, int]:
        return self._count()


@dataclass(frozen=True, slots=True)
class DomainSchema:
    """What is published under one domain, by the name without the domain; `drivers` publish it."""

    domain: str
    drivers: frozenset[str]
    attributes: Mapping[str, AttributeSchema]
    capacities: Mapping[str, int]


def schemas_of(
    publications: Mapping[Publication, int], values: Callable[[str], Mapping[AttributeValue, int]]
) -> Mapping[str, DomainSchema]:
    """Return the schema of every domain in which something is published; a driver's own domain is always there.

    `values` counts the values of an attribute by its qualified name.
    """
    drivers: defaultdict[str, set[str]] = defaultdict(set)
    types: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    capacities: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for published, count in publications.items():
        drivers[published.driver].add(published.driver)
        for name, kind in zip(published.attributes.names, published.attributes.types, strict=True):
            domain, _, bare = name.partition("/")
            drivers[domain].add(published.driver)
            types[domain, bare][_name_of(kind)] += count
        for name in published.capacities:
            domain, _, bare = name.partition("/")
            drivers[domain].add(published.driver)
            capacities[domain][bare] += count
    schemas: dict[str, dict[str, AttributeSchema]] = {domain: {} for domain in drivers}
    for (domain, bare), counted in types.items():
        schemas[domain][bare] = AttributeSchema(counted, partial(values, f"{domain}/{bare}"))
    return {
        domain: DomainSchema(domain, frozenset(drivers[domain]), schemas[domain], capacities[domain])
        for domain in drivers
    }


_TYPES: Mapping[type, str] = {bool: "bool", int: "int", str: "string", VersionText: "version"}


def _name_of(kind: CellType) -> str:
    """Return the API's name of an attribute's type."""
    if isinstance(kind, tuple):
        return f"{_TYPES.get(kind[1], 'unknown')}s" if len(kind) > 1 else "list"
    return _TYPES[kind]
