"""selector-unknown-domain: a selector names a domain under which no device publishes anything."""

from collections.abc import Iterator

from webhook.core.finding import Finding, Severity
from webhook.inventory.case import Case
from webhook.inventory.domains import unknown_domain
from webhook.inventory.knowledge import knowledge_of
from webhook.inventory.names import named_accesses
from webhook.inventory.schema import STANDARD_DOMAIN

NAME = "selector-unknown-domain"


def check(case: Case) -> Iterator[Finding]:
    knowledge = knowledge_of(case.view)
    for named in named_accesses(case):
        unknown = None if named.domain == STANDARD_DOMAIN else unknown_domain(case, knowledge, named)
        if unknown is None or unknown.certainty is None:
            continue
        yield Finding(
            rule=NAME,
            severity=Severity.INFO if named.domain_guarded and not unknown.is_path else unknown.certainty,
            path=named.selector.path,
            message=unknown.message,
            why=unknown.why,
            fixes=unknown.fixes,
            source=named.selector.expression,
            span=unknown.span,
        )
