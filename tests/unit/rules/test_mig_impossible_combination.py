"""Partitions that no one GPU can hold together."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.build import Raw, make_claim, request
from tests.support.nvidia import A100, MIG, gpu, nvidia_view, profile_is
from webhook.core.claims import Claim
from webhook.core.finding import Finding, Severity
from webhook.inventory.case import Case
from webhook.rules.mig_impossible_combination import check

SAME = {"matchAttribute": "gpu.nvidia.com/parentUUID"}
PROFILE = "device.attributes['gpu.nvidia.com'].profile"


def part(profile: str, count: int = 1, name: str = "", **fields: Any) -> Raw:
    return request(name or profile.replace(".", "-"), profile_is(profile), device_class=MIG, count=count, **fields)


def together(*requests: Raw, **constraint: Any) -> Claim:
    return make_claim(*requests, constraints=[{**SAME, **constraint}])


def findings(claim: Claim, *devices: Raw) -> list[Finding]:
    return list(check(Case(claim, "team-a", nvidia_view(*devices))))


@pytest.mark.parametrize(
    "parts",
    [
        [("1g.10gb", 7)],
        [("3g.40gb", 2)],
        [("4g.40gb", 1), ("3g.40gb", 1)],
        [("4g.40gb", 1), ("2g.20gb", 1), ("1g.10gb", 1)],
        [("2g.20gb", 3), ("1g.10gb", 1)],
        [("1g.20gb", 4)],
        [("1g.10gb+me", 1), ("1g.10gb", 6)],
        [("7g.80gb", 1)],
    ],
)
def test_what_one_gpu_holds_is_no_finding(parts: list[tuple[str, int]]) -> None:
    assert findings(together(*(part(*one) for one in parts)), gpu("gpu-0")) == []


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([("1g.10gb", 8)], id="more than there are compute slices"),
        pytest.param([("3g.40gb", 2), ("1g.10gb", 1)], id="compute is left, memory is not"),
        pytest.param([("4g.40gb", 2)], id="it has one place"),
        pytest.param([("7g.80gb", 1), ("1g.10gb", 1)], id="the whole and a part"),
        pytest.param([("1g.10gb+me", 2)], id="the media engines once"),
        pytest.param([("1g.5gb", 1), ("3g.40gb", 1)], id="profiles of two models"),
        pytest.param([("1g.10gb", 2**40)], id="absurdly many"),
    ],
)
def test_what_no_model_holds_is_refused(parts: list[tuple[str, int]]) -> None:
    [finding] = findings(together(*(part(*one) for one in parts)))
    assert (finding.rule, finding.severity) == ("mig-impossible-combination", Severity.DENY)
    assert str(finding.path) == "spec.devices.constraints[0].matchAttribute"
    written = ", ".join(f"{count} x '{profile}'" for profile, count in parts)
    assert finding.message == f"no GPU can hold {written} at once"


def test_a_lower_count_that_does_is_told_first() -> None:
    [finding] = findings(together(part("3g.40gb", 2), part("1g.10gb", 3)))
    assert finding.fixes[0].message == "ask for at most 1 x '3g.40gb' of one GPU"


def test_what_only_other_models_hold_is_warned_of() -> None:
    claim = together(part("1g.10gb", 7))
    [finding] = findings(claim, gpu("gpu-0", A100))
    assert finding.severity is Severity.WARN
    assert finding.message == "no GPU here can hold 7 x '1g.10gb' at once"
    assert findings(claim, gpu("gpu-0", A100), gpu("gpu-1")) == []
    assert findings(claim, gpu("gpu-0", A100), gpu("gpu-1", "NVIDIA X999")) == []


def test_without_the_constraint_partitions_may_be_of_several_gpus() -> None:
    assert findings(make_claim(part("7g.80gb", 4))) == []
    assert findings(make_claim(part("7g.80gb", 4), constraints=[{"matchAttribute": "gpu.nvidia.com/uuid"}])) == []
    assert findings(make_claim(part("7g.80gb", 4), constraints=[{"distinctAttribute": SAME["matchAttribute"]}])) == []


def test_only_the_requests_that_the_constraint_names_share_a_gpu() -> None:
    parts = part("7g.80gb", name="a"), part("7g.80gb", name="b")
    assert findings(together(*parts, requests=["a"])) == []
    assert len(findings(together(*parts, requests=["a", "b"]))) == 1


def test_one_alternative_that_fits_is_enough() -> None:
    ways = [
        {"name": name, "deviceClassName": MIG, "selectors": [{"cel": {"expression": profile_is(profile)}}]}
        for name, profile in (("large", "7g.80gb"), ("small", "3g.40gb"))
    ]
    either = {"name": "either", "firstAvailable": ways}
    assert findings(together(either, part("4g.40gb"))) == []
    assert len(findings(together(either, part("4g.40gb"), part("1g.10gb")))) == 1
    assert findings(together(either, part("7g.80gb"), requests=["either/large", "7g-80gb"])) == []


def test_a_request_that_leaves_several_profiles_may_get_the_smallest() -> None:
    small = request("any", f"{PROFILE}.startsWith('1g.')", device_class=MIG)
    assert findings(together(small, part("4g.40gb"), part("2g.20gb"))) == []
    assert len(findings(together(small, part("3g.40gb", 2)))) == 1


def test_a_profile_that_nobody_offers_is_told_by_another_rule() -> None:
    assert findings(together(part("9g.90gb", 2), part("7g.80gb"))) == []


def test_thousands_of_requests_are_not_combined() -> None:
    assert findings(together(*(part("1g.10gb", name=f"r-{n}") for n in range(2000)))) == []


def ending_after(looks: int) -> Callable[[], bool]:
    left = iter(range(looks))
    return lambda: next(left, None) is None


def test_where_the_time_ends_nothing_is_said_that_was_not_looked_at() -> None:
    view = nvidia_view(gpu("gpu-0"))
    fitting, impossible = together(part("3g.40gb", 2)), together(part("3g.40gb", 2), part("1g.10gb"))
    said = []
    for looks in range(60):
        assert list(check(Case(fitting, "team-a", view, ending_after(looks)))) == []
        said.append([finding.severity for finding in check(Case(impossible, "team-a", view, ending_after(looks)))])
    assert said[0] == []
    assert said[-1] == [Severity.DENY]
    assert all(one in ([], [Severity.DENY]) for one in said)
