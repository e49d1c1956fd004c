"""What a claim may take and what it may get: the worst case of quotas, MIG profiles, and what matches today."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from webhook.cel.values import MISSING, Value
from webhook.core.claims import Alternative, Claim
from webhook.core.quantity import BINARY_SI, Quantity
from webhook.core.quotas import DeviceQuota, Dimension, Limit
from webhook.inventory.case import Case
from webhook.inventory.funnel import Funnel, funnel_of
from webhook.inventory.inventory import inventory_of
from webhook.inventory.mig import PROFILE, allowed, geometry_of
from webhook.inventory.names import drivers_of
from webhook.quota.charge import charge
from webhook.quota.charges import tariff_of

_NOTHING = Quantity(Fraction(0))
_DEVICES = "devices"


def worst_of(cases: Sequence[Case]) -> Value:
    """Return what quotas would charge the claims together, each on its own: devices, and every capacity by its name.

    A capacity that nothing bounds is left out.
    """
    if not cases:
        return {"devices": 0, "capacity": {}}
    view = cases[0].view
    tariff = tariff_of(view, expired=cases[0].expired)
    names = sorted({name.rpartition("/")[2] for case in cases for name in _capacities(case)})
    limits = (
        Limit(_DEVICES, Dimension.DEVICES, _NOTHING),
        *(Limit(f"capacity/{name}", Dimension.CAPACITY, _NOTHING, capacity=name) for name in names),
    )
    quota = DeviceQuota("", "worst", count_admin_access=True, limits=limits)
    totals: dict[str, Fraction] = {}
    unbounded: set[str] = set()
    for case in cases:
        assert isinstance(case.subject, Claim)  # no other has requests
        for charged in charge(case.subject, quota, tariff).limits:
            totals[charged.limit.name] = totals.get(charged.limit.name, Fraction(0)) + charged.amount
            if charged.unbounded:
                unbounded.add(charged.limit.name)
    capacity = {
        name: Quantity(totals[f"capacity/{name}"], BINARY_SI) for name in names if f"capacity/{name}" not in unbounded
    }
    return {"devices": int(totals[_DEVICES]), "capacity": capacity}


def _capacities(case: Case) -> Iterator[str]:
    """Yield the names of capacities that the claim names, or that devices have which it may get."""
    for alternative in case.alternatives():
        for asked in alternative.capacity:
            yield asked.name
    for make in inventory_of(case.view).makes:
        yield from make.capacity


def mig_profiles(cases: Sequence[Case]) -> Value:
    """Return the profiles that the selectors of requests and their classes leave, where they do not leave all."""
    found: set[str] = set()
    for case in cases:
        for alternative in case.alternatives():
            found.update(_profiles(case, alternative))
    return sorted(found)


def _profiles(case: Case, alternative: Alternative) -> Iterator[str]:
    device_class = case.view.device_classes.get(alternative.device_class_name)
    selectors = (*(device_class.selectors if device_class else ()), *alternative.selectors)
    texts = tuple(selector.expression for selector in selectors if PROFILE in selector.expression)
    if not texts:
        return
    for driver in _drivers(case, alternative):
        geometry = geometry_of(case.view, driver)
        if geometry is not None:
            profiles = allowed(case, geometry, texts)
            if profiles != frozenset(geometry.offered):
                yield from profiles


def _drivers(case: Case, alternative: Alternative) -> Sequence[str]:
    """Return the drivers of the class; where none is known, those that are documented."""
    known = drivers_of(case.view, alternative, case.expired)
    return sorted(known if known is not None else case.view.catalogue)


def matching_of(cases: Sequence[Case]) -> Value:
    """Return how many devices match the request with the fewest, and on how many nodes each request finds enough.

    MISSING where no devices are known, or the time was over.
    """
    if not cases or not inventory_of(cases[0].view).devices:
        return MISSING
    fewest: int | None = None
    nodes: set[str] | None = None
    for case in cases:
        assert isinstance(case.subject, Claim)
        for request in case.subject.requests:
            funnels = [funnel_of(case, alternative) for alternative in request.alternatives]
            if None in funnels:
                return MISSING
            known = [funnel for funnel in funnels if funnel is not None]
            matched = max((funnel.matched for funnel in known), default=0)
            fewest = matched if fewest is None else min(fewest, matched)
            here = {name for funnel in known for name in _fitting(funnel)}
            nodes = here if nodes is None else nodes & here
    return {"devices": fewest or 0, "nodes": len(nodes or ())}


def _fitting(funnel: Funnel) -> Iterator[str]:
    return (name for name, reached in funnel.nodes if name and funnel.fits(reached))
