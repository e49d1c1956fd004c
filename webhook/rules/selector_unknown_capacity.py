"""selector-unknown-capacity: a selector names a capacity that no device of the driver publishes."""

from collections.abc import Iterator

from webhook.cel.inspect import AccessKind
from webhook.core.finding import Finding, Fix
from webhook.inventory.case import Case
from webhook.inventory.inventory import inventory_of
from webhook.inventory.names import named_accesses
from webhook.inventory.schema import DomainSchema, absence
from webhook.inventory.unknown import fixes_for, name_span, severity_of

NAME = "selector-unknown-capacity"


def check(case: Case) -> Iterator[Finding]:
    domains = inventory_of(case.view).domains
    for named in named_accesses(case):
        access, schema = named.access, domains.get(named.domain)
        name = access.name
        if access.kind is not AccessKind.CAPACITY or name is None or access.name_span is None or schema is None:
            continue
        if name in schema.capacities:
            continue
        span = name_span(named.selector.expression, name, access.name_span)
        yield Finding(
            rule=NAME,
            severity=severity_of(case, name, tuple(schema.capacities), guarded=named.guarded),
            path=named.selector.path,
            message=absence(schema, "capacity", name),
            fixes=(*_other_kind(schema, name), *fixes_for(name, tuple(schema.capacities), span)),
            source=named.selector.expression,
            span=span,
        )


def _other_kind(schema: DomainSchema, name: str) -> Iterator[Fix]:
    if name in schema.attributes:
        yield Fix(f"`{name}` is an attribute: write device.attributes['{schema.domain}'].{name}")
