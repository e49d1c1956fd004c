"""selector-unknown-attribute: a selector names an attribute that no device of the driver publishes."""

from collections.abc import Iterator

from webhook.cel.inspect import AccessKind
from webhook.core.finding import Finding, Fix
from webhook.inventory.case import Case
from webhook.inventory.inventory import inventory_of
from webhook.inventory.names import named_accesses
from webhook.inventory.schema import STANDARD_ATTRIBUTES, STANDARD_DOMAIN, DomainSchema, absence
from webhook.inventory.unknown import fixes_for, name_span, severity_of

NAME = "selector-unknown-attribute"


def check(case: Case) -> Iterator[Finding]:
    domains = inventory_of(case.view).domains
    for named in named_accesses(case):
        access, schema = named.access, domains.get(named.domain)
        name = access.name
        if access.kind is not AccessKind.ATTRIBUTES or name is None or access.name_span is None or schema is None:
            continue
        if name in schema.attributes or (named.domain == STANDARD_DOMAIN and name in STANDARD_ATTRIBUTES):
            continue
        span = name_span(named.selector.expression, name, access.name_span)
        yield Finding(
            rule=NAME,
            severity=severity_of(case, name, tuple(schema.attributes), guarded=named.guarded),
            path=named.selector.path,
            message=absence(schema, "attribute", name),
            fixes=(*_other_kind(schema, name), *fixes_for(name, tuple(schema.attributes), span)),
            source=named.selector.expression,
            span=span,
        )


def _other_kind(schema: DomainSchema, name: str) -> Iterator[Fix]:
    if name in schema.capacities:
        yield Fix(f"`{name}` is a capacity: write device.capacity['{schema.domain}'].{name}")
