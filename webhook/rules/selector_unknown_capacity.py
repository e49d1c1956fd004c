"""selector-unknown-capacity: a selector names a capacity that the driver does not publish."""

from collections.abc import Iterator

from webhook.cel.inspect import AccessKind
from webhook.core.finding import Finding
from webhook.inventory.case import Case
from webhook.inventory.unknown import unknown_names

NAME = "selector-unknown-capacity"


def check(case: Case) -> Iterator[Finding]:
    return unknown_names(case, NAME, AccessKind.CAPACITY)
