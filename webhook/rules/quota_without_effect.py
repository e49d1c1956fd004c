"""quota-without-effect: a limit that no claim can concern, or that another limit of its quota makes idle."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from webhook.core.claims import Alternative, Selector
from webhook.core.cluster import ClusterView
from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Fix, Severity
from webhook.core.quotas import DeviceQuota, Dimension, Limit
from webhook.core.suggest import nearest
from webhook.inventory.knowledge import DomainKnowledge, knowledge_of
from webhook.inventory.mig import geometry_of
from webhook.quota.charges import tariff_of
from webhook.quota.drivers import facts_of

NAME = "quota-without-effect"


def findings(quota: DeviceQuota, view: ClusterView) -> Iterator[Finding]:
    """Yield a warning for each such limit: classes and devices may come later, so nothing is refused."""
    for position, limit in enumerate(quota.limits):
        of_one = next((found for look in _LOOKS if (found := look(limit, view)) is not None), None)
        if of_one is not None:
            yield of_one
        yield from _idle(limit, quota.limits[:position])


def _warning(path: FieldPath, message: str, fix: str) -> Finding:
    return Finding(NAME, Severity.WARN, path, message, (Fix(fix),))


def _class(limit: Limit, view: ClusterView) -> Finding | None:
    name = limit.match.device_class_name
    if not name or not view.given or name in view.device_classes:
        return None
    near = nearest(name, view.device_classes)
    fix = f"did you mean '{near[0]}'?" if near else "create the class, or name one that exists"
    message = f"limit '{limit.name}' concerns no claim: device class '{name}' does not exist"
    return _warning(limit.path.child("match", "deviceClassName"), message, fix)


def _driver(limit: Limit, view: ClusterView) -> Finding | None:
    driver, knowledge = limit.match.driver, knowledge_of(view)
    if not driver or not view.given or knowledge.domain(driver) is not None:
        return None
    near = nearest(driver, knowledge.domains)
    fix = f"did you mean '{near[0]}'?" if near else "name a driver; `drawbridge inventory` lists them"
    message = f"limit '{limit.name}' concerns no device: nothing is known of a driver '{driver}'"
    return _warning(limit.path.child("match", "driver"), message, fix)


def _contradiction(limit: Limit, view: ClusterView) -> Finding | None:
    """Return that the class, or the limit's own selector, accepts no device of the driver and profile that it names."""
    match = limit.match
    wanted = " and ".join(
        text
        for text in (
            f"driver '{match.driver}'" if match.driver else "",
            f"MIG profile '{match.mig_profile}'" if match.mig_profile else "",
        )
        if text
    )
    if not wanted:
        return None
    supply = tariff_of(view).supply
    if match.device_class_name and supply.rules_out(Alternative("", limit.path, match.device_class_name), match):
        message = f"limit '{limit.name}' concerns no device: class '{match.device_class_name}' accepts none of {wanted}"
        return _warning(limit.path.child("match"), message, "name a class of that kind, or leave one of the two out")
    own: tuple[Selector, ...] = (match.selector,) if match.selector else ()
    if own and supply.rules_out(Alternative("", limit.path, "", own), match):
        message = f"limit '{limit.name}' concerns no device: its selector accepts none of {wanted}"
        return _warning(limit.path.child("match", "selector"), message, "leave one of the two out")
    return None


def _profile(limit: Limit, view: ClusterView) -> Finding | None:
    """Return that no model offers the profile, where a near name explains it or every published model is known."""
    wanted, known = limit.match.mig_profile, knowledge_of(view)
    drivers = (limit.match.driver,) if limit.match.driver else tuple(sorted(known.domains))
    geometries = [found for driver in drivers if (found := geometry_of(view, driver)) is not None]
    offered = {profile for found in geometries for profile in (*found.offered, *found.published)}
    if not wanted or not geometries or wanted in offered:
        return None
    near = nearest(wanted, offered)
    if not near and not all(found.all_known for found in geometries):
        return None
    fix = f"did you mean '{near[0]}'?" if near else "name a profile that a model offers"
    message = f"limit '{limit.name}' concerns no device: no known model offers the MIG profile '{wanted}'"
    return _warning(limit.path.child("match", "migProfile"), message, fix)


