"""The DeviceQuotas that let pods leave their ResourceQuotas without anybody getting more (contract 6.1)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from webhook.core.cluster import ClusterView, ResourceQuota
from webhook.core.mappings import Companion, LegacyMapping, MainResource
from webhook.core.quantity import Quantity
from webhook.core.quotas import DEVICE_QUOTA
from webhook.rewrite.continuity import REQUESTS
from webhook.rewrite.serving import Served, labels_of, selecting, serve

_NOT_A_LABEL = re.compile(r"[^a-z0-9]+")


def successors(view: ClusterView) -> Iterator[dict[str, Any]]:
    """Yield for each ResourceQuota that limits mapped names a DeviceQuota that limits the same devices as much.

    Percentages have no counterpart: a sum of shares of unlike cards is no amount.
    """
    for quota in sorted(view.resource_quotas.values(), key=lambda quota: (quota.namespace, quota.name)):
        limits = list(_limits(quota, view))
        if limits:
            yield {
                "apiVersion": "drawbridge.dev/v1alpha1",
                "kind": DEVICE_QUOTA,
                "metadata": {"name": quota.name, "namespace": quota.namespace},
                "spec": {"mode": "Deny", "limits": limits},
            }


def _limits(quota: ResourceQuota, view: ClusterView) -> Iterator[dict[str, Any]]:
    mappings = selecting(view.mappings.values(), labels_of(view, quota.namespace) or {})
    for key in sorted(quota.hard):
        if key.startswith(REQUESTS):
            limit = _limit(key.removeprefix(REQUESTS), quota.hard[key], mappings)
            if limit is not None:
                yield limit


def _limit(name: str, hard: Quantity, mappings: Iterable[LegacyMapping]) -> dict[str, Any] | None:
    served = serve(name, mappings, any_mode=True)
    if not isinstance(served, Served):
        return None
    entry: dict[str, Any] = {"name": _NOT_A_LABEL.sub("-", name.lower()).strip("-")}
    if isinstance(served.resource, MainResource):
        return {**entry, "match": _match(served.resource, served.captured), "devices": int(hard.amount)}
    return _capacity_limit(entry, served, served.resource, hard)


def _capacity_limit(
    entry: Mapping[str, Any], served: Served, companion: Companion, hard: Quantity
) -> dict[str, Any] | None:
    hit = served.mapping.find(companion.of)
    if companion.percent or hit is None or not isinstance(hit[0], MainResource):
        return None
    quantity = str(Quantity(hard.amount * companion.unit.amount, companion.unit.format))
    capacity = {"name": companion.capacity, "quantity": quantity}
    return {**entry, "match": _match(hit[0], hit[1]), "capacity": capacity}


def _match(main: MainResource, captured: Mapping[str, str]) -> dict[str, str]:
    match = {"deviceClassName": main.device_class_name}
    if main.selector is not None:
        match["selector"] = main.selector.filled(main.meanings(captured))
    return match
