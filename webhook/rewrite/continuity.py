"""Whether a pod may leave its ResourceQuota: only where another quota takes over (operations.md T-09)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from webhook.core.cluster import ClusterView
from webhook.core.mappings import Companion
from webhook.core.quantity import Quantity
from webhook.core.quotas import Dimension, Limit, Match, QuotaMode
from webhook.rewrite.asks import Need
from webhook.rewrite.facts import resource_quotas
from webhook.rewrite.supply import devices_for
from webhook.rewrite.templates import Shape

REQUESTS = "requests."
_PROFILE = "profile"


@dataclass(frozen=True, slots=True)
class Freed:
    """A resource name that a ResourceQuota limits, and that a rewrite would free from it."""

    name: str
    quota: str


def freed(need: Need, namespace: str, view: ClusterView) -> Iterator[Freed]:
    """Yield what the pod would escape from by giving up the limits of one need.

    A ResourceQuota that has scopes counts too: it limits pods, but never claims (dra.md 4.3).
    """
    shape = need.shapes[0]
    yield from _freed(need.resource, namespace, view, lambda hard: _devices_covered(shape, hard, namespace, view))
    for name, companion in need.companions:
        yield from _freed(name, namespace, view, _capacity_covered(companion, shape, namespace, view))


def _freed(name: str, namespace: str, view: ClusterView, is_covered: Callable[[Quantity], bool]) -> Iterator[Freed]:
    limiting = [
        (quota.hard[REQUESTS + name], quota.name)
        for quota in resource_quotas(view, namespace)
        if REQUESTS + name in quota.hard
    ]
    if limiting:
        hard, quota_name = min(limiting)
        if not is_covered(hard):
            yield Freed(name, quota_name)


def _devices_covered(shape: Shape, hard: Quantity, namespace: str, view: ClusterView) -> bool:
    key = f"{shape.device_class_name}.deviceclass.resource.k8s.io/devices"
    for quota in resource_quotas(view, namespace):
        if not quota.scoped and key in quota.hard and quota.hard[key] <= hard:
            return True
    return any(
        limit.hard <= hard and _concerns(limit, shape, view) for limit in _limits(Dimension.DEVICES, namespace, view)
    )


def _capacity_covered(
    companion: Companion, shape: Shape, namespace: str, view: ClusterView
) -> Callable[[Quantity], bool]:
    """Return whether a limit on the capacity itself is as strict; a sum of percentages has no counterpart."""

    def is_covered(hard: Quantity) -> bool:
        most = hard.amount * companion.unit.amount
        return not companion.percent and any(
            limit.capacity.rpartition("/")[2] == companion.capacity.rpartition("/")[2]
            and limit.hard.amount <= most
            and _concerns(limit, shape, view)
            for limit in _limits(Dimension.CAPACITY, namespace, view)
        )

    return is_covered


def _limits(dimension: Dimension, namespace: str, view: ClusterView) -> Iterator[Limit]:
    """Yield the limits on a dimension that refuse a claim of the namespace which does not fit."""
    for quota in view.quotas_of(namespace):
        if quota.mode is QuotaMode.DENY:
            yield from (limit for limit in quota.limits if limit.dimension is dimension)


def _concerns(limit: Limit, shape: Shape, view: ClusterView) -> bool:
    """Return whether the limit is certain to count every such request (contract 5.2)."""
    match = limit.match
    if match.device_class_name not in ("", shape.device_class_name):
        return False
    selected = match.selector is None or match.selector.expression in shape.selectors
    if selected and not match.driver and not match.mig_profile:
        return True
    return _some_device_matches(match, shape, view)


def _some_device_matches(match: Match, shape: Shape, view: ClusterView) -> bool:
    own: Iterable[str] = () if match.selector is None else (match.selector.expression,)
    return any(
        match.driver in ("", device.driver)
        and match.mig_profile in ("", device.attribute(f"{device.driver}/{_PROFILE}"))
        for device in devices_for(view, shape.device_class_name, (*shape.selectors, *own))
    )