def _slices(limit: Limit, view: ClusterView) -> Finding | None:
    driver = limit.match.driver
    known = knowledge_of(view).domain(driver)
    if limit.dimension is not Dimension.SLICES or known is None or driver in facts_of(view.catalogue).dividing:
        return None
    message = f"limit '{limit.name}' charges nothing: devices of driver '{driver}' have no compute slices"
    return _warning(limit.path.child("slices"), message, "limit `devices` or a `capacity`")


def _capacity(limit: Limit, view: ClusterView) -> Finding | None:
    if limit.dimension is not Dimension.CAPACITY:
        return None
    domain, _, bare = limit.capacity.rpartition("/")
    driver, knowledge = limit.match.driver or domain, knowledge_of(view)
    if driver:
        known = knowledge.domain(driver)
        return None if known is None else _unpublished(limit, bare, known)
    published = _published(found for name in knowledge.domains if (found := knowledge.domain(name)) is not None)
    near = nearest(bare, published)
    if bare in published or not (view.given or near):
        return None
    fix = f"did you mean `{near[0]}`?" if near else "name a capacity; `drawbridge inventory schema` lists them"
    message = f"limit '{limit.name}' charges nothing: no known driver publishes a capacity `{bare}`"
    return _warning(limit.path.child("capacity", "name"), message, fix)


def _published(domains: Iterable[DomainKnowledge]) -> frozenset[str]:
    return frozenset(name for known in domains for name in known.capacities)


def _unpublished(limit: Limit, bare: str, known: DomainKnowledge) -> Finding | None:
    if not known.is_catalogued and known.live is None:
        return None
    if bare in known.capacities or known.is_vague:
        return None
    near = nearest(bare, known.capacities)
    listed = ", ".join(f"`{name}`" for name in sorted(known.capacities)[:8])
    fix = f"did you mean `{near[0]}`?" if near else f"it publishes {listed}" if listed else "limit `devices`"
    message = f"limit '{limit.name}' charges nothing: driver '{known.domain}' publishes no capacity `{bare}`"
    return _warning(limit.path.child("capacity", "name"), message, fix)


def _minimum(limit: Limit, view: ClusterView) -> Finding | None:  # noqa: ARG001 - one shape for all
    if limit.minimum is None or limit.minimum.amount <= limit.hard.amount:
        return None
    message = f"limit '{limit.name}' admits nothing: a device is charged at least {limit.minimum}, of {limit.hard}"
    return _warning(limit.path.child("capacity", "minimum"), message, "write a minimum below the quantity")


_LOOKS: Sequence[Callable[[Limit, ClusterView], Finding | None]] = (
    _class,
    _driver,
    _contradiction,
    _profile,
    _slices,
    _capacity,
    _minimum,
)


def _idle(limit: Limit, before: tuple[Limit, ...]) -> Iterator[Finding]:
    """Of two limits that count the same on the same devices the higher one never refuses anything."""
    for other in before:
        if _counted(other) == _counted(limit) and min(other.hard.amount, limit.hard.amount) >= 0:
            low, high = sorted((other, limit), key=lambda one: one.hard.amount)
            message = f"limit '{high.name}' has no effect: '{low.name}' counts the same and allows no more"
            yield _warning(limit.path, message, "keep one of the two")
            return


def _counted(limit: Limit) -> tuple[object, ...]:
    """Return what a limit counts, and on which devices."""
    match = limit.match
    expression = match.selector.expression if match.selector else ""
    return (limit.dimension, limit.capacity, match.device_class_name, match.driver, match.mig_profile, expression)
