"""Requests whose every device carries a taint that they do not tolerate."""

from typing import Any

import pytest

from tests.support.build import claim_with, device, make_claim, make_slice, make_view
from webhook.core.claims import Claim
from webhook.core.devices import ResourceSlice, parse_taint_rule
from webhook.core.finding import Finding, Severity
from webhook.core.versions import ServerTruth
from webhook.inventory.case import Case
from webhook.rules.request_tainted import check

DRAINED = {"key": "example.com/drained", "value": "yes", "effect": "NoSchedule"}
BROKEN = {"key": "example.com/broken", "effect": "NoExecute"}
SEEN = {"key": "example.com/seen", "effect": "None"}


def part(*taints: list[dict[str, str]]) -> ResourceSlice:
    """Return a slice of one device for each list of taints."""
    return make_slice(*({**device(f"gpu-{n}", model=f"M{n}"), "taints": listed} for n, listed in enumerate(taints)))


def tolerating(**toleration: str) -> Claim:
    return claim_with(tolerations=[toleration])


def findings(claim: Claim, *slices: ResourceSlice, **view: Any) -> list[Finding]:
    return list(check(Case(claim, "team-a", make_view(*slices, **view))))


def test_taints_on_every_device_are_said_the_most_frequent_first() -> None:
    [finding] = findings(claim_with(), part([BROKEN], [DRAINED], [DRAINED]))
    assert (finding.rule, finding.severity) == ("request-tainted", Severity.WARN)
    assert finding.message.endswith("'example.com/drained=yes:NoSchedule', 'example.com/broken:NoExecute'")
    assert "{key: example.com/drained, operator: Exists, effect: NoSchedule}" in finding.fixes[1].message


def test_one_device_without_a_taint_is_enough() -> None:
    assert findings(claim_with(), part([DRAINED], [])) == []


def test_a_taint_without_an_effect_hinders_nobody() -> None:
    assert findings(claim_with(), part([SEEN])) == []


def test_only_devices_that_match_count() -> None:
    claim = claim_with("device.attributes['gpu.example.com'].model == 'M0'")
    assert len(findings(claim, part([DRAINED], []))) == 1


def test_a_toleration_of_every_taint_of_one_device_lets_the_request_have_it() -> None:
    assert findings(tolerating(key="example.com/drained", value="yes"), part([DRAINED], [BROKEN])) == []
    assert findings(tolerating(operator="Exists"), part([DRAINED, BROKEN])) == []
    assert len(findings(tolerating(key="example.com/drained", operator="Exists"), part([DRAINED, BROKEN]))) == 1


def test_a_toleration_that_misses_by_a_slip_is_told_by_the_rule_about_tolerations() -> None:
    assert findings(tolerating(key="example.com/draind", operator="Exists"), part([DRAINED])) == []
    assert findings(tolerating(key="example.com/drained", value="no"), part([DRAINED])) == []


def test_administrators_reach_tainted_devices() -> None:
    assert findings(claim_with(adminAccess=True), part([DRAINED])) == []


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param({}, 1, id="every device"),
        pytest.param({"driver": "gpu.example.com"}, 1, id="a driver"),
        pytest.param({"driver": "gpu.example.com", "pool": "node-1", "device": "gpu-0"}, 1, id="one device"),
        pytest.param({"driver": "npu.example.com"}, 0, id="another driver"),
        pytest.param({"pool": "node-2"}, 0, id="another pool"),
        pytest.param({"device": "gpu-1"}, 0, id="another device"),
        pytest.param({"deviceClassName": "gpu.example.com"}, 0, id="a class, which early versions could name"),
        pytest.param(None, 0, id="no device at all"),
    ],
)
def test_a_taint_rule_of_administrators_taints_the_devices_that_it_chooses(
    selector: dict[str, str] | None, expected: int
) -> None:
    spec = {"taint": BROKEN, **({} if selector is None else {"deviceSelector": selector})}
    rule = parse_taint_rule({"metadata": {"name": "drain"}, "spec": spec})
    assert len(findings(claim_with(), part([]), taint_rules={"drain": rule})) == expected


def test_each_alternative_is_named() -> None:
    ways = [{"name": name, "deviceClassName": "gpu.example.com"} for name in ("a", "b")]
    found = findings(make_claim({"name": "gpu", "firstAvailable": ways}), part([DRAINED]))
    assert [str(finding.path)[-17:] for finding in found] == ["firstAvailable[0]", "firstAvailable[1]"]


def test_a_server_that_drops_taints_heeds_none() -> None:
    server = ServerTruth(version="1.34", assume_defaults=True)
    assert findings(claim_with(), part([DRAINED]), server=server) == []


def test_no_device_at_all_is_no_finding_of_this_rule() -> None:
    assert findings(claim_with()) == []
