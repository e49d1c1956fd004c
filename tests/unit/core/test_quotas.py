"""DeviceQuota and ClusterDeviceQuota as they are read."""

from dataclasses import replace

import pytest

from tests.support.build import Raw, make_view
from tests.support.quota import capacity, devices, make_quota, quota_object, slices
from webhook.core.cluster import Namespace
from webhook.core.quotas import Dimension, QuotaMode, parse_quota


def test_every_field_is_read() -> None:
    raw = quota_object(
        devices(8, "whole-gpus", deviceClassName="gpu.nvidia.com"),
        capacity("320Gi", minimum="1Gi", name="gpu-memory", driver="gpu.nvidia.com", selector="true"),
        slices("28", "mig", migProfile="3g.40gb"),
        mode="Warn",
        warnAt=80,
        countAdminAccess=True,
    )
    raw["metadata"] |= {"uid": "u-1", "generation": 3}
    quota = parse_quota(raw)
    assert (quota.kind, quota.namespace, quota.name) == ("DeviceQuota", "team-a", "gpus")
    assert (quota.mode, quota.warn_at, quota.count_admin_access) == (QuotaMode.WARN, 80, True)
    assert (quota.uid, quota.generation, quota.status, quota.misfits) == ("u-1", 3, None, ())
    whole, memory, mig = quota.limits
    assert (whole.name, whole.dimension, str(whole.hard)) == ("whole-gpus", Dimension.DEVICES, "8")
    assert whole.match.device_class_name == "gpu.nvidia.com"
    assert (memory.dimension, memory.capacity, str(memory.hard)) == (Dimension.CAPACITY, "memory", "320Gi")
    assert str(memory.minimum) == "1Gi"
    assert memory.match.selector is not None
    assert str(memory.match.selector.path) == "spec.limits[1].match.selector"
    assert (mig.dimension, mig.match.mig_profile) == (Dimension.SLICES, "3g.40gb")


def test_a_match_that_is_left_out_is_everything() -> None:
    [limit] = parse_quota({"spec": {"limits": [{"name": "all", "devices": 8}]}}).limits
    assert (limit.match.driver, limit.match.device_class_name, limit.match.selector) == ("", "", None)


BROKEN: dict[str, tuple[Raw, str]] = {
    "two dimensions": ({"name": "a", "devices": 1, "slices": 1}, "spec.limits[0]"),
    "no dimension": ({"name": "a"}, "spec.limits[0]"),
    "a quantity that is none": ({"name": "a", "devices": "8 GPUs"}, "spec.limits[0].devices"),
    "a capacity without a name": ({"name": "a", "capacity": {"quantity": "1Gi"}}, "spec.limits[0].capacity"),
    "a capacity without a quantity": ({"name": "a", "capacity": {"name": "memory"}}, "spec.limits[0].capacity"),
}


@pytest.mark.parametrize(("limit", "path"), BROKEN.values(), ids=BROKEN.keys())
def test_a_limit_that_cannot_be_read_is_named_and_left_out(limit: Raw, path: str) -> None:
    quota = parse_quota(quota_object(limit, devices(3, "good")))
    assert [one.name for one in quota.limits] == ["good"]
    assert str(quota.misfits[0].path) == path


DUBIOUS: dict[str, tuple[Raw, str]] = {
    "a limit below zero": (quota_object(devices(-1)), "spec.limits[0].devices"),
    "a capacity below zero": (quota_object(capacity("-1Gi")), "spec.limits[0].capacity.quantity"),
    "a minimum below zero": (quota_object(capacity("1Gi", minimum="-1")), "spec.limits[0].capacity.minimum"),
    "half a device": (quota_object(devices("1500m")), "spec.limits[0].devices"),
    "a limit without a name": (quota_object(devices(1, "")), "spec.limits[0].name"),
    "more than all": (quota_object(devices(1), warnAt=101), "spec.warnAt"),
    "less than anything": (quota_object(devices(1), warnAt=0), "spec.warnAt"),
}


@pytest.mark.parametrize(("raw", "path"), DUBIOUS.values(), ids=DUBIOUS.keys())
def test_what_makes_no_sense_is_named_and_still_enforced(raw: Raw, path: str) -> None:
    quota = parse_quota(raw)
    assert [str(misfit.path) for misfit in quota.misfits] == [path]
    assert len(quota.limits) == 1


def test_a_name_that_comes_twice_is_named_and_the_first_counts() -> None:
    quota = parse_quota(quota_object(devices(3, "a"), devices(9, "a")))
    assert [str(limit.hard) for limit in quota.limits] == ["3"]
    assert str(quota.misfits[0].path) == "spec.limits[1].name"


def test_a_mode_that_is_not_known_is_the_strictest() -> None:
    quota = parse_quota(quota_object(devices(3), mode="Maybe"))
    assert quota.mode is QuotaMode.DENY
    assert str(quota.misfits[0].path) == "spec.mode"


def test_one_pot_covers_the_namespaces_that_its_selector_names() -> None:
    pot = make_quota(devices(3), name="pot", namespace="", namespaceSelector={"matchLabels": {"tier": "research"}})
    local = make_quota(devices(3), name="alpha")
    view = replace(
        make_view(),
        namespaces={
            "team-a": Namespace("team-a", {"tier": "research"}),
            "team-b": Namespace("team-b", {"tier": "web"}),
        },
        quotas={("", "pot"): pot, ("team-a", "alpha"): local},
    )
    assert pot.kind == "ClusterDeviceQuota"
    assert [quota.name for quota in view.quotas_of("team-a")] == ["alpha", "pot"]
    assert view.quotas_of("team-b") == ()


def test_an_empty_selector_covers_every_namespace() -> None:
    pot = make_quota(devices(3), name="pot", namespace="", namespaceSelector={})
    view = replace(make_view(), quotas={("", "pot"): pot})
    assert view.quotas_of("never-seen") == (pot,)
