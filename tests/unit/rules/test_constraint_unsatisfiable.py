"""Constraints that no node's devices can meet."""

from typing import Any

import pytest

from tests.support.build import Raw, device, make_claim, make_class, make_slice, make_view, request
from tests.support.nvidia import MIG, gpu, nvidia_view, partition
from webhook.core.cluster import ClusterView
from webhook.core.devices import ResourceSlice, parse_inventory, parse_slice
from webhook.core.finding import Finding, Severity
from webhook.inventory.case import Case
from webhook.rules.constraint_unsatisfiable import check

ROOT = "gpu.example.com/root"


def part(*roots: Any, node: str = "node-1", **fields: Any) -> ResourceSlice:
    """Return a node's devices, each below one root."""
    return make_slice(*({**device(f"gpu-{n}", root=root), **fields} for n, root in enumerate(roots)), node=node)


def findings(view: ClusterView, *requests: Raw, **constraint: Any) -> list[Finding]:
    return list(check(Case(make_claim(*requests, constraints=[constraint]), "team-a", view)))


def same(view: ClusterView, *counts: int, **fields: Any) -> list[Finding]:
    wanted = (request(f"r-{n}", count=count, **fields) for n, count in enumerate(counts))
    return findings(view, *wanted, matchAttribute=ROOT)


def test_devices_with_one_value_on_one_node_are_enough() -> None:
    assert same(make_view(part("a", "b", "b")), 2) == []


def test_too_few_with_one_value_are_warned_of_with_the_most() -> None:
    [finding] = same(make_view(part("a", "b", "b", "c"), part("b", "d", node="node-2")), 3)
    assert (finding.rule, finding.severity) == ("constraint-unsatisfiable", Severity.WARN)
    assert str(finding.path) == "spec.devices.constraints[0].matchAttribute"
    assert finding.message == "no node has 3 matches of one `root`, at most 2"


def test_requests_share_the_devices_of_a_value() -> None:
    view = make_view(part("a", "a", "a", "b"))
    assert same(view, 2, 1) == []
    [finding] = same(view, 2, 2)
    assert finding.message == "no node has enough matches of one `root` for 'r-0', 'r-1'"


def test_shared_devices_serve_several_requests() -> None:
    assert same(make_view(part("a", "a", "b", allowMultipleAllocations=True)), 2, 2) == []


def test_administrators_take_nothing_away() -> None:
    assert same(make_view(part("a", "a", "b", "b")), 2, 2, adminAccess=True) == []


def test_values_of_one_type_alone_are_one() -> None:
    assert len(same(make_view(part(1, True)), 2)) == 1
    assert len(same(make_view(part("1.0.0", {"version": "1.0.0"})), 2)) == 1


def test_a_list_meets_whatever_it_has_a_value_in_common_with() -> None:
    view = make_view(part({"strings": ["a", "b"]}, {"strings": ["b", "c"]}, "c"))
    assert same(view, 2) == []
    assert len(same(view, 3)) == 1


def test_more_than_a_node_has_at_all_is_told_by_another_rule() -> None:
    assert same(make_view(part("a", "b")), 3) == []


def test_where_nothing_matches_nothing_is_concluded() -> None:
    assert same(make_view(part("a", "b")), 2, device_class="unknown") == []
    assert same(make_view(), 2) == []


