"""Which drivers a request asks for, and whether they publish an attribute (contract 4, how sure that is)."""

from collections.abc import Iterable
from enum import Enum

from webhook.core.claims import Alternative
from webhook.core.suggest import explains
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.domains import driver_demanded
from webhook.inventory.inventory import inventory_of
from webhook.inventory.knowledge import knowledge_of
from webhook.inventory.names import drivers_of
from webhook.inventory.schema import STANDARD_DOMAIN


class Publishing(Enum):
    """Whether a driver publishes something: as sure as the catalogue is, or as what is live makes it likely."""

    YES = "yes"
    UNKNOWN = "unknown"
    NOT_NOW = "not now"
    NEVER = "never"


def drivers_asked(case: Case, alternative: Alternative) -> frozenset[str]:
    """Return the driver that class or selectors demand, else those of the devices that the class accepts today."""
    device_class = case.view.device_classes.get(alternative.device_class_name)
    for selector in (*(device_class.selectors if device_class else ()), *alternative.selectors):
        ast = compiled_new(selector.expression, case.view.server).ast
        driver = None if ast is None else driver_demanded(ast)
        if driver is not None:
            return frozenset({driver})
    return drivers_of(case.view, alternative, case.expired) or frozenset()


def publishes(case: Case, driver: str, attribute: str) -> Publishing:
    """Return whether devices of the driver have an attribute, by its qualified name."""
    seen = inventory_of(case.view).attributes_of.get(driver)
    knowledge = knowledge_of(case.view)
    known = knowledge.domain(driver)
    entry = known.pack.attributes.get(attribute) if known is not None and known.pack is not None else None
    if (seen is not None and attribute in seen) or (entry is not None and knowledge.has(driver, entry)):
        return Publishing.YES
    if known is None:
        return Publishing.UNKNOWN
    standard = attribute.startswith(f"{STANDARD_DOMAIN}/")  # which drivers come to publish over time
    if known.is_catalogued and not (standard and _is_standard(case, attribute)):
        return Publishing.NEVER
    if seen is None:
        return Publishing.UNKNOWN
    domain, _, bare = attribute.partition("/")
    alike = (name.removeprefix(f"{domain}/") for name in seen if name.startswith(f"{domain}/"))
    return Publishing.NEVER if any(explains(name, bare) for name in alike) else Publishing.NOT_NOW


def _is_standard(case: Case, attribute: str) -> bool:
    known = knowledge_of(case.view).domain(STANDARD_DOMAIN)
    return known is not None and attribute.partition("/")[2] in known.attributes


def any_publishes(case: Case, drivers: Iterable[str], attribute: str) -> Publishing:
    """Return how sure it is that no driver of these publishes the attribute: as sure as it is of the least sure one."""
    order = list(Publishing)
    found = [publishes(case, driver, attribute) for driver in drivers]
    return min(found, key=order.index, default=Publishing.UNKNOWN)
