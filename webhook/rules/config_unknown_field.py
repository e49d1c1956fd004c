"""config-unknown-field: parameters for a driver have a field that their kind does not have."""

from collections.abc import Iterator

from webhook.core.finding import Finding
from webhook.core.json_schema import SchemaProblemKind
from webhook.inventory.case import Case
from webhook.inventory.configuration import configurations, unknown_field

NAME = "config-unknown-field"


def check(case: Case) -> Iterator[Finding]:
    for found in configurations(case):
        for problem in found.problems:
            if problem.kind is SchemaProblemKind.UNKNOWN:
                unknown = unknown_field(found, problem)
                kind = found.kind.kind if found.kind and found.kind.kind else "configuration"
                yield Finding(
                    rule=NAME,
                    severity=found.severity(explained=unknown.explained),
                    path=problem.path,
                    message=f"`{kind}` of driver '{found.pack.driver}' has no field `{problem.name[:60]}` here",
                    fixes=unknown.fixes,
                )
