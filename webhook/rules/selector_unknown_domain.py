"""selector-unknown-domain: a selector names a domain under which no device publishes anything."""

from collections.abc import Iterator

from webhook.core.finding import Finding, Severity
from webhook.core.suggest import explains, nearest
from webhook.inventory.case import Case
from webhook.inventory.inventory import Inventory, inventory_of
from webhook.inventory.names import NamedAccess, drivers_of, named_accesses
from webhook.inventory.schema import STANDARD_DOMAIN
from webhook.inventory.unknown import fixes_for, name_span, severity_of

NAME = "selector-unknown-domain"


def check(case: Case) -> Iterator[Finding]:
    inventory = inventory_of(case.view)
    for named in named_accesses(case):
        access = named.access
        if named.domain in inventory.domains or named.domain == STANDARD_DOMAIN or access.domain_span is None:
            continue
        if not _has_opinion(case, named, inventory):
            continue
        span = name_span(named.selector.expression, named.domain, access.domain_span)
        yield Finding(
            rule=NAME,
            severity=_severity(case, named, inventory),
            path=named.selector.path,
            message=f"no device publishes anything under the domain '{named.domain}'",
            fixes=tuple(fixes_for(named.domain, tuple(inventory.domains), span)),
            source=named.selector.expression,
            span=span,
        )


def _has_opinion(case: Case, named: NamedAccess, inventory: Inventory) -> bool:
    """Return whether the drivers that the request may get are known, or a known domain explains the name.

    The domain of a driver that nothing is known of stays without an opinion (contract 4).
    """
    if any(explains(near, named.domain) for near in nearest(named.domain, inventory.domains)):
        return True
    return drivers_of(case.view, named.alternative) is not None


def _severity(case: Case, named: NamedAccess, inventory: Inventory) -> Severity:
    return severity_of(case, named.domain, tuple(inventory.domains), guarded=named.domain_guarded)
