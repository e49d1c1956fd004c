"""selector-unknown-attribute: a selector names an attribute that no device of the driver publishes."""

from collections.abc import Collection, Iterator

from webhook.cel.inspect import AccessKind
from webhook.core.finding import Finding, Fix
from webhook.inventory.case import Case
from webhook.inventory.schema import STANDARD_ATTRIBUTES, STANDARD_DOMAIN, DomainSchema
from webhook.inventory.unknown import Wanted, unknown_names

NAME = "selector-unknown-attribute"


def check(case: Case) -> Iterator[Finding]:
    return unknown_names(case, Wanted(NAME, AccessKind.ATTRIBUTES, "attribute", _published, _as_capacity))


def _published(schema: DomainSchema) -> Collection[str]:
    """Return what is published, and what the standard domain is for though nobody publishes it now."""
    if schema.domain == STANDARD_DOMAIN:
        return schema.attributes.keys() | STANDARD_ATTRIBUTES
    return schema.attributes.keys()


def _as_capacity(schema: DomainSchema, name: str) -> Iterator[Fix]:
    if name in schema.capacities:
        yield Fix(f"`{name}` is a capacity: write device.capacity['{schema.domain}'].{name}")
