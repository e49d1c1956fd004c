"""Which attributes and capacities a subject's selectors name, and what the known devices publish under them."""

from collections.abc import Iterator
from dataclasses import dataclass

from webhook.cel.compile import Verdict
from webhook.cel.inspect import Access, accesses
from webhook.core.claims import Alternative, Selector
from webhook.core.cluster import ClusterView
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.inventory import inventory_of
from webhook.inventory.matching import accepting


@dataclass(frozen=True, slots=True)
class NamedAccess:
    """One access with a literal domain in a selector that compiles."""

    selector: Selector
    alternative: Alternative | None
    access: Access
    domain: str


def named_accesses(case: Case) -> Iterator[NamedAccess]:
    for selector, alternative in case.selectors():
        if case.expired():
            return
        compiled = compiled_new(selector.expression, case.view.server)
        if compiled.ast is None or compiled.verdict is not Verdict.OK:
            continue
        for access in accesses(compiled.ast):
            if access.domain is not None:
                yield NamedAccess(selector, alternative, access, access.domain)


def drivers_of(view: ClusterView, alternative: Alternative | None) -> frozenset[str] | None:
    """Return the drivers whose known devices the alternative's class accepts; None where that is not known."""
    device_class = None if alternative is None else view.device_classes.get(alternative.device_class_name)
    if device_class is None:
        return None
    inventory = inventory_of(view)
    numbers = accepting(view, inventory, device_class.selectors)
    return frozenset(inventory.devices[number].driver for number in numbers) if numbers else None
