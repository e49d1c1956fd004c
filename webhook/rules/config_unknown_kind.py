"""config-unknown-kind: parameters for a driver are of no kind that it takes."""

from collections.abc import Iterator

from webhook.core.finding import Finding
from webhook.inventory.case import Case
from webhook.inventory.configuration import configurations, unknown_kind

NAME = "config-unknown-kind"


def check(case: Case) -> Iterator[Finding]:
    for found in configurations(case):
        unknown = unknown_kind(found)
        if unknown is not None:
            yield Finding(
                rule=NAME,
                severity=found.severity(explained=unknown.explained),
                path=found.path,
                message=unknown.message,
                why=unknown.why,
                fixes=unknown.fixes,
            )