def test_devices_of_all_nodes_count_on_each() -> None:
    raw = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "fabric"}}
    pool = {"name": "fabric", "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "gpu.example.com", "allNodes": True, "pool": pool, "devices": [device("x-0", root="a")]}
    view = make_view(part("a", "b"), parse_slice({**raw, "spec": spec}))
    assert same(view, 2) == []
    assert len(same(view, 3)) == 1


@pytest.mark.parametrize(("attributes", "expected"), [({}, 0), ({"root": {"string": "a"}}, 0)])
def test_devices_that_an_inventory_promises_may_meet_it(attributes: dict[str, Any], expected: int) -> None:
    devices = [{"name": "h200", "count": 64, "perNode": 4, "attributes": attributes}]
    stated = parse_inventory({"metadata": {"name": "soon"}, "spec": {"driver": "gpu.example.com", "devices": devices}})
    view = make_view(part("a", "b", "c", "d"), inventories={"soon": stated})
    assert len(same(view, 4)) == expected


def test_matches_that_do_not_publish_it_are_named() -> None:
    view = nvidia_view(gpu("gpu-0"), partition("m-0", "1g.10gb"))
    wanted = request("gpu", device_class="gpu.nvidia.com"), request("part", device_class=MIG)
    [finding] = findings(view, *wanted, matchAttribute="gpu.nvidia.com/parentUUID")
    assert finding.message == "no match of 'gpu' publishes `gpu.nvidia.com/parentUUID`"


def test_one_alternative_that_fits_is_enough() -> None:
    ways = [{"name": f"w-{n}", "deviceClassName": "gpu.example.com", "count": n} for n in (3, 2)]
    either = {"name": "any", "firstAvailable": ways}
    assert findings(make_view(part("a", "a", "b")), either, matchAttribute=ROOT) == []
    assert len(findings(make_view(part("a", "b", "c")), either, matchAttribute=ROOT)) == 1
    assert findings(make_view(part("a", "b", "c")), either, matchAttribute=ROOT, requests=["any/w-3"]) == []


# Different values


def distinct(view: ClusterView, *counts: int) -> list[Finding]:
    wanted = (request(f"r-{n}", count=count) for n, count in enumerate(counts))
    return findings(view, *wanted, distinctAttribute=ROOT)


def test_as_many_values_as_requests_are_enough() -> None:
    assert distinct(make_view(part("a", "b", "b")), 1, 1) == []


def test_fewer_values_than_requests_are_warned_of() -> None:
    [finding] = distinct(make_view(part("a", "a", "a"), part("b", "b", "b", node="node-2")), 1, 1)
    assert str(finding.path) == "spec.devices.constraints[0].distinctAttribute"
    assert finding.message == "no node has different `root` for 'r-0', 'r-1'"


def test_requests_that_may_get_only_some_of_the_values_find_theirs() -> None:
    text = "device.attributes['gpu.example.com'].root in {}"
    only_a, a_or_b = request("x", text.format("['a']")), request("y", text.format("['a', 'b']"))
    view = make_view(part("a", "b"))
    assert findings(view, a_or_b, only_a, distinctAttribute=ROOT) == []
    assert len(findings(view, {**only_a, "name": "z"}, only_a, distinctAttribute=ROOT)) == 1


def test_of_one_request_nothing_is_concluded() -> None:
    assert distinct(make_view(part("a", "a")), 2) == []


def test_a_standard_attribute_that_could_be_met_is_offered() -> None:
    names: dict[str, Any] = {"resource.kubernetes.io__pcieRoot": "pci0", "resource.kubernetes.io__numaNode": 0}
    other = {**names, "resource.kubernetes.io__pcieRoot": "pci1"}
    view = nvidia_view(gpu("gpu-0", **names), gpu("gpu-1", **other))
    wanted = request("gpu", device_class="gpu.nvidia.com", count=2)
    [finding] = findings(view, wanted, matchAttribute="resource.kubernetes.io/pcieRoot")
    assert finding.fixes[0].message == "`resource.kubernetes.io/numaNode` could be met"


def test_thousands_of_requests_are_not_combined() -> None:
    assert same(make_view(part("a", "b")), *([1] * 3000)) == []


def test_when_the_time_is_over_nothing_is_concluded() -> None:
    answers = iter([False] * 6)
    claim = make_claim(request(count=2), constraints=[{"matchAttribute": ROOT}])
    case = Case(claim, "team-a", make_view(part("a", "b"), classes=[make_class()]), lambda: next(answers, True))
    assert list(check(case)) == []
