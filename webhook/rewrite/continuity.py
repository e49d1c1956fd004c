"""Whether a pod may leave its ResourceQuota: only where another quota takes over (operations.md T-09)."""

from collections.abc import Iterable

from webhook.core.cluster import ClusterView
from webhook.core.quantity import Quantity
from webhook.core.quotas import Dimension, Limit, Match, QuotaMode
from webhook.rewrite.supply import devices_for
from webhook.rewrite.templates import Shape

_PROFILE = "profile"


def freed_from(name: str, shapes: Iterable[Shape], namespace: str, view: ClusterView) -> str:
    """Return the name of a ResourceQuota that the pod would escape from; empty where there is none.

    One that has scopes counts too: it limits pods, but never claims (dra.md 4.3).
    """
    quotas = [quota for quota in view.resource_quotas.values() if quota.namespace == namespace]
    legacy = [(quota.hard[f"requests.{name}"], quota.name) for quota in quotas if f"requests.{name}" in quota.hard]
    if not legacy:
        return ""
    hard, quota_name = min(legacy)
    return "" if all(_covered(shape, hard, namespace, view) for shape in shapes) else quota_name


def _covered(shape: Shape, hard: Quantity, namespace: str, view: ClusterView) -> bool:
    key = f"{shape.device_class_name}.deviceclass.resource.k8s.io/devices"
    for quota in view.resource_quotas.values():
        if quota.namespace == namespace and not quota.scoped and key in quota.hard and quota.hard[key] <= hard:
            return True
    return any(
        limit.dimension is Dimension.DEVICES and limit.hard <= hard and _concerns(limit, shape, view)
        for quota in view.quotas_of(namespace)
        if quota.mode is QuotaMode.DENY
        for limit in quota.limits
    )


def _concerns(limit: Limit, shape: Shape, view: ClusterView) -> bool:
    """Return whether the limit is certain to count every such request (contract 5.2)."""
    match = limit.match
    if match.device_class_name not in ("", shape.device_class_name):
        return False
    if match.driver or match.mig_profile or match.selector:
        return _some_device_matches(match, shape, view)
    return True


def _some_device_matches(match: Match, shape: Shape, view: ClusterView) -> bool:
    own = () if match.selector is None else (match.selector.expression,)
    return any(
        match.driver in ("", device.driver)
        and match.mig_profile in ("", device.attributes.get(f"{device.driver}/{_PROFILE}"))
        for device in devices_for(view, shape.device_class_name, (*shape.selectors, *own))
    )
