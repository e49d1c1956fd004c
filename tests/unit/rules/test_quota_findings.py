"""What users read of quotas: the numbers, how they come about, who holds the rest, what would fit."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from tests.support.build import Raw, claim_object, make_claim, request
from tests.support.quota import (
    NVIDIA,
    capacity,
    charged,
    cluster,
    devices,
    full_gpu,
    make_quota,
    mig,
    shared_gpu,
    slices,
)
from webhook.core.claims import Claim, parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.finding import Finding, Severity
from webhook.core.quantity import parse_quantity
from webhook.core.quotas import DeviceQuota
from webhook.core.render import full_text, warnings
from webhook.quota.charges import charges_of, known_holders, standings_in, tariff_of
from webhook.rules import quota_exceeded, quota_soft, quota_unbounded, quota_will_wait

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STEPS = {"default": "80Gi", "validRange": {"min": "1Gi", "max": "80Gi", "step": "5Gi"}}
SHARED = cluster(shared_gpu("s", policy=STEPS))
MIXED = cluster(full_gpu("a"), mig("b", "1g.10gb", "10Gi"), mig("c", "3g.40gb", "40Gi"))


def exceeded(claim: Claim, view: ClusterView, quota: DeviceQuota, used: str) -> Iterator[Finding]:
    on_quota = charged(claim, quota, view)
    amounts = {limit.name: parse_quantity(used).amount for limit in quota.limits}
    tariff = tariff_of(view)
    standings = standings_in(on_quota, amounts)
    holders = known_holders(quota, view, tariff, "team-a")
    return quota_exceeded.findings(on_quota, standings, claim.requests_path(), NOW, holders, tariff)


def stored(name: str, count: int, owner: str = "", namespace: str = "team-a") -> Claim:
    raw = claim_object(request("gpu", device_class="gpu.nvidia.com", count=count), name=name, namespace=namespace)
    if owner:
        raw["metadata"]["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "Pod", "name": owner, "uid": "p", "controller": True}
        ]
    return parse_claim(raw)


def holding(view: ClusterView, *claims: Claim) -> ClusterView:
    return replace(view, claims={(claim.metadata.namespace, claim.metadata.name): claim for claim in claims})


def test_the_first_line_has_the_numbers_in_kubernetes_own_order() -> None:
    claim = make_claim(request("gpu", device_class="gpu.nvidia.com", count=2, capacity={"memory": "35Gi"}))
    [finding] = exceeded(claim, SHARED, make_quota(capacity("320Gi", name="gpu-memory", driver=NVIDIA)), "300Gi")
    assert finding.message == (
        "exceeded quota: 'gpu-memory' in namespace 'team-a', requested: 72Gi, used: 300Gi, limited: 320Gi"
    )
    assert finding.why == "2 devices of at most 36Gi, rounded up from 35Gi by the driver's request policy"
    assert str(finding.path) == "spec.devices.requests[0].exactly"
    assert (finding.severity, finding.permitted) == (Severity.DENY, False)


def test_a_refusal_reads_whole() -> None:
    view = holding(MIXED, stored("train", 3, "train-0"), stored("serve", 1), stored("other", 4, namespace="team-b"))
    claim = make_claim(request("gpu", device_class="gpu.nvidia.com", count=2))
    [finding] = exceeded(claim, view, make_quota(capacity("400Gi", name="gpu-memory")), "320Gi")
    assert full_text(finding).splitlines() == [
        (
            "spec.devices.requests[0].exactly: exceeded quota: 'gpu-memory' in namespace 'team-a', "
            "requested: 160Gi, used: 320Gi, limited: 400Gi [quota-exceeded]"
        ),
        (
            "  why: 2 devices of at most 80Gi, for a device that is not shared is taken whole; "
            "held by 'team-a/train' of pod 'train-0' 240Gi, 'team-a/serve' 80Gi"
        ),
        "  fix: ask for at most 1 device in 'gpu'",
        (
            "  fix: ask for something smaller that exists and fits: MIG profile '3g.40gb' (40Gi), "
            "MIG profile '1g.10gb' (10Gi)"
        ),
        "  fix: delete claims that are not needed any more, or have the limit raised; 80Gi of 400Gi is left",
        "  see: drawbridge rule quota-exceeded",
    ]


def test_only_what_fits_is_named_as_smaller() -> None:
    claim = make_claim(request("gpu", device_class="gpu.nvidia.com"))
    [finding] = exceeded(claim, MIXED, make_quota(capacity("320Gi")), "300Gi")
    assert [fix.message for fix in finding.fixes] == [
        "ask for something smaller that exists and fits: MIG profile '1g.10gb' (10Gi)",
        "delete claims that are not needed any more, or have the limit raised; 20Gi of 320Gi is left",
    ]


def test_what_other_requests_take_is_not_offered() -> None:
    claim = make_claim(
        request("many", device_class="gpu.nvidia.com", count=3), request("few", device_class="gpu.nvidia.com")
    )
    [finding] = exceeded(claim, MIXED, make_quota(devices(4)), "1")
    assert finding.fixes[0].message == "ask for at most 2 devices in 'many'"
    assert finding.why == "'many' 3 devices; 'few' 1 device"


def test_a_full_quota_says_that_nothing_is_left() -> None:
    [finding] = exceeded(make_claim(request("gpu", device_class="gpu.nvidia.com")), MIXED, make_quota(slices(7)), "9")
    assert [fix.message for fix in finding.fixes] == [
        "delete claims that are not needed any more, or have the limit raised; nothing is left"
    ]
    assert finding.why == "1 device of at most 7 compute slices"


def test_the_finding_stands_at_the_largest_request() -> None:
    claim = make_claim(
        request("a", device_class="mig.nvidia.com"), request("b", device_class="gpu.nvidia.com", count=2)
    )
    [finding] = exceeded(claim, MIXED, make_quota(slices(10)), "0")
    assert str(finding.path) == "spec.devices.requests[1].exactly"


def test_a_limit_that_fits_is_not_spoken_of() -> None:
    claim = make_claim(request("gpu", device_class="gpu.nvidia.com"))
    quota = make_quota(devices(1, "tight"), devices(8, "wide"))
    assert [finding.message for finding in exceeded(claim, MIXED, quota, "1")] == [
        "exceeded quota: 'tight' in namespace 'team-a', requested: 1, used: 1, limited: 1"
    ]


def test_one_pot_over_several_namespaces_is_named_as_such() -> None:
    claim = make_claim(request("gpu", device_class="gpu.nvidia.com"))
    [finding] = exceeded(claim, MIXED, make_quota(devices(1), name="pot", namespace=""), "1")
    assert finding.message == "exceeded quota: 'limit' in cluster quota 'pot', requested: 1, used: 1, limited: 1"


def test_the_five_largest_holders_are_named() -> None:
    view = holding(MIXED, *(stored(f"c{number}", number + 1) for number in range(7)))
    [finding] = exceeded(make_claim(request("gpu", device_class="gpu.nvidia.com")), view, make_quota(devices(1)), "28")
    named = ", ".join(f"'team-a/c{number}' {number + 1}" for number in (6, 5, 4, 3, 2))
    assert finding.why == f"1 device; held by {named} and 2 more"


def test_t_18_nobody_is_told_who_holds_a_pot_in_other_namespaces() -> None:
    view = holding(MIXED, stored("mine", 1), stored("secret-project", 3, "owner", namespace="team-b"))
    pot = make_quota(devices(4), name="pot", namespace="")
    [finding] = exceeded(make_claim(request("gpu", device_class="gpu.nvidia.com")), view, pot, "4")
    assert finding.why == "1 device; held by 'team-a/mine' 1 and other namespaces"
    [finding] = exceeded(
        make_claim(request("gpu", device_class="gpu.nvidia.com")),
        holding(MIXED, stored("secret-project", 4, "owner", namespace="team-b")),
        pot,
        "4",
    )
    assert finding.why == "1 device; held by other namespaces"


def test_a_holder_is_named_with_its_age() -> None:
    raw = claim_object(request("gpu", device_class="gpu.nvidia.com"), name="old", namespace="team-a")
    raw["metadata"]["creationTimestamp"] = "2026-11-18T11:00:00Z"
    view = holding(MIXED, parse_claim(raw))
    [finding] = exceeded(make_claim(request("gpu", device_class="gpu.nvidia.com")), view, make_quota(devices(1)), "1")
    assert finding.why == "1 device; held by 'team-a/old' 1 for 3d"


def test_where_there_are_too_many_claims_to_count_nobody_is_named() -> None:
    view = holding(MIXED, *(stored(f"c{number}", 1) for number in range(301)))
    [finding] = exceeded(make_claim(request("gpu", device_class="gpu.nvidia.com")), view, make_quota(devices(1)), "301")
    assert finding.why == "1 device"


def soft(claim: Claim, quota: DeviceQuota, used: str) -> list[Finding]:
    on_quota = charged(claim, quota, MIXED)
    amounts = {limit.name: parse_quantity(used).amount for limit in quota.limits}
    return list(quota_soft.findings(on_quota, standings_in(on_quota, amounts), claim.requests_path()))


ONE = make_claim(request("gpu", device_class="gpu.nvidia.com"))


def test_warn_at_speaks_when_it_is_reached() -> None:
    assert soft(ONE, make_quota(devices(10), warnAt=80), "6") == []
    [finding] = soft(ONE, make_quota(devices(10), warnAt=80), "7")
    assert finding.message == "80 percent of quota 'limit' is used with this: 8 of 10"
    assert finding.why == "quota 'gpus' in namespace 'team-a': 1 device"
    assert finding.severity is Severity.WARN


def test_without_warn_at_nothing_is_said() -> None:
    assert soft(ONE, make_quota(devices(10)), "9") == []


def test_a_quota_that_only_warns_says_that_it_is_exceeded() -> None:
    [finding] = soft(ONE, make_quota(devices(10), mode="Warn"), "10")
    assert finding.message == "over quota 'limit': requested: 1, used: 10, limited: 10"
    assert finding.severity is Severity.WARN


def test_a_quota_that_only_records_tells_the_audit_log_alone() -> None:
    [finding] = soft(ONE, make_quota(devices(10), mode="Audit"), "10")
    assert finding.severity is Severity.INFO


def unbounded(claim: Claim, view: ClusterView, mode: str = "Deny") -> list[Finding]:
    quota = make_quota(capacity("1Ti", name="gpu-memory"), mode=mode)
    view = replace(view, quotas={("team-a", "gpus"): quota})
    return list(quota_unbounded.findings(charges_of(claim, "team-a", view, tariff_of(view))))


def test_a_charge_that_cannot_be_known_is_refused_by_the_mode() -> None:
    severities = [unbounded(ONE, cluster(), mode)[0].severity for mode in ("Deny", "Warn", "Audit")]
    assert severities == [Severity.DENY, Severity.WARN, Severity.INFO]


def test_it_says_why_it_cannot_be_known() -> None:
    [scaled_down] = unbounded(ONE, cluster())
    assert scaled_down.why == "no known device could serve the request, and it asks for no amount of `memory`"
    free = make_claim(request("gpu", device_class="gpu.nvidia.com", capacity={"memory": "0"}))
    [nothing] = unbounded(free, cluster(shared_gpu("s")))
    assert nothing.why == "a share of no `memory` may use all of it"
    assert not nothing.permitted


def will_wait(limit: Raw, view: ClusterView, used: str, **spec: str) -> list[Finding]:
    raw = claim_object(request("gpu", device_class="gpu.nvidia.com"))
    template = parse_claim({**raw, "kind": "ResourceClaimTemplate", "spec": {"spec": raw["spec"]}})
    on_quota = charged(replace(template, kind="ResourceClaim"), make_quota(limit, **spec), view)
    standings = standings_in(on_quota, {"limit": parse_quantity(used).amount})
    found = quota_will_wait.findings([(on_quota, standings)], template.requests_path())
    return [*quota_will_wait.unbounded([on_quota]), *found]


def test_a_template_whose_claims_would_wait_is_warned_of() -> None:
    [finding] = will_wait(devices(4), MIXED, "4")
    assert finding.message == "a claim would wait: 'limit' requested: 1, used: 4, limited: 4"
    assert (finding.severity, str(finding.path)) == (Severity.WARN, "spec.spec.devices.requests[0].exactly")
    assert len(warnings([finding])[0]) <= 120
    assert "limited: 4" in warnings([finding])[0]


def test_a_template_whose_claims_fit_is_not() -> None:
    assert will_wait(devices(4), MIXED, "3") == []


def test_a_template_under_a_quota_that_only_warns_is_not() -> None:
    assert will_wait(devices(4), MIXED, "4", mode="Warn") == []
    assert will_wait(capacity("4"), cluster(), "4", mode="Audit") == []


def test_a_template_whose_charge_cannot_be_known_is_warned_of() -> None:
    [finding] = will_wait(capacity("1Ti"), cluster(), "0")
    assert finding.message == "a claim would be refused: what it takes of 'limit' cannot be known"
    assert finding.severity is Severity.WARN


def test_templates_are_not_charged() -> None:
    raw: Raw = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate", "spec": {"spec": {}}}
    assert charges_of(parse_claim(raw), "team-a", MIXED, tariff_of(MIXED)) == ()
