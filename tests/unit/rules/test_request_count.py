"""More devices than a claim may get, or than any node has."""

from typing import Any

import pytest

from tests.support.build import claim_with, device, make_claim, make_slice, make_view, request
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView, Node
from webhook.core.devices import ResourceSlice, parse_inventory, parse_slice
from webhook.core.finding import Finding, Severity
from webhook.inventory.case import Case
from webhook.rules.request_count import check

TAINT = {"key": "example.com/drained", "effect": "NoSchedule"}


def part(count: int, node: str = "node-1", **fields: Any) -> ResourceSlice:
    return make_slice(*({**device(f"gpu-{n}", number=n), **fields} for n in range(count)), node=node)


VIEW = make_view(part(4), part(8, "node-2"))


def findings(claim: Claim, view: ClusterView = VIEW) -> list[Finding]:
    return list(check(Case(claim, "team-a", view)))


def ways(*counts: int) -> Claim:
    listed = [{"name": f"way-{n}", "deviceClassName": "gpu.example.com", "count": n} for n in counts]
    return make_claim({"name": "gpu", "firstAvailable": listed})


@pytest.mark.parametrize("count", [1, 4, 8])
def test_what_some_node_has_is_no_finding(count: int) -> None:
    assert findings(claim_with(count=count)) == []


def test_more_than_the_largest_node_has_is_warned_of() -> None:
    [finding] = findings(claim_with(count=12))
    assert (finding.rule, finding.severity) == ("request-count", Severity.WARN)
    assert str(finding.path) == "spec.devices.requests[0].exactly.count"
    assert finding.message == "no node has 12 matching devices, the most is 8 on 'node-2'"


def test_only_devices_that_match_count() -> None:
    [finding] = findings(claim_with("device.attributes['gpu.example.com'].number < 3", count=4))
    assert "the most is 3 on" in finding.message


