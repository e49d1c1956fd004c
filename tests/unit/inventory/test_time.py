"""When the time of a review is over, what is left is not judged; what was judged stays true (contract 7.5)."""

from collections.abc import Callable, Mapping

import pytest

from tests.support.build import Raw, claim_with, device, make_claim, make_slice, make_view, request
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.finding import Finding
from webhook.endpoints import validate_claims
from webhook.inventory.case import Case, never
from webhook.inventory.inventory import Inventory
from webhook.rules import Rulebook

NODES = 150
OWN = "device.attributes['gpu.example.com']"


def odd(number: int) -> Raw:
    """Return a device that looks like no other."""
    capacity = {"memory": f"{40 + number % 3 * 20}Gi", f"part{number}": "1"}
    made: Raw = device(f"gpu-{number}", capacity, model=f"model-{number}", index=number, **{f"odd{number}": number})
    return {**made, "taints": [{"key": f"key{number}", "effect": "NoSchedule"}]}


SLICES = [make_slice(*(odd(4 * node + i) for i in range(4)), node=f"node-{node}") for node in range(NODES)]

CLAIMS: Mapping[str, Claim] = {
    "a name that nothing has": claim_with(f"{OWN}.modell == 'model-1'"),
    "a value that nothing has": claim_with(f"{OWN}.model == 'model-x'"),
    "nothing matches": claim_with(f"{OWN}.model == 'model-7' && {OWN}.index == 9"),
    "an error on nearly all": claim_with(f"{OWN}.odd7 == 7"),
    "capacity that nothing gives": claim_with(capacity={"memory": "1Ti"}),
    "capacity that nothing publishes": claim_with(capacity={"memery": "1Gi"}),
    "too many for a node": claim_with(count=9),
    "a toleration of nothing": claim_with(tolerations=[{"key": "other", "operator": "Exists"}]),
    "a constraint that nothing meets": make_claim(
        request("a"), request("b"), constraints=[{"matchAttribute": "gpu.example.com/index"}]
    ),
}


def ending_after(answers: int) -> Callable[[], bool]:
    left = [answers]

    def expired() -> bool:
        left[0] -= 1
        return left[0] < 0

    return expired


def told(claim: Claim, expired: Callable[[], bool]) -> tuple[Finding, ...]:
    """Return what is found on an inventory that is made anew."""
    return validate_claims(Case(claim, "team-a", make_view(*SLICES), expired), Rulebook())


def said(findings: tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {(finding.rule, finding.message) for finding in findings}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
def test_t_29_time_that_ends_anywhere_leaves_only_what_is_true(claim: Claim) -> None:
    whole = said(told(claim, never))
    assert whole
    for answers in (0, 1, 2, 3, 5, 8, 13, 21, 34, 55):
        cut = told(claim, ending_after(answers))
        assert said(cut) <= {*whole, ("unjudged", "the time for this review was over before everything was judged")}


def test_what_was_counted_when_the_time_was_over_is_not_counted_again() -> None:
    inventory = Inventory({part.name: part for part in SLICES}, {})
    assert not inventory.is_surveyed(ending_after(2))
    assert inventory.is_surveyed(ending_after(3))
    assert len(inventory.domains["gpu.example.com"].attributes) == 4 * NODES + 2


@pytest.fixture(scope="module")
def crowd() -> ClusterView:
    """A cluster of 20,000 devices of which no two look alike."""
    return make_view(*(make_slice(*map(odd, range(at, at + 100)), node=f"node-{at}") for at in range(0, 20_000, 100)))


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
def test_t_29_odd_devices_cost_no_more_than_the_time_that_there_is(claim: Claim, crowd: ClusterView) -> None:
    looks = 0

    def expired() -> bool:
        nonlocal looks
        looks += 1
        return looks > 5

    found = validate_claims(Case(claim, "team-a", crowd, expired), Rulebook())
    assert "time" in {finding.what for finding in found}
    assert looks < 50
