"""quota-without-effect: a limit that no claim can concern, or that another limit of its quota makes idle."""

from collections.abc import Iterator

from webhook.core.cluster import ClusterView
from webhook.core.finding import Finding, Fix, Severity
from webhook.core.quotas import DeviceQuota, Dimension, Limit
from webhook.core.suggest import nearest
from webhook.inventory.knowledge import knowledge_of

NAME = "quota-without-effect"


def findings(quota: DeviceQuota, view: ClusterView) -> Iterator[Finding]:
    """Yield a warning for each such limit: classes and devices may come later, so nothing is refused."""
    for position, limit in enumerate(quota.limits):
        yield from _class(limit, view)
        yield from _driver(limit, view)
        yield from _idle(limit, quota.limits[:position])


def _class(limit: Limit, view: ClusterView) -> Iterator[Finding]:
    name = limit.match.device_class_name
    if not name or not view.given or name in view.device_classes:
        return
    near = nearest(name, view.device_classes)
    fix = Fix(f"did you mean '{near[0]}'?") if near else Fix("create the class, or name one that exists")
    yield Finding(
        NAME,
        Severity.WARN,
        limit.path.child("match", "deviceClassName"),
        f"limit '{limit.name}' concerns no claim: device class '{name}' does not exist",
        (fix,),
    )


def _driver(limit: Limit, view: ClusterView) -> Iterator[Finding]:
    driver, knowledge = limit.match.driver, knowledge_of(view)
    if not driver:
        return
    known = knowledge.domain(driver)
    if known is None:
        if view.given:
            near = nearest(driver, knowledge.domains)
            fix = Fix(f"did you mean '{near[0]}'?") if near else Fix("name a driver; `drawbridge inventory` lists them")
            message = f"limit '{limit.name}' concerns no device: nothing is known of a driver '{driver}'"
            yield Finding(NAME, Severity.WARN, limit.path.child("match", "driver"), message, (fix,))
        return
    bare = limit.capacity.rpartition("/")[2]
    if limit.dimension is Dimension.CAPACITY and known.is_catalogued | (known.live is not None):
        if bare in known.capacities or known.is_vague:
            return
        near = nearest(bare, known.capacities)
        listed = ", ".join(f"`{name}`" for name in sorted(known.capacities)[:8])
        fix = Fix(f"did you mean `{near[0]}`?" if near else f"it publishes {listed}" if listed else "limit `devices`")
        message = f"limit '{limit.name}' charges nothing: driver '{driver}' publishes no capacity `{bare}`"
        yield Finding(NAME, Severity.WARN, limit.path.child("capacity", "name"), message, (fix,))


def _idle(limit: Limit, before: tuple[Limit, ...]) -> Iterator[Finding]:
    """Of two limits that count the same on the same devices the higher one never refuses anything."""
    for other in before:
        if _counted(other) == _counted(limit):
            low, high = sorted((other, limit), key=lambda one: one.hard.amount)
            message = f"limit '{high.name}' has no effect: '{low.name}' counts the same and allows no more"
            yield Finding(NAME, Severity.WARN, limit.path, message, (Fix("keep one of the two"),))
            return


def _counted(limit: Limit) -> tuple[object, ...]:
    """Return what a limit counts, and on which devices."""
    match = limit.match
    expression = match.selector.expression if match.selector else ""
    return (limit.dimension, limit.capacity, match.device_class_name, match.driver, match.mig_profile, expression)
