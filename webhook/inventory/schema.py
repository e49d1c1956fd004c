"""What the devices known now publish: names, types and values of attributes and capacities, by domain."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from webhook.core.devices import AttributeValue, Device, VersionText

STANDARD_DOMAIN = "resource.kubernetes.io"
STANDARD_ATTRIBUTES = frozenset({"numaNode", "pciBusID", "pcieRoot"})  # KEP-4381, KEP-6072


@dataclass(frozen=True, slots=True)
class AttributeSchema:
    """One attribute of a domain: its types and values, each with how many devices publish it."""

    types: Mapping[str, int]
    values: Mapping[AttributeValue, int]


@dataclass(frozen=True, slots=True)
class DomainSchema:
    """What is published under one domain, by the name without the domain; `drivers` publish it."""

    domain: str
    drivers: frozenset[str]
    attributes: Mapping[str, AttributeSchema]
    capacities: Mapping[str, int]


def domain_schemas(devices: Iterable[Device]) -> Mapping[str, DomainSchema]:
    """Return the schema of every domain that the devices publish; a driver's own domain is always there."""
    drivers: defaultdict[str, set[str]] = defaultdict(set)
    types: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    values: defaultdict[tuple[str, str], Counter[AttributeValue]] = defaultdict(Counter)
    capacities: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for device in devices:
        drivers[device.driver].add(device.driver)
        for name, value in device.attributes.items():
            domain, _, bare = name.partition("/")
            drivers[domain].add(device.driver)
            types[domain, bare][type_name(value)] += 1
            values[domain, bare][value] += 1
        for name in device.capacity:
            domain, _, bare = name.partition("/")
            drivers[domain].add(device.driver)
            capacities[domain][bare] += 1
    schemas: dict[str, dict[str, AttributeSchema]] = {domain: {} for domain in drivers}
    for (domain, bare), counted in types.items():
        schemas[domain][bare] = AttributeSchema(counted, values[domain, bare])
    return {
        domain: DomainSchema(domain, frozenset(drivers[domain]), schemas[domain], capacities[domain])
        for domain in drivers
    }


def type_name(value: AttributeValue) -> str:
    """Return the API's name of an attribute's type."""
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case VersionText():
            return "version"
        case str():
            return "string"
        case tuple():
            return f"{type_name(value[0])}s" if value else "list"


def absence(schema: DomainSchema, kind: str, name: str) -> str:
    """Return the sentence that an attribute or capacity is not published under the domain."""
    if schema.domain in schema.drivers:
        return f"driver '{schema.domain}' publishes no {kind} `{name}`"
    return f"no device publishes {kind} `{name}` in the domain '{schema.domain}'"