def test_devices_of_all_nodes_are_reached_beside_those_of_one() -> None:
    raw = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "fabric"}}
    pool = {"name": "fabric", "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "gpu.example.com", "allNodes": True, "pool": pool, "devices": [device("x-0"), device("x-1")]}
    view = make_view(part(8), parse_slice({**raw, "spec": spec}))
    assert findings(claim_with(count=10), view) == []
    assert len(findings(claim_with(count=11), view)) == 1


def test_devices_that_a_node_selector_gives_are_counted_on_the_nodes_it_names() -> None:
    raw = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "rack"}}
    chosen = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "rack", "operator": "In", "values": ["r1"]}]}]}
    pool = {"name": "rack", "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "gpu.example.com", "nodeSelector": chosen, "pool": pool, "devices": [device("x-0")]}
    nodes = {name: Node(name, {"rack": rack}, {}) for name, rack in (("node-1", "r2"), ("node-2", "r1"))}
    view = make_view(part(8), part(4, "node-2"), parse_slice({**raw, "spec": spec}), nodes=nodes)
    assert findings(claim_with(count=8), view) == []
    assert len(findings(claim_with(count=9), view)) == 1


def test_a_node_that_an_inventory_promises_has_as_many_as_it_says() -> None:
    devices = [{**device("h200"), "count": 64, "perNode": 16}]
    stated = parse_inventory({"metadata": {"name": "soon"}, "spec": {"driver": "gpu.example.com", "devices": devices}})
    view = make_view(part(8), inventories={"soon": stated})
    assert findings(claim_with(count=16), view) == []
    assert len(findings(claim_with(count=17), view)) == 1


def test_tainted_devices_do_not_count_unless_all_are() -> None:
    view = make_view(part(4), part(8, "node-2", taints=[TAINT]))
    [finding] = findings(claim_with(count=8), view)
    assert "without a taint that is not tolerated, the most is 4 on 'node-1'" in finding.message
    assert findings(claim_with(count=8), make_view(part(8, taints=[TAINT]))) == []
    tolerating = claim_with(count=8, tolerations=[{"operator": "Exists"}])
    assert findings(tolerating, view) == []


def test_an_alternative_that_fits_is_enough() -> None:
    assert findings(ways(16, 8)) == []
    assert [str(f.path)[-23:] for f in findings(ways(16, 12))] == ["firstAvailable[0].count", "firstAvailable[1].count"]


def test_where_nothing_matches_nothing_is_counted() -> None:
    assert findings(claim_with("false", count=12)) == []
    assert findings(claim_with(count=12, device_class="unknown")) == []


def test_all_devices_are_as_many_as_there_are() -> None:
    assert findings(claim_with(allocationMode="All")) == []


def together(*requests: Any, view: ClusterView = VIEW) -> list[str]:
    return [finding.message for finding in findings(make_claim(*requests), view)]


def test_requests_that_fit_alone_may_not_fit_together() -> None:
    assert together(request("a", count=5), request("b", count=3)) == []
    [message] = together(request("a", count=5), request("b", count=4))
    assert message == "no node has the 9 devices that the requests take together"


def test_requests_for_different_devices_take_nothing_from_each_other() -> None:
    few = "device.attributes['gpu.example.com'].number < 2"
    many = "device.attributes['gpu.example.com'].number >= 2"
    assert together(request("a", few, count=2), request("b", many, count=6)) == []
    assert len(together(request("a", few, count=2), request("b", few, count=1), request("c", many))) == 1


def test_shared_devices_and_administrators_leave_room() -> None:
    shared = make_view(part(4, allowMultipleAllocations=True))
    assert together(request("a", count=4), request("b", count=4), view=shared) == []
    assert together(request("a", count=8), request("b", count=8, adminAccess=True)) == []


def test_the_smallest_alternative_is_what_a_request_takes_together_with_others() -> None:
    listed = [{"name": f"way-{n}", "deviceClassName": "gpu.example.com", "count": n} for n in (4, 2)]
    either = {"name": "either", "firstAvailable": listed}
    assert together(request("a", count=6), either) == []
    assert len(together(request("a", count=7), either)) == 1


# The limit of one claim


def test_a_claim_of_more_than_32_devices_is_refused() -> None:
    [finding] = findings(claim_with(count=33), make_view())
    assert finding.severity is Severity.DENY
    assert finding.message == "the claim takes 33 devices at least, and must take at most 32"


def test_requests_are_added_up_and_the_largest_is_named() -> None:
    claim = make_claim(request("a", count=8), request("b", count=20), request("c", count=5))
    [finding] = findings(claim, make_view())
    assert str(finding.path) == "spec.devices.requests[1].exactly.count"
    assert "takes 33 devices" in finding.message


def test_all_of_some_devices_is_one_of_them_at_least() -> None:
    everything = request("all", allocationMode="All")
    assert findings(make_claim(request("a", count=31), everything), make_view()) == []
    assert len(findings(make_claim(request("a", count=32), everything), make_view())) == 1


def test_the_smallest_alternative_counts_and_those_beyond_the_limit_are_warned_of() -> None:
    [finding] = findings(ways(64, 8))
    assert (finding.severity, str(finding.path)[-23:]) == (Severity.WARN, "firstAvailable[0].count")
    assert "'gpu/way-64' is never taken" in finding.message


def test_absurd_counts_are_added_exactly() -> None:
    claim = make_claim(*(request(f"r-{n}", count=2**63 - 1) for n in range(2)))
    [finding] = findings(claim)
    assert str(2**64 - 2) in finding.message


@pytest.mark.parametrize("count", [0, -5])
def test_a_count_that_the_api_server_refuses_or_defaults_is_not_ours(count: int) -> None:
    assert findings(claim_with(count=count)) == []


def test_thousands_of_requests_are_refused_by_their_sum_alone() -> None:
    claim = make_claim(*(request(f"r-{n}", count=9) for n in range(5000)))
    assert len(findings(claim)) == 1
