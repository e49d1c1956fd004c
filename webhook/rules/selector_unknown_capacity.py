"""selector-unknown-capacity: a selector names a capacity that no device of the driver publishes."""

from collections.abc import Iterator

from webhook.cel.inspect import AccessKind
from webhook.core.finding import Finding, Fix
from webhook.inventory.case import Case
from webhook.inventory.schema import DomainSchema
from webhook.inventory.unknown import Wanted, unknown_names

NAME = "selector-unknown-capacity"


def check(case: Case) -> Iterator[Finding]:
    wanted = Wanted(NAME, AccessKind.CAPACITY, "capacity", lambda schema: schema.capacities, _as_attribute)
    return unknown_names(case, wanted)


def _as_attribute(schema: DomainSchema, name: str) -> Iterator[Fix]:
    if name in schema.attributes:
        yield Fix(f"`{name}` is an attribute: write device.attributes['{schema.domain}'].{name}")
