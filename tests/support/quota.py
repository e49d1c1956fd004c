"""Builders for quotas, and the charges of a claim in a made-up cluster of two kinds of cards."""

from collections.abc import Mapping
from typing import Any

from tests.support.build import Raw, make_class, make_slice, make_view
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.devices import DeviceInventory, parse_inventory
from webhook.core.quantity import parse_quantity
from webhook.core.quotas import DeviceQuota, parse_quota
from webhook.inventory.consumed import arithmetic_of
from webhook.kube.shipped import shipped_catalogue
from webhook.quota.charge import QuotaCharge, Tariff, charge
from webhook.quota.cluster_supply import ClusterSupply
from webhook.quota.drivers import facts_of

NVIDIA = "gpu.nvidia.com"
OTHER = "nic.example.com"


def devices(hard: int | str, name: str = "limit", **match: str) -> Raw:
    return {"name": name, "match": match, "devices": hard}


def slices(hard: int | str, name: str = "limit", **match: str) -> Raw:
    return {"name": name, "match": match, "slices": hard}


def capacity(quantity: str, of: str = "memory", minimum: str | None = None, name: str = "limit", **match: str) -> Raw:
    counted = {"name": of, "quantity": quantity, **({} if minimum is None else {"minimum": minimum})}
    return {"name": name, "match": match, "capacity": counted}


def quota_object(*limits: Raw, name: str = "gpus", namespace: str = "team-a", **spec: Any) -> Raw:
    kind = "DeviceQuota" if namespace else "ClusterDeviceQuota"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": kind,
        "metadata": metadata,
        "spec": {"limits": list(limits), **spec},
    }


def make_quota(*limits: Raw, **fields: Any) -> DeviceQuota:
    quota = parse_quota(quota_object(*limits, **fields))
    assert not quota.misfits
    return quota


def full_gpu(name: str, memory: str = "80Gi", product: str = "NVIDIA H100", **attributes: Any) -> Raw:
    return _card(name, {"memory": {"value": memory}}, type="gpu", productName=product, **attributes)


def mig(name: str, profile: str, memory: str, **attributes: Any) -> Raw:
    return _card(name, {"memory": {"value": memory}}, type="mig", profile=profile, **attributes)


def vfio(name: str, memory: str = "80Gi") -> Raw:
    return _card(name, {"addressableMemory": {"value": memory}}, type="vfio")


def shared_gpu(name: str, memory: str = "80Gi", policy: Mapping[str, Any] | None = None, **attributes: Any) -> Raw:
    box: Raw = {"value": memory, **({} if policy is None else {"requestPolicy": dict(policy)})}
    return {
        **_card(name, {"memory": box}, type="gpu", productName="NVIDIA H100", **attributes),
        "allowMultipleAllocations": True,
    }


def _card(name: str, capacity_: Raw, **attributes: Any) -> Raw:
    boxed = {key: {"int": value} if isinstance(value, int) else {"string": value} for key, value in attributes.items()}
    return {"name": name, "attributes": boxed, "capacity": capacity_}


CLASSES = (
    make_class(
        "gpu.nvidia.com", "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'gpu'"
    ),
    make_class(
        "mig.nvidia.com", "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'mig'"
    ),
    make_class(
        "vfio.gpu.nvidia.com", "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'vfio'"
    ),
    make_class("any-nvidia", "device.driver == 'gpu.nvidia.com'"),
    make_class("nic", "device.driver == 'nic.example.com'"),
    make_class("everything", "true"),
)


def cluster(*published: Raw, driver: str = NVIDIA, **fields: Any) -> ClusterView:
    """Return a view of one node with these devices and the classes above."""
    return make_view(
        make_slice(*published, driver=driver), classes=CLASSES, **{"catalogue": shipped_catalogue(), **fields}
    )


def make_inventory(*stated: Raw, driver: str = NVIDIA) -> DeviceInventory:
    spec = {"driver": driver, "devices": list(stated)}
    return parse_inventory({"kind": "DeviceInventory", "metadata": {"name": "planned"}, "spec": spec})


def charged(claim: Claim, quota: DeviceQuota, view: ClusterView) -> QuotaCharge:
    facts = facts_of(view.catalogue)
    tariff = Tariff(ClusterSupply(view, facts), facts, arithmetic_of(view.server))
    return charge(claim, quota, tariff)


def charge_on(limit: Raw, claim: Claim, view: ClusterView, **spec: Any) -> str:
    """Return the charge on one limit as a quantity; `unbounded` where nothing bounds it."""
    quota = make_quota(limit, **spec)
    [on_limit] = charged(claim, quota, view).limits
    if on_limit.unbounded:
        return "unbounded"
    hard = parse_quantity(str(quota.limits[0].hard))
    return str(type(hard)(on_limit.amount, hard.format))
