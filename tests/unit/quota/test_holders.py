"""Who is told to hold something of a quota when a claim is refused."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from tests.support.build import claim_object, request
from tests.support.quota import capacity, cluster, devices, full_gpu, make_quota
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.namespaced import Changing
from webhook.kube.claims_kept import KEPT_CLAIMS
from webhook.kube.kinds import projected
from webhook.quota.charges import known_holders, tariff_of

QUOTA = make_quota(devices(1_000))
VIEW = cluster(full_gpu("gpu-0"))


def kept(count: int, namespace: str = "team-a", *, unlike: bool = False) -> Mapping[tuple[str, str], Claim]:
    """Return so many claims as a server keeps them: of one spec, or each of another."""
    found = {}
    for number in range(count):
        asked = request(f"gpu-{number}" if unlike else "gpu", device_class="gpu.nvidia.com", count=2)
        claim = projected(claim_object(asked, name=f"claim-{number}", namespace=namespace), KEPT_CLAIMS).value
        assert isinstance(claim, Claim)
        found[namespace, f"claim-{number}"] = claim
    return found


def held(view: ClusterView) -> tuple[int, int]:
    """Return how many claims are told of, and what they hold together."""
    holders = list(known_holders(QUOTA, view, tariff_of(view), "team-a"))
    return len(holders), int(sum(holder.amounts["limit"] for holder in holders))


def test_all_claims_of_the_namespace_are_counted_where_they_come_from_few_templates() -> None:
    claims = Changing({**kept(600), **kept(3, "team-b")})
    view = replace(VIEW, claims=claims.frozen())
    assert held(view) == (600, 1_200)
    del claims["team-a", "claim-0"]
    assert held(replace(view, claims=claims.frozen())) == (599, 1_198)
    assert held(view) == (600, 1_200)


def test_what_a_claim_holds_is_counted_by_the_devices_that_there_are_now() -> None:
    small, claims = cluster(full_gpu("gpu-0", "40Gi")), Changing(kept(2)).frozen()
    quota = make_quota(capacity("1Ti"))
    for view, each in ((VIEW, 160), (small, 80), (VIEW, 160)):
        seen = replace(view, claims=claims)
        holders = known_holders(quota, seen, tariff_of(seen), "team-a")
        assert [holder.amounts["limit"] for holder in holders] == [Fraction(each * 2**30)] * 2


def test_who_holds_devices_as_an_administrator_is_told_as_soon_as_the_quota_counts_them() -> None:
    asked = request("gpu", device_class="gpu.nvidia.com", adminAccess=True)
    claim = projected(claim_object(asked, name="monitor", namespace="team-a"), KEPT_CLAIMS).value
    assert isinstance(claim, Claim)
    view = replace(VIEW, claims=Changing({("team-a", "monitor"): claim}).frozen())
    for counts, many in ((False, 0), (True, 1), (False, 0)):
        quota = replace(QUOTA, count_admin_access=counts)
        assert len(list(known_holders(quota, view, tariff_of(view), "team-a"))) == many


def test_nobody_is_told_of_where_counting_would_hold_the_refusal_up() -> None:
    assert held(replace(VIEW, claims=kept(301, unlike=True)))[0] == 0
    assert held(replace(VIEW, claims=kept(300, unlike=True)))[0] == 300
